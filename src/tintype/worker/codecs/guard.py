"""Which operations of libvips a worker may run: every loader and saver is enumerated, all but the named ones are blocked.

What libvips could do with bytes is decided here and not by libvips: it would choose a loader by content, among them ones
that read other files.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from functools import partial

import cv2
import pyvips
from pyvips import ffi, vips_lib

from tintype.core.errors import EngineFailed

# Class names, as libvips enumerates them. One way in for each format, and it reads memory.
ALLOWED = frozenset(
    {
        "VipsForeignLoadJpegSource",
        "VipsForeignLoadPngSource",
        "VipsForeignLoadNsgifSource",
        "VipsForeignLoadWebpSource",
        "VipsForeignLoadHeifSource",
        "VipsForeignLoadTiffSource",
        "VipsForeignLoadSvgSource",
        "VipsForeignSaveJpegBuffer",
        "VipsForeignSavePngBuffer",
        "VipsForeignSaveCgifBuffer",
        "VipsForeignSaveWebpBuffer",
        "VipsForeignSaveHeifBuffer",
        "VipsForeignSaveTiffBuffer",
    }
)
# Bases whose every descendant is blocked unless allowed; VipsSystem runs programs.
_BASES = ("VipsForeignLoad", "VipsForeignSave", "VipsSystem")
_BLOCKED_FLAG = 32  # VIPS_OPERATION_BLOCKED of operation.h
# The oldest libvips whose decoders are those that the decisions and the tests are about; its wheel has it.
_LEAST = (8, 18)

# Bytes of types that libvips can load in other processes, and the loader that would: a build may have it or not.
_SAMPLES: tuple[tuple[str, str, bytes], ...] = (
    ("csv", "csvload_source", b"1,2,3\n4,5,6\n"),
    ("matrix", "matrixload_source", b"2 2\n1 2\n3 4\n"),
    ("vips", "vipsload_source", bytes.fromhex("b6a6f208020000000100000001000000080000").ljust(64, b"\0") + b"\x7f\x7f"),
    ("ppm", "ppmload_source", b"P5\n1 1\n255\n\x7f"),
    ("hdr", "radload_source", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n\x80\x80\x80\x80"),
    ("fits", "fitsload_source", b"SIMPLE  =                    T".ljust(2880)),
    ("pdf", "pdfload_source", b"%PDF-1.4\n"),
    ("xpm", "magickload_source", b'/* XPM */\nstatic char *x[] = {"1 1 1 1","a c red","a"};\n'),
)


@dataclass(frozen=True, slots=True)
class Report:
    """What was proved: classes enumerated, those in use, those blocked, and the samples that did not decode."""

    enumerated: int
    allowed: tuple[str, ...]
    blocked: tuple[str, ...]
    refused: tuple[str, ...]

    def sentences(self) -> tuple[str, ...]:
        return (
            f"{self.enumerated} loaders and savers enumerated, {len(self.allowed)} allowed, {len(self.blocked)} blocked",
            f"real bytes of {', '.join(self.refused)} do not decode",
        )


def lock_down() -> None:
    """Block what is not allowed, and turn caches and threads off. Call once, before any image is touched.

    Raises:
        EngineFailed: libvips is not that of its wheel.
    """
    _check_version((pyvips.version(0), pyvips.version(1)))
    cv2.setNumThreads(1)
    cv2.ipp.setUseIPP(False)  # its results depend on the processor
    cv2.ocl.setUseOpenCL(False)
    pyvips.cache_set_max(0)
    pyvips.cache_set_max_mem(0)
    pyvips.cache_set_max_files(0)
    pyvips.concurrency_set(1)
    logging.getLogger("pyvips").setLevel(logging.CRITICAL)  # warnings about images are no events
    pyvips.block_untrusted_set(True)
    for base in _BASES:
        pyvips.operation_block_set(base, True)
    for name in ALLOWED:
        pyvips.operation_block_set(name, False)


def _check_version(found: tuple[int, int]) -> None:
    """Refuse a libvips of the system: pyvips is built against that where its headers are, over the binding of its wheel."""
    if found < _LEAST:
        raise EngineFailed(
            f"libvips {found[0]}.{found[1]} of this system is in use, {_LEAST[0]}.{_LEAST[1]} of the wheel is needed; run: "
            f"{sys.executable} -m pip install --force-reinstall --no-deps pyvips-binary"
        )


def prove() -> Report:
    """Check that `lock_down` holds, on the classes and with real bytes.

    Raises:
        EngineFailed: something that must be blocked is not, or something allowed is missing.
    """
    concrete = {name: nickname for base in _BASES for name, nickname in _concrete(base)}
    blocked = {name for name, nickname in concrete.items() if _is_blocked(nickname)}
    if wrong := sorted((set(concrete) - blocked) ^ ALLOWED):
        raise EngineFailed(f"libvips operations are not locked down as they must be: {', '.join(wrong)}")
    refused = tuple(name for name, loader, data in _SAMPLES if _refuses(name, loader, data))
    return Report(len(concrete), tuple(sorted(ALLOWED)), tuple(sorted(blocked)), refused)


def _refuses(name: str, loader: str, data: bytes) -> bool:
    by_content = partial(pyvips.Image.new_from_source, options="")
    for attempt in (by_content, partial(pyvips.Operation.call, loader)):
        try:
            attempt(pyvips.Source.new_from_memory(data)).avg()
        except pyvips.Error:
            continue
        raise EngineFailed(f"libvips still decodes {name}, which must be blocked")
    return True


def _is_blocked(nickname: str) -> bool:
    operation = pyvips.Operation.new_from_name(nickname)
    return bool(vips_lib.vips_operation_get_flags(operation.pointer) & _BLOCKED_FLAG)


def _concrete(base: str) -> list[tuple[str, str]]:
    """Return (class, nickname) of each class at or below a base that can be made."""
    found: list[tuple[str, str]] = []

    def visit(gtype: int, *_: object) -> object:
        nickname = ffi.string(vips_lib.vips_nickname_find(gtype)).decode()
        if _can_be_made(nickname):
            found.append((pyvips.type_name(gtype), nickname))
        pyvips.type_map(gtype, visit)
        return ffi.NULL  # None would be no pointer, and end the walk

    visit(pyvips.type_from_name(base))
    return found


def _can_be_made(nickname: str) -> bool:
    try:
        pyvips.Operation.new_from_name(nickname)
    except pyvips.Error:  # an abstract class
        return False
    return True
