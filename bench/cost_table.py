"""Measure the service times behind `Plan.cost` with the worker's own code, and compare predictions with whole renders.

    python -m bench.cost_table            measure, print, and tell how well the table in force predicts
    python -m bench.cost_table --write    also write src/tintype/core/cost_table.py

CPU milliseconds of one thread, the least of several runs; coefficients are the least squares of relative errors.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

os.environ |= {"VIPS_CONCURRENCY": "1", "OPENBLAS_NUM_THREADS": "1"}  # before the libraries are loaded

import numpy as np
import pyvips
from msgspec.structs import replace

from bench.cost_check import check
from bench.cost_write import Measured, write
from bench.photos import photos
from bench.report import report
from tintype.core import cost_table
from tintype.core.cost_table import Decode, Encode, Work
from tintype.core.formats import LOADABLE, SAVABLE, Format
from tintype.core.pipeline import Color
from tintype.core.plan import (
    Average,
    BlurStep,
    Canvas,
    Flatten,
    Load,
    Mirror,
    Overlay,
    PixelateStep,
    Save,
    Scale,
    SharpenStep,
    SmartCrop,
    Step,
    ToWorking,
    TrimBorder,
    Turn,
)
from tintype.core.policy import Light
from tintype.worker import codecs
from tintype.worker.pixels import ICC, with_blob
from tintype.worker.probe import probe
from tintype.worker.steps import STEPS
from tintype.worker.steps.context import Context

MEGA = 1_000_000
Terms = tuple[float, float, float]  # one, MP read, MP made; or a coefficient for each
LARGE = ((400, 300), (1200, 900), (2400, 1800))
SMALL = ((160, 120), (512, 384), (1024, 768))
ICONS = ((32, 32), (128, 128), (256, 256))
EFFORTS: dict[Format, Sequence[int]] = {Format.WEBP: range(7), Format.AVIF: range(5), Format.JXL: (1, 3, 4, 7)}
# Nothing here writes HEIC, so its row stays; steps of the table that cost nothing of their own stay too.
STEP_OF: dict[str, Callable[[int, int], Step]] = {
    "Average": lambda w, h: Average(width=w // 2, height=h // 2, box=2),
    "TrimBorder": lambda _w, _h: TrimBorder(threshold=10),
    "SmartCrop": lambda w, h: SmartCrop(width=w // 2, height=h // 2),
    "Turn": lambda _w, _h: Turn(angle=90),
    "Mirror": lambda _w, _h: Mirror(horizontal=True),
    "BlurStep": lambda _w, _h: BlurStep(sigma=2),
    "SharpenStep": lambda _w, _h: SharpenStep(sigma=1),
    "PixelateStep": lambda _w, _h: PixelateStep(size=8),
    "Canvas": lambda w, h: Canvas(width=w + 100, height=h + 100, left=50, top=50),
    "Flatten": lambda _w, _h: Flatten(color=Color(255, 255, 255)),
    "Overlay": lambda _w, _h: Overlay(input=1, opacity=0.7, anchor="center"),
}
# A copy of the pixels is part of what is measured, and of no step.
_COPY_MS = 0.35


class Bench:
    """Measures with camera photos, and with one of them brought to several sizes."""

    def __init__(self, photos: Sequence[Path], runs: int) -> None:
        self._photos = photos
        source = memoryview(photos[0].read_bytes())
        info = probe(Format.JPEG, source, 0)
        load = Load(format=Format.JPEG, width=info.width, height=info.height)
        self._photo = codecs.load(source, load).copy_memory()
        self._runs = runs

    def measured(self) -> Measured:
        """Measure everything that the table has."""
        scale = self._scale(LARGE, Light.GAMMA)
        linear, alpha = self._scale(LARGE, Light.LINEAR), self._scale(LARGE, Light.GAMMA, alpha=True)
        return Measured(
            decode={kind: self.decode(kind) for kind in _in_order(cost_table.DECODE, LOADABLE)},
            steps={**{name: self.step(name) for name in cost_table.STEPS}, "Scale": scale},
            cmyk=self._conversion("cmyk"),
            profile=self._conversion("p3"),
            linear_scale=_more(linear, scale),
            alpha_scale=_more(alpha, scale),
            encode={kind: self.encode(kind) for kind in _in_order(cost_table.ENCODE, SAVABLE)},
            palette_ms=self._encode(Save(format=Format.PNG, palette=True), SMALL[1:2])[1],
        )

    def picture(self, width: int, height: int, *, alpha: bool = False) -> Any:
        image = self._photo.resize(width / self._photo.width, vscale=height / self._photo.height)
        image = image.bandjoin(image[1]) if alpha else image
        return image.copy(interpretation="srgb").copy_memory()

    def ms(self, work: Callable[[], object]) -> float:
        """Return the least CPU time of some runs, after one that does not count."""
        work()
        best = float("inf")
        for _ in range(self._runs):
            began = time.process_time()
            work()
            best = min(best, (time.process_time() - began) * 1000)
        return best

    def decode(self, format: Format) -> Decode:
        """Fit a decoder to sizes, and to reductions where it does some of them itself."""
        known = cost_table.DECODE[format]
        rows, found = [], []
        for body, load, stored in self._sources(format):
            source = memoryview(body)
            rows.append((1.0, stored / MEGA if known.stored_ms else 0.0, load.width * load.height / MEGA))
            found.append(self.ms(lambda s=source, d=load: codecs.load(s, d).copy_memory()))  # type: ignore[misc]
        return Decode(*fitted(rows, found), streaming=known.streaming) if rows else known

    def _sources(self, format: Format) -> list[tuple[bytes, Load, int]]:
        if format is Format.HEIC:
            return []
        if format is Format.SVG:
            return _drawings()
        if (
            format is Format.JPEG
        ):  # their cost is in their bytes: a camera writes several times what an encoder at 85 does
            small = [codecs.encode(self.picture(*size), Save(format=format), 92) for size in SMALL[:2]]
            return [case for body in (*(file.read_bytes() for file in self._photos), *small) for case in _camera(body)]
        found = []
        for width, height in ICONS if format is Format.ICO else LARGE:
            body = codecs.encode(self.picture(width, height), Save(format=format), 85)
            load = Load(format=format, width=width, height=height)
            found += [(body, one, width * height) for one in _reductions(load)]
        return found

    def encode(self, format: Format) -> Encode:
        """Fit an encoder to sizes, at each effort that it has."""
        usual = Save(format=format, effort={Format.WEBP: 4, Format.AVIF: 1}.get(format, 4))
        by_effort = [(e, self._encode(replace(usual, effort=e), SMALL[:2])[1]) for e in EFFORTS.get(format, ())]
        fixed, ms = self._encode(usual, ICONS if format is Format.ICO else SMALL)
        return Encode(fixed, ms, tuple(by_effort))

    def _encode(self, save: Save, sizes: Sequence[tuple[int, int]]) -> tuple[float, float]:
        images = [self.picture(*size) for size in sizes]
        found = [self.ms(lambda i=image: codecs.encode(i, save, 80)) for image in images]  # type: ignore[misc]
        fixed, ms, _ = fitted([(1.0 if len(sizes) > 1 else 0.0, w * h / MEGA, 0.0) for w, h in sizes], found)
        return fixed, ms

    def step(self, name: str) -> Work:
        """Fit a step to what it reads, or to what it makes: as the table has it."""
        known = cost_table.STEPS[name]
        if name not in STEP_OF:
            return known
        rows, found = [], []
        for width, height in LARGE:
            image, step = self.picture(width, height, alpha=name == "Flatten"), STEP_OF[name](width, height)
            made = self._apply(image, step)
            rows.append(_terms(known, width * height, made.width * made.height))
            found.append(self._step_ms(image, step, made))
        return Work(*fitted(rows, found), whole=known.whole)

    def _scale(self, sizes: Sequence[tuple[int, int]], light: Light, *, alpha: bool = False) -> Work:
        rows, found = [], []
        for width, height in sizes:
            image = self.picture(width, height, alpha=alpha)
            for part in (2, 5):
                step = Scale(width=width // part, height=height // part, light=light)
                rows.append((0.0, width * height / MEGA, step.width * step.height / MEGA))
                found.append(self._step_ms(image, step, self._apply(image, step)))
        return Work(*fitted(rows, found))

    def _step_ms(self, image: Any, step: Step, made: Any) -> float:
        copying: float = _COPY_MS * made.width * made.height / MEGA
        return max(0.01, self.ms(lambda: self._apply(image, step)) - copying)

    def _apply(self, image: Any, step: Step) -> Any:
        mark = (Format.PNG, memoryview(self._mark))
        return STEPS[type(step)](image, step, Context((mark, mark))).copy_memory()

    @cached_property
    def _mark(self) -> bytes:
        return codecs.encode(self.picture(160, 120, alpha=True), Save(format=Format.PNG), 80)

    def _conversion(self, profile: str) -> Work:
        """Fit the way from a profile to sRGB."""
        known = cost_table.CMYK if profile == "cmyk" else cost_table.PROFILE
        rows, found = [], []
        for width, height in LARGE:
            image = self.picture(width, height).icc_export(output_profile=profile).copy_memory()
            image = (
                with_blob(image, ICC, pyvips.Image.profile_load(profile)) if ICC not in image.get_fields() else image
            )
            rows.append(_terms(known, width * height, width * height))
            found.append(self._step_ms(image, ToWorking(light=Light.LINEAR), image))
        return Work(*fitted(rows, found))


def _in_order(table: dict[Format, Any], wanted: frozenset[Format]) -> list[Format]:
    return [*(kind for kind in table if kind in wanted), *sorted(wanted - table.keys())]


def _drawings() -> list[tuple[bytes, Load, int]]:
    """Return a drawing of a few hundred shapes, as icons and charts are, at several sizes."""
    shapes = "".join(
        f'<path d="M{n * 37 % 400} {n * 53 % 300}q{n % 40} 30 60 {n % 25}t30 9z" fill="hsl({n},60%,50%)" opacity=".7"/>'
        for n in range(300)
    )
    body = f'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="300">{shapes}</svg>'.encode()
    sizes = [(width, width * 3 // 4) for width, _ in SMALL]
    return [(body, Load(format=Format.SVG, width=w, height=h, scale=w / 400), w * h) for w, h in sizes]


def _camera(body: bytes) -> list[tuple[bytes, Load, int]]:
    info = probe(Format.JPEG, body, 0)
    load = Load(format=Format.JPEG, width=info.width, height=info.height)
    return [(body, one, info.pixels) for one in _reductions(load)]


def _reductions(load: Load) -> list[Load]:
    if load.format not in (Format.JPEG, Format.WEBP):
        return [load]
    sized = [(part, replace(load, width=load.width // part, height=load.height // part)) for part in (1, 2, 4)]
    if load.format is Format.JPEG:
        return [replace(one, shrink=part) for part, one in sized]
    return [replace(one, scale=1 / part) for part, one in sized]


def _terms(known: Work, read: int, made: int) -> Terms:
    return (
        1.0 if known.fixed_ms else 0.0,
        read / MEGA if known.read_ms else 0.0,
        made / MEGA if known.made_ms else 0.0,
    )


def _more(one: Work, other: Work) -> Work:
    """Return what one kind of work costs on top of another, for what it reads and what it makes."""
    return Work(0.0, max(0.0, one.read_ms - other.read_ms), max(0.0, one.made_ms - other.made_ms))


def fitted(rows: Sequence[Terms], measured: Sequence[float]) -> Terms:
    """Return coefficients, none negative, that bring rows closest to what was measured, by relative error."""
    weights = 1 / np.maximum(np.array(measured), 0.05)
    matrix = np.array(rows, dtype=float) * weights[:, None]
    result = [0.0] * matrix.shape[1]
    used = [n for n in range(matrix.shape[1]) if matrix[:, n].any()]
    while used:
        found, *_ = np.linalg.lstsq(matrix[:, used], np.array(measured) * weights, rcond=None)
        if min(found) >= 0:
            for at, value in zip(used, found, strict=True):
                result[at] = float(value)
            break
        used.pop(int(np.argmin(found)))
    return result[0], result[1], result[2]


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--write", action="store_true", help="write the table into the source")
    given.add_argument("--quick", action="store_true", help="one run of each measurement")
    args = given.parse_args()
    codecs.lock_down()
    with tempfile.TemporaryDirectory() as work:
        files = photos(Path(work))
        measured = Bench(files, 1 if args.quick else 4).measured()
        if args.write:
            write(measured)
        rows, ratio = check(files, measured)
    report("cost_table", rows, median_ratio=ratio, written=args.write)
    print(f"measured / predicted, median: {ratio:.2f}")


if __name__ == "__main__":
    main()
