"""Answers out of what a worker sent, without trusting it: typed, bounded, and descriptors read, never mapped."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence

from tintype.core.errors import EngineFailed, ImageError, TintypeError, kinds
from tintype.core.info import ImageInfo
from tintype.core.messages import Checked, Done, Failed, FromWorker, Pixels, Probed, Result

# A quarter of an hour for one job, and more memory than a machine has.
_MOST_MS = 1e6
_MOST_BYTES = 1 << 50


def read_info(reply: FromWorker, _: Sequence[int]) -> ImageInfo:
    if isinstance(reply, Probed):
        return reply.info
    raise _refusal(reply)


def read_proofs(reply: FromWorker, _: Sequence[int]) -> tuple[str, ...]:
    if isinstance(reply, Checked):
        return reply.proofs
    raise _refusal(reply)


def read_done(
    reply: FromWorker,
    fds: Sequence[int],
    plans: int,
    most: int,
    keep: Callable[[Sequence[Pixels], Sequence[int]], None],
) -> tuple[Done, tuple[bytes, ...]]:
    """Return what was done and a body for each plan; `keep` is called with finished pixels and their descriptors."""
    if isinstance(reply, Done):
        _check_numbers(reply)
        bodies = read_results(reply.results, fds[: len(reply.results)], plans, most)
        keep(reply.finished, fds[len(bodies) :])
        return reply, bodies
    raise _refusal(reply)


def _check_numbers(done: Done) -> None:
    """Refuse what no job takes. Times go into counters, which one infinity or NaN would spoil until the node ends."""
    for ms in (done.cpu_ms, done.decode_ms, done.steps_ms, done.encode_ms):
        if not 0 <= ms <= _MOST_MS:  # false for NaN as well
            raise EngineFailed(f"a job of {ms} ms of CPU time")
    if not 0 <= done.rss_bytes <= _MOST_BYTES:
        raise EngineFailed(f"a worker of {done.rss_bytes} bytes")


def _refusal(reply: FromWorker) -> TintypeError:
    """A worker may say of an image whatever it likes, and of nothing else."""
    if isinstance(reply, Failed):
        kind = kinds().get(reply.code, EngineFailed)
        return kind(reply.message) if issubclass(kind, ImageError) else EngineFailed(reply.message)
    return EngineFailed(f"a worker answered with {type(reply).__name__}")


def read_results(results: Sequence[Result], fds: Sequence[int], plans: int, most: int) -> tuple[bytes, ...]:
    """Read one body for each plan.

    Raises:
        EngineFailed: number, kind or size is not what was announced, or more than `most` bytes.
    """
    if not len(results) == len(fds) == plans:
        raise EngineFailed(f"{plans} plans, {len(results)} results and {len(fds)} descriptors")
    return tuple(_read(fd, result.size, most) for result, fd in zip(results, fds, strict=True))


def _read(fd: int, size: int, most: int) -> bytes:
    facts = os.fstat(fd)
    if not stat.S_ISREG(facts.st_mode) or facts.st_size != size or not 0 < size <= most:
        raise EngineFailed(f"a result of {facts.st_size} bytes, announced as {size}; {most} are allowed")
    body = os.pread(fd, size, 0)
    if len(body) != size:
        raise EngineFailed(f"a result that ended after {len(body)} of {size} bytes")
    return body


def close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
