"""Degrade: what is answered with less of under pressure, and what is answered with in place of a refusal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tintype.admission.costs.expect import kind_of
from tintype.admission.gate import Gate
from tintype.admission.pressure import Outlook, lightest_needed
from tintype.core.binding import Binding, binding_key
from tintype.core.degrade import Degraded, Kept, Wish, shape_of, stand_ins
from tintype.core.errors import Overloaded, SourceError, TintypeError
from tintype.core.geometry import Size
from tintype.core.resolve import resolve
from tintype.ports import Cache, Clock, Telemetry
from tintype.services.answers import Timings, Variant
from tintype.services.look import Look, View, Want
from tintype.services.make import Found, Make, pipeline_tag, url_names
from tintype.services.variants import Variants

# Steps that make less of a result, and those that answer with another one.
_LESS = frozenset({Degraded.FORMAT, Degraded.EFFORT})
_OTHER = frozenset({Degraded.STALE, Degraded.LARGER})
# What is predicted to take this part of the whole, or more, is not worth being less. Another format loses nothing but bytes.
_WORTH = {Degraded.FORMAT: 1.0, Degraded.EFFORT: 0.85}


class Degrade:
    """Knows how pressed the node is, and what was answered lately. What a tenant allows is `tenants.NAME.degrade`."""

    def __init__(self, gate: Gate, look: Look, make: Make, cache: Cache, clock: Clock, telemetry: Telemetry) -> None:
        self._gate = gate
        self._look = look
        self._make = make
        self._cache = cache
        self._clock = clock
        self._telemetry = telemetry
        self._variants = Variants()

    async def lighter(self, view: View) -> tuple[View, Degraded | None]:
        """Return how to make a result now: as it was asked for, or while the node is pressed, with less."""
        if view.binding.private:
            self._variants.forget(view.binding.key)  # what all were given before is one client's own now
            return view, None
        allowed = _LESS.intersection(view.want.tenant.degrade)
        if not allowed or view.plan.passthrough or self._make.under_way(view):
            return view, None
        full = self._outlook(view)
        if full.easy:
            return view, None
        looks = ((Degraded.FORMAT, self._look.quicker), (Degraded.EFFORT, self._look.lighter))
        others = [(other, step) for step, look in looks if step in allowed and (other := await look(view))]
        worth = [(other, step) for other, step in others if _cost_ms(other) < _WORTH[step] * _cost_ms(view)]
        at = lightest_needed(full, [self._outlook(other) for other, _ in worth])
        return (view, None) if at is None else worth[at]

    def _outlook(self, view: View) -> Outlook:
        ms = self._gate.expected.of(kind_of((view.plan,)), _cost_ms(view))
        return self._gate.outlook(view.want.asker, ms, self._clock.monotonic())

    async def instead(self, want: Want, error: TintypeError, timings: Timings) -> Variant | None:
        """Return what can be answered without work in place of an error, unless the error is the origin's last word."""
        if not isinstance(error, Overloaded) and not (isinstance(error, SourceError) and error.forgivable):
            self._variants.forget(_source_of(want))
            return None
        for step, key, binding in self.others(want):
            entry = await self._cache.get(key, url_names(want.asked))
            if entry is not None:
                timings.outcome = "degraded"
                self.count(want, step)
                return Variant(key, entry, binding, timings, degraded=step)
        return None

    def others(self, want: Want) -> Iterator[tuple[Degraded, str, Binding]]:
        """Return the keys of results that may be given in place of a refusal, the best first, if a cache has them yet."""
        known = self._known(want)
        if known:
            wish, bindings = _wish(want, known[0][1]), dict(known)
            for step, kept in stand_ins([kept for kept, _ in known], wish, want.tenant.degrade):
                yield step, kept.key, bindings[kept]

    def _known(self, want: Want) -> Sequence[tuple[Kept, Binding]]:
        if want.forwarded.private or want.asked.delivery.raw or _OTHER.isdisjoint(want.tenant.degrade):
            return ()
        return self._variants.of(_source_of(want), self._clock.now())

    def note(self, want: Want, binding: Binding, found: Found, degraded: Degraded | None) -> None:
        """Remember what a want is answered with, and count it if that is less than was asked for."""
        if degraded is not None:
            self.count(want, degraded)
        if binding.private or _OTHER.isdisjoint(want.tenant.degrade):
            return
        key, facts = found[0], found[1].facts
        size = Size(facts.width, facts.height)
        self._variants.note(binding, Kept(key, _question(want), _shape(want), facts.format, size, degraded))

    def count(self, want: Want, step: Degraded) -> None:
        """Count an answer that is less than was asked for."""
        self._telemetry.count("degraded", step=step.value, tenant=want.tenant.name)

    def forget(self) -> None:
        """Forget what was answered: what tenants are has changed."""
        self._variants.forget()


def _cost_ms(view: View) -> float:
    return view.plan.cost.cpu_ms


def _source_of(want: Want) -> str:
    ref = want.asked.pipeline.source
    return binding_key(want.tenant.name, ref.url, ref.buster, want.forwarded.digest)


def _question(want: Want) -> str:
    offer = want.offer
    return f"{pipeline_tag(want.asked)} {','.join(offer.accepts)} {offer.dpr} {offer.width}"


def _shape(want: Want) -> str:
    return shape_of(want.asked.pipeline) if Degraded.LARGER in want.tenant.degrade else ""


def _wish(want: Want, binding: Binding) -> Wish:
    """Return what a want asks of a stand-in, seen through what its source was lately."""
    wish = Wish(_question(want), _shape(want), None, want.offer.accepts)
    if not wish.shape or binding.info is None:
        return wish
    try:
        plan = resolve(want.asked.pipeline, binding.info, want.offer, want.tenant.policy)
    except TintypeError:  # it cannot be made of that at all
        return wish
    return wish._replace(size=Size(plan.width, plan.height), accepts=(*wish.accepts, plan.save.format))
