"""Hosts that are slow, hang or fail, and come back: each is bounded alone, refused at once while down, and tried again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable

import pytest
from msgspec.structs import replace

from tests.gates import patient
from tests.sources.conftest import Desk, Make, Standing
from tests.sources.origin import Asked, Origin
from tests.sources.test_sources import until
from tintype.admission.asker import Lane
from tintype.core.errors import DeadlinePassed, Shed, SourceBusy, SourceError, SourceFailed, SourceSlow
from tintype.core.limits import Limits
from tintype.core.pipeline import SourceRef
from tintype.ports import Forwarded
from tintype.sources import hosts
from tintype.sources.settings import StoreSettings


@pytest.fixture
async def other() -> AsyncIterator[Origin]:
    """Another host: its port is another."""
    async with Origin() as origin:
        yield origin


class Held:
    """What an origin answers with when a test says so."""

    def __init__(self, origin: Origin, *paths: str) -> None:
        self.go, self.running, self.most = asyncio.Event(), 0, 0
        for path in paths:
            origin.on[path] = self._answer

    async def _answer(self, asked: Asked) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        await self.go.wait()
        self.running -= 1
        await asked.answer(cache_control="max-age=100")


def paths(count: int, name: str = "x") -> list[str]:
    return [f"/{name}{number}" for number in range(count)]


async def ends(*work: Awaitable[object]) -> list[type]:
    """Wait for all of it; returns the kinds of what came."""
    return [type(end) for end in await asyncio.gather(*work, return_exceptions=True)]


async def failing(desk: Desk, origin: Origin, count: int, name: str = "bad") -> list[type]:
    """Ask for sources one after the other, each of another URL."""
    return [(await ends(desk.bind(origin.url + path)))[0] for path in paths(count, name)]


def events(desk: Desk, name: str) -> list[dict[str, object]]:
    told = (json.loads(line) for line in desk.log.getvalue().splitlines())
    return [line for line in told if line["event"] == name]


# Slots


async def test_a_host_has_a_bound_and_all_together_have_one(make: Make, origin: Origin, other: Origin) -> None:
    desk = make(limits=Limits(fetches=4, fetches_per_host=3))
    one, two = Held(origin, *paths(10)), Held(other, *paths(10))
    urls = [host.url + path for host in (origin, other) for path in paths(10)]
    fetches = [asyncio.create_task(desk.bind(url)) for url in urls]
    await until(lambda: one.running + two.running == 4)
    one.go.set()
    two.go.set()
    await asyncio.gather(*fetches)
    assert one.most <= 3
    assert two.most <= 3
    assert one.most + two.most >= 4


async def test_a_slow_host_leaves_room_for_others(make: Make, origin: Origin, other: Origin) -> None:
    desk = make(limits=Limits(fetches=4, fetches_per_host=2))
    slow = Held(origin, *paths(20))
    fetches = [asyncio.create_task(desk.bind(origin.url + path)) for path in paths(20)]
    await until(lambda: slow.running == 2)
    other.serve("/quick")
    await desk.bind(other.url + "/quick")
    assert not any(fetch.done() for fetch in fetches)
    slow.go.set()
    await asyncio.gather(*fetches)


async def test_what_waits_for_a_slow_host_is_no_work_ahead_of_others(make: Make, origin: Origin, other: Origin) -> None:
    """A ticket for a render is had with the slot: those who wait fill no queue that another host's images need."""
    desk = make(limits=Limits(fetches_per_host=2), gate=patient(most=4))
    slow = Held(origin, *paths(50))
    fetches = [asyncio.create_task(desk.bind(origin.url + path)) for path in paths(50)]
    await until(lambda: slow.running == 2)
    other.serve("/quick")
    await desk.bind(other.url + "/quick")
    slow.go.set()
    assert Shed not in await ends(*fetches)


