"""STEPS: each step of a plan, and the function that does it. A test asserts that none is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tintype.core import plan
from tintype.worker.pixels import Image
from tintype.worker.steps.average import average
from tintype.worker.steps.canvas import canvas, flatten
from tintype.worker.steps.context import Context
from tintype.worker.steps.crop import crop
from tintype.worker.steps.filters import blur, pixelate, sharpen
from tintype.worker.steps.overlay import overlay
from tintype.worker.steps.scale import scale
from tintype.worker.steps.smart_crop import smart_crop
from tintype.worker.steps.to_working import to_working
from tintype.worker.steps.trim import trim
from tintype.worker.steps.turn import mirror, turn

STEPS: dict[type[plan.Step], Callable[[Image, Any, Context], Image]] = {
    plan.ToWorking: to_working,
    plan.TrimBorder: trim,
    plan.CropBox: crop,
    plan.SmartCrop: smart_crop,
    plan.Scale: scale,
    plan.Average: average,
    plan.Turn: turn,
    plan.Mirror: mirror,
    plan.BlurStep: blur,
    plan.SharpenStep: sharpen,
    plan.PixelateStep: pixelate,
    plan.Canvas: canvas,
    plan.Flatten: flatten,
    plan.Overlay: overlay,
}
