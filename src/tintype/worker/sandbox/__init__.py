"""The sandbox of a worker: layers that each hold alone, one module a layer, put on in one order.

Nothing here trusts the codecs: a worker that an image has taken over finds no files but libraries and fonts, no network, no
other process, no secret, no second program to start, and bounds on its memory, CPU time and output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias, TypeVar

from tintype.core.messages import Setup
from tintype.worker.sandbox import descriptors, environment, landlock, process, rlimits, seccomp
from tintype.worker.sandbox.descriptors import anonymous_file, open_statm, seal
from tintype.worker.sandbox.layer import LayerMissing
from tintype.worker.sandbox.process import die_with, ignore_terminal
from tintype.worker.sandbox.rlimits import address_space, bound_cpu, bound_memory

T = TypeVar("T")


class Role(Enum):
    """What is being confined: a zygote must still fork and wait, a worker neither."""

    WORKER = auto()
    ZYGOTE = auto()


@dataclass(frozen=True, slots=True)
class Confined:
    """The layers in force, and with their reasons those that this system lacks."""

    layers: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mould:
    """What takes long to make and is the same for all children of a zygote. The zygote makes it, the children put it on."""

    rules: landlock.Ruleset | LayerMissing
    filter: bytes | LayerMissing

    @property
    def fds(self) -> tuple[int, ...]:
        """What must be kept open for it."""
        return () if isinstance(self.rules, LayerMissing) else (self.rules.fd,)


Layers: TypeAlias = Sequence[tuple[str, Callable[[], Sequence[str]]]]


def confine(role: Role, setup: Setup, keep: Sequence[int]) -> Confined:
    """Put every layer on this process, keeping only the given descriptors. There is no way back.

    To be called while the process has one thread: the kernel binds Landlock to the calling thread and those it starts later.
    """
    zygote = role is Role.ZYGOTE
    seccomp.prepare()
    descriptors.silence()
    return _put_on(
        (
            ("environment", environment.scrub),
            ("descriptors", lambda: descriptors.keep_only(keep)),
            ("oom", process.first_to_go),  # while /proc can be reached
            ("no_new_privs", process.no_new_privileges),
            ("undumpable", process.undumpable),
            ("landlock", lambda: landlock.restrict(landlock.made(), landlock.threads())),
            ("rlimits", lambda: rlimits.bound(setup.result_bytes, zygote=zygote)),
            ("seccomp", lambda: seccomp.load(seccomp.compiled(zygote=zygote))),
        )
    )


def mould() -> Mould:
    """Make what children put on; to be called before this process is confined itself."""
    seccomp.prepare()
    return Mould(_or_missing(landlock.made), _or_missing(lambda: seccomp.compiled(zygote=False)))


def confine_child(made: Mould, setup: Setup, keep: Sequence[int]) -> Confined:
    """Put on, over a zygote's layers, those that are a worker's: no more descriptors, processes or system calls than one needs.

    What holds for a zygote holds for its children; said here again is what the kernel would not inherit, and what costs nothing.
    """
    return _put_on(
        (
            ("environment", environment.scrub),
            ("descriptors", lambda: descriptors.keep_only((*keep, *made.fds))),
            ("oom", lambda: ()),  # inherited, and out of reach by now
            ("no_new_privs", process.no_new_privileges),
            ("undumpable", process.undumpable),
            ("landlock", lambda: landlock.restrict(_present(made.rules), threads=1)),  # a fork copies one thread only
            ("rlimits", lambda: rlimits.bound(setup.result_bytes, zygote=False)),
            ("seccomp", lambda: seccomp.load(_present(made.filter))),
        )
    )


def _put_on(layers: Layers) -> Confined:
    held: list[str] = []
    missing: list[str] = []
    for name, put_on in layers:
        try:
            held += [name, *(f"{name}:{part}" for part in put_on())]
        except LayerMissing as reason:
            missing.append(f"{name}: {reason}")
    return Confined(layers=tuple(held), missing=tuple(missing))


def _or_missing(make: Callable[[], T]) -> T | LayerMissing:
    try:
        return make()
    except LayerMissing as reason:
        return reason


def _present(made: T | LayerMissing) -> T:
    if isinstance(made, LayerMissing):
        raise made
    return made


__all__ = [
    "Confined",
    "Mould",
    "Role",
    "address_space",
    "anonymous_file",
    "bound_cpu",
    "bound_memory",
    "confine",
    "confine_child",
    "die_with",
    "ignore_terminal",
    "mould",
    "open_statm",
    "seal",
]
