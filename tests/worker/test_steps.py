"""Each step does what the plan says, and steps that undo each other leave the picture as it was."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from tests.worker.pictures import (
    HEIGHT,
    WIDTH,
    decoded,
    distance,
    gradient,
    pil_bytes,
    plan_of,
    stepped,
    svg,
    translucent,
)
from tintype.core import plan
from tintype.core.formats import Format
from tintype.core.pipeline import Color
from tintype.core.plan import (
    Average,
    BlurStep,
    Canvas,
    CropBox,
    Flatten,
    Mirror,
    Overlay,
    PixelateStep,
    Scale,
    SharpenStep,
    SmartCrop,
    Turn,
)
from tintype.core.policy import Light
from tintype.worker.execute import execute
from tintype.worker.steps import STEPS

RED = np.array([255, 0, 0])


def test_every_step_has_a_function() -> None:
    assert set(STEPS) == set(get_args(plan.Step))


class TestCrop:
    def test_the_box_is_what_is_left(self) -> None:
        step = CropBox(left=10, top=20, width=30, height=25)
        assert np.array_equal(stepped(gradient(), step), gradient()[20:45, 10:40])

    def test_smart_crop_finds_the_subject(self) -> None:
        pixels = np.full((100, 300, 3), 200, np.uint8)
        pixels[30:70, 230:270] = (250, 30, 20)
        left = stepped(pixels, SmartCrop(width=100, height=100))
        assert left.shape == (100, 100, 3)
        assert (left[:, :, 1] < 100).sum() == 1600, "all of it is inside"

    def test_smart_crop_never_asks_for_more_than_there_is(self) -> None:
        assert stepped(gradient(), SmartCrop(width=1000, height=10)).shape == (10, WIDTH, 3)


class TestScale:
    @pytest.mark.parametrize("light", Light)
    @pytest.mark.parametrize("size", [(48, 32), (13, 64), (96, 7), (200, 150), (1, 1)])
    @pytest.mark.parametrize("make", [gradient, translucent])
    def test_sizes_are_met_and_colours_kept(self, make: type, size: tuple[int, int], light: Light) -> None:
        pixels = stepped(make(), Scale(width=size[0], height=size[1], light=light))
        assert pixels.shape[:2] == size[::-1]
        assert light is Light.LINEAR or np.abs(pixels[:, :, 1].mean() - 127) < 22

    def test_linear_light_averages_light(self) -> None:
        """A checkerboard of black and white is, seen from afar, half the light: 188 in sRGB, not 128."""
        board = np.indices((64, 64)).sum(axis=0) % 2 * 255
        pixels = np.dstack([board] * 3).astype(np.uint8)
        assert abs(int(stepped(pixels, Scale(width=8, height=8))[4, 4, 0]) - 128) <= 2
        assert abs(int(stepped(pixels, Scale(width=8, height=8, light=Light.LINEAR))[4, 4, 0]) - 188) <= 2

    @pytest.mark.parametrize("light", Light)
    def test_what_is_invisible_does_not_bleed(self, light: Light) -> None:
        pixels = np.zeros((32, 32, 4), np.uint8)
        pixels[:, :16] = (255, 0, 0, 255)
        pixels[:, 16:] = (0, 255, 0, 0)
        small = stepped(pixels, Scale(width=7, height=7, light=light))
        seen = small[small[:, :, 3] > 8]
        assert (seen[:, 1] < 8).all()
        assert (seen[:, 0] > 240).all()

    @given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 300), st.integers(1, 300))
    @settings(max_examples=40, deadline=None)
    def test_any_size_from_any_size(self, width: int, height: int, to_width: int, to_height: int) -> None:
        pixels = np.full((height, width, 3), 90, np.uint8)
        small = stepped(pixels, Scale(width=to_width, height=to_height))
        assert small.shape == (to_height, to_width, 3)
        assert np.abs(small.astype(int) - 90).max() <= 1


class TestAverage:
    @pytest.mark.parametrize("make", [gradient, translucent])
    def test_every_box_becomes_its_mean_in_linear_light(self, make: type) -> None:
        pixels = make(203, 101)
        small = stepped(pixels, Average(width=50, height=25, box=4))
        assert small.shape == (25, 50, pixels.shape[2])
        wanted = stepped(pixels[:100, 1:201], Scale(width=50, height=25, light=Light.LINEAR))
        assert distance(small, wanted) < 2

    def test_black_and_white_are_half_the_light(self) -> None:
        board = np.indices((64, 64)).sum(axis=0) % 2 * 255
        pixels = np.dstack([board] * 3).astype(np.uint8)
        assert np.abs(stepped(pixels, Average(width=32, height=32, box=2)).astype(int) - 188).max() <= 1

    @pytest.mark.parametrize("width", [1, 7, 40])
    @pytest.mark.parametrize("box", [1, 2, 3, 5])
    def test_any_box_of_any_size(self, width: int, box: int) -> None:
        noise = np.random.default_rng(box).integers(0, 255, (70 * box + 1, width * box, 3), dtype=np.uint8)
        small = stepped(noise, Average(width=width, height=70, box=box))
        top = noise[: 70 * box].reshape(70, box, width, box, 3) / 255
        light = (((top + 0.055) / 1.055) ** 2.4 * (top > 0.04045) + top / 12.92 * (top <= 0.04045)).mean(axis=(1, 3))
        stored = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255
        assert np.abs(small - stored).max() <= 1


class TestTurn:
    def test_turns_are_clockwise(self) -> None:
        assert np.array_equal(stepped(gradient(), Turn(angle=90)), np.rot90(gradient(), -1))

    def test_the_mirror_comes_first(self) -> None:
        assert np.array_equal(stepped(gradient(), Turn(angle=90, mirror=True)), np.rot90(gradient()[:, ::-1], -1))

    def test_mirrors(self) -> None:
        assert np.array_equal(stepped(gradient(), Mirror(horizontal=True)), gradient()[:, ::-1])
        assert np.array_equal(stepped(gradient(), Mirror(vertical=True)), gradient()[::-1])

    @given(st.lists(st.sampled_from([90, 180, 270]), max_size=3))
    @settings(max_examples=15, deadline=None)
    def test_turning_all_the_way_round_changes_nothing(self, angles: list[int]) -> None:
        rest = -sum(angles) % 360
        turns = [Turn(angle=angle) for angle in (*angles, rest)]
        assert np.array_equal(stepped(translucent(), *turns), translucent())

    def test_mirroring_twice_changes_nothing(self) -> None:
        both = Mirror(horizontal=True, vertical=True)
        assert np.array_equal(stepped(translucent(), both, both), translucent())
        assert np.array_equal(stepped(gradient(), both), stepped(gradient(), Turn(angle=180)))


class TestFilters:
    def test_blur_smooths_and_keeps_the_mean(self) -> None:
        noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
        blurred = stepped(noise, BlurStep(sigma=3))
        assert blurred.std() < noise.std() / 3
        assert abs(blurred.mean() - noise.mean()) < 2

    def test_sharpen_raises_contrast_at_edges(self) -> None:
        edge = np.full((32, 32, 3), 80, np.uint8)
        edge[:, 16:] = 160
        soft = stepped(edge, BlurStep(sigma=2))
        sharp = stepped(soft, SharpenStep(sigma=2))
        assert np.diff(sharp[16, :, 0].astype(int)).max() > np.diff(soft[16, :, 0].astype(int)).max()

    @pytest.mark.parametrize("size", [2, 8, 30, 1000])
    def test_blocks_have_one_colour(self, size: int) -> None:
        blocks = stepped(gradient(), PixelateStep(size=size))
        assert blocks.shape == gradient().shape
        block = blocks[: min(size, HEIGHT), : min(size, WIDTH)]
        assert np.ptp(block.reshape(-1, 3), axis=0).max() == 0

    @pytest.mark.parametrize("step", [BlurStep(sigma=2), SharpenStep(sigma=1), PixelateStep(size=4)])
    def test_filters_keep_the_shape_of_any_kind_of_image(self, step: plan.Step) -> None:
        gray = gradient()[:, :, 0]
        for pixels in (gradient(), translucent(), gray, np.dstack([gray, gray])):
            assert stepped(pixels, step).shape[:2] == (HEIGHT, WIDTH)

    def test_filters_do_not_show_what_is_invisible(self) -> None:
        pixels = np.zeros((32, 32, 4), np.uint8)
        pixels[:, :16] = (255, 0, 0, 255)
        pixels[:, 16:] = (0, 255, 0, 0)
        for step in (BlurStep(sigma=2), PixelateStep(size=5)):
            seen = stepped(pixels, step)
            assert (seen[seen[:, :, 3] > 16][:, 1] < 16).all()


class TestCanvas:
    def test_around_the_image_is_nothing(self) -> None:
        pixels = stepped(gradient(), Canvas(width=120, height=80, left=4, top=6))
        assert pixels.shape == (80, 120, 4)
        assert np.array_equal(pixels[6 : 6 + HEIGHT, 4 : 4 + WIDTH, :3], gradient())
        assert pixels[:, :, 3].sum() == WIDTH * HEIGHT * 255

    def test_flatten_lays_on_a_colour(self) -> None:
        canvas = Canvas(width=120, height=80, left=0, top=0)
        pixels = stepped(gradient(), canvas, Flatten(color=Color(r=255)))
        assert pixels.shape == (80, 120, 3)
        assert tuple(pixels[70, 110]) == (255, 0, 0)

    def test_flatten_of_gray_has_the_colour(self) -> None:
        gray = np.dstack([np.full((8, 8), 100, np.uint8), np.zeros((8, 8), np.uint8)])
        assert tuple(stepped(gray, Flatten(color=Color(r=1, g=2, b=3)))[4, 4]) == (1, 2, 3)
        assert tuple(stepped(gray, Flatten(color=Color(r=9, g=9, b=9)))[4, 4]) == (9,)

    def test_flatten_leaves_an_opaque_image_alone(self) -> None:
        assert np.array_equal(stepped(gradient(), Flatten(color=Color(r=255))), gradient())


class TestOverlay:
    def laid(
        self, step: Overlay, mark: bytes, format: Format = Format.PNG, base: np.ndarray | None = None
    ) -> np.ndarray:
        data = pil_bytes(np.zeros((100, 200, 3), np.uint8) if base is None else base, "PNG")
        return decoded(execute(plan_of(data, Format.PNG, step), [(Format.PNG, data), (format, mark)]).body)

    def white(self, width: int, height: int) -> bytes:
        return pil_bytes(np.full((height, width, 3), 255, np.uint8), "PNG")

    def box(self, pixels: np.ndarray) -> tuple[int, int, int, int]:
        rows, columns = np.where(pixels[:, :, 0] > 127)
        return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1

    @pytest.mark.parametrize(
        ("anchor", "x", "y", "box"),
        [
            ("north-west", 0, 0, (0, 0, 20, 10)),
            ("south-east", 0, 0, (180, 90, 200, 100)),
            ("south-east", 5, 7, (175, 83, 195, 93)),
            ("center", 0, 0, (90, 46, 110, 56)),
            ("north-west", -15, 0, (0, 0, 5, 10)),
            ("west", 0.5, 0, (100, 46, 120, 56)),
        ],
    )
    def test_places(self, anchor: str, x: float, y: float, box: tuple[int, int, int, int]) -> None:
        pixels = self.laid(Overlay(input=1, opacity=1, anchor=anchor, x=x, y=y), self.white(20, 10))
        assert pixels.shape == (100, 200, 3), "an image without alpha stays one"
        assert self.box(pixels) == box

    def test_opacity(self) -> None:
        pixels = self.laid(Overlay(input=1, opacity=0.5, anchor="center"), self.white(20, 10))
        assert abs(int(pixels[50, 100, 0]) - 127) <= 1

    def test_offsets_are_scaled(self) -> None:
        step = Overlay(input=1, opacity=1, anchor="north-west", x=10, y=5, offset_scale=2)
        assert self.box(self.laid(step, self.white(20, 10)))[:2] == (20, 10)

    @pytest.mark.parametrize(("fit", "size"), [((100, 100), (100, 50)), ((10, 100), (10, 5)), ((200, 100), (200, 100))])
    def test_it_is_fitted_up_and_down(self, fit: tuple[int, int], size: tuple[int, int]) -> None:
        step = Overlay(input=1, opacity=1, anchor="north-west", fit_width=fit[0], fit_height=fit[1])
        assert self.box(self.laid(step, self.white(20, 10)))[2:] == size

    def test_a_vector_is_drawn_at_its_final_size(self) -> None:
        mark = svg('<rect width="48" height="64" fill="#fff"/>').encode()
        step = Overlay(input=1, opacity=1, anchor="north-west", fit_width=192, fit_height=200)
        pixels = self.laid(step, mark, Format.SVG)
        assert set(np.unique(pixels[50, :95, 0])) == {255}
        assert pixels[50, 97, 0] == 0

    def test_tiles_fill_the_frame_with_gaps(self) -> None:
        pixels = self.laid(Overlay(input=1, opacity=1, anchor="tile", tile=True, x=20, y=10), self.white(20, 10))
        assert abs((pixels[:, :, 0] > 127).mean() - 0.25) < 0.05

    def test_alpha_of_the_base_stays(self) -> None:
        base = np.zeros((100, 200, 4), np.uint8)
        pixels = self.laid(Overlay(input=1, opacity=1, anchor="center"), self.white(20, 10), base=base)
        assert pixels[50, 100, 3] == 255
        assert pixels[0, 0, 3] == 0

    def test_a_turned_overlay_comes_upright(self) -> None:
        exif = Pillow.Exif()
        exif[0x0112] = 6
        mark = pil_bytes(np.full((10, 20, 3), 255, np.uint8), "JPEG", exif=exif.tobytes())
        pixels = self.laid(Overlay(input=1, opacity=1, anchor="north-west"), mark, Format.JPEG)
        assert self.box(pixels) == (0, 0, 10, 20)

    def test_gray_images_take_colour(self) -> None:
        mark = pil_bytes(np.full((10, 20, 3), (250, 10, 10), np.uint8), "PNG")
        base = np.full((100, 200), 40, np.uint8)
        pixels = self.laid(Overlay(input=1, opacity=1, anchor="center"), mark, base=base)
        assert distance(pixels[50, 100], np.array([250, 10, 10])) <= 1
