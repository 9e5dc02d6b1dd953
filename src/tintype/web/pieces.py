"""Pieces of long bodies: large while few bodies are being sent, smaller the more there are, so that slow readers stay cheap.

The server takes a piece when the client has read, but keeps about a dozen of each connection's meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

# A piece costs its way to the server: a quarter as large, a body of 5 MB takes double the time.
_MOST_BYTES, _LEAST_BYTES = 256 * 1024, 8 * 1024
# So many bodies are sent in the largest pieces; what they keep together is what more of them may keep.
_FEW = 32


class Pieces:
    """Counts the long bodies that are being sent. `bytes`: of the next piece of any of them."""

    def __init__(self) -> None:
        self._count = 0

    @property
    def bytes(self) -> int:
        return max(_LEAST_BYTES, _MOST_BYTES * _FEW // max(_FEW, self._count))

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Count a body while the block runs."""
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
