"""What a plan is predicted to take, from the measured table: admission charges it before work starts."""

from __future__ import annotations

from collections.abc import Sequence

from tintype.core import cost_table as table
from tintype.core.formats import Format
from tintype.core.geometry import Size
from tintype.core.info import ImageInfo, Space
from tintype.core.ladder import rung_size
from tintype.core.loading import HELD_PIXELS, WEIGHTED_PIXELS
from tintype.core.plan import Canvas, Cost, Load, Plan, Save, Scale, Step
from tintype.core.policy import Light
from tintype.core.walk import walk

_MEGA = 1_000_000
_FULL = table.Decode(fixed_ms=5.0, stored_ms=0.0, made_ms=50.0)  # a format nobody has measured is dear
_WRITE = table.Encode(fixed_ms=1.0, ms=100.0)
_HELD = (Format.JPEG, Format.PNG)  # decoded at once where that can be held, streamed otherwise


def cost_of(plan: Plan, info: ImageInfo) -> Cost:
    """Predict CPU milliseconds and peak bytes of a plan; its own `cost` counts for nothing."""
    if plan.passthrough:
        return Cost(cpu_ms=table.FIXED_MS, peak_bytes=table.FIXED_BYTES)
    frames, result = plan.load.frames, plan.width * plan.height
    walked, steps_ms = walk(plan.load, plan.steps), 0.0
    for step, before, made in walked:
        steps_ms += _step_ms(step, before.pixels, made.pixels, info)
    cpu_ms = (
        _decode_ms(plan.load, info) + _colour_ms(plan, info) + steps_ms * frames + _encode_ms(plan.save, result, frames)
    )
    return Cost(cpu_ms=round(table.FIXED_MS + cpu_ms, 1), peak_bytes=_peak_bytes(plan, info, walked))


def _ms(work: table.Work, read: int, made: int) -> float:
    """Return what work on so many pixels takes, that makes so many."""
    return work.fixed_ms + (work.read_ms * read + work.made_ms * made) / _MEGA


def _decode_ms(load: Load, info: ImageInfo) -> float:
    row = table.DECODE.get(load.format, _FULL)
    stored = load.width * load.height if load.thumbnail or info.vector else info.pixels
    if load.rung is not None:
        stored = rung_size(info, load.rung).pixels
    scans_ms = table.PROGRESSIVE_MS if _many_scans(load, info) else 0.0
    made = load.width * load.height
    return row.fixed_ms + ((row.stored_ms + scans_ms) * stored + row.made_ms * made) * load.frames / _MEGA


def _many_scans(load: Load, info: ImageInfo) -> bool:
    return info.progressive and load.format is Format.JPEG and load.rung is None


def _colour_ms(plan: Plan, info: ImageInfo) -> float:
    if plan.load.rung is not None:  # is in sRGB
        return 0.0
    if info.space is not Space.CMYK and not info.profile:
        return 0.0
    work = table.CMYK if info.space is Space.CMYK else table.PROFILE
    return _ms(work, plan.load.width * plan.load.height, plan.width * plan.height) * plan.load.frames


def _step_ms(step: Step, read: int, made: int, info: ImageInfo) -> float:
    ms = _ms(table.STEPS[type(step).__name__], read, made)
    if isinstance(step, Scale):
        ms += _ms(table.LINEAR_SCALE, read, made) if step.light is Light.LINEAR else 0.0
        ms += _ms(table.ALPHA_SCALE, read, made) if info.alpha else 0.0
    return ms


def _encode_ms(save: Save, pixels: int, frames: int) -> float:
    row = table.ENCODE.get(save.format, _WRITE)
    ms = table.PALETTE_MS if save.palette else dict(row.effort_ms).get(save.effort, row.ms)
    tries = 2 if save.max_bytes else 1  # the first guess seldom fits
    return tries * (row.fixed_ms + ms * pixels * frames / _MEGA)


def _peak_bytes(plan: Plan, info: ImageInfo, walked: Sequence[tuple[Step, Size, Size]]) -> int:
    """Predict memory: whole images that the decoder, a step and the encoder hold at once."""
    frames = plan.load.frames
    deep = plan.steps and getattr(plan.steps[0], "keep_depth", False)
    pixel = (info.bands + (0 if info.alpha else 1)) * (2 if deep or info.bits > 8 else 1)
    held = plan.load.width * _held_rows(plan.load) * frames
    if (
        plan.load.format is Format.WEBP and plan.load.scale < 1 and info.pixels <= HELD_PIXELS
    ):  # scaled once it is decoded
        held = max(held, info.pixels)
    for step, before, made in walked:
        if table.STEPS[type(step).__name__].whole:
            held = max(held, held + before.pixels * frames)
        if info.alpha and isinstance(step, Scale) and step.light is Light.GAMMA and before.pixels <= WEIGHTED_PIXELS:
            held += before.pixels
        if isinstance(step, Canvas):
            held = max(held, made.pixels * frames)
    result = plan.width * plan.height * frames
    coefficients = table.PROGRESSIVE_BYTES * info.pixels if _many_scans(plan.load, info) else 0
    return table.FIXED_BYTES + coefficients + pixel * (held + 2 * result)


def _held_rows(load: Load) -> int:
    """Return how many rows of a frame are in memory at once while it is decoded."""
    whole = load.format in _HELD and load.width * load.height <= HELD_PIXELS
    streaming = table.DECODE.get(load.format, _FULL).streaming and load.frames == 1 and not whole
    return min(load.height, table.STREAM_ROWS) if streaming else load.height
