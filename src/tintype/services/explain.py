"""Explain: what would happen to a request now, without fetching or rendering anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tintype.admission.costs.expect import kind_of
from tintype.admission.gate import Gate
from tintype.admission.quota.quotas import Verdict
from tintype.admission.weighing.scales import Refusal
from tintype.core.binding import Binding
from tintype.core.brief import brief
from tintype.core.degrade import Degraded
from tintype.core.pipeline import SourceRef
from tintype.core.shown import shown_url
from tintype.kit.freshness import State, state_of
from tintype.ports import Acquainted, Clock, Forwarded, Held, Mezzanines
from tintype.services.degrade import Degrade
from tintype.services.look import Look, View, Want
from tintype.services.spending import Spending
from tintype.services.standins import ASSUME_FRESH_S

_WHOLE = "none"


@dataclass(frozen=True, slots=True)
class Source:
    """What this node knows of a source. `state`: fresh; stale (used, and asked for meanwhile); ask (its origin comes first)."""

    url: str
    known: bool
    state: str = ""
    bytes: int = 0
    format: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Planned:
    """What would be made. `tier`: of this node that has it, "" = none; `made_from`: original or rung, if it were made now."""

    plan: str
    key: str
    tier: str
    made_from: str
    predicted_ms: float
    expected_ms: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Quota:
    """One policy of a quota: what is left of it, and how long it would have the work wait."""

    name: str
    quota_ms: int
    window_s: int
    left_ms: float
    wait_s: float


@dataclass(frozen=True, slots=True)
class Admission:
    """What the gate would say to the work: how long that would wait for a worker, and how long it may."""

    lets_in: bool
    wait_s: float
    patience_s: float | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would happen. `steps`: in their order; `unknown`: what cannot be told without fetching.

    `degraded`: how the answer would be less than what is asked for, as `tenants.NAME.degrade` has it, or none; "" = unknown.
    """

    tenant: str
    lane: str
    source: Source
    planned: Planned | None
    quotas: tuple[Quota, ...]
    admission: Admission | None
    steps: tuple[str, ...]
    degraded: str = ""
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Less:
    """A result that would be made in place of the one asked for, and what is less in it."""

    view: View
    step: Degraded


