"""The memo: from a request as it came to its answer, so that a repeated hit is neither parsed nor verified."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import chain

import msgspec

# ASGI header pairs, ready to send.
Headers = list[tuple[bytes, bytes]]


class Ready(msgspec.Struct, frozen=True):
    """An answer with nothing left to decide: all headers but the request id, and what is told each time it is given.

    `length`: bytes of its body. `facts`: what the log has of it besides the method, the status and the length.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    length: int
    facts: dict[str, str]
    line: Callable[[str, float], None]
    requests: Callable[[float], None]
    response_bytes: Callable[[float], None]
    seconds: Callable[[float], None]


class Remembered(msgspec.Struct):
    """A verified answer: headers (but for the request id and timings), the cache key, and until when it holds (Unix s).

    `prepare`: makes the same for whoever asks for the whole of it, without conditions; None = the tenant wants to see each
    request. `ready`: that, once somebody has asked again: most are asked for once.
    """

    key: str
    etag: bytes
    headers: Headers
    until: float
    last_modified: bytes = b""
    prepare: Callable[[], Ready] | None = None
    ready: Ready | None = None


# Of one answer besides its texts: the objects they are in, and the line of the log that is ready.
_OBJECTS_BYTES = 2048


class Memo:
    """An LRU bounded in answers and in bytes. `forget` makes it empty: after a purge, a key change or a reload.

    Bytes count because a query is part of a question and of no signature: who has one URL has as many long questions as
    he likes.
    """

    def __init__(self, most: int = 100_000, most_bytes: int = 200_000_000) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._kept: OrderedDict[object, Remembered] = OrderedDict()
        self._bytes = 0
        self.generation = 0

    def get(self, question: object, now: float) -> Remembered | None:
        """Return what is remembered of a question, unless its time is over."""
        found = self._kept.get(question)
        if found is None:
            return None
        if found.until <= now:
            self._bytes -= _weight(question, self._kept.pop(question))
            return None
        self._kept.move_to_end(question)
        return found

    def peek(self, question: object, now: float) -> Remembered | None:
        """Do what `get` does, from any thread: what is over stays until `get` finds it."""
        found = self._kept.get(question)
        if found is None or found.until <= now:
            return None
        try:  # noqa: SIM105 - each hit comes by here, and a context takes longer than all of this
            self._kept.move_to_end(question)
        except KeyError:  # it may go at any moment
            pass
        return found

    def put(self, question: object, answer: Remembered, generation: int) -> None:
        """Remember, unless something was forgotten since `generation` was read."""
        if generation != self.generation:
            return
        before = self._kept.pop(question, None)
        self._bytes += _weight(question, answer) - (_weight(question, before) if before else 0)
        self._kept[question] = answer
        while len(self._kept) > self._most or self._bytes > self._most_bytes:
            self._bytes -= _weight(*self._kept.popitem(last=False))

    def forget(self) -> None:
        """Empty the memo."""
        self._kept.clear()
        self._bytes = 0
        self.generation += 1


def _weight(question: object, answer: Remembered) -> int:
    asked = question if isinstance(question, tuple) else (question,)
    texts = sum([len(part) for part in asked if isinstance(part, str | bytes)])
    return _OBJECTS_BYTES + texts + sum(map(len, chain.from_iterable(answer.headers)))