async def test_the_line_before_a_host_is_bounded(make: Make, origin: Origin) -> None:
    desk = make(limits=Limits(fetches_per_host=1, fetch_queue=3))
    slow = Held(origin, *paths(4), "/last")
    fetches = [asyncio.create_task(desk.bind(origin.url + path)) for path in paths(4)]
    await until(lambda: slow.running == 1)
    with pytest.raises(SourceBusy, match="3 of the 3 fetches that wait for this source's host") as refused:
        await desk.bind(origin.url + "/last")
    assert refused.value.retry_after_s == 1.0
    assert desk.metric("origin_refusals_total", reason="full") == 1
    slow.go.set()
    await asyncio.gather(*fetches)
    await desk.bind(origin.url + "/last")  # a refusal of ours is not remembered as the origin's


async def test_when_a_line_gets_long_the_last_goes_first(make: Make, origin: Origin) -> None:
    desk = make(limits=Limits(fetches_per_host=1))
    held = Held(origin, *paths(5))
    fetches = [asyncio.create_task(desk.bind(origin.url + "/x0"))]
    await until(lambda: held.running == 1)
    fetches += [asyncio.create_task(desk.bind(origin.url + path)) for path in paths(4)[1:]]
    (host,) = desk.sources._origins._hosts._hosts.values()
    await until(lambda: len(host.line) == 3)
    desk.clock.ahead_s = 1.5
    fetches.append(asyncio.create_task(desk.bind(origin.url + "/x4")))
    await until(lambda: len(host.line) == 4)
    held.go.set()
    await asyncio.gather(*fetches)
    assert [asked.path for asked in origin.asked][:2] == ["/x0", "/x4"]


def asking(
    desk: Desk, origin: Origin, path: str, tenant: str = "t", lane: Lane = Lane.INTERACTIVE
) -> asyncio.Task[object]:
    asker = replace(desk.asker(tenant), lane=lane)
    return asyncio.create_task(desk.sources.bind(asker, SourceRef(url=origin.url + path), Forwarded()))


async def all_wait(desk: Desk, count: int) -> None:
    known = desk.sources._origins._hosts._hosts
    await until(lambda: sum(len(host.line) for host in known.values()) == count)


async def test_what_somebody_looks_at_goes_before_prefetches_and_a_tenant_before_anothers_flood(
    make: Make, origin: Origin
) -> None:
    desk = make(limits=Limits(fetches_per_host=1))
    held = Held(origin, *paths(10), *paths(10, "pre"), "/looked", "/other")
    fetches = [asking(desk, origin, "/x0")]
    await until(lambda: held.running == 1)
    fetches += [asking(desk, origin, path, lane=Lane.PREFETCH) for path in paths(10, "pre")]
    fetches += [asking(desk, origin, path) for path in paths(10)[1:]]
    await all_wait(desk, 19)
    fetches.append(asking(desk, origin, "/other", "other"))
    await all_wait(desk, 20)
    held.go.set()
    await asyncio.gather(*fetches)
    order = [asked.path for asked in origin.asked]
    assert order.index("/other") <= 3
    assert max(order.index(path) for path in paths(10)) < order.index("/pre2")


async def test_who_looks_has_a_prefetch_leave_a_full_line(make: Make, origin: Origin) -> None:
    desk = make(limits=Limits(fetches_per_host=1, fetch_queue=2))
    held = Held(origin, *paths(3), *paths(3, "pre"))
    fetches = [asking(desk, origin, "/x0")]
    await until(lambda: held.running == 1)
    fetches += [asking(desk, origin, path, lane=Lane.PREFETCH) for path in paths(2, "pre")]
    await all_wait(desk, 2)
    assert await ends(asking(desk, origin, "/pre2", lane=Lane.PREFETCH)) == [SourceBusy]
    fetches += [asking(desk, origin, path) for path in paths(3)[1:]]
    left = await ends(*fetches[1:3])
    assert left == [SourceBusy] * 2
    assert desk.metric("origin_refusals_total", reason="full") == 3
    held.go.set()
    assert SourceBusy not in await ends(fetches[0], *fetches[3:])


