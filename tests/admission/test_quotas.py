"""Accounts of tenants: apart from each other, bounded, and none for those without a limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tintype.admission.gcra import Policy
from tintype.admission.quotas import Quotas, policies_of
from tintype.core.quota import QuotaSettings

SMALL = QuotaSettings(ms_per_s=10, burst_s=10)


def test_settings_make_policies() -> None:
    assert policies_of(QuotaSettings()) == ()
    both = policies_of(QuotaSettings(ms_per_s=20, burst_s=5, ms_per_day=1000))
    assert both == (Policy("second", 100, 5), Policy("day", 1000, 86_400))


def test_accounts_are_apart_and_who_has_no_limit_has_none() -> None:
    quotas = Quotas()
    assert quotas.spend("one", SMALL, 100.0, 5.0).allowed
    assert not quotas.spend("one", SMALL, 1.0, 5.0).allowed
    assert quotas.spend("two", SMALL, 100.0, 5.0).allowed
    assert quotas.spend("free", QuotaSettings(), 1e9, 5.0).allowed
    assert len(quotas) == 2


def test_what_was_not_done_is_given_back() -> None:
    quotas = Quotas()
    quotas.spend("one", SMALL, 100.0, 5.0)
    quotas.give_back("one", 60.0)
    quotas.give_back("unknown", 60.0)
    assert not quotas.spend("one", SMALL, 61.0, 5.0).allowed
    assert quotas.spend("one", SMALL, 60.0, 5.0).allowed


@given(st.lists(st.sampled_from("abcdef"), max_size=60))
def test_whose_account_was_not_used_for_longest_is_forgotten(names: list[str]) -> None:
    quotas, used = Quotas(most=3), list[str]()
    for name in names:
        known = name in used[-3:]
        assert quotas.spend(name, SMALL, 100.0, 5.0).allowed is not known
        used = [other for other in used if other != name] + [name]
        assert len(quotas) <= 3
