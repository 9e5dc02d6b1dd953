"""What the engine pool and a worker say to each other: one msgpack message a packet, descriptors beside it.

Parent -> worker: `Probe` or `Job`, with one read-only descriptor for each input.
Worker -> parent: `Ready` once, then for each request `Probed`, `Done` (with one descriptor for each result) or `Failed`.
"""

from __future__ import annotations

from typing import TypeAlias

from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.plan import Plan
from tintype.core.values import Value


class Input(Value, frozen=True):
    """An input descriptor: its sniffed format and its size in bytes."""

    format: Format
    size: int


class Probe(Value, frozen=True):
    """Read the header of an image."""

    id: int
    input: Input
    source_pixels: int  # refuse from the header what has more in one frame


class Job(Value, frozen=True):
    """Render plans of one source; inputs[0] is the source, others are overlays."""

    id: int
    inputs: tuple[Input, ...]
    plans: tuple[Plan, ...]
    max_result_bytes: int


class Result(Value, frozen=True):
    """Facts of one result; its bytes are in the descriptor of the same position."""

    format: Format
    width: int
    height: int
    frames: int
    size: int


class Ready(Value, frozen=True):
    """The worker is confined and warm. `layers` names the sandbox layers in force; `missing` those this kernel lacks."""

    pid: int
    layers: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class Probed(Value, frozen=True):
    id: int
    info: ImageInfo


class Done(Value, frozen=True):
    """Results in the order of the job's plans; times in ms of CPU by phase; rss in bytes after the job."""

    id: int
    results: tuple[Result, ...]
    cpu_ms: float = 0.0
    decode_ms: float = 0.0
    steps_ms: float = 0.0
    encode_ms: float = 0.0
    rss_bytes: int = 0


class Failed(Value, frozen=True):
    """A typed refusal: `code` of core.errors, with a message for the log."""

    id: int
    code: str
    message: str


ToWorker: TypeAlias = Probe | Job
FromWorker: TypeAlias = Ready | Probed | Done | Failed
