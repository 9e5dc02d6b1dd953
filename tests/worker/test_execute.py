"""Plans folded over images: animations, byte bounds, several plans of one source, sources handed on."""

from __future__ import annotations

import io
import mmap
from pathlib import Path

import numpy as np
import pytest
import pyvips
from msgspec.structs import replace
from PIL import Image as Pillow
from PIL import ImageSequence

from tests.worker.pictures import HEIGHT, WIDTH, decoded, encoded, gradient, pil_bytes, plan_of, run, svg
from tintype.core.errors import BrokenImage, ImageError
from tintype.core.formats import FACTS, Format
from tintype.core.ladder import ladder_of
from tintype.core.offer import Offer
from tintype.core.pipeline import Color, Output, Pipeline, Resize, SourceRef
from tintype.core.plan import CropBox, Flatten, Load, Overlay, Plan, Save, Scale
from tintype.core.policy import Policy
from tintype.core.resolve import resolve, resolve_rung
from tintype.worker.codecs.fit import lower
from tintype.worker.execute import execute, execute_all
from tintype.worker.probe import probe

COLOURS = ((200, 0, 0), (0, 200, 0), (0, 0, 200))


def animation(kind: str, *, delays: list[int] | None = None, loop: int = 3) -> bytes:
    """Three frames of one colour each, with a white spot, so that no two are alike."""
    frames = []
    for i, colour in enumerate(COLOURS):
        pixels = np.full((40, 60, 3), colour, np.uint8)
        pixels[i, i] = 255
        frames.append(Pillow.fromarray(pixels))
    out = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    duration = delays or [100, 200, 300]
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=duration, loop=loop, **options)
    return out.getvalue()


def frames_of(body: bytes) -> list[np.ndarray]:
    with Pillow.open(io.BytesIO(body)) as picture:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(picture)]


def delays_of(body: bytes) -> list[int]:
    image = pyvips.Image.new_from_buffer(body, "", n=-1)
    return list(image.get("delay"))


class TestAnimation:
    @pytest.mark.parametrize("source", [Format.GIF, Format.WEBP])
    @pytest.mark.parametrize("target", [Format.GIF, Format.WEBP])
    def test_frames_take_each_step(self, source: Format, target: Format) -> None:
        data = animation(source.value.upper())
        assert probe(source, data, 0).frames == 3
        save = Save(format=target, quality=95, animated=True)
        result = run(
            data, source, CropBox(left=5, top=5, width=40, height=30), Scale(width=20, height=15), save=save, frames=3
        )
        assert (result.width, result.height, result.frames) == (20, 15, 3)
        with Pillow.open(io.BytesIO(result.body)) as picture:
            assert picture.n_frames == 3  # type: ignore[attr-defined]
            # GIF counts repeats after the first showing, WebP counts showings.
            assert picture.info["loop"] == 3 + (target is Format.WEBP) - (source is Format.WEBP)
        assert delays_of(result.body) == [100, 200, 300]
        for frame, colour in zip(frames_of(result.body), COLOURS, strict=True):
            assert np.abs(frame[8, 10].astype(int) - colour).max() < 12

    def test_an_animation_can_be_a_still(self) -> None:
        result = run(animation("GIF"), Format.GIF, save=Save(format=Format.WEBP, quality=95))
        assert result.frames == 1
        assert len(frames_of(result.body)) == 1

    def test_some_of_the_frames(self) -> None:
        result = run(animation("GIF"), Format.GIF, save=Save(format=Format.GIF, animated=True), frames=2)
        assert len(frames_of(result.body)) == 2

    def test_an_overlay_is_on_every_frame(self) -> None:
        data = animation("GIF")
        mark = pil_bytes(np.full((10, 10, 3), 255, np.uint8), "PNG")
        step = Overlay(input=1, opacity=1, anchor="south-east", x=-5, y=-5)
        plan = plan_of(data, Format.GIF, step, save=Save(format=Format.GIF, animated=True), frames=3)
        for frame in frames_of(execute(plan, [(Format.GIF, data), (Format.PNG, mark)]).body):
            assert tuple(frame[38, 58]) == (255, 255, 255)
            assert tuple(frame[38, 50]) != (255, 255, 255)
            assert tuple(frame[3, 58]) != (255, 255, 255), "it does not hang over into the next frame"


