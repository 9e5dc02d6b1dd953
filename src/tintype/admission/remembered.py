"""What deciders remember by name: the last thousand names seen; what was not seen for longest gives way."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

REMEMBERED = 1000

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def remember(values: dict[K, V], name: K, value: V) -> None:
    """Keep a value by its name, as the one seen last."""
    values.pop(name, None)
    values[name] = value
    if len(values) > REMEMBERED:
        del values[next(iter(values))]
