"""What the engine pool and a worker say to each other: one msgpack message a packet, descriptors beside it.

Parent -> worker: `Setup` once, then `Probe` or `Job`, with one read-only descriptor for each input and then for each of the
finished pixels that are there, or `Check`.
Worker -> parent: `Ready` once, then for each request `Probed`, `Done` (with one descriptor for each result, then for each of the
finished pixels that were asked for), `Checked` or `Failed`.
Parent -> zygote: `Setup` once, then `Fork`, with the child's end of a socket pair on which it talks as any worker does.
Zygote -> parent: `Ready` once, `Forked` for each `Fork` (with a pidfd of the child), `Ended` for each child.
"""

from __future__ import annotations

from typing import TypeAlias

from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.plan import Plan
from tintype.core.values import Value

# The largest packet in bytes: what a socket buffer takes on a kernel with the default net.core.wmem_max of 212,992.
MAX_PACKET_BYTES = 200_000
# Descriptors beside one packet; the kernel's own limit is 253 (SCM_MAX_FD).
MAX_INPUTS = 16
MAX_PLANS = 64


class Setup(Value, frozen=True):
    """The first message to a worker: whose it is and what it may use. With `zygote` it forks workers instead of being one."""

    parent: int  # pid; a worker without its parent ends
    memory_bytes: int
    cpu_s: int  # of CPU time for one request
    result_bytes: int
    nice: int = 0  # how far it stands back behind other processes, as nice(2) has it; 20 = behind all of them
    zygote: bool = False


class Input(Value, frozen=True):
    """An input descriptor: its sniffed format and its size in bytes."""

    format: Format
    size: int


class Probe(Value, frozen=True):
    """Read the header of an image."""

    id: int
    input: Input
    source_pixels: int  # refuse from the header what has more in one frame


class Pixels(Value, frozen=True):
    """A descriptor of finished pixels: as the steps of a plan, by its number in the job, leave them; sealed. Size in bytes."""

    plan: int
    size: int


class Job(Value, frozen=True):
    """Render plans of one source; inputs[0] is the source, others are overlays.

    `finished`: pixels that are there, so that their plans are only encoded. `keep`: the plans whose pixels are asked for.
    """

    id: int
    inputs: tuple[Input, ...]
    plans: tuple[Plan, ...]
    max_result_bytes: int
    finished: tuple[Pixels, ...] = ()
    keep: tuple[int, ...] = ()


class Check(Value, frozen=True):
    """Prove again that what must not decode does not."""

    id: int


class Fork(Value, frozen=True):
    """Make a worker that serves the descriptor beside this message."""

    id: int


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
    """Results in the order of the job's plans; `cpu_ms` is CPU time, those of phases wall time; rss in bytes, after the job.

    `finished`: pixels that were asked for; what cannot be kept is left out.
    """

    id: int
    results: tuple[Result, ...]
    finished: tuple[Pixels, ...] = ()
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


class Checked(Value, frozen=True):
    """What was proved, a sentence each."""

    id: int
    proofs: tuple[str, ...] = ()


class Forked(Value, frozen=True):
    id: int
    pid: int


class Ended(Value, frozen=True):
    """A child is gone; `status` as wait(2) gives it."""

    pid: int
    status: int


ToWorker: TypeAlias = Setup | Probe | Job | Check
FromWorker: TypeAlias = Ready | Probed | Done | Checked | Failed
ToZygote: TypeAlias = Setup | Fork
FromZygote: TypeAlias = Ready | Forked | Ended | Failed
