"""Variants: which results of which sources were answered with lately, and what their sources meant then. In memory, bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tintype.core.binding import Binding
from tintype.core.degrade import Kept

# Sources, results of each, and how many of the bytes that a source has been: some 20 MB if all of it is used, as a result
# takes half a KB, and what a source meant one and a half.
_SOURCES, _RESULTS, _MEANINGS = 2048, 16, 2


@dataclass(slots=True)
class _Source:
    """Results by what was asked, and bindings by digest; the latest last."""

    kept: dict[str, tuple[Kept, str]] = field(default_factory=dict)
    bindings: dict[str, Binding] = field(default_factory=dict)


class Variants:
    """Says what may be in a cache; whether it is, and whether it was purged, the cache says."""

    def __init__(self) -> None:
        self._sources: OrderedDict[str, _Source] = OrderedDict()

    def note(self, binding: Binding, kept: Kept) -> None:
        """Remember a result, in place of what the same question was answered with before."""
        source = self._sources.pop(binding.key, None) or _Source()
        self._sources[binding.key] = source
        source.bindings.pop(binding.digest, None)
        source.bindings = dict([*source.bindings.items(), (binding.digest, binding)][-_MEANINGS:])
        source.kept.pop(kept.asked, None)
        still = [(asked, pair) for asked, pair in source.kept.items() if pair[1] in source.bindings]
        source.kept = dict([*still, (kept.asked, (kept, binding.digest))][-_RESULTS:])
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
