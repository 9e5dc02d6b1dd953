"""From a request to its canonical path: each option once, in the order of the table, and only where it says something."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tintype.core.asked import Asked
from tintype.dialects.imgproxy import source
from tintype.dialects.imgproxy.arguments import FORMAT_NAMES
from tintype.dialects.imgproxy.build import unbuild
from tintype.dialects.imgproxy.options import OPTIONS, Option
from tintype.dialects.imgproxy.wanted import Wanted


def path_of(asked: Asked, base: Wanted, separator: str, allowed: Collection[str]) -> str:
    """Return the path to sign.

    Args:
        asked: the request.
        base: the state that every request begins with.
        separator: of arguments.
        allowed: names that options may have; empty = all.

    Raises:
        KeyError, ValueError, OverflowError: a value that the language has no word for.
    """
    wanted = unbuild(asked, base)
    extension = "" if wanted.format == base.format else _extension(asked)
    options = _options(wanted, base, separator, allowed)
    return "/" + "/".join([*options, source.write(asked.pipeline.source.url, extension)])


def preset_paths_of(asked: Asked, presets: Collection[str]) -> Iterator[str]:
    """Yield paths to sign where URLs have nothing but a preset and an extension; one of them may say the request."""
    for preset in presets:
        for extension in ("", _extension(asked)):
            yield f"/{preset}/{source.write(asked.pipeline.source.url, extension)}"


def _options(wanted: Wanted, base: Wanted, separator: str, allowed: Collection[str]) -> Iterator[str]:
    covered: set[str] = set()
    for option in OPTIONS:
        name = _name(option, allowed)
        args = option.write(wanted, base) if option.write else None
        if name is None or args is None or covered & {*option.names}:
            continue
        covered.update(option.covers)
        yield separator.join([name, *args])


def _name(option: Option, allowed: Collection[str]) -> str | None:
    return next((name for name in option.names if not allowed or name in allowed), None)


def _extension(asked: Asked) -> str:
    wanted = asked.pipeline.output.format
    return FORMAT_NAMES.get(wanted, "") if wanted else ""
