"""A border is found, cut, and what follows is resolved on the size that is left."""

from __future__ import annotations

import numpy as np
import pytest

from tests.worker.pictures import decoded, pil_bytes, stepped
from tintype.core.formats import Format
from tintype.core.offer import Offer
from tintype.core.pipeline import Color, Output, Pipeline, Resize, SourceRef, Trim
from tintype.core.plan import TrimBorder
from tintype.core.policy import Policy
from tintype.core.resolve import resolve
from tintype.worker.execute import execute
from tintype.worker.probe import probe


def framed(border: tuple[int, ...] = (255, 255, 255), inside: tuple[int, ...] = (200, 0, 0)) -> np.ndarray:
    """60 x 40 with 5 columns left, 15 right, 8 rows above, 12 below."""
    pixels = np.full((40, 60, len(border)), border, np.uint8)
    pixels[8:28, 5:45] = inside
    return pixels


def cut(pixels: np.ndarray, **options: object) -> tuple[int, int]:
    return stepped(pixels, TrimBorder(threshold=10, **options)).shape[1::-1]  # type: ignore[arg-type]


def test_the_colour_of_the_corner_is_cut() -> None:
    assert cut(framed()) == (40, 20)
    assert cut(framed(border=(10, 80, 30))) == (40, 20)


def test_another_colour_is_cut_only_where_it_is() -> None:
    assert cut(framed(), color=Color(r=255, g=255, b=255)) == (40, 20)
    assert cut(framed(), color=Color(r=0, g=0, b=255)) == (60, 40)


def test_transparency_counts_as_magenta() -> None:
    pixels = framed(border=(9, 9, 9, 0), inside=(200, 0, 0, 255))
    assert cut(pixels) == (40, 20)
    assert cut(pixels, color=Color(r=255, g=0, b=255)) == (40, 20)


def test_equal_borders() -> None:
    assert cut(framed(), equal_horizontal=True) == (50, 20)
    assert cut(framed(), equal_vertical=True) == (40, 24)
    assert cut(framed(), equal_horizontal=True, equal_vertical=True) == (50, 24)


def test_a_picture_of_one_colour_is_left_alone() -> None:
    assert cut(np.full((40, 60, 3), 77, np.uint8)) == (60, 40)


@pytest.mark.parametrize("gray", [np.full((40, 60), 250, np.uint8)])
def test_gray(gray: np.ndarray) -> None:
    gray[8:28, 5:45] = 30
    assert cut(gray) == (40, 20)


def test_what_follows_is_resolved_on_what_is_left() -> None:
    data = pil_bytes(framed(), "PNG")
    asked = Pipeline.of(
        SourceRef(url="x"), Trim(threshold=10), Resize(width=20), output=Output(format=Format.JPEG, quality=95)
    )
    plan = resolve(asked, probe(Format.PNG, data, 0), Offer(), Policy())
    result = execute(plan, [(Format.PNG, data)])
    assert (result.format, result.width, result.height) == (Format.JPEG, 20, 10)
    assert decoded(result.body)[5, 10, 0] > 190


def test_a_format_that_is_too_small_for_avif_is_another_one() -> None:
    data = pil_bytes(framed(), "PNG")
    asked = Pipeline.of(SourceRef(url="x"), Trim(threshold=10), Resize(width=8), output=Output(format=Format.AVIF))
    result = execute(resolve(asked, probe(Format.PNG, data, 0), Offer(), Policy()), [(Format.PNG, data)])
    assert result.format is Format.JPEG
    assert result.body.startswith(b"\xff\xd8")
