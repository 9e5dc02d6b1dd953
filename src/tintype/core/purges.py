"""Which purges still matter: what was read before a purge must not be kept after it. Bounded, and careful when full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tintype.core.entry import ANY, Scope, Selector, sources_of

_NEVER = float("-inf")
_NAMING = (Scope.SOURCE, Scope.PREFIX, Scope.TAG)


class Marks:
    """The latest mark (a generation, or a time) of each selector; answers in time that no number of purges changes.

    Holds at most `memory` selectors; for what it had to forget, everything counts as purged up to that mark.
    """

    def __init__(self, memory: int) -> None:
        self._memory = max(1, memory)
        self._marks: dict[tuple[Scope, str, str], float] = {}
        self._prefix_lengths: Counter[int] = Counter()
        self._by_name: dict[str, float] = {}  # the latest by any source or tag, of each tenant
        self._floor = _NEVER

    def __len__(self) -> int:
        return len(self._marks)

    def get(self, selector: Selector) -> float:
        """Return up to which mark a selector counts as purged itself, or minus infinity."""
        return max(self._floor, self._marks.get(_name(selector), _NEVER))

    def items(self) -> list[tuple[Selector, float]]:
        """Return marks that say the same when marked again elsewhere."""
        found = [(Selector(scope=s, value=v, tenant=t), at) for (s, v, t), at in self._marks.items()]
        return found if self._floor == _NEVER else [(Selector(scope=Scope.ALL), self._floor), *found]

    def mark(self, selector: Selector, at: float) -> None:
        if selector.scope is Scope.ALL and not selector.tenant:
            self.forget(at)
            return
        name = _name(selector)
        known = self._pop(name)
        self._marks[name] = max(at, known)
        if selector.scope is Scope.PREFIX:
            self._prefix_lengths[len(selector.value)] += 1
        if selector.scope in _NAMING:
            self._note_by_name(selector.tenant, at)
        while len(self._marks) > self._memory:
            self._floor = max(self._floor, self._pop(next(iter(self._marks))))

    def forget(self, up_to: float) -> None:
        """Let everything count as purged up to a mark, and keep no selector that this covers."""
        self._floor = max(self._floor, up_to)
        for name in [name for name, at in self._marks.items() if at <= self._floor]:
            self._pop(name)
        self._by_name = {tenant: at for tenant, at in self._by_name.items() if at > self._floor}

    def latest(self, tenant: str, key: str, source: str, tags: tuple[str, ...]) -> float:
        """Return the latest mark of any selector that matches, or minus infinity."""
        if not self._marks:
            return self._floor
        wanted = [(Scope.KEY, key), (Scope.ALL, "")]
        wanted += [(Scope.TAG, tag) for tag in tags]
        for one in sources_of(source, tags):
            wanted.append((Scope.SOURCE, one))
            wanted += [(Scope.PREFIX, one[:length]) for length in self._prefix_lengths if length <= len(one)]
        get = self._marks.get
        found = (get((scope, value, of), _NEVER) for scope, value in wanted for of in ("", tenant))
        return max(self._floor, self._latest_by_name(tenant) if ANY in tags else _NEVER, *found)

    def _note_by_name(self, tenant: str, at: float) -> None:
        self._by_name[tenant] = max(at, self._by_name.get(tenant, _NEVER))
        if len(self._by_name) > self._memory:  # of tenants whose purges are forgotten, so the floor may cover them
            self._by_name = {of: at for of, at in self._by_name.items() if at > self._floor}

    def _latest_by_name(self, tenant: str) -> float:
        return max(self._by_name.get("", _NEVER), self._by_name.get(tenant, _NEVER))

    def _pop(self, name: tuple[Scope, str, str]) -> float:
        at = self._marks.pop(name, None)
        if at is None:
            return _NEVER
        scope, value, _ = name
        if scope is Scope.PREFIX:
            length = len(value)
            self._prefix_lengths[length] -= 1
            if not self._prefix_lengths[length]:
                del self._prefix_lengths[length]
        return at


def _name(selector: Selector) -> tuple[Scope, str, str]:
    return selector.scope, selector.value, selector.tenant


class Purges:
    """Numbers purges, and says whether what was begun at a generation may still be kept.

    Hand in with a result the `generation` read before anything that it is made from, or, if it was found somewhere, what
    `settled` was before it was looked for.
    """

    def __init__(self, memory: int = 10_000) -> None:
        self._marks = Marks(memory)
        self._generation = self._settled = 0
        self._running: dict[int, Selector] = {}

    def generation(self) -> int:
        return self._generation

    def settled(self) -> int:
        """Return the generation before every purge that is still being carried out. From any thread.

        What is found meanwhile may be what such a purge has not come to yet; what is made meanwhile is not.
        """
        return self._settled

    @contextmanager
    def carried_out(self, selector: Selector) -> Iterator[None]:
        """Note a purge that is carried out in the block."""
        self._generation += 1
        number = self._generation
        self._marks.mark(selector, number)
        self._running[number] = selector
        try:
            yield
        finally:
            del self._running[number]
            self._settle()

    def next(self) -> int:
        """Begin a generation without a purge; returns its number. What is handed in with it was begun from now on."""
        self._generation += 1
        self._settle()
        return self._generation

    def _settle(self) -> None:
        self._settled = min(self._running, default=self._generation + 1) - 1

    def under_way(self, tenant: str, key: str, source: str, tags: tuple[str, ...] = ()) -> bool:
        """Tell whether a purge that matches is being carried out."""
        return any(selector.matches(tenant, key, source, tags) for selector in self._running.values())

    def allows(self, since: int, tenant: str, key: str, source: str, tags: tuple[str, ...] = ()) -> bool:
        """Tell whether nothing begun at generation `since` that matches was purged; False when that is forgotten."""
        return since >= self._generation or self._marks.latest(tenant, key, source, tags) <= since
