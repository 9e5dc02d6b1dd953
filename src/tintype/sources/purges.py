"""What was purged lately, so that a fetch that began before a purge does not put back what the purge dropped."""

from __future__ import annotations

from collections import deque

from tintype.core.entry import Selector


class Purges:
    """A bounded memory of selectors, in the order they came."""

    def __init__(self, most: int) -> None:
        self._selectors: deque[tuple[int, Selector]] = deque(maxlen=most)
        self.count = 0

    def add(self, selector: Selector) -> None:
        """Remember a purge, before it is carried out."""
        self.count += 1
        self._selectors.append((self.count, selector))

    def since(self, mark: int, tenant: str, key: str, url: str) -> bool:
        """Return whether something was purged after `mark` (an earlier `count`). When in doubt, it was."""
        if self.count - mark > len(self._selectors):
            return True
        for number, selector in reversed(self._selectors):
            if number <= mark:
                return False
            if selector.matches(tenant, key, url, ()):
                return True
        return False
