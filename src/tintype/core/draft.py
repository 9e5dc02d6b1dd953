"""A plan under way: what is being decided about, and the image as the steps decided so far leave it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from tintype.core.formats import Format
from tintype.core.geometry import Size, View
from tintype.core.info import ImageInfo
from tintype.core.loading import Loaded
from tintype.core.pipeline import Pipeline
from tintype.core.plan import Canvas, Flatten, Step
from tintype.core.policy import Policy
from tintype.core.sizing import Sizes
from tintype.core.walk import after


@dataclass(frozen=True, slots=True)
class Task:
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


@dataclass(frozen=True, slots=True)
class Draft:
    """The steps so far, and what they leave: the size of the image, and whether it may be transparent."""

    size: Size
    alpha: bool
    steps: tuple[Step, ...] = ()

    def then(self, step: Step | None) -> Draft:
        if step is None:
            return self
        alpha = (self.alpha or isinstance(step, Canvas)) and not isinstance(step, Flatten)
        return replace(self, size=after(step, self.size), alpha=alpha, steps=(*self.steps, step))


Decider: TypeAlias = Callable[[Task, Draft], Step | None]
"""Decides about one step from the image it would meet; None = nothing to do."""
