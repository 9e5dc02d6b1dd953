"""Ports of what nodes agree on: who makes a result, and what of an account is left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, Self

from tintype.admission.asker import Lane
from tintype.admission.quota.gcra import Policy
from tintype.admission.quota.lease import Leased


class Lead(Protocol):
    """The right to make a result, among nodes. A context manager: it ends with the block, or a little after."""

    def began(self) -> None:
        """Have those in higher lanes wait for it too, from now on: it does not wait for its turn any more."""
        ...

    def end_after(self, kept: Callable[[], Awaitable[None]]) -> None:
        """Have it end no sooner than something is done, once the block has."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...


class Leads(Protocol):
    """Which of several nodes makes a result."""

    async def lead(self, key: str, lane: Lane, deadline: float, waits: Callable[[], None]) -> Lead | None:
        """Return the lead of a result, or None once another node's has ended; in both cases, look what it has made.

        One in a lower lane that has not begun is not waited for, but taken over. `waits` is called if there is one to wait
        for. After None, ask again. At `deadline`, or when there is no word of other nodes, a node leads whatever they do.
        """
        ...


class Accounts(Protocol):
    """Accounts that nodes share (see `admission.lease`). What cannot be told soon is not waited for."""

    async def lease(self, name: str, policies: Sequence[Policy], need_ms: float, extra_ms: float) -> Leased | None:
        """Charge an account, if it has room for what is needed, that and as much more as it has room for. None: no word."""
        ...

    async def give_back(self, name: str, policies: Sequence[Policy], ms: float) -> None:
        """Take a charge back, if the account can be told."""
        ...
