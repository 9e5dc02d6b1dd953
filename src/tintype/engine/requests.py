"""Requests to workers: numbers that nobody can guess, inputs that nobody can write to, plans without credentials."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence

from msgspec.structs import replace

from tintype.core.errors import EngineFailed
from tintype.core.formats import Format
from tintype.core.messages import MAX_INPUTS, MAX_PLANS, Input, Job
from tintype.core.plan import Plan
from tintype.engine.pixels import Use


def new_id() -> int:
    """Number a request so that nobody can answer it who has not read it: a worker gone wrong would guess a count."""
    return int.from_bytes(os.urandom(8), "big") >> 1


def job_of(inputs: Sequence[tuple[Format, int]], plans: Sequence[Plan], max_result_bytes: int, use: Use) -> Job:
    """Return plans over inputs (format, size) as a worker gets them. Raises EngineFailed: they are too many, or none."""
    if not (1 <= len(inputs) <= MAX_INPUTS and 1 <= len(plans) <= MAX_PLANS):
        raise EngineFailed(
            f"{len(inputs)} inputs and {len(plans)} plans; 1 to {MAX_INPUTS} and 1 to {MAX_PLANS} are taken"
        )
    return Job(
        id=new_id(),
        inputs=tuple(Input(format=kind, size=size) for kind, size in inputs),
        plans=tuple(unnamed(plan) for plan in plans),
        max_result_bytes=max_result_bytes,
        finished=tuple(use.found),
        keep=use.keep,
    )


def check_sealed(fd: int) -> None:
    """Refuse a descriptor through which a worker could write, such as a memfd that was not sealed."""
    if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        return
    try:
        sealed = fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE
    except OSError:
        sealed = 0
    if not sealed:
        raise EngineFailed(f"descriptor {fd} is writable: open it read-only, or seal it")


def unnamed(plan: Plan) -> Plan:
    """Leave the source's URL, which may carry a credential, out of what a worker gets."""
    if plan.rest is None:
        return plan
    source = replace(plan.rest.pipeline.source, url="", buster="")
    return replace(plan, rest=replace(plan.rest, pipeline=replace(plan.rest.pipeline, source=source)))
