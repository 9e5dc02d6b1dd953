"""Crowd: which requests are on their way to a result of the same source, so that they can be answered by one job."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from tintype.services.look import Want


class Crowd:
    """Requests between the moment they are taken in hand and that at which their plan is known, by source.

    Whoever is to decide for all of a source waits for those who were on their way when it came: no time is waited for that
    they do not take anyhow, and who comes alone waits for nobody.
    """

    def __init__(self) -> None:
        self._coming: dict[tuple[str, str, str], dict[int, asyncio.Event]] = {}

    @contextmanager
    def coming(self, want: Want) -> Iterator[None]:
        """Count a request as on its way, until it has arrived or ends."""
        self._coming.setdefault(_source(want), {}).setdefault(id(want.asked), asyncio.Event())
        try:
            yield
        finally:
            self.arrived(want)

    def arrived(self, want: Want) -> None:
        """Note that a request need not be waited for, nor those that ask for just the same."""
        key = _source(want)
        there = self._coming.get(key, {})
        if event := there.pop(id(want.asked), None):
            event.set()
        if not there:
            self._coming.pop(key, None)

    def alone(self, want: Want) -> bool:
        """Tell whether nobody is on the way to the same source who asks for anything else."""
        return self._coming.get(_source(want), {}).keys() <= {id(want.asked)}

    async def gathered(self, want: Want) -> None:
        """Wait until those have arrived who are on their way to the same source now."""
        for event in list(self._coming.get(_source(want), {}).values()):
            await event.wait()


def _source(want: Want) -> tuple[str, str, str]:
    return want.tenant.name, want.asked.pipeline.source.url, want.forwarded.digest
