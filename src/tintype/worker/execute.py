"""The engine: a plan folded over an image. Bytes in, bytes out, nothing else read or written."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pyvips
from msgspec.structs import replace

from tintype.core.formats import Format
from tintype.core.loading import HELD_PIXELS
from tintype.core.plan import HELD_RESULT_PIXELS, Load, Plan, Rung, Step, ToWorking
from tintype.core.resolve import resolve_rest
from tintype.worker import codecs, colour, finished, metadata, svg
from tintype.worker.codecs.fit import encode_within
from tintype.worker.pixels import INT, INTS, BytesLike, Data, Image, has, number
from tintype.worker.refusals import refusing_pixels
from tintype.worker.steps import STEPS
from tintype.worker.steps.context import Context

Input: TypeAlias = tuple[Format, Data]

_FRAME_DELAY_MS = 40  # of animations that say none


@dataclass(frozen=True, slots=True)
class Rendered:
    """A result. Times are milliseconds; decoders that work row by row count as steps."""

    body: bytes
    format: Format
    width: int
    height: int
    frames: int = 1
    pixels: tuple[bytes, bytes] | None = None  # as the steps left them, where they were asked for and can be told
    decode_ms: float = 0.0
    steps_ms: float = 0.0
    encode_ms: float = 0.0


def execute(plan: Plan, inputs: Sequence[tuple[Format, BytesLike]]) -> Rendered:
    """Render one plan; inputs[0] is the source, others are overlays.

    Raises:
        ImageError: the source, or an overlay, cannot be shown as planned; says why.
    """
    return execute_all((plan,), inputs)[0]


def execute_all(
    plans: Sequence[Plan],
    inputs: Sequence[tuple[Format, BytesLike]],
    there: Mapping[int, BytesLike] | None = None,
    keep: Collection[int] = (),
) -> list[Rendered]:
    """Render several plans of one source, doing once what they have in common. Raises as `execute`.

    A plan that loads a rung which a plan before it makes is made from that; otherwise inputs[0] is the rung.
    `there`: finished pixels of plans, by number, which are encoded as they are. `keep`: of these the pixels are wanted.
    """
    views = [(kind, memoryview(data)) for kind, data in inputs]
    shared = Shared(plans, [plans[at] for at in keep])
    for at, data in (there or {}).items():
        shared.found(plans[at], finished.unpacked(memoryview(data)))
    made: dict[Rung | None, Input] = {}
    results = []
    for at, plan in enumerate(plans):
        source = made.get(plan.load.rung, views[0])
        results.append(_execute(plan, [source, *views[1:]], shared, keep=at in keep))
        if plan.rung is not None:
            made[plan.rung] = (plan.rung.format, memoryview(results[-1].body))
    return results


class Shared:
    """Images that several plans of a job come by: as decoded, and as their steps leave them. Each is made once and held.

    Decoded ones that are too large to be held are decoded again.
    """

    def __init__(self, plans: Sequence[Plan], kept: Sequence[Plan] = ()) -> None:
        whole = [plan for plan in plans if not plan.passthrough]
        # What is alike up to the encoder is one use of what is decoded.
        paths = {(plan.load, plan.steps, plan.rest) for plan in whole}
        uses: Counter[object] = Counter(path for plan in whole if (path := _path(plan)))
        uses.update(load for load, _, _ in paths if load.width * load.height * load.frames <= HELD_PIXELS)
        self._wanted = {key for key, count in uses.items() if count > 1} | {_path(plan) for plan in kept}
        self._held: dict[object, Image] = {}

    def loaded(self, plan: Plan, data: Data) -> Image:
        """Return the decoded image, or if that is at hand, the image as the plan's steps leave it."""
        if self.stepped(plan):
            return self._held[_path(plan)]
        return self._held[plan.load] if plan.load in self._held else self._kept(plan.load, codecs.load(data, plan.load))

    def stepped(self, plan: Plan) -> bool:
        """Tell whether the steps of a plan were taken by another."""
        return _path(plan) in self._held

    def found(self, plan: Plan, image: Image) -> None:
        """Take an image as the plan's steps left it in another job."""
        self._held[_path(plan)] = image

    def packed(self, plan: Plan) -> tuple[bytes, bytes] | None:
        """Return the image as the plan's steps left it for another job, None if it cannot be told."""
        return finished.packed(self._held[_path(plan)]) if self.stepped(plan) else None

    def keep(self, plan: Plan, image: Image) -> Image:
        """Return an image as the plan's steps leave it, held for those who come by it too."""
        return self._kept(_path(plan), image)

    def _kept(self, key: object, image: Image) -> Image:
        if key in self._wanted:
            image = self._held[key] = image.copy_memory()
        return image


