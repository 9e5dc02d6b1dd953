"""Relations that hold whatever the picture is: turned four times it is itself, upright is upright, stripped is stripped."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ExifTags
from PIL import Image as Pillow

from tests.e2e.conftest import OPEN
from tests.e2e.node import Node, running
from tests.e2e.origin import Origin, Page
from tests.golden import facts, sources
from tests.worker.test_metadata import SECRETS, photo

Pixels = npt.NDArray[np.int64]
NAMES = count()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Iterator[Node]:
    toml = OPEN.replace("[sources]", f'[sources]\nlocal_root = "{corpus}"')
    with running(tmp_path_factory.mktemp("local"), toml) as node:
        yield node


class Dark:
    """Takes a picture through the node, as often as a test likes: each result is the source of the next."""

    def __init__(self, node: Node, origin: Origin) -> None:
        self._node, self._origin = node, origin

    def take(self, body: bytes, *steps: str, ext: str = "@png") -> bytes:
        for options in steps:
            name = f"/taken{next(NAMES)}"
            self._origin.pages[name] = Page(body, headers={"Cache-Control": "max-age=600"})
            answer = self._node.ask(f"/unsafe/{options}/plain/{self._origin.url}{name}{ext}")
            assert answer.status == 200, answer.headers["x-tintype-error"]
            body = answer.body
        return body

    def pixels(self, body: bytes, *steps: str) -> Pixels:
        return pixels(self.take(body, *steps))


@pytest.fixture(scope="module")
def dark(node: Node, origin: Origin) -> Dark:
    return Dark(node, origin)


def pixels(body: bytes) -> Pixels:
    return np.asarray(facts.frames_of(body)[0]).astype(np.int64)


def apart(one: Pixels, other: Pixels) -> float:
    """Return the mean distance of two pictures of the same size."""
    assert one.shape == other.shape
    return float(np.abs(one - other).mean())


KINDS = ("plain.png", "alpha.png", "gray.png", "deep.png", "palette.png", "p3.png")


@pytest.mark.parametrize("kind", KINDS)
def test_four_turns_are_none(dark: Dark, kind: str) -> None:
    start = dark.take(sources.SOURCES[kind](), "sm:1")
    once, *_, again = (dark.pixels(start, *["rot:90"] * turns) for turns in (1, 2, 3, 4))
    assert np.array_equal(again, pixels(start))
    assert once.shape[:2] == pixels(start).shape[1::-1]
    assert np.array_equal(dark.pixels(start, "rot:90", "rot:180"), dark.pixels(start, "rot:270"))


@pytest.mark.parametrize("kind", KINDS)
def test_two_mirrors_are_none_and_both_are_half_a_turn(dark: Dark, kind: str) -> None:
    start = dark.take(sources.SOURCES[kind](), "sm:1")
    assert np.array_equal(dark.pixels(start, "fl:1", "fl:1"), pixels(start))
    assert np.array_equal(dark.pixels(start, "fl:0:1", "fl:0:1"), pixels(start))
    assert np.array_equal(dark.pixels(start, "fl:1:1"), dark.pixels(start, "rot:180"))


@pytest.mark.parametrize("options", ["rs:fill:74:60", "w:77", "rs:force:60:130", "rs:fit:200:150/bl:2"])
def test_mirroring_and_resizing_commute(dark: Dark, options: str) -> None:
    start = sources.SOURCES["plain.png"]()
    assert apart(dark.pixels(start, options, "fl:1"), dark.pixels(start, "fl:1", options)) < 0.6


def test_a_crop_of_a_crop_is_a_crop(dark: Dark) -> None:
    start = sources.SOURCES["plain.png"]()
    twice = dark.pixels(start, "c:200:150:nowe:40:30", "c:100:50:nowe:20:10")
    assert np.array_equal(twice, dark.pixels(start, "c:100:50:nowe:60:40"))


def test_what_fits_is_left_alone(dark: Dark) -> None:
    start = dark.take(sources.SOURCES["plain.png"](), "w:120")
    for options in ("w:120", "rs:fit:500:500", "rs:fill-down:120:80", "rs:force:0:0", "q:10"):
        assert np.array_equal(dark.pixels(start, options), pixels(start)), options


def test_padding_can_be_trimmed_off_again(dark: Dark) -> None:
    start = dark.take(sources.SOURCES["plain.png"](), "w:120")
    assert np.array_equal(dark.pixels(start, "pd:7:9:11:13/bg:ff00aa", "t:5"), pixels(start))


def test_pixel_ratio_is_a_larger_box(dark: Dark) -> None:
    start = sources.SOURCES["photo.jpg"]()
    assert np.array_equal(dark.pixels(start, "rs:fill:80:50/dpr:2"), dark.pixels(start, "rs:fill:160:100"))
    assert np.array_equal(dark.pixels(start, "w:200/z:0.5"), dark.pixels(start, "w:100"))


def test_transparency_is_laid_on_a_background_only_once(dark: Dark) -> None:
    start = sources.SOURCES["alpha.png"]()
    flat = dark.take(start, "w:100/bg:00ff00")
    assert np.array_equal(dark.pixels(flat, "bg:0000ff"), pixels(flat))


def test_stripping_twice_is_stripping_once(dark: Dark) -> None:
    for kind in ("turned.jpg", "p3.png", "alpha.png"):
        once = dark.take(sources.SOURCES[kind](), "sm:1/scp:1")
        twice = dark.take(once, "sm:1/scp:1")
        assert np.array_equal(pixels(twice), pixels(once))
        assert len(twice) <= len(once)
        assert dark.take(twice, "sm:1/scp:1") == twice


@pytest.mark.parametrize("ext", ["", "@png", "@webp", "@avif", "@tiff", "@jxl"])
def test_what_a_camera_knows_stays_here(dark: Dark, ext: str) -> None:
    taken = dark.take(photo(6), "w:60", ext=ext)
    assert not [secret for secret in SECRETS if secret in taken]
    assert pixels(taken).shape[0] > pixels(taken).shape[1], "upright"


def test_copyright_is_kept_unless_that_is_stripped_too(dark: Dark) -> None:
    def tags(body: bytes) -> dict[int, object]:
        return dict(Pillow.open(io.BytesIO(body)).getexif())

    kept, bare, whole = (tags(dark.take(photo(6), options, ext="")) for options in ("w:60", "w:60/kcr:0", "w:60/sm:0"))
    assert kept[ExifTags.Base.Copyright] == "(c) 2024 Ada"
    assert kept[ExifTags.Base.Artist] == "Ada Lovelace"
    assert not {ExifTags.Base.Copyright, ExifTags.Base.Artist} & bare.keys()
    assert whole[ExifTags.Base.Model] == "SECRETCAM"
    assert kept.get(ExifTags.Base.Orientation, 1) == whole.get(ExifTags.Base.Orientation, 1) == 1, "turned once"


def test_a_place_leaves_only_when_metadata_is_asked_for(dark: Dark) -> None:
    for options, place in (("w:60", False), ("w:60/kcr:1/sm:1", False), ("w:60/sm:0", True)):
        exif = Pillow.open(io.BytesIO(dark.take(photo(), options, ext=""))).getexif()
        assert bool(exif.get_ifd(ExifTags.IFD.GPSInfo)) is place, options


@pytest.mark.parametrize("kind", ["Landscape", "Portrait"])
def test_orientations_come_out_upright_and_equal(local: Node, kind: str) -> None:
    def asked(i: int) -> Pixels:
        name = f"orientation/exif-orientation-examples__{kind}_{i}.jpg"
        answer = local.ask(f"/unsafe/rs:fit:200:200/plain/local:///{name}@png")
        assert answer.status == 200
        return pixels(answer.body)

    upright = asked(1)
    assert (upright.shape[1] > upright.shape[0]) is (kind == "Landscape")
    for i in (0, 2, 3, 4, 5, 6, 7, 8):
        # The files were saved one by one and have their numbers written on them.
        assert apart(asked(i), upright) < 6, i
    as_stored = local.ask(
        f"/unsafe/rs:fit:200:200/ar:0/plain/local:///orientation/exif-orientation-examples__{kind}_6.jpg@png"
    )
    assert pixels(as_stored.body).shape[:2] == upright.shape[1::-1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_of_one_picture(dark: Dark, orientation: int) -> None:
    upright = Pillow.fromarray(sources.scene(160, 100))
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # how Pillow turns upright into what is stored
    stored = upright.transpose(Pillow.Transpose(back[orientation])) if orientation > 1 else upright
    exif = Pillow.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    out = io.BytesIO()
    stored.save(out, "PNG", exif=exif.tobytes())
    assert np.array_equal(dark.pixels(out.getvalue(), "sm:1")[:, :, :3], np.asarray(upright).astype(np.int64))
