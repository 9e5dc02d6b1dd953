"""Finished pixels: what another encoder makes of them is, to the byte, what it makes of the source."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image as Pillow
from PIL import ImageCms

from tests.worker.pictures import gradient, pil_bytes, plan_of, translucent, vips
from tintype.core.errors import BrokenImage
from tintype.core.formats import SAVABLE, Format
from tintype.core.plan import Plan, Save, Scale, ToWorking
from tintype.core.policy import Light
from tintype.worker import finished
from tintype.worker.execute import execute, execute_all
from tintype.worker.pixels import BLOB, blob


def _of_a_camera() -> bytes:
    exif = Pillow.Exif()
    exif[0x8298], exif[0x013B], exif[0x010F] = "(c) somebody", "somebody", "a camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return pil_bytes(gradient(), "JPEG", quality=95, exif=exif, icc_profile=profile, dpi=(300, 300))


SOURCES: dict[str, Callable[[], tuple[Format, bytes]]] = {
    "camera": lambda: (Format.JPEG, _of_a_camera()),
    "alpha": lambda: (Format.PNG, pil_bytes(translucent(), "PNG", dpi=(300, 300))),
    "gray": lambda: (Format.PNG, pil_bytes(gradient()[:, :, 0], "PNG")),
    "palette": lambda: (Format.PNG, _of_few_colours()),
    "deep": lambda: (Format.PNG, bytes(vips(gradient().astype(np.uint16) * 257, "rgb16").pngsave_buffer())),
}


def _of_few_colours() -> bytes:
    return bytes(vips(gradient() // 64 * 64).pngsave_buffer(palette=True))


def _plan(source: tuple[Format, bytes], save: Save, *, keep_depth: bool = False) -> Plan:
    working = ToWorking(light=Light.LINEAR, keep_depth=keep_depth)
    plan = plan_of(source[1], source[0], working, Scale(width=48, height=32, light=Light.LINEAR), save=save)
    return replace(plan, width=48, height=32)


@pytest.mark.parametrize("strip", [True, False], ids=["stripped", "whole"])
@pytest.mark.parametrize("name", SOURCES)
def test_any_encoder_makes_the_same_of_them_as_of_the_source(name: str, strip: bool) -> None:
    source = SOURCES[name]()
    save = Save(format=Format.JPEG, strip_metadata=strip, strip_color_profile=strip)
    first = execute_all([_plan(source, save, keep_depth=name == "deep")], [source], keep=[0])[0]
    assert first.pixels is not None
    kept = b"".join(first.pixels)
    for kind in sorted(SAVABLE):
        plan = _plan(source, replace(save, format=kind), keep_depth=name == "deep")
        (again,) = execute_all([plan], [(source[0], b"no source any more")], {0: kept})
        assert again.body == execute(plan, [source]).body, kind


def test_of_plans_together_those_that_are_there_are_encoded_and_the_others_are_made() -> None:
    source = SOURCES["camera"]()
    plans = [_plan(source, Save(format=kind)) for kind in (Format.JPEG, Format.WEBP)]
    smaller = replace(plans[1], steps=(ToWorking(), Scale(width=24, height=16)), width=24, height=16)
    kept = b"".join(execute_all(plans[:1], [source], keep=[0])[0].pixels or ())
    made = execute_all([plans[1], smaller], [source], {0: kept}, keep=[1])
    assert [one.body for one in made] == [execute(plan, [source]).body for plan in (plans[1], smaller)]
    assert made[0].pixels is None
    assert made[1].pixels is not None


def test_an_image_whose_header_is_too_large_is_not_kept() -> None:
    image = vips(gradient())
    image.set_type(BLOB, "xmp-data", bytes(600_000))
    assert finished.packed(image) is None


def _told(**changes: object) -> bytes:
    parts = finished.packed(vips(gradient()))
    assert parts is not None
    told = finished._DECODER.decode(parts[0][8:].rstrip(b"\0"))
    header: bytes = msgspec.msgpack.encode(replace(told, **changes))
    return len(header).to_bytes(8, "little") + header + bytes(-len(header) % 8) + parts[1]


def test_what_was_kept_comes_back_whole() -> None:
    image = vips(gradient())
    image.set_type(BLOB, "exif-data", b"\0\1\2")
    parts = finished.packed(image)
    assert parts is not None
    back = finished.unpacked(memoryview(b"".join(parts)))
    assert np.array_equal(back.numpy(), gradient())
    assert blob(back, "exif-data") == b"\0\1\2"
    finished.unpacked(memoryview(_told()))


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 97},
        {"width": 0},
        {"width": -96, "height": -64},
        {"width": 96 * 64 * 3 << 20, "bands": 1},
        {"bands": 300},
        {"format": "double"},
        {"copied": {}},
        {"copied": {"interpretation": "no space", "xoffset": 0, "yoffset": 0, "xres": 1.0, "yres": 1.0}},
        {"fields": [("delay", "ints", "x")]},
        {"fields": [("loop", "pointer", 1)]},
        {"fields": [("loop", "int", None)]},
    ],
)
def test_what_is_no_image_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(BrokenImage, match="finished pixels"):
        finished.unpacked(memoryview(_told(**changes)))


@pytest.mark.parametrize("data", [b"", b"\0" * 8, b"\xff" * 64, b"\x01" + bytes(7) + b"\x93"])
def test_what_is_no_header_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenImage, match="finished pixels"):
        finished.unpacked(memoryview(data))
