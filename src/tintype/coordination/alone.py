"""A node without others: it leads everything, at no cost, and shares no account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Self

from tintype.admission.asker import Lane


class AloneLead:
    """The `Lead` port, of a node that nobody waits for."""

    def began(self) -> None:
        """Do nothing."""

    def end_after(self, kept: Callable[[], Awaitable[None]]) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Do nothing."""


class AloneLeads:
    """The `Leads` port."""

    def __init__(self) -> None:
        self._lead = AloneLead()

    async def lead(self, key: str, lane: Lane, deadline: float, waits: Callable[[], None]) -> AloneLead:  # noqa: ARG002 - a port
        return self._lead
