"""Which entries stay in memory: S3-FIFO, bounded by bytes. One-time visitors pass through a small queue and push out nothing.

After Yang and others, "FIFO queues are all you need for cache eviction" (SOSP 2023): new keys enter a small queue of a
tenth of the room; those asked for again there move to the main queue, the rest leave only their name (the ghosts); a
name that comes back is let into the main queue at once, where what was used since its last turn gets another.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

V = TypeVar("V")

_SMALL = 10  # the small queue's part of the room: 1/10
_LARGEST = 8  # an entry takes at most 1/8 of the room
_MOST = 3  # uses counted; more tell nothing new


class _Node(Generic[V]):
    __slots__ = ("main", "uses", "value", "weight")

    def __init__(self, value: V, weight: int, *, main: bool) -> None:
        self.value, self.weight, self.main, self.uses = value, weight, main, 0


class S3Fifo(Generic[V]):
    """A mapping that evicts. get, put and pop take constant time; `evicted(key, value)` is called for what goes."""

    def __init__(self, max_weight: int, evicted: Callable[[str, V], None]) -> None:
        self._max, self._small_max = max_weight, max_weight // _SMALL
        self._evicted = evicted
        self._nodes: dict[str, _Node[V]] = {}
        self._small: OrderedDict[str, None] = OrderedDict()
        self._main: OrderedDict[str, None] = OrderedDict()
        self._ghosts: OrderedDict[str, int] = OrderedDict()
        self._small_weight = self._main_weight = self._ghost_weight = 0

    @property
    def weight(self) -> int:
        return self._small_weight + self._main_weight

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def peek(self, key: str) -> V | None:
        node = self._nodes.get(key)
        return None if node is None else node.value

    def get(self, key: str) -> V | None:
        node = self._nodes.get(key)
        if node is None:
            return None
        if node.uses < _MOST:
            node.uses += 1
        return node.value

    def takes(self, weight: int) -> bool:
        """Tell whether an entry is light enough."""
        return weight <= self._max // _LARGEST

    def put(self, key: str, value: V, weight: int) -> bool:
        """Take an entry in; False = it is too heavy (an older one of that key is gone all the same)."""
        known = self.pop(key)
        if not self.takes(weight):
            return False
        while self.weight + weight > self._max:
            self._evict()
        returned = self._pop_ghost(key)
        main = returned or (known is not None and known.main)
        node = _Node(value, weight, main=main)
        node.uses = known.uses if known is not None else 0
        self._nodes[key] = node
        self._enqueue(key, node)
        return True

    def pop(self, key: str) -> _Node[V] | None:
        """Take an entry out, without calling `evicted`."""
        node = self._nodes.pop(key, None)
        if node is None:
            return None
        if node.main:
            del self._main[key]
            self._main_weight -= node.weight
        else:
            del self._small[key]
            self._small_weight -= node.weight
        return node

    def clear(self) -> None:
        for held in (self._nodes, self._small, self._main, self._ghosts):
            held.clear()
        self._small_weight = self._main_weight = self._ghost_weight = 0

    def _enqueue(self, key: str, node: _Node[V]) -> None:
        if node.main:
            self._main[key] = None
            self._main_weight += node.weight
        else:
            self._small[key] = None
            self._small_weight += node.weight

    def _evict(self) -> None:
        """Take one step towards room: move or evict the oldest of a queue."""
        if self._small and (self._small_weight > self._small_max or not self._main):
            self._evict_small()
        else:
            self._evict_main()

    def _evict_small(self) -> None:
        key, _ = self._small.popitem(last=False)
        node = self._nodes[key]
        self._small_weight -= node.weight
        if node.uses:
            node.main, node.uses = True, 0
            self._enqueue(key, node)
            return
        self._remember(key, node.weight)
        del self._nodes[key]
        self._evicted(key, node.value)

    def _evict_main(self) -> None:
        key, _ = self._main.popitem(last=False)
        node = self._nodes[key]
        if node.uses:  # each turn costs a use, so no entry goes round more than three times
            node.uses -= 1
            self._main[key] = None
            return
        self._main_weight -= node.weight
        del self._nodes[key]
        self._evicted(key, node.value)

    def _remember(self, key: str, weight: int) -> None:
        self._pop_ghost(key)
        self._ghosts[key] = weight
        self._ghost_weight += weight
        while self._ghost_weight > self._max - self._small_max:
            self._ghost_weight -= self._ghosts.popitem(last=False)[1]

    def _pop_ghost(self, key: str) -> bool:
        weight = self._ghosts.pop(key, None)
        self._ghost_weight -= weight or 0
        return weight is not None
