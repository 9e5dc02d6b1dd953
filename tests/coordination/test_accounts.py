"""Accounts in a real Valkey: its script decides as the pure rule does; spenders together keep to the bound."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.coordination.conftest import Begin, Node
from tests.coordination.server import Server
from tintype.admission.quota.gcra import Account, Policy, spend
from tintype.admission.quota.quotas import Claim, Holder
from tintype.coordination.accounts import ValkeyAccounts
from tintype.core.quota import QuotaSettings
from tintype.services.leasing import Leasing

_names = itertools.count()
# Nothing worth mentioning is paid off while a test runs.
YEARS = 10**10
SLOW = (Policy("second", 1000, YEARS), Policy("day", 3000, YEARS))
MS = st.floats(0, 1500).map(lambda ms: round(ms, 3))


class Spender:
    """What of a node spends."""

    def __init__(self, node: Node, ahead_s: float = 0.0) -> None:
        node.clock.monotonic = lambda: time.monotonic() + ahead_s
        self.node, self.leasing = node, Leasing(ValkeyAccounts(node.link), node.clock)

    async def spend(self, quota: QuotaSettings, ms: float, holder: Holder = Holder.TENANT) -> bool:
        return (await self.leasing.spend([Claim(holder, "acme", "", quota)], ms)).allowed

    async def hammer(self, quota: QuotaSettings, ms: float, for_s: float) -> float:
        """Spend as fast as it goes; returns how much."""
        spent, end = 0.0, time.monotonic() + for_s
        while time.monotonic() < end:
            spent += ms * sum(await asyncio.gather(*(self.spend(quota, ms) for _ in range(5))))
            await asyncio.sleep(0.005)
        return spent


Join = Callable[..., Awaitable[Spender]]


@pytest.fixture
async def join(begin: Begin) -> AsyncIterator[Join]:
    joined: list[Spender] = []

    async def one(ahead_s: float = 0.0, **settings: float) -> Spender:
        joined.append(spender := Spender(await begin(**settings), ahead_s))
        return spender

    yield one
    for spender in joined:
        await spender.leasing.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(st.tuples(MS, MS), min_size=1, max_size=8))
def test_the_script_decides_as_the_rule_does(server: Server, asked: list[tuple[float, float]]) -> None:
    async def decided() -> None:
        node, name, account = Node(server), f"t{next(_names)}", Account()
        accounts = ValkeyAccounts(node.link)
        for need, extra in asked:
            decision = spend(account, SLOW, need, 0.0)
            leased = await accounts.lease(name, SLOW, need, extra)
            assert leased is not None
            room = min(max(0.0, one.left_ms - need) for one in decision.allowances)
            charged = need + min(extra, room) if decision.allowed else 0.0
            assert leased.ms == pytest.approx(charged, abs=0.01)
            account = Account(0.0, leased.owed_ms)
            for one in decision.allowances:
                assert leased.owed_ms[one.policy] == pytest.approx(
                    decision.account.owed_ms[one.policy] + max(0.0, charged - need if decision.allowed else 0.0),
                    abs=0.01,
                )
        await accounts.give_back(name, SLOW, 5000.0)
        back = await accounts.lease(name, SLOW, 1000.0, 0.0)
        assert back is not None
        assert back.ms == 1000.0
        await node.link.close()
        node.seen.close()

    asyncio.run(decided())


async def test_debts_are_paid_off_by_valkeys_clock_and_then_forgotten(begin: Begin, server: Server) -> None:
    accounts = ValkeyAccounts((await begin()).link)
    policies = (Policy("second", 100, 1),)
    first = await accounts.lease("acme", policies, 100.0, 0.0)
    assert first is not None
    assert first.ms == 100
    await asyncio.sleep(0.5)
    half = await accounts.lease("acme", policies, 0.0, 1000.0)
    assert half is not None
    assert 49 < half.ms <= 100
    with server.client as client:
        await asyncio.sleep(1.2)
        assert client.keys() == []


async def test_three_spenders_keep_to_the_quota_and_one_lease_each_whatever_their_clocks_say(join: Join) -> None:
    spenders = [await join(ahead_s) for ahead_s in (0.0, -5000.0, 86_400.0)]
    quota, begun = QuotaSettings(ms_per_s=1000, burst_s=2), time.monotonic()
    spent = sum(await asyncio.gather(*(one.hammer(quota, 10.0, 2.0) for one in spenders)))
    allowed = 2000 + 1000 * (time.monotonic() - begun)
    assert spent <= allowed + 3 * 2000 / 16
    assert spent >= 2000  # what one account would have allowed at once


async def test_requests_ask_seldom(join: Join, server: Server) -> None:
    spender, quota = await join(), QuotaSettings(ms_per_s=1000, burst_s=100)
    with server.client as client:
        before = client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
        for _ in range(500):
            assert await spender.spend(quota, 1.0)
            await asyncio.sleep(0.001)
        calls = client.info("commandstats")["cmdstat_evalsha"]["calls"] - before
    assert calls < 50


async def test_what_was_to_be_leased_ahead_and_is_not_needed_any_more_is_no_refusal(join: Join) -> None:
    spender, quota, now = await join(), QuotaSettings(ms_per_s=1000, burst_s=100), [time.monotonic()]
    spender.node.clock.monotonic = lambda: now[0]
    assert await spender.spend(quota, 100.0)  # and as much is leased ahead
    asks = spender.leasing._asks
    await spender.node.until(lambda: not asks)
    assert await spender.spend(quota, 60.0)  # and more than what is left should be held
    assert asks
    now[0] += 2  # what was spent two seconds ago asks for less
    await spender.node.until(lambda: not asks)
    assert await spender.spend(quota, 50.0)


async def test_what_one_spends_the_other_cannot(join: Join) -> None:
    first, second = await join(), await join()
    quota = QuotaSettings(ms_per_day=1000)
    assert await first.spend(quota, 900.0)
    assert not await second.spend(quota, 900.0)
    assert await second.spend(quota, 900.0, Holder.CLIENT)  # of each node
    assert await second.spend(quota, 30.0)  # the first may have leased the rest ahead


async def test_what_was_not_done_and_what_is_held_at_the_end_is_given_back(join: Join) -> None:
    first, second = await join(), await join()
    claim = Claim(Holder.TENANT, "acme", "", QuotaSettings(ms_per_day=1000))
    assert (await first.leasing.spend([claim], 900.0)).allowed
    first.leasing.give_back([claim], 900.0)
    await first.leasing.close()
    assert (await second.leasing.spend([claim], 990.0)).allowed


async def test_what_is_held_for_nothing_is_given_back(join: Join) -> None:
    first, second = await join(), await join()
    quota = QuotaSettings(ms_per_day=1000)
    assert await first.spend(quota, 40.0)
    assert await first.spend(quota, 1.0)  # and has more leased ahead
    assert not await second.spend(quota, 959.0)
    deadline = time.monotonic() + 60
    while not await second.spend(quota, 959.0):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def test_many_who_come_at_once_are_let_in_as_far_as_there_is_room(join: Join) -> None:
    spender, quota = await join(), QuotaSettings(ms_per_day=1000)
    let_in = await asyncio.gather(*(spender.spend(quota, 10.0) for _ in range(300)))
    assert 100 <= sum(let_in) <= 101


@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_without_word_from_valkey_nobody_refuses_and_nobody_waits(join: Join, server: Server, fault: str) -> None:
    spender, quota = await join(timeout_s=1.0), QuotaSettings(ms_per_day=1000)
    assert await spender.spend(quota, 1000.0)
    assert not await spender.spend(quota, 1000.0)
    getattr(server, fault)()
    spender.node.clock.monotonic = lambda: time.monotonic() + 1e6
    for _ in range(3):
        assert await spender.spend(quota, 1000.0)
    tries = [spender.spend(quota, 1000.0) for _ in range(500)]
    assert all(await asyncio.gather(*tries))


async def test_who_leaves_while_waiting_leaves_nothing_behind(join: Join) -> None:
    spender, quota = await join(), QuotaSettings(ms_per_day=1000)
    leaving = [asyncio.create_task(spender.spend(quota, 900.0)) for _ in range(3)]
    await asyncio.sleep(0)
    for one in leaving:
        one.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    deadline = time.monotonic() + 60
    while not await spender.spend(quota, 900.0):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_a_dark_quota_lacks_and_refuses_nothing_and_who_is_refused_is_charged_nowhere(join: Join) -> None:
    spender = await join()
    dark = Claim(Holder.TENANT, "acme", "", QuotaSettings(ms_per_day=100, dark=True))
    key = Claim(Holder.KEY, "acme", "k", QuotaSettings(ms_per_day=1000))
    first = await spender.leasing.spend([dark, key], 90.0)
    second = await spender.leasing.spend([dark, key], 90.0)
    assert (first.charged, first.lacking) == ((dark, key), ())
    assert (second.charged, second.lacking, second.allowed) == ((key,), (dark,), True)
    tight = Claim(Holder.TENANT, "acme", "", QuotaSettings(ms_per_day=100))
    refused = await spender.leasing.spend([key, tight], 90.0)  # one account, whatever its settings say now
    assert (refused.charged, refused.lacking, refused.allowed) == ((), (tight,), False)
    assert [one.policy for one in refused.told] == ["day"]
    assert (await spender.leasing.spend([key], 800.0)).allowed
