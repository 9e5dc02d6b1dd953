"""Nothing that was not asked for leaves with a picture; whose work it is stays."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import pyvips
from PIL import Image as Pillow

from tests.worker.pictures import gradient, pil_bytes, run
from tintype.core.formats import Format
from tintype.core.plan import Save, Turn
from tintype.worker import iptc, xmp

SECRETS = (b"SECRETCAM", b"SECRETNOTE", b"SECRETPLACE", b"secretkeyword", b"SECRETTITLE")
XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" xmp:CreatorTool="SECRETNOTE" xmpRights:Marked="True">
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">(c) Ada</rdf:li></rdf:Alt></dc:rights>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">SECRETTITLE</rdf:li></rdf:Alt></dc:title>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def dataset(record: int, number: int, value: bytes) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(value)) + value


IPTC = b"Photoshop 3.0\0" + b"8BIM\x03\xed\0\0\0\0\0\2xx" + b"8BIM\x04\x04\0\0"
_RECORDS = dataset(2, 116, b"(c) Ada") + dataset(2, 25, b"secretkeyword") + dataset(2, 80, b"Ada")
IPTC += struct.pack(">I", len(_RECORDS)) + _RECORDS + b"\0" * (len(_RECORDS) % 2)


def photo(orientation: int = 1) -> bytes:
    """A JPEG with everything in it that a camera and its owner leave."""
    exif = Pillow.Exif()
    exif[0x0110] = "SECRETCAM"
    exif[0x013B] = "Ada Lovelace"
    exif[0x8298] = "(c) 2024 Ada"
    exif[0x0112] = orientation
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0SECRETNOTE"
    exif.get_ifd(0x8769)[0x927C] = b"SECRETNOTE maker"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[29] = "N", (48.0, 51.0, 30.0), "SECRETPLACE"
    jpeg = pil_bytes(gradient(), "JPEG", exif=exif.tobytes(), quality=95, comment=b"SECRETNOTE", xmp=XMP)
    return jpeg[:2] + b"\xff\xed" + struct.pack(">H", len(IPTC) + 2) + IPTC + jpeg[2:]


# What libvips writes into the EXIF block of any JPEG.
TECHNICAL = {
    *("Orientation", "XResolution", "YResolution", "ResolutionUnit", "YCbCrPositioning", "ExifVersion"),
    *("ComponentsConfiguration", "FlashpixVersion", "ColorSpace", "PixelXDimension", "PixelYDimension"),
}
WRITERS = (
    Format.JPEG,
    Format.PNG,
    Format.WEBP,
    Format.AVIF,
    Format.TIFF,
    Format.GIF,
    Format.ICO,
    Format.BMP,
    Format.JXL,
)


def fields(body: bytes) -> dict[str, str]:
    image = pyvips.Image.new_from_buffer(body, "")
    return {name: str(image.get(name)) for name in image.get_fields() if name.startswith("exif-ifd")}


def test_the_photo_has_secrets() -> None:
    assert all(secret in photo() for secret in SECRETS)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("format", WRITERS)
def test_no_secret_leaves(format: Format, keep: bool) -> None:
    body = run(photo(), Format.JPEG, save=Save(format=format, keep_copyright=keep, quality=95)).body
    assert not [secret for secret in SECRETS if secret in body]
    assert b"GPS" not in body


@pytest.mark.parametrize("format", [Format.JPEG, Format.PNG, Format.WEBP, Format.AVIF])
def test_copyright_stays(format: Format) -> None:
    body = run(photo(), Format.JPEG, save=Save(format=format, quality=95)).body
    found = fields(body)
    assert "(c) 2024 Ada" in found["exif-ifd0-Copyright"]
    assert "Ada Lovelace" in found["exif-ifd0-Artist"]
    assert not [name for name in found if name.startswith("exif-ifd3")], "the GPS directory"


def test_rights_of_iptc_and_xmp_stay() -> None:
    body = run(photo(), Format.JPEG, save=Save(format=Format.JPEG)).body
    image = pyvips.Image.new_from_buffer(body, "")
    assert b"(c) Ada" in bytes(image.get("iptc-data"))
    assert b"(c) Ada" in bytes(image.get("xmp-data"))
    assert b"Marked" in bytes(image.get("xmp-data"))


def test_without_copyright_nothing_is_left() -> None:
    body = run(photo(), Format.JPEG, save=Save(format=Format.JPEG, keep_copyright=False)).body
    image = pyvips.Image.new_from_buffer(body, "")
    assert not [name for name in image.get_fields() if name in ("iptc-data", "xmp-data")]
    assert {name.rpartition("-")[2] for name in fields(body)} <= TECHNICAL


@pytest.mark.parametrize("format", [Format.JPEG, Format.WEBP, Format.PNG])
def test_unstripped_keeps_all_of_it(format: Format) -> None:
    body = run(photo(), Format.JPEG, save=Save(format=format, strip_metadata=False)).body
    found = fields(body)
    assert "SECRETCAM" in found["exif-ifd0-Model"]
    assert [name for name in found if name.startswith("exif-ifd3")]


def test_stripping_twice_is_stripping_once() -> None:
    save = Save(format=Format.PNG)
    once = run(photo(), Format.JPEG, save=save).body
    assert run(once, Format.PNG, save=save).body == once


@pytest.mark.parametrize("strip", [False, True])
def test_orientation_is_used_up_by_turning(strip: bool) -> None:
    save = Save(format=Format.JPEG, strip_metadata=strip)
    body = run(photo(orientation=6), Format.JPEG, Turn(angle=90), save=save).body
    with Pillow.open(io.BytesIO(body)) as picture:
        assert picture.getexif().get(0x0112, 1) == 1
        assert picture.size == (64, 96)


def test_orientation_stays_where_nothing_is_turned_or_stripped() -> None:
    body = run(photo(orientation=6), Format.JPEG, save=Save(format=Format.JPEG, strip_metadata=False)).body
    with Pillow.open(io.BytesIO(body)) as picture:
        assert picture.getexif()[0x0112] == 6


def test_iptc_that_cannot_be_read_is_left_out() -> None:
    assert b"secretkeyword" not in iptc.rights(IPTC)
    assert b"Ada" in iptc.rights(IPTC)
    assert iptc.rights(iptc.rights(IPTC)) == iptc.rights(IPTC)
    for broken in (b"", b"8BIM", IPTC[:30], IPTC[: len(IPTC) - 30], b"8BIM\x04\x04\0\0\xff\xff\xff\xff\x1c\x02"):
        assert b"secret" not in iptc.rights(broken)


def test_xmp_that_cannot_be_trusted_is_left_out() -> None:
    assert b"SECRET" not in xmp.rights(XMP)
    assert b"(c) Ada" in xmp.rights(XMP)
    assert xmp.rights(xmp.rights(XMP)) == xmp.rights(XMP)
    doctype = b'<!DOCTYPE x [<!ENTITY a "b">]>' + XMP
    for broken in (b"", b"<", XMP[:200], doctype, XMP.decode().encode("utf-16"), b"<x>" * 2_000_000):
        assert xmp.rights(broken) == b""


def test_a_picture_of_nothing_but_pixels_says_nothing_but_its_size() -> None:
    body = run(pil_bytes(np.zeros((8, 8, 3), np.uint8), "PNG"), Format.PNG, save=Save(format=Format.JPEG)).body
    assert {name.rpartition("-")[2] for name in fields(body)} <= TECHNICAL