class Explain:
    """Explains wants. `assumed_fresh_s`: how long a source that named no lifetime counts as fresh, by its URL."""

    def __init__(
        self,
        sources: Acquainted,
        held: Held,
        mezzanines: Mezzanines,
        look: Look,
        degrade: Degrade,
        gate: Gate,
        spending: Spending,
        clock: Clock,
        assumed_fresh_s: Callable[[str], float],
    ) -> None:
        self._sources, self._held, self._mezzanines, self._look = sources, held, mezzanines, look
        self._degrade = degrade
        self._gate, self._spending, self._clock, self._assumed_fresh_s = gate, spending, clock, assumed_fresh_s

    async def __call__(self, want: Want) -> Explanation:
        """Explain a want. Raises ImageError, SourceTooLarge: as a request would."""
        ref = want.asked.pipeline.source
        binding = await self._sources.known(want.tenant.name, ref, want.forwarded)
        source = self._source(ref, binding)
        told = Explanation(want.tenant.name, want.lane.name.lower(), source, None, (), None, ())
        if want.asked.delivery.raw:
            fetched = () if source.state in ("fresh", "stale") else ("ask the origin",)
            return replace(told, steps=(*fetched, "send the original as it is"), degraded=_WHOLE)
        if binding is None or source.state == State.ASK.value:
            fetch, likely_ms = self._fetch(want)
            if binding is None or not fetch.lets_in:
                return await self._unfetched(want, told, fetch, likely_ms)
        if binding.info is None or not await self._overlaid(want):
            missing = "its header" if binding.info is None else "the watermark's digest"
            return replace(
                told, steps=("look", "render or answer from a cache"), unknown=(f"plan and cost: {missing}",)
            )
        return await self._viewed(await self._look.through(want, binding), told)

    def _source(self, ref: SourceRef, binding: Binding | None) -> Source:
        if binding is None:
            return Source(shown_url(ref.url), known=False)
        state = state_of(binding, self._assumed_fresh_s(ref.url), self._clock.now())
        found = Source(shown_url(ref.url), True, state.value, binding.size)
        info = binding.info
        return replace(found, format=info.format.value, width=info.width, height=info.height) if info else found

    def _fetch(self, want: Want) -> tuple[Admission, float]:
        """Return what the gate would say to a fetch, and the milliseconds that are likely to come of it."""
        expected, host = self._gate.expected, want.asked.pipeline.source.host
        likely_ms = expected.likely.ms(want.asker)
        return self._admission(want, likely_ms, after_s=expected.fetch_s(host)), likely_ms

    async def _unfetched(self, want: Want, told: Explanation, found: Admission, likely_ms: float) -> Explanation:
        why = (
            "plan, cost, quota, cache tier and whether less would do: the source has not been fetched, or not lately enough; "
            f"the gate is asked with what such requests took lately, {likely_ms:.0f} ms"
        )
        told = replace(told, admission=found, unknown=(why,))
        if found.lets_in:
            return replace(told, steps=("fetch", "look", "render"))
        end, degraded = await self._refused(want)
        return replace(told, steps=(end,), degraded=degraded)

    async def _overlaid(self, want: Want) -> bool:
        """Tell whether what is laid over the image is known too."""
        if not want.wears_watermark or not want.tenant.watermark.url:
            return True
        mark = SourceRef(url=want.tenant.watermark.url)
        known = await self._sources.known(want.tenant.name, mark, Forwarded())
        if known is None or known.info is None:
            return False
        return state_of(known, ASSUME_FRESH_S, self._clock.now()) is State.FRESH

    async def _viewed(self, view: View, told: Explanation) -> Explanation:
        way, made_from = await self._way(view)
        found, tier = await self._kept(view)
        way = found if tier else way
        cost, expected_ms = way.plan.cost, self._expected_ms(way)
        planned = Planned(
            brief(way.plan), way.key, tier, made_from, round(cost.cpu_ms, 1), round(expected_ms, 1), cost.peak_bytes
        )
        less = None if tier else await self._less(view)
        verdict = self._spending.weighed(view)
        admission = self._admission(view.want, self._expected_ms(less.view if less else way), fetched=True)
        steps, degraded = await self._steps(view, planned, told.source, verdict, admission, less)
        return replace(
            told,
            planned=planned,
            quotas=tuple(Quota(o.policy, o.quota_ms, o.window_s, round(o.left_ms, 1), o.wait_s) for o in verdict.told),
            admission=admission,
            steps=steps,
            degraded=degraded,
            unknown=() if tier else ("whether a store shared with other nodes has it",) * self._held.shared,
        )

    async def _less(self, view: View) -> Less | None:
        """Return with how much less a result would be made that no cache has, as services.render does."""
        lighter, step = await self._degrade.lighter(await self._look.at_once(view) or view)
        return Less(lighter, step) if step else None

    def _expected_ms(self, view: View) -> float:
        return self._gate.expected.of(kind_of((view.plan,)), view.plan.cost.cpu_ms)

    async def _kept(self, view: View) -> tuple[View, str]:
        """Return the way in which this node has the result, and the tier; "" = it has it in none."""
        kept = [(way, await self._held.where(way.key)) for way in view.ways]
        return next(((way, tier) for way, tier in kept if tier), (view, ""))

    async def _way(self, view: View) -> tuple[View, str]:
        """Return how the result would be made now, and from what."""
        rung = view.low.plan.load.rung if view.low else None
        kept = await self._mezzanines.open(view.binding, rung) if rung else None
        if view.low is None or kept is None:
            return view, "original"
        with kept:
            return view.low, "rung"

    async def _steps(
        self, view: View, planned: Planned, source: Source, verdict: Verdict, found: Admission, less: Less | None
    ) -> tuple[tuple[str, ...], str]:
        """Return the steps, and how the answer would be less."""
        asked = ("ask the origin",) if source.state == State.ASK.value else ()
        if planned.tier:
            refreshed = ("ask the origin behind the answer",) if source.state == State.STALE.value else ()
            return (*asked, f"answer from {planned.tier}", *refreshed), _WHOLE
        # A miss that is not confirmed asks its origin before it renders.
        fresh = view.binding.fresh_until > self._clock.now()
        end, degraded = await self._missed(view, planned, verdict, found, less)
        return (end,) if fresh else ("ask the origin", end), degraded

    async def _missed(
        self, view: View, planned: Planned, verdict: Verdict, found: Admission, less: Less | None
    ) -> tuple[str, str]:
        """Return how a miss would end, and how its answer would be less."""
        degraded = less.step.value if less else _WHOLE
        tier = (await self._kept(less.view))[1] if less else ""
        if tier:
            return f"answer from {tier}", degraded
        if not verdict.allowed:
            return "refuse: quota_exceeded", _WHOLE
        return (f"render from the {planned.made_from}", degraded) if found.lets_in else await self._refused(view.want)

    async def _refused(self, want: Want) -> tuple[str, str]:
        """Return what would be done in place of a render that is not let in, and how that would be less."""
        for step, key, _ in self._degrade.others(want):
            if tier := await self._held.where(key):
                return f"answer from {tier}", step.value
        return "refuse: shed", _WHOLE

    def _admission(self, want: Want, ms: float, *, after_s: float = 0.0, fetched: bool = False) -> Admission:
        found = self._gate.weigh(want.asker, ms, self._clock.monotonic(), after_s=after_s, fetched=fetched)
        if isinstance(found, Refusal):
            return Admission(False, round(found.wait_s, 3), round(found.patience_s, 3))
        return Admission(True, round(found, 3))
