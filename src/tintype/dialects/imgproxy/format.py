"""From a request to its canonical path: each option once, in the order of the table, and only where it says something."""

from __future__ import annotations

from collections.abc import Iterator

from tintype.core.asked import Asked
from tintype.dialects.imgproxy import source
from tintype.dialects.imgproxy.arguments import FORMAT_NAMES
from tintype.dialects.imgproxy.build import unbuild
from tintype.dialects.imgproxy.options import OPTIONS
from tintype.dialects.imgproxy.wanted import Wanted


def path_of(asked: Asked, base: Wanted, separator: str) -> str:
    """Return the path to sign. `base` is the state that every request begins with.

    Raises:
        KeyError, ValueError, OverflowError: a value that the language has no word for.
    """
    wanted = unbuild(asked)
    return "/" + "/".join([*_options(wanted, base, separator), _source(asked.pipeline.source.url, wanted, base)])


def preset_path_of(preset: str, asked: Asked) -> str:
    """Return the path to sign where URLs have nothing but presets."""
    return f"/{preset}/{source.write(asked.pipeline.source.url, '')}"


def _options(wanted: Wanted, base: Wanted, separator: str) -> Iterator[str]:
    for option in OPTIONS:
        args = option.write(wanted, base) if option.write else None
        if args is not None:
            yield separator.join([option.names[0], *args])


def _source(url: str, wanted: Wanted, base: Wanted) -> str:
    named = wanted.format is not None and wanted.format != base.format
    return source.write(url, FORMAT_NAMES[wanted.format] if named and wanted.format else "")