async def test_where_all_slots_are_taken_lanes_go_before_each_other_across_hosts(
    make: Make, origin: Origin, other: Origin
) -> None:
    """And who waits for one of them holds none of a host's, which would be kept from those of a higher lane."""
    desk = make(limits=Limits(fetches=1, fetches_per_host=2))
    order: list[str] = []

    async def answer(asked: Asked) -> None:
        order.append(asked.path)
        await held.wait()
        await asked.answer(cache_control="max-age=100")

    held = asyncio.Event()
    for host in (origin, other):
        host.on |= dict.fromkeys(["/first", *paths(4), *paths(4, "pre")], answer)
    fetches = [asking(desk, origin, "/first")]
    await until(lambda: bool(order))
    fetches += [asking(desk, host, path, lane=Lane.PREFETCH) for path in paths(4, "pre") for host in (origin, other)]
    await all_wait(desk, 8)
    fetches += [asking(desk, other, path) for path in paths(4)]
    await all_wait(desk, 12)
    held.set()
    await asyncio.gather(*fetches)
    last = max(order.index(path) for path in paths(4))
    assert sum(path.startswith("/pre") for path in order[:last]) <= 2  # a lane's share, of the host and of all
    assert not desk.sources._origins._hosts._lined
    assert desk.sources._origins._hosts._running == 0


async def test_a_wait_is_told_by_what_comes_first(make: Make, origin: Origin) -> None:
    """Those who look are not refused for prefetches that wait, which would come too late themselves."""
    gate = patient()
    desk = make(limits=Limits(fetches_per_host=1), gate=gate)
    for _ in range(100):
        gate.expected.learn_fetch(origin.url.removeprefix("http://"), 2.0)
    held = Held(origin, "/x0", "/x1", *paths(10, "pre"))
    fetches = [asking(desk, origin, "/x0")]
    await until(lambda: held.running == 1)
    fetches += [asking(desk, origin, path, lane=Lane.PREFETCH) for path in paths(10, "pre")]
    await until(lambda: any(fetch.done() for fetch in fetches))
    looked = asking(desk, origin, "/x1")
    held.go.set()
    await looked
    assert SourceBusy in await ends(*fetches)


async def most_at_once(desk: Desk, origin: Origin, name: str, count: int, seconds: float) -> int:
    """Ask for so many sources; all that are under way are answered together, so long after by the desk's clock."""
    held, known = Held(origin, *paths(count, name)), desk.sources._origins._hosts._hosts
    fetches = [asyncio.create_task(desk.bind(origin.url + path)) for path in paths(count, name)]
    answered = 0

    def all_wait() -> bool:
        left = held.running + sum(len(host.line) for host in known.values())
        return sum(fetch.done() for fetch in fetches) == answered == count - left

    while answered < count:
        await until(all_wait)
        answered += held.running
        desk.clock.ahead_s += seconds
        held.go.set()
        held.go = asyncio.Event()
    await asyncio.gather(*fetches)
    return held.most


async def test_a_host_that_slows_down_is_asked_for_less_at_once(make: Make, origin: Origin) -> None:
    """Answers of half a second from a host that took a hundredth: the most under way at once goes down."""
    desk = make(clock=Standing())
    quick = await most_at_once(desk, origin, "quick", 100, 0.01)
    assert quick >= 16
    await most_at_once(desk, origin, "slow", 90, 0.5)
    assert await most_at_once(desk, origin, "slower", 20, 0.5) < 0.6 * quick
    for turn in range(10):
        await most_at_once(desk, origin, f"quick-again-{turn}-", 20, 0.01)
    assert await most_at_once(desk, origin, "quicker", 50, 0.01) > 0.6 * quick


async def test_the_store_of_objects_is_a_host_too(make: Make) -> None:
    away = StoreSettings(endpoint="http://127.0.0.1:1", access_key="a", secret_key="b")
    desk = make(stores=(("s3", away), ("other", away)))
    for number in range(5):
        with pytest.raises(SourceFailed):
            await desk.bind(f"s3://bucket/{number}.jpg")
    with pytest.raises(SourceBusy):
        await desk.bind("s3://bucket/x.jpg")
    with pytest.raises(SourceFailed):
        await desk.bind("s3://another/x.jpg")
    with pytest.raises(SourceFailed):
        await desk.bind("other://bucket/x.jpg")