class TestByteBound:
    noise = pil_bytes(np.random.default_rng(2).integers(0, 255, (128, 128, 3), dtype=np.uint8), "PNG")

    @pytest.mark.parametrize(
        "format", sorted(f for f in FACTS if FACTS[f].quality and FACTS[f].save and f is not Format.TIFF)
    )
    def test_quality_goes_down_until_it_fits(self, format: Format) -> None:
        free = run(self.noise, Format.PNG, save=Save(format=format, quality=90))
        bound = run(self.noise, Format.PNG, save=Save(format=format, quality=90, max_bytes=len(free.body) // 2))
        assert len(bound.body) <= len(free.body) // 2

    def test_it_ends_although_nothing_fits(self) -> None:
        assert run(self.noise, Format.PNG, save=Save(format=Format.JPEG, max_bytes=10)).body

    def test_a_format_without_quality_is_written_once(self) -> None:
        assert run(self.noise, Format.PNG, save=Save(format=Format.PNG, max_bytes=10)).body

    @pytest.mark.parametrize(("overshoot", "quality"), [(3.1, 20), (3.0, 40), (1.6, 40), (1.5, 60), (1.01, 60)])
    def test_how_far_it_goes(self, overshoot: float, quality: int) -> None:
        assert lower(80, overshoot) == quality

    def test_it_always_goes_down(self) -> None:
        assert all(1 <= lower(quality, 1.01) < quality for quality in range(2, 101))


class TestSeveral:
    def test_several_plans_give_what_each_gives_alone(self) -> None:
        data = encoded(Format.JPEG, gradient(400, 300))
        plans = [
            plan_of(data, Format.JPEG, Scale(width=w, height=w), save=Save(format=f))
            for w, f in ((50, Format.PNG), (60, Format.WEBP))
        ]
        plans.append(plan_of(data, Format.JPEG, Scale(width=70, height=30), shrink=2, width=200, height=150))
        together = execute_all(plans, [(Format.JPEG, data)])
        assert [r.body for r in together] == [execute(plan, [(Format.JPEG, data)]).body for plan in plans]

    def test_the_same_plan_gives_the_same_bytes(self) -> None:
        data = encoded(Format.PNG, gradient())
        for target in (Format.JPEG, Format.PNG, Format.WEBP, Format.AVIF, Format.GIF):
            plan = plan_of(data, Format.PNG, Scale(width=40, height=30), save=Save(format=target))
            assert execute(plan, [(Format.PNG, data)]).body == execute(plan, [(Format.PNG, data)]).body


class TestHandedOn:
    def plan(self, format: Format, *, sanitize: bool = True) -> Plan:
        load = Load(format=format, width=WIDTH, height=HEIGHT)
        return Plan(
            load=load,
            steps=(),
            save=Save(format=format, sanitize=sanitize),
            width=WIDTH,
            height=HEIGHT,
            passthrough=True,
        )

    def test_bytes_as_they_are(self) -> None:
        data = encoded(Format.JPEG, gradient())
        result = execute(self.plan(Format.JPEG), [(Format.JPEG, data)])
        assert (result.body, result.width, result.height) == (data, WIDTH, HEIGHT)

    def test_a_vector_without_its_scripts(self) -> None:
        data = svg("<script>alert(1)</script><circle r='4'/>").encode()
        assert b"script" not in execute(self.plan(Format.SVG), [(Format.SVG, data)]).body
        assert execute(self.plan(Format.SVG, sanitize=False), [(Format.SVG, data)]).body == data


def test_a_mapped_file_can_be_closed_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(encoded(Format.JPEG, gradient()))
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        plan = plan_of(mapped[:], Format.JPEG, Scale(width=20, height=20))
        probe(Format.JPEG, mapped, 0)
        assert execute(plan, [(Format.JPEG, mapped)]).body
        mapped.close()  # raises BufferError while an image still refers to it


def test_times_are_told() -> None:
    result = run(encoded(Format.JPEG, gradient()), Format.JPEG)
    assert min(result.decode_ms, result.steps_ms, result.encode_ms) > 0


def test_a_step_beyond_the_image_is_an_error_and_no_crash() -> None:
    with pytest.raises(ImageError):
        run(encoded(Format.PNG, gradient()), Format.PNG, CropBox(left=90, top=0, width=50, height=10))


def test_a_broken_overlay_is_an_error() -> None:
    data = encoded(Format.PNG, gradient())
    plan = plan_of(data, Format.PNG, Overlay(input=1, opacity=1, anchor="center"))
    with pytest.raises(BrokenImage):
        execute(plan, [(Format.PNG, data), (Format.JPEG, b"\xff\xd8 nothing")])


def test_a_defect_of_ours_is_no_fault_of_the_image() -> None:
    data = encoded(Format.PNG, gradient())
    with pytest.raises(IndexError):
        execute(plan_of(data, Format.PNG, Overlay(input=7, opacity=1, anchor="center")), [(Format.PNG, data)])


def test_results_too_large_for_memory_are_streamed() -> None:
    data = pil_bytes(np.zeros((10, 10, 3), np.uint8), "PNG")
    result = run(
        data, Format.PNG, Scale(width=4000, height=2500), Flatten(color=Color()), save=Save(format=Format.JPEG)
    )
    assert (result.width, result.height) == (4000, 2500)
    assert decoded(result.body).shape == (2500, 4000, 3)


class TestRungs:
    """A smaller master and what is made of it, in one job and in a later one."""

    PHOTO = encoded(Format.JPEG, gradient(1600, 1200))

    def plans(self) -> tuple[Plan, Plan]:
        info = probe(Format.JPEG, self.PHOTO, 0)
        policy = Policy(ladder=(400,))
        (rung,) = ladder_of(info, policy)
        asked = Pipeline.of(SourceRef(url="local:///x"), Resize(width=120), output=Output(format=Format.PNG))
        return resolve_rung(rung, info), resolve(asked, info, Offer(), policy, (rung,))

    def test_a_result_is_the_same_from_a_rung_of_its_own_job_and_from_one_that_was_kept(self) -> None:
        master, small = self.plans()
        made = execute_all((master, small), [(Format.JPEG, self.PHOTO)])
        assert [(result.width, result.height) for result in made] == [(400, 300), (120, 90)]
        again = execute(small, [(Format.JPEG, made[0].body)])
        assert again.body == made[1].body

    def test_it_is_nearly_what_the_original_makes(self) -> None:
        master, small = self.plans()
        made = execute_all((master, small), [(Format.JPEG, self.PHOTO)])[1]
        whole = execute(
            replace(small, load=Load(format=Format.JPEG, width=1600, height=1200)), [(Format.JPEG, self.PHOTO)]
        )
        distance = np.abs(decoded(made.body).astype(int) - decoded(whole.body).astype(int))
        assert distance.mean() < 2
