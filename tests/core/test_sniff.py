"""Formats by their first bytes, and names for everything else."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.core.foreign import foreign_name
from tintype.core.formats import Format
from tintype.core.sniff import HEAD_BYTES, brands, inflated, sniff

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


def iso(major: bytes, *compatible: bytes) -> bytes:
    body = b"ftyp" + major + b"\0\0\0\0" + b"".join(compatible)
    return (len(body) + 4).to_bytes(4, "big") + body + b"\0\0\0\x10meta"


def bmp(header: int = 40) -> bytes:
    return b"BM" + bytes(12) + header.to_bytes(4, "little") + bytes(40)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0\0\x10JFIF", Format.JPEG),
        (b"\xff\xd8", Format.JPEG),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Format.PNG),
        (b"GIF87a", Format.GIF),
        (b"GIF89a\x01\0", Format.GIF),
        (b"RIFF\x10\0\0\0WEBPVP8 ", Format.WEBP),
        (b"RIFF\x10\0\0\0WEBPVP8L<svg>", Format.WEBP),
        (iso(b"avif", b"mif1"), Format.AVIF),
        (iso(b"avis"), Format.AVIF),
        (iso(b"mif1", b"miaf", b"avif"), Format.AVIF),
        (iso(b"heic", b"mif1"), Format.HEIC),
        *((iso(brand), Format.HEIC) for brand in (b"heix", b"hevc", b"hevx", b"heim", b"heis")),
        (iso(b"mif1", b"heic"), Format.HEIC),
        (iso(b"msf1", b"hevc"), Format.HEIC),
        (iso(b"mif1"), Format.HEIC),
        (b"II*\0\x08\0\0\0", Format.TIFF),
        (b"MM\0*\0\0\0\x08", Format.TIFF),
        (b"II+\0\x08\0\0\0\x10", Format.TIFF),
        (b"MM\0+\0\x08\0\0\0", Format.TIFF),
        (bmp(), Format.BMP),
        (bmp(12), Format.BMP),
        (bmp(124), Format.BMP),
        (b"\0\0\1\0\1\0\x10\x10", Format.ICO),
        (b"\xff\x0a\0", Format.JXL),
        (b"\0\0\0\x0cJXL \r\n\x87\n", Format.JXL),
        (b"\0\0\0\x0cjP  \r\n\x87\n", Format.JP2),
        (b"\xff\x4f\xff\x51\0\x2f", Format.JP2),
        (b"8BPS\0\1", Format.PSD),
        (b"%PDF-1.7", Format.PDF),
    ],
)
def test_magic_bytes(head: bytes, kind: Format) -> None:
    assert sniff(head) is kind
    assert sniff(head.ljust(HEAD_BYTES, b"\0")) is kind


@pytest.mark.parametrize(
    "text",
    [
        SVG,
        b"<svg>",
        b"<svg\n width='1'>",
        b"\xef\xbb\xbf" + SVG,
        b"\n\t " + SVG,
        b'<?xml version="1.0" encoding="UTF-8"?>\n' + SVG,
        b"<!-- a > b -- <html> -->" + SVG,
        b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/svg11.dtd">' + SVG,
        b"<!DOCTYPE svg [ <!ENTITY a \"]>\"> <!ENTITY b 'x'> ]>" + SVG,
        b"<svg:svg xmlns:svg='http://www.w3.org/2000/svg'/>",
        b"<?xml version='1.0'?><!-- x --><?php ?><!DOCTYPE svg><!-- y -->" + SVG,
        b"<!DOCTYPE svg [ <!ENTITY endless '",
        b"<!--" + b"x" * 20_000 + b"-->" + SVG,
        "\ufeff<svg width='1'/>".encode("utf-16-le"),
        "\ufeff<svg width='1'/>".encode("utf-16-be"),
    ],
)
def test_svg_by_its_root(text: bytes) -> None:
    assert sniff(text) is Format.SVG
    assert sniff(gzip.compress(text, mtime=0)) is Format.SVG


@pytest.mark.parametrize(
    "text",
    [
        b"<html><body>" + SVG,
        b"<!DOCTYPE html><html>" + SVG,
        b"text " + SVG,
        b"<svgx>",
        b"<g>" + SVG,
        b"<!-- " + SVG,
        b"<?xml version='1.0'?>",
        b"",
    ],
)
def test_not_svg(text: bytes) -> None:
    assert sniff(text) is None


def test_a_bomb_is_inflated_no_further_than_a_head() -> None:
    bomb = gzip.compress(b" " * 50_000_000 + SVG, mtime=0)
    assert len(inflated(bomb)) == HEAD_BYTES
    assert sniff(bomb[:HEAD_BYTES]) is None
    assert inflated(b"\x1f\x8b\x08broken") == b""


@pytest.mark.parametrize(
    "text",
    [
        b"<!DOCTYPE " + b"a" * HEAD_BYTES,
        b"<!DOCTYPE svg [" + b'"' * (HEAD_BYTES - 1),
        b"<!DOCTYPE x [" + b"'\"" * HEAD_BYTES,
        b"<!--" * HEAD_BYTES,
        b"<?" * HEAD_BYTES,
        b"<!---->" * HEAD_BYTES,
        b" " * HEAD_BYTES,
    ],
)
def test_no_text_makes_sniffing_slow(text: bytes) -> None:
    before = time.process_time()
    sniff(text)
    foreign_name(text)
    assert time.process_time() - before < 5  # milliseconds in fact; a scan that doubles back would take minutes


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"", "empty"),
        (b"v/1\x01\x02", "OpenEXR"),
        (b"#?RADIANCE\n", "Radiance HDR"),
        (bytes(128) + b"DICM\x02\0", "DICOM"),
        (b"P6\n1 1\n255\n", "PPM"),
        (b"P5 1 1", "PGM"),
        (b"P4\n", "PBM"),
        (b"\0\0\x0a" + bytes(9) + b"\x01\0\x01\0\x18\0", "TGA"),
        (b"SIMPLE  =                    T", "FITS"),
        (b"MATLAB 5.0 MAT-file, Platform", "a Matlab file"),
        ((348).to_bytes(4, "little") + bytes(340) + b"n+1\0", "NIfTI"),
        ((348).to_bytes(4, "big") + bytes(340), "Analyze"),
        (b"DDS \x7c\0\0\0", "DDS"),
        (b"\x01\xda\x01\x01", "SGI"),
        (b"\x0a\x05\x01\x08", "PCX"),
        (b"icns\0\0\1\0", "ICNS"),
        (b"\0\0\0\0\x12\xaf\0\0", "FLI"),
        (gzip.compress(b"hello", mtime=0), "GZIP"),
        (b"PK\x03\x04", "ZIP"),
        (b"<!doctype html><title>", "HTML"),
        (b"\n<html>", "HTML"),
        (b"<?xml version='1.0'?><rss/>", "XML"),
        (b"<rss/>", "XML"),
        (b'{"error": "no such key"}', "JSON"),
        (b"hello, world\n", "plain text"),
        ("grüße an alle da draußen".encode(), "plain text"),
        (b"\0\0\2\0\1\0\x20\x20", "a Windows cursor"),
        (iso(b"mp42", b"isom"), "ISO media of brand 'mp42'"),
        (b"RIFF\x10\0\0\0AVI LIST", "an AVI video"),
        (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
        (b"II*\0\x10\0\0\0CR\x02\0", "a Canon raw photo"),
        (b"BM, said the text", "plain text"),
        (b"\x80\x81\x82\x83", ""),
    ],
)
def test_what_is_foreign_has_a_name(head: bytes, name: str) -> None:
    assert sniff(head) is None
    assert foreign_name(head) == name


@given(st.binary(max_size=600))
def test_no_bytes_are_too_odd(head: bytes) -> None:
    assert sniff(head) is None or isinstance(sniff(head), Format)
    assert isinstance(foreign_name(head), str)


@given(st.binary(max_size=64), st.binary(min_size=1, max_size=20))
def test_bytes_before_a_jpeg_make_it_something_else(jpeg: bytes, before: bytes) -> None:
    head = before + b"\xff\xd8\xff\xe0" + jpeg
    assert sniff(head) is not Format.JPEG or before.startswith(b"\xff\xd8")


def test_brands_stay_within_their_box() -> None:
    assert brands(iso(b"mif1", b"avif") + b"heic") == (b"mif1", b"avif")
    assert brands(b"\xff\xff\xff\xffftypmif1" + bytes(4) + b"avif" * 1000)[-1] == b"avif"
    assert brands(b"nothing of the kind") == ()


def test_the_corpus_is_what_its_names_say(corpus: Path) -> None:
    kinds = {
        "hostile/libvips__images_looks-like-svg.webp": Format.WEBP,
        "hostile/libvips__images_17000x17000.avif": Format.AVIF,
        "odd/libvips__images_logo.svg": Format.SVG,
        "odd/libvips__images_logo.svgz": Format.SVG,
        "odd/libvips__images_favicon.ico": Format.ICO,
        "odd/libvips__images_Bretagne2_4.j2k": Format.JP2,
        "odd/libvips__images_ojpeg-strip.tif": Format.TIFF,
    }
    for name, kind in kinds.items():
        assert sniff((corpus / name).read_bytes()[:HEAD_BYTES]) is kind, name
    suffixes = {".jpg": Format.JPEG, ".png": Format.PNG, ".gif": Format.GIF, ".tif": Format.TIFF, ".webp": Format.WEBP}
    for folder in ("odd", "orientation", "photos"):
        for path in (corpus / folder).iterdir():
            wanted = suffixes.get(path.suffix)
            assert wanted is None or sniff(path.read_bytes()[:HEAD_BYTES]) is wanted, path.name


def test_what_the_corpus_has_of_foreign_files_is_named(corpus: Path) -> None:
    names = {
        "hostile/libvips__images_sample.exr": "OpenEXR",
        "hostile/libvips__images_sample.hdr": "Radiance HDR",
        "hostile/libvips__images_sample.mat": "a Matlab file",
        "odd/libvips__images_dicom_test_image.dcm": "DICOM",
        "odd/libvips__images_targa.tga": "TGA",
        "odd/libvips__images_silicongraphics.sgi": "SGI",
        "odd/libvips__images_rgba-correct.ppm": "PPM",
        "hostile/jpeg-decoder__images_empty.jpg": "empty",
    }
    for name, called in names.items():
        assert foreign_name((corpus / name).read_bytes()[:HEAD_BYTES]) == called, name
