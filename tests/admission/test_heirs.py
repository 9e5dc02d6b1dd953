"""Heirs: who is better off than a leader tries what that was refused, each lane once; nobody else does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tintype.admission.asker import Asker, Lane
from tintype.admission.heirs import better_off, overtakes, urgency

ASKERS = st.builds(
    Asker,
    tenant=st.just("t"),
    lane=st.sampled_from(Lane),
    deadline=st.floats(0, 20),
    firm=st.booleans(),
)


def test_only_a_higher_lane_overtakes() -> None:
    above = {(a, b) for a in Lane for b in Lane if overtakes(Asker("t", lane=a), Asker("t", lane=b))}
    assert above == {(a, b) for a in Lane for b in Lane if a < b}


@given(ASKERS, ASKERS, st.floats(0, 20), st.booleans())
def test_who_is_better_off_has_time_and_a_higher_lane_or_more_time_of_use(
    asker: Asker, leader: Asker, now: float, expired: bool
) -> None:
    better = better_off(asker, leader, now, expired=expired)
    assert better or asker.deadline <= now or asker.lane >= leader.lane
    assert better or asker.deadline <= max(now, leader.deadline) or not (expired or leader.firm)
    assert not better or (asker.deadline > now and (asker.lane < leader.lane or asker.deadline > leader.deadline))


@given(ASKERS, st.booleans())
def test_nobody_is_better_off_than_itself(asker: Asker, expired: bool) -> None:
    assert not better_off(asker, asker, 0.0, expired=expired)


@given(ASKERS, st.lists(ASKERS, max_size=50))
def test_however_many_wait_each_lane_tries_once_and_who_has_the_most_time_is_tried(
    leader: Asker, others: list[Asker]
) -> None:
    tried, left = [leader], others
    while left := [one for one in left if better_off(one, tried[-1], 0.0, expired=True)]:
        tried.append(min(left, key=urgency))
    lanes = [one.lane for one in tried[1:]]
    assert lanes == sorted(set(lanes))
    assert max(one.deadline for one in (leader, *others)) == max(one.deadline for one in tried)
    assert min(one.lane for one in tried) == min(
        one.lane for one in (leader, *others) if one.deadline > 0 or one is leader
    )
