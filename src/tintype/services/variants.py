"""Variants: which results of which sources were answered with lately, and what their sources meant then. In memory, bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tintype.core.binding import Binding
from tintype.core.degrade import Kept

# At worst some 20 MB: a source takes 2 KB, a result half of one.
_SOURCES, _EACH = 2048, 16


@dataclass(slots=True)
class _Source:
    """Results by what was asked, the latest last, and bindings by digest."""

    kept: OrderedDict[str, tuple[Kept, str]] = field(default_factory=OrderedDict)
    bindings: dict[str, Binding] = field(default_factory=dict)


class Variants:
    """Says what may be in a cache; whether it is, and whether it was purged, the cache says."""

    def __init__(self) -> None:
        self._sources: OrderedDict[str, _Source] = OrderedDict()

    def note(self, binding: Binding, kept: Kept) -> None:
        """Remember a result, in place of what the same question was answered with before."""
        source = self._sources.pop(binding.key, None) or _Source()
        self._sources[binding.key] = source
        source.kept.pop(kept.asked, None)
        source.kept[kept.asked] = kept, binding.digest
        if len(source.kept) > _EACH:
            source.kept.popitem(last=False)
        source.bindings[binding.digest] = binding
        used = {digest for _, digest in source.kept.values()}
        source.bindings = {digest: one for digest, one in source.bindings.items() if digest in used}
        if len(self._sources) > _SOURCES:
            self._sources.popitem(last=False)

    def of(self, source: str, now: float) -> Sequence[tuple[Kept, Binding]]:
        """Return what is remembered of a source (the key of its bindings) and may be served, the latest first."""
        found = self._sources.get(source)
        if found is None:
            return ()
        pairs = ((kept, found.bindings[digest]) for kept, digest in reversed(found.kept.values()))
        return [(kept, binding) for kept, binding in pairs if now < max(binding.fresh_until, binding.error_until)]

    def forget(self, source: str | None = None) -> None:
        """Forget a source, or all."""
        if source is None:
            self._sources.clear()
        else:
            self._sources.pop(source, None)
