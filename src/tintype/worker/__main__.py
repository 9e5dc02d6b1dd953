"""Starts a worker: hands the real codecs to the loop. The socket to the engine pool is descriptor 0."""

from __future__ import annotations

from tintype.worker import entry, loop


def _handler() -> loop.Handler:
    """Import the codecs, which takes most of a worker's start; done here so that a failure to is reported."""
    from tintype.worker.handler import Codecs  # noqa: PLC0415

    return Codecs()


if __name__ == "__main__":
    entry.main(_handler)