async def test_whose_turn_would_come_too_late_is_refused_at_once(make: Make, origin: Origin) -> None:
    gate = patient()
    desk = make(limits=Limits(fetches_per_host=1), gate=gate)
    host = origin.url.removeprefix("http://")
    for _ in range(100):
        gate.expected.learn_fetch(host, 2.0)
    slow = Held(origin, *paths(10))
    fetches = [asyncio.create_task(desk.bind(origin.url + path)) for path in paths(10)]  # 20 s each
    found = asyncio.gather(*fetches, return_exceptions=True)
    await until(lambda: slow.running == 1 and any(fetch.done() for fetch in fetches))
    slow.go.set()
    refused = [error for error in await found if isinstance(error, BaseException)]
    assert {type(error) for error in refused} == {SourceBusy}
    assert 0 < len(refused) < 5


async def test_who_stops_waiting_leaves_nothing_behind(make: Make, origin: Origin) -> None:
    desk = make(limits=Limits(fetches_per_host=1))
    slow = Held(origin, *paths(3))
    first = asyncio.create_task(desk.bind(origin.url + "/x0"))
    await until(lambda: slow.running == 1)
    ref = SourceRef(url=origin.url + "/x1")
    with pytest.raises(DeadlinePassed):
        await desk.sources.bind(desk.asker(seconds=0.3), ref, Forwarded())
    third = asyncio.create_task(desk.bind(origin.url + "/x2"))
    slow.go.set()
    await asyncio.gather(first, third)
    assert origin.count("/x1") == 0


async def test_a_slot_that_comes_to_who_has_just_left_is_the_next_ones(make: Make) -> None:
    desk = make(limits=Limits(fetches_per_host=1))
    guarded, asker = desk.sources._origins._hosts, desk.asker()

    async def visit() -> None:
        async with guarded.visit("host", "url", asker):
            pass

    async with guarded.visit("host", "url", asker):
        leaving = asyncio.create_task(visit())
        await asyncio.sleep(0)
    leaving.cancel()  # after its slot came, and before it knows
    assert await ends(leaving) == [asyncio.CancelledError]
    async with asyncio.timeout(30):
        await visit()


# Hosts that are down


async def test_who_waits_when_a_host_turns_out_to_be_down_is_told_at_once(make: Make, origin: Origin) -> None:
    desk = make()
    held, go = Held(origin, *paths(11)), asyncio.Event()

    async def fail(asked: Asked) -> None:
        await go.wait()
        await asked.answer(b"", 500)

    origin.on |= dict.fromkeys(paths(5, "bad"), fail)
    under_way = [asyncio.create_task(desk.bind(origin.url + path)) for path in (*paths(11), *paths(5, "bad"))]
    await until(lambda: len(origin.asked) == 16)
    waiting = [asyncio.create_task(desk.bind(origin.url + path)) for path in paths(3, "late")]
    (host,) = desk.sources._origins._hosts._hosts.values()
    await until(lambda: len(host.line) == 3)
    go.set()
    assert await ends(*waiting) == [SourceBusy] * 3
    assert held.running == 11
    held.go.set()
    await ends(*under_way)


async def test_a_host_that_cannot_be_reached_is_refused_at_once_and_asked_again(
    desk: Desk, origin: Origin, other: Origin
) -> None:
    other.serve("/x")
    await origin.stop()
    assert await failing(desk, origin, 5) == [SourceFailed] * 5
    assert desk.metric("origins_open") == 1
    with pytest.raises(SourceBusy, match="failed again and again") as refused:
        await desk.bind(origin.url + "/x")
    assert refused.value.retry_after_s is not None
    assert refused.value.status == 503
    assert desk.metric("origin_refusals_total", reason="open") == 1
    await desk.bind(other.url + "/x")  # of another host nothing is known

    await origin.start()
    origin.serve("/x")
    desk.clock.ahead_s = 1.3
    await desk.bind(origin.url + "/x")
    assert desk.metric("origins_open") == 0
    told = [(line["event"], line["host"]) for name in ("opened", "closed") for line in events(desk, f"origin_{name}")]
    host = origin.url.removeprefix("http://")
    assert told == [("origin_opened", host), ("origin_closed", host)]


