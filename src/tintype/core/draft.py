"""A plan under way: what is being decided about, and the image as the steps decided so far leave it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from tintype.core.formats import Format
from tintype.core.geometry import Size, View
from tintype.core.info import ImageInfo
from tintype.core.loading import Loaded
from tintype.core.pipeline import Op, Pipeline
from tintype.core.plan import Canvas, Flatten, Step
from tintype.core.policy import Policy
from tintype.core.sizing import Sizes
from tintype.core.walk import after


class Task(msgspec.Struct, frozen=True):
    """Everything that is known before the first step. `original`: as `loaded` would be if there were no rungs."""

    pipeline: Pipeline
    info: ImageInfo
    policy: Policy
    format: Format
    view: View
    sizes: Sizes
    loaded: Loaded
    original: Loaded
    trimmed: bool = False  # goes on from pixels in memory: nothing is loaded


class Draft(msgspec.Struct, frozen=True):
    """The steps so far, and what they leave: the size of the image, and whether it may be transparent."""

    size: Size
    alpha: bool
    steps: tuple[Step, ...] = ()

    def then(self, step: Step) -> Draft:
        alpha = (self.alpha or isinstance(step, Canvas)) and not isinstance(step, Flatten)
        return Draft(after(step, self.size), alpha, (*self.steps, step))


Decider: TypeAlias = Callable[[Task, Draft], Step | None]
"""Decides about one step from the image it would meet; None = nothing to do."""

# With the kind of op that it is about: without such an op it decides nothing. None = it always may.
Turns: TypeAlias = tuple[tuple[type[Op] | None, Decider], ...]
