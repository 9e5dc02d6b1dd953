"""`python -m tintype`: the command line."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from tintype.cli import app  # noqa: PLC0415 - importing the command line must not cost a worker's start

    app(prog_name="tintype")


if __name__ == "__main__":
    main()
