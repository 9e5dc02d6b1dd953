"""What a worker does once it is confined: one request at a time until the socket closes.

The handler is an argument: the codecs in production (`handler.py`), anything at all in a test.
"""

from __future__ import annotations

import gc
import mmap
import os
import resource
import sys
import time
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from tintype.core.errors import BrokenImage, ImageTooLarge, TintypeError
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.messages import (
    Check,
    Checked,
    Done,
    Failed,
    Fork,
    FromWorker,
    Job,
    Pixels,
    Probe,
    Probed,
    Ready,
    Result,
    Setup,
)
from tintype.core.plan import Plan
from tintype.worker import sandbox
from tintype.worker.heap import Heap
from tintype.worker.link import Link, close_all

Buffer: TypeAlias = mmap.mmap


class Rendered(Protocol):
    """What the loop needs of one result."""

    @property
    def body(self) -> bytes: ...
    @property
    def format(self) -> Format: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def frames(self) -> int: ...
    @property
    def pixels(self) -> tuple[bytes, bytes] | None: ...
    @property
    def decode_ms(self) -> float: ...
    @property
    def steps_ms(self) -> float: ...
    @property
    def encode_ms(self) -> float: ...


class Handler(Protocol):
    """What a worker can do. Raises errors of core; anything else counts as a broken image."""

    def warm(self) -> None:
        """Touch every codec once; called in the sandbox, and never in a zygote, as it may start threads."""

    def probe(self, format: Format, source: Buffer, source_pixels: int) -> ImageInfo: ...
    def run(
        self,
        plans: Sequence[Plan],
        inputs: Sequence[tuple[Format, Buffer]],
        there: Mapping[int, Buffer],
        keep: Collection[int],
    ) -> Sequence[Rendered]:
        """Render plans over inputs; with finished pixels of some of them, by number, and those that are to be kept."""
        ...

    def check(self) -> Sequence[str]:
        """Prove that what must not decode does not, a sentence each; raises if it does."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """All that a worker holds while it works."""

    link: Link
    handler: Handler
    setup: Setup
    statm: int  # /proc/self/statm, opened before the sandbox closed; -1: not our own


@contextmanager
def reporting(link: Link) -> Iterator[None]:
    """Send the pool what went wrong, for the operator to read in its log, and exit."""
    try:
        yield
    except Exception:  # noqa: BLE001 - whatever it is
        link.send(Failed(id=0, code="engine_failed", message=traceback.format_exc()[-2000:]))
        raise SystemExit(1) from None


def serve(desk: Desk, confined: sandbox.Confined) -> None:
    """Say Ready and answer requests until the socket closes."""
    heap = Heap()
    desk.link.send(Ready(pid=os.getpid(), layers=confined.layers, missing=confined.missing))
    while (request := desk.link.receive()) is not None:
        message, fds = request
        if isinstance(message, (Setup, Fork)):
            raise SystemExit(f"a worker takes no {type(message).__name__}")
        sandbox.bound_cpu(desk.setup.cpu_s)
        reply, results = _answer(desk, message, fds)
        desk.link.send(reply, results)
        close_all(results)
        heap.rest(desk.link.fileno())


def _answer(desk: Desk, message: Probe | Job | Check, fds: list[int]) -> tuple[FromWorker, list[int]]:
    try:
        match message:
            case Probe():
                return _probe(desk, message, fds), []
            case Job():
                return _run(desk, message, fds)
            case Check():
                return Checked(id=message.id, proofs=tuple(desk.handler.check())), []
    except TintypeError as error:
        return Failed(id=message.id, code=error.code, message=str(error)[:500]), []
    except MemoryError:
        gc.collect()
        text = "needs more memory than limits.worker_memory_bytes allows"
        return Failed(id=message.id, code=ImageTooLarge.code, message=text), []
    except Exception as error:  # noqa: BLE001 - a codec's own error that nobody translated: the image's fault, as far as known
        text = f"unexpected {type(error).__name__}: {error}"
        return Failed(id=message.id, code=BrokenImage.code, message=text[:500]), []


def _probe(desk: Desk, message: Probe, fds: list[int]) -> Probed:
    with _mapped((message.input.size,), fds) as buffers:
        info = desk.handler.probe(message.input.format, buffers[0], message.source_pixels)
    return Probed(id=message.id, info=info)


def _run(desk: Desk, job: Job, fds: list[int]) -> tuple[Done, list[int]]:
    started = time.process_time()
    sizes = [one.size for one in job.inputs] + [one.size for one in job.finished]
    with _mapped(sizes, fds) as buffers:
        sources = [(one.format, buffer) for one, buffer in zip(job.inputs, buffers[: len(job.inputs)], strict=True)]
        there = {one.plan: buffer for one, buffer in zip(job.finished, buffers[len(job.inputs) :], strict=True)}
        rendered = desk.handler.run(job.plans, sources, there, job.keep)
        pixels = _pixels(rendered, job)
        results = _write_all([(one.body,) for one in rendered] + list(pixels.values()), job.max_result_bytes)
    done = Done(
        id=job.id,
        results=tuple(_facts(one) for one in rendered),
        finished=tuple(Pixels(plan=number, size=sum(map(len, parts))) for number, parts in pixels.items()),
        cpu_ms=(time.process_time() - started) * 1000,
        decode_ms=sum(one.decode_ms for one in rendered),
        steps_ms=sum(one.steps_ms for one in rendered),
        encode_ms=sum(one.encode_ms for one in rendered),
        rss_bytes=_rss(desk.statm),
    )
    return done, results


def _pixels(rendered: Sequence[Rendered], job: Job) -> dict[int, tuple[bytes, bytes]]:
    """Return the finished pixels that are asked for, by number of their plan; what is larger than a result may be is left out."""
    found = {number: rendered[number].pixels for number in job.keep}
    return {number: parts for number, parts in found.items() if parts and sum(map(len, parts)) <= job.max_result_bytes}


def _facts(one: Rendered) -> Result:
    return Result(format=one.format, width=one.width, height=one.height, frames=one.frames, size=len(one.body))


@contextmanager
def _mapped(sizes: Sequence[int], fds: list[int]) -> Iterator[list[Buffer]]:
    """Map the inputs read-only and close their descriptors; the maps go when the last codec lets go of them."""
    buffers: list[Buffer] = []
    try:
        for size, fd in zip(sizes, fds, strict=True):
            buffers.append(_map(fd, size))
    finally:
        close_all(fds)
    try:
        yield buffers
    finally:
        buffers.clear()


def _map(fd: int, size: int) -> Buffer:
    if size <= 0 or os.fstat(fd).st_size < size:
        raise BrokenImage("the source is empty or shorter than announced")
    return mmap.mmap(fd, size, prot=mmap.PROT_READ)


def _write_all(bodies: Sequence[Sequence[bytes]], most: int) -> list[int]:
    """Write each body, in parts, to a descriptor of its own; all or none."""
    fds: list[int] = []
    try:
        for body in bodies:
            fds.append(_write(body, most))  # noqa: PERF401 - those written must be known when one fails
    except BaseException:
        close_all(fds)
        raise
    return fds


def _write(parts: Sequence[bytes], most: int) -> int:
    size = sum(map(len, parts))
    if size > most:
        raise ImageTooLarge(f"the result has {size} bytes, limits.result_bytes allows {most}")
    fd = sandbox.anonymous_file("result")
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[os.write(fd, view) :]
    sandbox.seal(fd)
    return fd


def _rss(statm: int) -> int:
    if statm < 0:  # the peak instead, which Linux counts in KiB and macOS in bytes
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return int(os.pread(statm, 200, 0).split()[1]) * mmap.PAGESIZE