def _path(plan: Plan) -> tuple[Load, Sequence[Step]] | None:
    """Return what decides about the pixels of a plan, None where that is not all or they are too many to hold."""
    return (plan.load, plan.steps) if plan.plain else None


def _execute(plan: Plan, inputs: Sequence[Input], shared: Shared, *, keep: bool) -> Rendered:
    if plan.passthrough:
        return _pass(plan, inputs[0][1])
    started = time.perf_counter()
    with refusing_pixels(plan.load.format.value):
        image = shared.loaded(plan, inputs[0][1])
    loaded = time.perf_counter()
    with refusing_pixels(plan.load.format.value):
        image, plan = _transformed(image, plan, Context(inputs), shared)
    stepped = time.perf_counter()
    body = encode_within(image, plan.save)
    ended = time.perf_counter()
    frames = number(image, "n-pages", 1)
    return Rendered(
        body=body,
        format=plan.save.format,
        width=image.width,
        height=image.height // frames,
        frames=frames,
        pixels=shared.packed(plan) if keep else None,
        decode_ms=(loaded - started) * 1000,
        steps_ms=(stepped - loaded) * 1000,
        encode_ms=(ended - stepped) * 1000,
    )


def _pass(plan: Plan, data: Data) -> Rendered:
    """Hand the source on as it is, an SVG without what could do harm."""
    clean = plan.save.format is Format.SVG and plan.save.sanitize
    body = svg.sanitise(data) if clean else bytes(data)
    return Rendered(body=body, format=plan.save.format, width=plan.width, height=plan.height)


def _transformed(image: Image, plan: Plan, context: Context, shared: Shared) -> tuple[Image, Plan]:
    """Return the finished image, and the plan that says how it is written."""
    if plan.load.frames > 1:
        image = _animated(image, plan, context)
    else:
        image, plan = _still(image, plan, context, shared)
    keep = any(isinstance(step, ToWorking) and step.keep_profile for step in plan.steps)
    image = colour.finish(image, plan.save, keep_profile=keep)
    image = metadata.strip(image, plan.save, animated=plan.load.frames > 1)
    small = image.width * image.height <= HELD_RESULT_PIXELS
    return image.copy_memory() if small or plan.save.max_bytes else image, plan


def _still(image: Image, plan: Plan, context: Context, shared: Shared) -> tuple[Image, Plan]:
    if not shared.stepped(plan):
        image = shared.keep(plan, _stepped(image, plan.steps, context))
    if plan.rest is None:
        return image, plan
    rest = resolve_rest(plan.rest, image.width, image.height)
    return _stepped(image, rest.steps, context), replace(plan, save=rest.save)


def _stepped(image: Image, steps: Sequence[Step], context: Context) -> Image:
    for step in steps:
        image = STEPS[type(step)](image, step, context)
    return image


def _animated(image: Image, plan: Plan, context: Context) -> Image:
    """Take the steps frame by frame, and stack the frames again with their delays and loop."""
    frames, height = plan.load.frames, plan.load.height
    parts = [image.extract_area(0, i * height, image.width, height) for i in range(frames)]
    parts = [_stepped(part, plan.steps, context).copy_memory() for part in parts]
    joined = pyvips.Image.arrayjoin(parts, across=1).copy()
    delays = list(image.get("delay")) if has(image, "delay") else []
    joined.set_type(INTS, "delay", (delays + [_FRAME_DELAY_MS] * frames)[:frames])
    joined.set_type(INT, "loop", number(image, "loop", 0))
    joined.set_type(INT, "page-height", parts[0].height)
    joined.set_type(INT, "n-pages", frames)
    return joined
