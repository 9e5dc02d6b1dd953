"""The name of what is not one of our formats, so that a refusal can say what was given."""

from __future__ import annotations

from collections.abc import Callable

from tintype.core.sniff import as_ascii, brands, inflated, is_gzip, is_svg_text

# Magic bytes at the start. Longer signs before shorter ones that begin the same.
_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"SIMPLE  =", "FITS"),
    (b"MATLAB 5.0 MAT-file", "a Matlab file"),
    (b"DDS ", "DDS"),
    (b"\x01\xda\x00", "SGI"),
    (b"\x01\xda\x01", "SGI"),
    (b"icns", "ICNS"),
    (b"DICM", "DICOM"),
    (b"qoif", "QOI"),
    (b"farbfeld", "farbfeld"),
    (b"\x59\xa6\x6a\x95", "a Sun raster image"),
    (b"gimp xcf ", "a GIMP image"),
    (b"AT&TFORM", "DjVu"),
    (b"FORM", "an IFF file"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"\xabKTX ", "KTX"),
    (b"\xb6\xa6\xf2\x08", "a libvips image"),
    (b"\x08\xf2\xa6\xb6", "a libvips image"),
    (b"PF\n", "PFM"),
    (b"Pf\n", "PFM"),
    (b"II*\0\x10\0\0\0CR", "a Canon raw photo"),
    (b"IIRO", "an Olympus raw photo"),
    (b"IIU\0", "a Panasonic raw photo"),
    (b"FUJIFILMCCD-RAW", "a Fujifilm raw photo"),
    (b"%!PS", "PostScript"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"OggS", "Ogg"),
    (b"ID3", "MP3"),
    (b"fLaC", "FLAC"),
    (b"PK\x03\x04", "ZIP"),
    (b"PK\x05\x06", "ZIP"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!", "RAR"),
    (b"BZh", "BZIP2"),
    (b"\xfd7zXZ\0", "XZ"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"\x7fELF", "an ELF program"),
    (b"MZ", "a Windows program"),
)

# Magic bytes elsewhere: offset, sign, name.
_ELSEWHERE: tuple[tuple[int, bytes, str], ...] = (
    (128, b"DICM", "DICOM"),
    (344, b"n+1\0", "NIfTI"),
    (344, b"ni1\0", "NIfTI"),
    (4, b"\x11\xaf", "FLI"),
    (4, b"\x12\xaf", "FLI"),
    (257, b"ustar", "TAR"),
)

_RIFF = {b"AVI ": "an AVI video", b"WAVE": "WAV"}
_ANALYZE_HEADER_BYTES = 348
_TEXT = frozenset(range(32, 127)) | frozenset(b"\t\n\r\f") | frozenset(range(128, 256))


def foreign_name(head: bytes) -> str:
    """Name what these first bytes are, for a message; "" if nobody can tell."""
    if not head:
        return "empty"
    return next((name for guess in _GUESSES if (name := guess(head))), "")


def _by_start(head: bytes) -> str:
    return next((name for sign, name in _STARTS if head.startswith(sign)), "")


def _by_offset(head: bytes) -> str:
    return next((name for at, sign, name in _ELSEWHERE if head[at : at + len(sign)] == sign), "")


def _riff(head: bytes) -> str:
    return _RIFF.get(head[8:12], "RIFF") if head.startswith(b"RIFF") else ""


def _iso_media(head: bytes) -> str:
    found = brands(head)
    return f"ISO media of brand {found[0].decode('ascii', 'replace')!r}" if found else ""


def _netpbm(head: bytes) -> str:
    names = {b"1": "PBM", b"4": "PBM", b"2": "PGM", b"5": "PGM", b"3": "PPM", b"6": "PPM", b"7": "PAM"}
    return names.get(head[1:2], "") if head[:1] == b"P" and head[2:3].isspace() else ""


def _analyze(head: bytes) -> str:
    size = head[:4]
    known = _ANALYZE_HEADER_BYTES.to_bytes(4, "little"), _ANALYZE_HEADER_BYTES.to_bytes(4, "big")
    return "Analyze" if size in known and len(head) >= 44 else ""


def _pcx(head: bytes) -> str:
    if len(head) < 4 or head[0] != 10:
        return ""
    return "PCX" if head[1] in (0, 2, 3, 4, 5) and head[2] in (0, 1) and head[3] in (1, 2, 4, 8) else ""


def _cursor(head: bytes) -> str:
    return "a Windows cursor" if head.startswith(b"\0\0\2\0") and head[4:5] != b"\0" and head[5:6] == b"\0" else ""


def _targa(head: bytes) -> str:
    """Recognise TGA by its header's plausibility: it has no magic bytes."""
    if len(head) < 18 or head[1] > 1 or head[2] not in (1, 2, 3, 9, 10, 11):
        return ""
    width, height = head[12:14], head[14:16]
    sized = width != b"\0\0" and height != b"\0\0"
    return "TGA" if sized and head[16] in (8, 15, 16, 24, 32) else ""


def _gzip(head: bytes) -> str:
    if not is_gzip(head):
        return ""
    return "a damaged SVGZ" if is_svg_text(inflated(head)) else "GZIP"


def _markup(head: bytes) -> str:
    text = as_ascii(head[:1024]).lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return "HTML"
    if text.startswith(b"<?xml") or (text[:1] == b"<" and text[1:2].isalpha()):
        return "HTML" if b"<html" in text else "XML"
    return "JSON" if text[:1] in (b"{", b"[") and _is_text(head) else ""


def _plain(head: bytes) -> str:
    return "plain text" if _is_text(head) else ""


def _is_text(head: bytes) -> bool:
    sample = head[:512]
    letters = sum(32 <= byte < 127 or byte in b"\t\n\r" for byte in sample)
    return all(byte in _TEXT for byte in sample) and letters >= 0.7 * len(sample)


# In the order of how sure each is.
_GUESSES: tuple[Callable[[bytes], str], ...] = (
    _by_start,
    _riff,
    _iso_media,
    _gzip,
    _netpbm,
    _by_offset,
    _analyze,
    _markup,
    _cursor,
    _pcx,
    _targa,
    _plain,
)
