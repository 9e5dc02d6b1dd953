"""Which files a confined worker may still read: shared libraries, Python's own modules, fonts. Nothing with a secret in it."""

from __future__ import annotations

import functools
import os
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import tintype

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/nix/store")
_FONTS = (
    "/etc/fonts",
    "/usr/share/fontconfig",
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/usr/share/X11/fonts",
    "/var/cache/fontconfig",
)


@functools.cache  # a zygote's children take over what it found
def readable() -> tuple[str, ...]:
    """Return the paths that exist, no path beneath another."""
    places = sysconfig.get_paths()
    python = [places[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    ours = str(Path(tintype.__file__).resolve().parent)
    wanted = {os.path.realpath(path) for path in (*python, ours, *_LIBRARIES, *_FONTS, *_asked_fonts())}
    return outermost(path for path in wanted if Path(path).exists())


def outermost(paths: Iterable[str]) -> tuple[str, ...]:
    """Leave out paths beneath another one of them."""
    kept: list[str] = []
    for path in sorted(paths):
        if not any(path == other or path.startswith(other.rstrip("/") + "/") for other in kept):
            kept.append(path)
    return tuple(kept)


def _asked_fonts() -> tuple[str, ...]:
    """Fonts that the operator's own fontconfig settings name, unless that would open the whole disk."""
    asked = (os.environ.get("FONTCONFIG_PATH", ""), os.environ.get("FONTCONFIG_FILE", ""))
    return tuple(path for path in asked if path.startswith("/") and path.count("/") > 1)