async def test_one_attempt_at_a_time_while_it_is_down(desk: Desk, origin: Origin) -> None:
    await origin.stop()
    await failing(desk, origin, 5)
    await origin.start()
    held = Held(origin, "/try", *paths(50))
    desk.clock.ahead_s = 1.3
    attempt = asyncio.create_task(desk.bind(origin.url + "/try"))
    await until(lambda: held.running == 1)
    assert await ends(*(desk.bind(origin.url + path) for path in paths(50))) == [SourceBusy] * 50
    held.go.set()
    await attempt
    assert len(origin.asked) == 1
    await asyncio.gather(*(desk.bind(origin.url + path) for path in paths(50)))


async def test_an_attempt_whose_caller_leaves_makes_room_for_the_next(desk: Desk, origin: Origin) -> None:
    anna = Forwarded({"Cookie": "user=anna"}, digest="anna", private=True)  # whose fetch ends with her
    await origin.stop()
    await failing(desk, origin, 5)
    await origin.start()
    held = Held(origin, "/try")
    desk.clock.ahead_s = 1.3
    attempt = asyncio.create_task(desk.bind(origin.url + "/try", forwarded=anna))
    await until(lambda: held.running == 1)
    attempt.cancel()
    await ends(attempt)
    origin.serve("/x")
    await desk.bind(origin.url + "/x")
    assert origin.count("/x") == 1


async def test_a_host_that_hangs_is_waited_for_by_some_and_then_by_nobody(make: Make, origin: Origin) -> None:
    desk = make(limits=Limits(fetch_timeout_s=1.0, fetches_per_host=8))
    Held(origin, *paths(40))
    found = await ends(*(desk.bind(origin.url + path) for path in paths(40)))
    assert set(found) == {SourceSlow, SourceBusy}
    assert found.count(SourceSlow) <= 8 + 4  # those under way, and who came after the first four
    assert len(origin.asked) == found.count(SourceSlow)


@pytest.mark.parametrize("status", [404, 403, 410, 429, 200])
async def test_an_answer_below_500_is_no_failure(desk: Desk, origin: Origin, status: int) -> None:
    for path in paths(20):
        origin.serve(path, status=status)
    await failing(desk, origin, 20, "x")
    assert len(origin.asked) == 20
    assert desk.metric("origins_open") == 0


async def test_server_errors_of_several_urls_are_failures_of_the_host(desk: Desk, origin: Origin) -> None:
    origin.serve("/broken", b"", 500)
    for number in range(10):  # one URL that fails says nothing of the rest
        desk.clock.ahead_s = number * 2.0
        assert await ends(desk.bind(origin.url + "/broken")) == [SourceFailed]
    for path in paths(20, "bad"):
        origin.serve(path, b"", 500)
    assert await failing(desk, origin, 20) == [SourceFailed] * 4 + [SourceBusy] * 16


async def test_stale_bytes_are_served_at_once_while_their_host_is_down(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", cache_control="max-age=10, stale-while-revalidate=0, stale-if-error=1000")
    known = await desk.bind(origin.url + "/x")
    desk.clock.ahead_s = 20.0
    await origin.stop()
    await failing(desk, origin, 5)
    asked = desk.metric("fetches_total")
    for _ in range(50):
        assert await desk.bind(origin.url + "/x") == known
    assert desk.metric("fetches_total") == asked


async def test_what_we_refuse_is_no_failure_of_a_host(make: Make, origin: Origin) -> None:
    desk = make(gate=patient(most=0))
    assert await failing(desk, origin, 20) == [Shed] * 20
    assert desk.metric("origins_open") == 0


async def test_so_many_hosts_are_remembered(make: Make, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "_REMEMBERED", 3)
    desk = make()
    urls = [f"http://127.0.0.{number}:1/x{turn}" for number in range(2, 12) for turn in range(5)]
    for url in urls:
        with pytest.raises(SourceError):
            await desk.bind(url)
    assert len(desk.sources._origins._hosts) == 3
    assert desk.metric("origins_open") == 3
