"""The sandbox of a worker: layers that each hold alone, one module a layer, put on in one order.

Nothing here trusts the codecs: a worker that an image has taken over finds no files but libraries and fonts, no network, no
other process, no secret, no second program to start, and bounds on its memory, CPU time and output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from tintype.core.messages import Setup
from tintype.worker.sandbox import descriptors, environment, landlock, process, rlimits, seccomp
from tintype.worker.sandbox.descriptors import anonymous_file, open_statm
from tintype.worker.sandbox.layer import LayerMissing
from tintype.worker.sandbox.process import die_with, ignore_terminal
from tintype.worker.sandbox.rlimits import address_space, bound_cpu, bound_memory


class Role(Enum):
    """What is being confined: a zygote must still fork and wait, a worker neither; a child has a zygote's layers already."""

    WORKER = auto()
    ZYGOTE = auto()
    CHILD = auto()


@dataclass(frozen=True, slots=True)
class Confined:
    """The layers in force, and with their reasons those that this system lacks."""

    layers: tuple[str, ...]
    missing: tuple[str, ...]


def confine(role: Role, setup: Setup, keep: Sequence[int]) -> Confined:
    """Put every layer on this process, keeping only the given descriptors. There is no way back.

    To be called while the process has one thread: the kernel binds Landlock to the calling thread and those it starts later.
    """
    zygote, child = role is Role.ZYGOTE, role is Role.CHILD
    if not child:
        seccomp.prepare()
        descriptors.silence()
    layers: tuple[tuple[str, Callable[[], Sequence[str]]], ...] = (
        ("environment", environment.scrub),
        ("descriptors", lambda: descriptors.keep_only(keep)),
        ("oom", lambda: () if child else process.first_to_go()),  # while /proc can be reached; inherited
        ("no_new_privs", process.no_new_privileges),
        ("undumpable", process.undumpable),
        ("landlock", landlock.restrict),
        ("rlimits", lambda: rlimits.bound(setup.result_bytes, zygote=zygote)),
        ("seccomp", lambda: seccomp.load(zygote=zygote)),
    )
    held: list[str] = []
    missing: list[str] = []
    for name, put_on in layers:
        try:
            held += [name, *(f"{name}:{part}" for part in put_on())]
        except LayerMissing as reason:
            missing.append(f"{name}: {reason}")
    return Confined(layers=tuple(held), missing=tuple(missing))


__all__ = [
    "Confined",
    "Role",
    "address_space",
    "anonymous_file",
    "bound_cpu",
    "bound_memory",
    "confine",
    "die_with",
    "ignore_terminal",
    "open_statm",
]
