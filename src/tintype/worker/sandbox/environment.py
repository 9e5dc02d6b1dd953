"""Layer: an environment without secrets. The pool passes next to nothing; this holds even if something else started us."""

from __future__ import annotations

import os

# What codecs read at run time: threads of libvips and OpenBLAS, allocator, locale, fonts. Never a credential.
KEPT = frozenset(
    {
        "FONTCONFIG_FILE",
        "FONTCONFIG_PATH",
        "HOME",
        "LANG",
        "MALLOC_ARENA_MAX",
        "MALLOC_TRIM_THRESHOLD_",
        "OMP_NUM_THREADS",
    }
    | {"OPENBLAS_NUM_THREADS", "VIPS_CONCURRENCY", "VIPS_DISC_THRESHOLD"}
)


def scrub() -> tuple[str, ...]:
    """Remove every other variable, from the C environment too."""
    for name in list(os.environ):
        if name not in KEPT:
            del os.environ[name]
    return ()
