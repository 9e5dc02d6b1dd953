"""Speed is not bought with the picture: floors of SSIMULACRA2, and ceilings of bytes, for each cell of the comparison.

Floors are a little below what was measured when they were set (November 2026: those of JPEG in linear light at render epoch 6,
the others at 3). Raise them when pictures get better; to lower one is to say in the changelog what got worse, and why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import pyvips
from bench.cells import CELLS
from bench.photos import made

from tests.quality.results import cases, found
from tintype.core.policy import Light

LINEAR, GAMMA = Light.LINEAR, Light.GAMMA
# Of the corpus: 10 to 13 megapixels. p31 is all fine texture, which halving by the JPEG decoder dims.
TWELVE = ("p31.jpg", "p38.jpg", "p49.jpg", "p55.jpg", "p59.jpg")
SMALLER = ("p38.jpg", "p55.jpg", "p59.jpg")


class Floor(NamedTuple):
    """Least score, of the mean and of the worst photo, and most KB of the mean."""

    mean: float
    worst: float
    kb: float


# (cell, light, from a rung): corpus photos, then a drawn one. imgproxy 4.0.12 had, on other photos, in the order of the
# cells: 66.2, 67.7, 66.1, 66.0, 79.6, 79.7, 75.5, 67.5; its own way of reducing is GAMMA here.
FLOORS: dict[tuple[str, Light, bool], tuple[Floor, Floor]] = {
    ("jpeg12", LINEAR, False): (Floor(77.5, 73.5, 32.5), Floor(78.0, 78.0, 71)),
    ("jpeg12", GAMMA, False): (Floor(67.0, 55.0, 33.5), Floor(68.5, 68.5, 54)),
    ("jpeg12", LINEAR, True): (Floor(77.0, 73.0, 32.5), Floor(77.5, 77.5, 71)),
    ("jpeg12", GAMMA, True): (Floor(68.0, 62.0, 33.5), Floor(68.5, 68.5, 54)),
    ("jpeg2k", LINEAR, False): (Floor(79.5, 78.0, 29.0), Floor(78.0, 78.0, 71)),
    ("jpeg2k", GAMMA, False): (Floor(67.0, 43.0, 31.0), Floor(68.0, 68.0, 53)),
    ("webp", LINEAR, False): (Floor(71.5, 69.0, 22.3), Floor(70.0, 70.0, 56)),
    ("webp", GAMMA, False): (Floor(62.0, 42.0, 20.5), Floor(69.0, 69.0, 49)),
    ("avif", LINEAR, False): (Floor(74.0, 67.0, 20.7), Floor(76.0, 76.0, 57)),
    ("avif", GAMMA, False): (Floor(62.0, 42.0, 19.6), Floor(72.5, 72.5, 51)),
    ("png2k", LINEAR, False): (Floor(94.0, 93.0, 285), Floor(96.0, 96.0, 415)),
    ("png2k", GAMMA, False): (Floor(82.0, 67.0, 285), Floor(93.5, 93.5, 414)),
    ("alpha2k", LINEAR, False): (Floor(94.0, 93.5, 296), Floor(95.0, 95.0, 434)),
    ("alpha2k", GAMMA, False): (Floor(81.5, 67.0, 297), Floor(93.5, 93.5, 420)),
    ("webp2k", LINEAR, False): (Floor(73.5, 72.0, 22.3), Floor(70.5, 70.5, 53)),
    ("webp2k", GAMMA, False): (Floor(66.0, 56.0, 20.5), Floor(70.0, 70.0, 50)),
    ("avif2k", LINEAR, False): (Floor(75.5, 71.5, 20.7), Floor(76.0, 76.0, 55)),
    ("avif2k", GAMMA, False): (Floor(68.0, 59.5, 20.3), Floor(74.0, 74.0, 52)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    pyvips.concurrency_set(1)  # as in a worker
    yield
    pyvips.concurrency_set(0)  # as many as cores


def test_every_cell_has_a_floor() -> None:
    assert set(cases()) == set(FLOORS)


@pytest.mark.parametrize(("cell", "light", "rung"), cases())
def test_a_drawn_photo(cell: str, light: Light, rung: bool, folder: Path) -> None:
    photo = made(folder / "drawn.jpg", 4000, 3000, 0)
    hold(FLOORS[cell, light, rung][1], cell, light, [photo], folder, rung=rung)


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "light", "rung"), cases())
def test_photos_of_cameras(cell: str, light: Light, rung: bool, folder: Path, corpus: Path) -> None:
    names = TWELVE if cell == "jpeg12" else SMALLER
    hold(FLOORS[cell, light, rung][0], cell, light, [corpus / "photos" / name for name in names], folder, rung=rung)


def hold(floor: Floor, cell: str, light: Light, photos: list[Path], folder: Path, *, rung: bool) -> None:
    now = found(CELLS[cell], light, photos, folder, rung=rung)
    assert now.mean >= floor.mean, f"the mean score was {floor.mean} and more: {now}"
    assert now.worst >= floor.worst, f"the worst score was {floor.worst} and more: {now}"
    assert now.kb <= floor.kb, f"there were {floor.kb} KB and fewer: {now}"


def test_a_floor_tells_a_poorer_encoder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The floors are near enough to what is measured to notice ten points of quality less."""
    photo = made(folder / "drawn.jpg", 4000, 3000, 0)
    cell = CELLS["webp"]
    monkeypatch.setitem(CELLS, "webp", replace(cell, want=replace(cell.want, quality=69)))
    with pytest.raises(AssertionError, match="the mean score was"):
        hold(FLOORS["webp", LINEAR, False][1], "webp", LINEAR, [photo], folder, rung=False)
