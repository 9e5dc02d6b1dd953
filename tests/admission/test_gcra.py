"""The generic cell rate algorithm over costs: bounds in every window, exact waits, all policies or none."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.admission.quota.gcra import Account, Policy, give_back, spend

POLICIES = st.lists(
    st.builds(Policy, st.just(""), st.integers(1, 100_000), st.integers(1, 86_400)), min_size=1, max_size=3
).map(lambda found: tuple(Policy(str(n), one.quota_ms, one.window_s) for n, one in enumerate(found)))
# How long after the one before, and what it costs in milliseconds.
ASKED = st.lists(st.tuples(st.floats(0, 1000), st.floats(0.1, 50_000)), max_size=40)
START_S = 1_000_000.0


def let_in(policies: tuple[Policy, ...], asked: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return what was allowed: when, and what it cost."""
    account, now, found = Account(), START_S, []
    for after_s, ms in asked:
        now += after_s
        decision = spend(account, policies, ms, now)
        account = decision.account
        found += [(now, ms)] if decision.allowed else []
    return found


@given(POLICIES, ASKED)
def test_no_window_has_more_than_the_quota_and_what_comes_back_in_it(
    policies: tuple[Policy, ...], asked: list[tuple[float, float]]
) -> None:
    allowed = let_in(policies, asked)
    for first, past in itertools.combinations(range(len(allowed) + 1), 2):
        window = allowed[first:past]
        spent, lasts_s = sum(ms for _, ms in window), window[-1][0] - window[0][0]
        dearest = max(ms for _, ms in window)
        for policy in policies:
            at_once = max(policy.quota_ms, dearest)  # one piece may cost more than a quota
            assert spent <= at_once + policy.ms_per_s * lasts_s + 0.01


@given(POLICIES, ASKED, st.floats(0.1, 50_000))
def test_a_refusal_says_when_it_would_be_allowed_and_not_before(
    policies: tuple[Policy, ...], asked: list[tuple[float, float]], ms: float
) -> None:
    account, now = Account(), START_S
    for after_s, each_ms in asked:
        now += after_s
        account = spend(account, policies, each_ms, now).account
    refused = spend(account, policies, ms, now)
    if refused.allowed:
        return
    assert spend(refused.account, policies, ms, now + refused.wait_s + 1e-6).allowed
    slowest = min(policy.ms_per_s for policy in policies)
    early_s = refused.wait_s - 0.002 / slowest - 1e-6  # what is closer than this is let in
    assert early_s <= 0 or not spend(refused.account, policies, ms, now + early_s).allowed


@given(POLICIES, ASKED)
def test_all_policies_are_charged_or_none(policies: tuple[Policy, ...], asked: list[tuple[float, float]]) -> None:
    account, now = Account(), START_S
    for after_s, ms in asked:
        now += after_s
        before = spend(account, policies, 0.0, now).account
        decision = spend(account, policies, ms, now)
        charged = {name: owed - before.owed_ms[name] for name, owed in decision.account.owed_ms.items()}
        assert charged == pytest.approx(dict.fromkeys(charged, ms if decision.allowed else 0.0), abs=1e-3)
        account = decision.account


@given(POLICIES, st.floats(0.1, 50_000))
def test_what_is_given_back_is_as_if_it_had_not_been_spent(policies: tuple[Policy, ...], ms: float) -> None:
    before = spend(Account(), policies, 0.1, START_S).account
    spent = spend(before, policies, ms, START_S)
    if spent.allowed:
        assert give_back(spent.account, ms).owed_ms == pytest.approx(dict(before.owed_ms), abs=1e-3)


def test_what_costs_more_than_a_quota_is_allowed_while_nothing_is_owed_and_paid_off_after() -> None:
    policies = (Policy("second", 100, 10),)
    first = spend(Account(), policies, 500.0, START_S)
    assert first.allowed
    again = spend(first.account, policies, 500.0, START_S)
    assert again.wait_s == pytest.approx(50.0)
    assert again.allowances[0].left_ms == 0.0


def test_the_longest_wait_counts_and_each_policy_tells_its_own() -> None:
    policies = (Policy("second", 100, 10), Policy("day", 120, 86_400))
    spent = spend(Account(), policies, 100.0, START_S)
    refused = spend(spent.account, policies, 50.0, START_S)
    second, day = refused.allowances
    assert second.wait_s == pytest.approx(5.0)
    assert day.wait_s == pytest.approx(30 * 720)
    assert refused.wait_s == day.wait_s
    assert (second.left_ms, day.left_ms) == (0.0, 20.0)


def test_new_settings_keep_what_is_owed_and_a_clock_that_goes_back_pays_nothing_off() -> None:
    account = spend(Account(), (Policy("second", 100, 10),), 100.0, START_S).account
    assert not spend(account, (Policy("second", 50, 10),), 10.0, START_S).allowed
    assert spend(account, (Policy("second", 200, 10),), 100.0, START_S).allowed
    assert not spend(account, (Policy("second", 100, 10),), 1.0, START_S - 1000).allowed


def test_no_policy_allows_everything() -> None:
    assert spend(Account(), (), 1e9, START_S).allowed
