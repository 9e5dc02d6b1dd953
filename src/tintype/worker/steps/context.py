"""What steps may need beside the image: the other inputs, and what was prepared from them for an earlier frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tintype.core.formats import Format
from tintype.worker.pixels import Data, Image


@dataclass(frozen=True, slots=True)
class Context:
    """One plan's run. `overlays` keeps prepared overlays by (step, frame size), so that an animation prepares them once."""

    inputs: Sequence[tuple[Format, Data]]
    overlays: dict[tuple[object, int, int], Image] = field(default_factory=dict)
