"""Accounts of tenants, keys and clients: apart from each other, charged together, bounded, and none without a limit."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tintype.admission.quota.gcra import Policy
from tintype.admission.quota.quotas import Claim, Holder, Quotas, policies_of
from tintype.core.quota import QuotaSettings

SMALL = QuotaSettings(ms_per_s=10, burst_s=10)
DARK = replace(SMALL, dark=True)


def of(name: str, quota: QuotaSettings = SMALL) -> Claim:
    return Claim(Holder.TENANT, name, "", quota)


def client(name: str, quota: QuotaSettings = SMALL, tenant: str = "one") -> Claim:
    return Claim(Holder.CLIENT, tenant, name, quota)


def key(name: str, quota: QuotaSettings = SMALL, tenant: str = "one") -> Claim:
    return Claim(Holder.KEY, tenant, name, quota)


def spends(quotas: Quotas, ms: float, *claims: Claim, now: float = 5.0) -> bool:
    return quotas.spend(claims, ms, now).allowed


def test_settings_make_policies() -> None:
    assert policies_of(QuotaSettings()) == ()
    both = QuotaSettings(ms_per_s=20, burst_s=5, ms_per_day=1000)
    assert policies_of(both) == (Policy("second", 100, 5), Policy("day", 1000, 86_400))
    assert [one.name for one in policies_of(both, Holder.KEY)] == ["key-second", "key-day"]
    assert [one.name for one in policies_of(both, Holder.CLIENT)] == ["client-second", "client-day"]


def test_accounts_are_apart_and_who_claims_nothing_has_none() -> None:
    quotas = Quotas()
    assert spends(quotas, 100.0, of("one"))
    assert not spends(quotas, 1.0, of("one"))
    assert spends(quotas, 100.0, of("two"))
    assert spends(quotas, 100.0, key("one"), client("one"))
    assert spends(quotas, 100.0, key("one", tenant="two"), client("one", tenant="two"))
    assert spends(quotas, 1e9)
    assert len(quotas) == 6


def test_all_must_have_room_and_only_then_all_are_charged() -> None:
    quotas, wide = Quotas(), QuotaSettings(ms_per_s=100, burst_s=10)
    assert spends(quotas, 100.0, of("one", wide), client("a"))
    refused = quotas.spend((of("one", wide), client("a")), 100.0, 5.0)
    assert (refused.allowed, refused.lacking, refused.charged) == (False, (client("a"),), ())
    assert [(one.policy, one.left_ms, one.wait_s) for one in refused.told] == [
        ("second", 900.0, 0.0),
        ("client-second", 0.0, 10.0),
    ]
    assert spends(quotas, 100.0, of("one", wide), client("b"))
    assert not spends(quotas, 900.0, of("one", wide))
    assert spends(quotas, 800.0, of("one", wide))  # not 700: who was refused was charged nowhere


def test_a_dark_quota_refuses_nothing_is_not_told_and_is_not_charged_for_what_it_has_no_room_for() -> None:
    quotas = Quotas()
    assert spends(quotas, 100.0, client("a", DARK))
    both = quotas.spend((of("one"), client("a", DARK)), 60.0, 5.0)
    assert (both.allowed, both.lacking, both.charged) == (True, (client("a", DARK),), (of("one"),))
    assert [one.policy for one in both.told] == ["second"]
    assert not spends(quotas, 60.0, of("one"), client("a", DARK))
    assert spends(quotas, 100.0, client("a"), now=15.0)


def test_what_was_not_done_is_given_back_to_those_who_were_charged() -> None:
    quotas = Quotas()
    charged = quotas.spend((of("one"), client("a")), 100.0, 5.0).charged
    quotas.give_back(charged, 60.0)
    quotas.give_back((of("unknown"),), 60.0)
    assert not spends(quotas, 61.0, of("one"))
    assert not spends(quotas, 61.0, client("a"))
    assert spends(quotas, 60.0, of("one"), client("a"))


CLAIMS = st.lists(
    st.builds(Claim, st.sampled_from(Holder), st.just("one"), st.sampled_from("ab"), st.sampled_from([SMALL, DARK])),
    max_size=3,
    unique_by=lambda claim: claim.holder,
)


@given(st.lists(st.tuples(CLAIMS, st.floats(1, 100), st.floats(0, 5)), max_size=30))
def test_nobody_whose_quota_is_not_dark_spends_more_than_it(works: list[tuple[list[Claim], float, float]]) -> None:
    quotas, now, spent = Quotas(), 5.0, dict[tuple[Holder, str], float]()
    for claims, ms, pause in works:
        now += pause
        verdict = quotas.spend(claims, ms, now)
        assert verdict.allowed == all(claim.quota.dark for claim in verdict.lacking)
        assert set(verdict.charged) == (set(claims) - set(verdict.lacking) if verdict.allowed else set())
        for claim in verdict.charged:
            at = claim.holder, claim.name
            spent[at] = spent.get(at, 0.0) + ms
            assert spent[at] <= 100 + 10 * (now - 5.0) + 1e-3


@given(st.lists(st.sampled_from("abcdef"), max_size=60))
def test_whose_account_was_not_used_for_longest_is_forgotten(names: list[str]) -> None:
    quotas, used = Quotas(most=3), list[str]()
    for name in names:
        known = name in used[-3:]
        assert spends(quotas, 100.0, of(name)) is not known
        used = [other for other in used if other != name] + [name]
        assert len(quotas) <= 3


def test_clients_push_no_tenant_and_no_key_out() -> None:
    quotas = Quotas(most=3)
    assert spends(quotas, 100.0, of("one"), key("k"))
    for number in range(50):
        assert spends(quotas, 100.0, client(str(number)))
    assert not spends(quotas, 1.0, of("one"))
    assert not spends(quotas, 1.0, key("k"))
    assert len(quotas) == 5
