"""Leads over a real Valkey: one node leads, the others wait; who dies is followed, who cannot tell goes on alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.coordination.conftest import Begin, Node
from tests.coordination.server import Server
from tintype.admission.asker import Lane
from tintype.coordination.leads import ValkeyLead, ValkeyLeads

LEAD_S = 3.0


class Leading:
    """A node that wants leads. `waited`: how often it was told to wait."""

    def __init__(self, node: Node) -> None:
        self.node, self.waited = node, 0
        self.leads = ValkeyLeads(node.link, LEAD_S, node.clock, node.seen)

    async def lead(self, key: str = "k", for_s: float = 20.0, lane: Lane = Lane.INTERACTIVE) -> ValkeyLead | None:
        def waits() -> None:
            self.waited += 1

        return await self.leads.lead(key, lane, time.monotonic() + for_s, waits)

    def counted(self, result: str) -> float:
        return self.node.metric("leads_total", result=result)


Join = Callable[[], Awaitable[Leading]]


@pytest.fixture
async def join(begin: Begin) -> AsyncIterator[Join]:
    joined: list[Leading] = []

    async def one() -> Leading:
        joined.append(leading := Leading(await begin()))
        return leading

    yield one
    for leading in joined:
        await leading.leads.close()


async def test_one_leads_and_the_others_wait_for_its_end(join: Join) -> None:
    first, second, third = [await join() for _ in range(3)]
    lead = await first.lead()
    assert lead is not None
    others = [asyncio.create_task(node.lead()) for node in (second, third)]
    await second.node.until(lambda: second.waited == third.waited == 1)
    await asyncio.sleep(2 * LEAD_S)  # it is renewed
    assert not any(other.done() for other in others)
    with lead:
        pass
    assert await asyncio.gather(*others) == [None, None]
    assert (first.counted("led"), second.counted("waited"), third.counted("waited")) == (1, 1, 1)


async def test_others_look_only_once_the_result_is_kept(join: Join) -> None:
    first, second = await join(), await join()
    written = asyncio.Event()

    async def kept() -> None:
        await written.wait()

    lead = await first.lead()
    assert lead is not None
    with lead:
        lead.end_after(kept)
    other = asyncio.create_task(second.lead())
    await asyncio.sleep(1.5 * LEAD_S)
    assert not other.done()
    written.set()
    assert await other is None


async def test_one_of_many_at_once_leads(join: Join) -> None:
    nodes = [await join() for _ in range(5)]

    async def make(node: Leading) -> int:
        lead = await node.lead()
        if lead is None:
            return 0
        with lead:
            await node.node.until(lambda: sum(one.waited for one in nodes) == 4)
        return 1

    assert sum(await asyncio.gather(*(make(node) for node in nodes))) == 1


async def test_who_died_is_followed_when_its_lead_has_run_out(join: Join, server: Server) -> None:
    second = await join()
    with server.client as client:
        client.set("tintype:lead:k", "0of a node that died", px=int(LEAD_S * 1000))
    assert await second.lead() is None
    lead = await second.lead()
    assert lead is not None
    with lead:
        pass


async def test_a_late_end_does_not_end_the_lead_of_another(join: Join, server: Server) -> None:
    first, second = await join(), await join()
    lead = await first.lead()
    assert lead is not None
    with server.client as client:
        client.delete("tintype:lead:k")  # it ran out while the first node was paused
        other = await second.lead()
        assert other is not None
        with lead:
            pass
        await first.leads.close()
        assert client.get("tintype:lead:k").decode() == f"0{other.token}"
        with other:
            pass
        await second.node.until(lambda: not client.exists("tintype:lead:k"))


async def test_whose_time_is_up_goes_on_alone(join: Join) -> None:
    first, second = await join(), await join()
    lead = await first.lead()
    assert lead is not None
    with lead:
        alone = await second.lead(for_s=0.1)
        assert alone is not None
        with alone:
            pass
    assert second.counted("alone") == 1


async def test_a_lead_of_a_lower_lane_is_taken_over_while_it_waits_for_its_turn(join: Join, server: Server) -> None:
    first, second, third = [await join() for _ in range(3)]
    prefetch = await first.lead(lane=Lane.PREFETCH)
    interactive = await second.lead()
    assert prefetch is not None
    assert interactive is not None
    assert second.waited == 0
    other = asyncio.create_task(third.lead())
    await third.node.until(lambda: third.waited == 1)  # one that somebody looks at leads, and no more than one
    with prefetch:
        prefetch.began()  # too late: it is another's
    await first.leads.close()
    with server.client as client:
        assert client.get("tintype:lead:k").decode() == f"0{interactive.token}"
    assert not other.done()
    with interactive:
        pass
    assert await other is None


async def test_what_a_lower_lane_has_begun_is_waited_for(join: Join, server: Server) -> None:
    first, second = await join(), await join()
    prefetch = await first.lead(lane=Lane.PREFETCH)
    assert prefetch is not None
    with prefetch, server.client as client:
        prefetch.began()
        await first.node.until(lambda: client.get("tintype:lead:k").decode() == f"0{prefetch.token}")
        other = asyncio.create_task(second.lead())
        await second.node.until(lambda: second.waited == 1)
        await asyncio.sleep(1.5 * LEAD_S)  # it is renewed as it is
        assert not other.done()
    assert await other is None


@pytest.mark.parametrize("held", [Lane.INTERACTIVE, Lane.PREFETCH])
async def test_a_lead_as_high_is_waited_for(join: Join, held: Lane) -> None:
    first, second = await join(), await join()
    lead = await first.lead(lane=held)
    assert lead is not None
    with lead:
        other = asyncio.create_task(second.lead(lane=Lane.PREFETCH))
        await second.node.until(lambda: second.waited == 1)
    assert await other is None


async def test_who_waits_does_not_go_on_waiting_for_a_lower_lane_that_came_next(join: Join, server: Server) -> None:
    first, second = await join(), await join()
    lead = await first.lead()
    assert lead is not None
    waiting = asyncio.create_task(second.lead())
    await second.node.until(lambda: second.waited == 1)
    with server.client as client:
        client.set("tintype:lead:k", f"{Lane.PREFETCH:d}of another node", px=60_000)
    assert await waiting is None
    again = await second.lead()
    assert again is not None
    for one in (lead, again):
        with one:
            pass


@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_without_word_from_valkey_each_goes_on_alone(begin: Begin, server: Server, fault: str) -> None:
    nodes = [Leading(await begin(timeout_s=1.0)) for _ in range(3)]
    lead = await nodes[0].lead()
    waiting = asyncio.create_task(nodes[1].lead())
    await nodes[1].node.until(lambda: nodes[1].waited == 1)
    getattr(server, fault)()
    leads = [lead, await waiting, *[await nodes[2].lead(key) for key in "klmnop"]]
    for one in leads:
        assert one is not None
        with one:
            pass
    assert nodes[2].counted("alone") == 6
    for node in nodes:
        await node.leads.close()


async def test_who_leaves_while_asking_leaves_no_lead(join: Join, server: Server) -> None:
    node = await join()
    for delay_s in (0.0, 0.0005, 0.001, 0.002):
        asking = asyncio.create_task(node.lead())
        await asyncio.sleep(delay_s)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        if not asking.cancelled() and (lead := asking.result()) is not None:
            with lead:
                pass
    with server.client as client:
        await node.node.until(lambda: not client.exists("tintype:lead:k"), LEAD_S / 2)
