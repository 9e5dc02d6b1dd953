"""A bounded table of what was learnt a moment ago; the oldest gives way, and everything expires."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """Key -> value, for a while. `now` is any clock that only goes forward."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[str, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: str) -> bool:
        """Tell whether a key may be known: it may have expired. From any thread."""
        return key in self._values

    def put(self, key: str, value: V, until: float) -> None:
        """Remember a value until a time; an older value of the key goes."""
        self._values.pop(key, None)
        self._values[key] = (until, value)
        while len(self._values) > self._most:
            self._values.popitem(last=False)

    def get(self, key: str, now: float) -> V | None:
        """Return the value, None when there is none any more."""
        until, value = self._values.get(key, (0.0, None))
        if value is not None and now >= until:
            del self._values[key]
            return None
        return value

    def forget(self, key: str) -> None:
        """Forget a key, if it is known."""
        self._values.pop(key, None)

    def trim(self, now: float) -> None:
        """Forget the oldest, as far as they have expired: all that has, where everything is remembered equally long."""
        while self._values and now >= next(iter(self._values.values()))[0]:
            self._values.popitem(last=False)

    def sweep(self, now: float, matches: Callable[[V], bool] = lambda _: False) -> None:
        """Forget what has expired, and what matches."""
        gone = [key for key, (until, value) in self._values.items() if now >= until or matches(value)]
        for key in gone:
            del self._values[key]
