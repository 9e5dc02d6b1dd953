"""The memo: from a request as it came to its answer, so that a repeated hit is neither parsed nor verified."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

# ASGI header pairs, ready to send.
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Remembered:
    """A verified answer: headers (but for the request id and timings), the cache key, and until when it holds (Unix s)."""

    key: str
    etag: bytes
    headers: Headers
    length: int
    until: float
    last_modified: bytes = b""


class Memo:
    """A bounded LRU. `forget` makes it empty: after a purge, a key change or a reload."""

    def __init__(self, most: int = 100_000) -> None:
        self._most = most
        self._kept: OrderedDict[object, Remembered] = OrderedDict()
        self.generation = 0

    def get(self, question: object, now: float) -> Remembered | None:
        """Return what is remembered of a question, unless its time is over."""
        found = self._kept.get(question)
        if found is None:
            return None
        if found.until <= now:
            del self._kept[question]
            return None
        self._kept.move_to_end(question)
        return found

    def put(self, question: object, answer: Remembered, generation: int) -> None:
        """Remember, unless something was forgotten since `generation` was read."""
        if generation != self.generation:
            return
        self._kept[question] = answer
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def forget(self) -> None:
        """Empty the memo."""
        self._kept.clear()
        self.generation += 1
