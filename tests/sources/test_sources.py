"""Bindings and bytes: fresh, stale, shared, private, remembered, purged, and still there after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.sources.conftest import Desk, Lasting, Make
from tests.sources.origin import JPEG, Asked, Origin
from tintype.core.entry import Scope, Selector
from tintype.core.errors import (
    DeadlinePassed,
    SourceFailed,
    SourceIncomplete,
    SourceMissing,
    SourceRefused,
    TintypeError,
)
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.limits import Limits
from tintype.core.pipeline import SourceRef
from tintype.kit.filestore import Put
from tintype.ports import Forwarded
from tintype.sources import bindings as table

INFO = ImageInfo(format=Format.JPEG, width=10, height=20)
ANNA = Forwarded({"Cookie": "user=anna"}, digest="anna", private=True)
BERT = Forwarded({"Cookie": "user=bert"}, digest="bert", private=True)


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something that happens in the background."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 polling is all a test can do with another's background
            await asyncio.sleep(0.01)


async def stored(desk: Desk) -> None:
    """Wait until what was fetched is in the store, and nothing else goes on behind."""
    await until(lambda: not desk.sources._unstored and not desk.sources._tasks)


def files(folder: Path) -> list[bytes]:
    """The contents of everything below a folder."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


# Freshness


async def test_a_fresh_binding_asks_nobody(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", cache_control="max-age=100")
    first = await desk.bind(origin.url + "/x")
    await origin.stop()
    again, body = await desk.read(origin.url + "/x")
    assert (again, body) == (first, JPEG)
    desk.clock.ahead_s = 101.0 + 1000.0
    with pytest.raises(SourceFailed):
        await desk.bind(origin.url + "/x")


async def test_without_a_lifetime_every_use_asks(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", etag='"1"')
    for _ in range(3):
        await desk.read(origin.url + "/x")
    assert origin.count("/x") == 3
    assert desk.metric("fetches_total", scheme="http", result="fetched") == 1


async def test_a_default_lifetime_can_be_set(make: Make, origin: Origin) -> None:
    desk = make(default_fresh_s=50.0)
    origin.serve("/x")
    for _ in range(3):
        await desk.bind(origin.url + "/x")
    assert origin.count("/x") == 1


async def test_a_caller_may_assume_freshness_where_the_origin_names_none(desk: Desk, origin: Origin) -> None:
    origin.serve("/silent", etag='"1"')
    origin.serve("/never", etag='"1"', cache_control="no-cache")
    for path in ("/silent", "/never"):
        for _ in range(3):
            await desk.bind(origin.url + path, assume_fresh_s=30.0)
    assert (origin.count("/silent"), origin.count("/never")) == (1, 3)
    desk.clock.ahead_s = 31.0
    await desk.bind(origin.url + "/silent", assume_fresh_s=30.0)
    assert origin.count("/silent") == 2


async def test_a_stale_binding_serves_while_one_refresh_is_under_way(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", cache_control="max-age=10, stale-while-revalidate=50", etag='"1"')
    first = await desk.bind(origin.url + "/x")
    gate = asyncio.Event()

    async def renewed(asked: Asked) -> None:
        await gate.wait()
        await asked.answer(JPEG + b"2", cache_control="max-age=10")

    origin.on["/x"] = renewed
    desk.clock.ahead_s = 11.0
    for _ in range(20):
        assert await desk.bind(origin.url + "/x") == first
    await until(lambda: origin.count("/x") == 2)
    gate.set()
    for _ in range(500):
        if (binding := await desk.bind(origin.url + "/x")) != first:
            break
        await asyncio.sleep(0.01)
    assert (await desk.open(binding))[1] == JPEG + b"2"
    assert origin.count("/x") == 2


async def test_all_who_need_a_source_confirmed_ask_once(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", etag='"1"')
    first = await desk.bind(origin.url + "/x")
    gate = asyncio.Event()

    async def confirmed(asked: Asked) -> None:
        await gate.wait()
        await asked.answer(b"", 304)

    origin.on["/x"] = confirmed
    waiting = [asyncio.create_task(desk.bind(origin.url + "/x")) for _ in range(100)]
    await until(lambda: origin.count("/x") == 2)
    gate.set()
    assert {binding.digest for binding in await asyncio.gather(*waiting)} == {first.digest}
    assert [asked.headers.get("if-none-match") for asked in origin.asked] == [None, '"1"']


async def test_a_hot_binding_is_asked_for_again_before_its_end_and_once(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", cache_control="max-age=100", etag='"1"')
    known = replace(await desk.bind(origin.url + "/x"), ahead_s=20.0)  # as of an origin that took seconds
    desk.sources._bindings.put(known)
    desk.clock.ahead_s = 70.0
    assert await desk.bind(origin.url + "/x") == known
    await stored(desk)
    assert origin.count("/x") == 1
    desk.clock.ahead_s = 90.0
    assert {(await desk.bind(origin.url + "/x")).fresh_until for _ in range(20)} == {known.fresh_until}
    await stored(desk)
    assert (await desk.bind(origin.url + "/x")).fresh_until > known.fresh_until + 80
    assert origin.count("/x") == 2


async def test_how_long_an_origin_took_is_how_much_sooner_it_is_asked(desk: Desk, origin: Origin) -> None:
    async def slow(asked: Asked) -> None:
        await asyncio.sleep(0.1)
        await asked.answer(cache_control="max-age=100")

    origin.on["/x"] = slow
    assert (await desk.bind(origin.url + "/x")).ahead_s >= 0.2


async def test_beyond_its_allowance_a_stale_binding_waits_for_the_origin(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", cache_control="max-age=10, stale-while-revalidate=50")
    await desk.bind(origin.url + "/x")
    origin.serve("/x", JPEG + b"2", cache_control="max-age=10")
    desk.clock.ahead_s = 61.0
    assert (await desk.read(origin.url + "/x"))[1] == JPEG + b"2"


@pytest.mark.parametrize("trouble", ["500", "503", "429", "gone", "short", "slow"])
async def test_stale_bytes_are_better_than_an_origin_in_trouble(make: Make, origin: Origin, trouble: str) -> None:
    desk = make(limits=Limits(fetch_timeout_s=1.0 if trouble == "slow" else 20.0))
    origin.serve("/x", cache_control="max-age=10, stale-while-revalidate=0")
    first = await desk.bind(origin.url + "/x")
    await stored(desk)  # the bytes are on disk, as the clock is about to jump

    async def stall(asked: Asked) -> None:
        await asyncio.sleep(3.0)

    async def cut(asked: Asked) -> None:
        await asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
        await asked.hang_up()

    if trouble.isdigit():
        origin.serve("/x", b"no", int(trouble))
    elif trouble == "gone":
        await origin.stop()
    else:
        origin.on["/x"] = cut if trouble == "short" else stall
    desk.clock.ahead_s = 20.0
    assert await desk.bind(origin.url + "/x") == first
    assert (await desk.open(first))[1] == JPEG
    assert "source_stale_served" in desk.log.getvalue()
    desk.clock.ahead_s = 10.0 + Lasting.stale_if_error_s + 5
    with pytest.raises(TintypeError):
        await desk.bind(origin.url + "/x")


@pytest.mark.parametrize("status", [404, 403, 401])
async def test_an_origin_that_says_no_means_it(desk: Desk, origin: Origin, status: int) -> None:
    origin.serve("/x")
    await desk.bind(origin.url + "/x")
    origin.serve("/x", b"no", status)
    with pytest.raises(SourceMissing if status == 404 else SourceRefused):
        await desk.bind(origin.url + "/x")


async def test_must_revalidate_allows_no_stale_use(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", cache_control="max-age=10, must-revalidate, stale-while-revalidate=99")
    await desk.bind(origin.url + "/x")
    await origin.stop()
    desk.clock.ahead_s = 11.0
    with pytest.raises(SourceFailed):
        await desk.bind(origin.url + "/x")


# Names


async def test_a_buster_a_tenant_and_forwarded_headers_name_other_bindings(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", cache_control="max-age=100")
    french = Forwarded({"Accept-Language": "fr"}, digest="fr")
    bindings = [
        await desk.bind(origin.url + "/x"),
        await desk.bind(origin.url + "/x", buster="2"),
        await desk.bind(origin.url + "/x", tenant="other"),
        await desk.bind(origin.url + "/x", forwarded=french),
    ]
    assert origin.count("/x") == 4
    assert len({binding.key for binding in bindings}) == 4
    assert [asked.headers.get("accept-language") for asked in origin.asked] == [None, None, None, "fr"]
    for forwarded in (Forwarded(), french):
        await desk.bind(origin.url + "/x", forwarded=forwarded)
    assert origin.count("/x") == 4


async def test_tenants_do_not_share_bytes(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", cache_control="max-age=100")
    mine, theirs = [await desk.bind(origin.url + "/x", tenant=name) for name in ("mine", "theirs")]
    assert mine.digest == theirs.digest
    assert await desk.sources.drop(Selector(scope=Scope.ALL, tenant="mine"), soft=False) == 1
    await origin.stop()
    assert (await desk.open(theirs))[1] == JPEG
    with pytest.raises(SourceFailed):
        await desk.open(mine)


async def test_a_purge_waits_for_what_is_just_being_stored(
    desk: Desk, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve("/x", cache_control="max-age=100")
    store = desk.sources._bodies
    put_all, drop = store.put_all, store.drop

    async def slow(new: Sequence[Put]) -> list[bool]:
        await asyncio.sleep(0.2)
        kept = await put_all(new)
        await asyncio.sleep(0.3)  # it is there, and nobody has looked yet whether it should be
        return kept

    monkeypatch.setattr(store, "put_all", slow)
    mine = await desk.bind(origin.url + "/x")
    await desk.sources.drop(Selector(scope=Scope.ALL, tenant="t"), soft=False)
    await origin.stop()
    await asyncio.sleep(0.3)
    with pytest.raises(SourceFailed):
        await desk.open(mine)
    assert await drop(Selector(scope=Scope.ALL)) == 0


async def test_header_facts_stay_with_the_bytes_they_are_of(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", etag='"1"')
    learnt = await desk.sources.learn(await desk.bind(origin.url + "/x"), INFO)
    assert learnt.info == INFO
    assert (await desk.bind(origin.url + "/x")).info == INFO
    origin.serve("/x", etag='"2"')  # the same bytes under another ETag
    assert (await desk.bind(origin.url + "/x")).info == INFO
    origin.serve("/x", JPEG + b"2", etag='"3"')
    assert (await desk.bind(origin.url + "/x")).info is None
    await desk.sources.learn(learnt, INFO)  # late, and about bytes that are no longer meant
    assert (await desk.bind(origin.url + "/x")).info is None


# Sharing


async def test_concurrent_fetches_of_one_source_are_one(desk: Desk, origin: Origin) -> None:
    gate = asyncio.Event()

    async def slow(asked: Asked) -> None:
        await gate.wait()
        await asked.answer()

    origin.on["/x"] = slow
    readers = [asyncio.create_task(desk.read(origin.url + "/x")) for _ in range(20)]
    await until(lambda: origin.count("/x") == 1)
    await asyncio.sleep(0.05)
    gate.set()
    assert [body for _, body in await asyncio.gather(*readers)] == [JPEG] * 20
    assert origin.count("/x") == 1
    assert desk.metric("fetches_joined_total") == 19


async def test_ten_variants_one_after_the_other_fetch_once(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", cache_control="max-age=100")
    for _ in range(10):
        assert (await desk.read(origin.url + "/x"))[1] == JPEG
    assert origin.count("/x") == 1


async def test_readers_have_offsets_of_their_own(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", cache_control="max-age=100")
    binding = await desk.bind(origin.url + "/x")
    ref = SourceRef(url=binding.url)
    leases = [await desk.sources.open(desk.asker(), binding, ref, Forwarded()) for _ in range(2)]
    assert os.read(leases[0].fd(), 10) == os.read(leases[1].fd(), 10) == JPEG[:10]
    with pytest.raises(OSError, match="Bad file"):
        os.write(leases[0].fd(), b"x")
    for lease in leases:
        lease.close()
        lease.close()


async def test_a_caller_has_its_own_deadline(desk: Desk, origin: Origin) -> None:
    gate = asyncio.Event()

    async def slow(asked: Asked) -> None:
        await gate.wait()
        await asked.answer(cache_control="max-age=100")

    origin.on["/x"] = slow
    ref = SourceRef(url=origin.url + "/x")
    for forwarded in (Forwarded(), ANNA):
        with pytest.raises(DeadlinePassed):
            await desk.sources.bind(desk.asker(seconds=0.2), ref, forwarded)
    gate.set()
    patient = await desk.bind(ref.url)  # the fetch went on for whoever comes
    assert patient.size == len(JPEG)
    assert [asked.headers.get("cookie") for asked in origin.asked] == [None, "user=anna"]


async def test_a_fetch_that_nobody_waits_for_is_not_begun(make: Make, origin: Origin) -> None:
    desk = make(limits=Limits(fetches=1))
    gate = asyncio.Event()

    async def slow(asked: Asked) -> None:
        await gate.wait()
        await asked.answer()

    origin.on["/first"] = origin.on["/second"] = slow
    first = asyncio.create_task(desk.bind(origin.url + "/first"))
    await until(lambda: origin.count("/first") == 1)
    second = asyncio.create_task(desk.bind(origin.url + "/second"))
    await asyncio.sleep(0.05)
    second.cancel()
    gate.set()
    await first
    await asyncio.sleep(0.05)
    assert origin.count("/second") == 0


# Errors remembered


async def test_a_missing_source_is_remembered_for_a_while(desk: Desk, origin: Origin) -> None:
    origin.serve("/410", b"gone", 410)
    for path, kind in (("/404", SourceMissing), ("/410", SourceRefused)):
        for _ in range(3):
            with pytest.raises(kind):
                await desk.bind(origin.url + path)
        assert origin.count(path) == 1
    origin.serve("/404")
    desk.clock.ahead_s = Lasting.missing_s + 0.1
    assert (await desk.read(origin.url + "/404"))[1] == JPEG


@pytest.mark.parametrize("status", [400, 401, 403, 451])
async def test_an_origin_that_says_no_is_believed_as_long(desk: Desk, origin: Origin, status: int) -> None:
    origin.serve("/x", b"no", status)
    for ahead_s in (0.0, Lasting.missing_s - 1.0):
        desk.clock.ahead_s = ahead_s
        with pytest.raises(SourceRefused):
            await desk.bind(origin.url + "/x")
    assert origin.count("/x") == 1
    origin.serve("/x")
    desk.clock.ahead_s = Lasting.missing_s + 0.1
    await desk.bind(origin.url + "/x")


async def test_other_errors_are_remembered_for_a_second_at_most(make: Make, origin: Origin) -> None:
    class Long(Lasting):
        error_s = 60.0

    desk = make(lasting=Long)
    origin.serve("/x", b"no", 500)
    for _ in range(3):
        with pytest.raises(SourceFailed):
            await desk.bind(origin.url + "/x")
    assert origin.count("/x") == 1
    origin.serve("/x")
    desk.clock.ahead_s = 1.01
    await desk.bind(origin.url + "/x")


async def test_a_purge_forgets_errors_too(desk: Desk, origin: Origin) -> None:
    with pytest.raises(SourceMissing):
        await desk.bind(origin.url + "/x")
    origin.serve("/x")
    await desk.sources.drop(Selector(scope=Scope.SOURCE, value=origin.url + "/x"), soft=False)
    await desk.bind(origin.url + "/x")


async def test_an_error_from_before_a_purge_is_not_remembered_after_it(desk: Desk, origin: Origin) -> None:
    gate = asyncio.Event()

    async def slow(asked: Asked) -> None:
        await gate.wait()
        await asked.answer(b"no", 404)

    origin.on["/x"] = slow
    before = asyncio.create_task(desk.bind(origin.url + "/x"))
    await until(lambda: origin.count("/x") == 1)
    await desk.sources.drop(Selector(scope=Scope.SOURCE, value=origin.url + "/x"), soft=False)
    gate.set()
    with pytest.raises(SourceMissing):
        await before
    origin.serve("/x")
    await desk.bind(origin.url + "/x")


# Private


async def test_what_was_fetched_with_a_cookie_is_nobody_elses(desk: Desk, origin: Origin, tmp_path: Path) -> None:
    async def personal(asked: Asked) -> None:
        await asked.answer(JPEG + asked.headers.get("cookie", "nobody").encode(), cache_control="public, max-age=100")

    origin.on["/x"] = personal
    for user, name in ((ANNA, b"user=anna"), (BERT, b"user=bert"), (ANNA, b"user=anna")):
        binding, body = await desk.read(origin.url + "/x", forwarded=user)
        assert (binding.private, body) == (True, JPEG + name)
    assert (await desk.read(origin.url + "/x"))[1] == JPEG + b"nobody"
    assert origin.count("/x") == 4
    await desk.sources.close()
    kept = b"".join(files(tmp_path))
    assert b"nobody" in kept
    assert b"user=" not in kept


@pytest.mark.parametrize(
    "headers",
    [
        {"cache_control": "private, max-age=100"},
        {"cache_control": "no-store"},
        {"cache_control": "max-age=100", "set_cookie": "session=1"},
        {"cache_control": "max-age=100", "vary": "Cookie"},
    ],
)
async def test_what_the_origin_calls_private_is_not_shared(
    desk: Desk, origin: Origin, headers: dict[str, str], tmp_path: Path
) -> None:
    gate, served = asyncio.Event(), 0

    async def personal(asked: Asked) -> None:
        nonlocal served
        served += 1
        mine = f"body {served}".encode()
        await gate.wait()
        await asked.answer(JPEG + mine, 200, **headers)

    origin.on["/x"] = personal
    readers = [asyncio.create_task(desk.read(origin.url + "/x")) for _ in range(5)]
    await until(lambda: served == 1)
    gate.set()
    answers = await asyncio.gather(*readers)
    assert len({body for _, body in answers}) == 5
    assert all(binding.private for binding, _ in answers)
    assert len({(await desk.read(origin.url + "/x"))[1] for _ in range(3)}) == 3
    await desk.sources.close()
    assert not any(b"body " in content for content in files(tmp_path))


async def test_a_private_body_is_there_for_all_that_its_caller_does(desk: Desk, origin: Origin) -> None:
    origin.serve("/x")
    binding = await desk.bind(origin.url + "/x", forwarded=ANNA)
    binding = await desk.sources.learn(binding, INFO)
    for _ in range(3):
        assert (await desk.open(binding, ANNA))[1] == JPEG
    assert origin.count("/x") == 1


async def test_a_source_that_turns_private_takes_its_shared_binding_away(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", etag='"1"', cache_control="max-age=10")
    await desk.bind(origin.url + "/x")
    origin.serve("/x", JPEG + b"2", etag='"2"', cache_control="private")
    desk.clock.ahead_s = 100.0
    assert (await desk.bind(origin.url + "/x")).private
    await origin.stop()
    with pytest.raises(SourceFailed):
        await desk.bind(origin.url + "/x")


async def test_a_source_that_is_no_longer_private_is_shared_again(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", cache_control="private")
    await desk.bind(origin.url + "/x")
    origin.serve("/x", cache_control="max-age=100")
    for _ in range(3):
        await desk.bind(origin.url + "/x")
    assert origin.count("/x") == 2


# Bytes


async def test_evicted_bytes_are_fetched_again(make: Make, origin: Origin) -> None:
    desk = make(store_bytes=1_000_000, limits=Limits(request_timeout_s=0.01))
    for number in range(12):
        origin.serve(f"/{number}", JPEG + os.urandom(120_000), etag='"1"', cache_control="max-age=100")
    bindings = [await desk.bind(f"{origin.url}/{number}") for number in range(12)]
    await stored(desk)
    await asyncio.sleep(0.02)  # what was fetched is held for a request's time, 10 ms here
    bodies = [(await desk.open(binding))[1] for binding in bindings]
    assert all(
        body.startswith(JPEG) and len(body) == binding.size for body, binding in zip(bodies, bindings, strict=True)
    )
    assert sum(origin.count(f"/{number}") for number in range(12)) > 12
    assert not any("if-none-match" in asked.headers for asked in origin.asked)


async def test_bytes_under_way_count_until_they_are_stored_or_gone(make: Make, origin: Origin) -> None:
    desk = make(store_bytes=40_000_000)
    going_on, empty = asyncio.Event(), desk.sources._bodies.used_bytes()

    async def slow(asked: Asked) -> None:
        await asked.send(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\nCache-Control: max-age=9\r\n\r\n" + bytes(1_000_000)
        )
        await going_on.wait()
        if asked.path == "/whole":
            await asked.send(bytes(1_000_000))
        await asked.hang_up()

    origin.on |= {"/whole": slow, "/cut": slow}
    fetches = [asyncio.create_task(desk.bind(origin.url + path)) for path in ("/whole", "/cut")]
    # What is not written yet, at most a batch of each, is in memory.
    await until(lambda: 1_400_000 < desk.sources._bodies.used_bytes() - empty <= 2_000_000)
    going_on.set()
    done = await asyncio.gather(*fetches, return_exceptions=True)
    assert isinstance(done[1], SourceIncomplete)
    await stored(desk)
    assert 2_000_000 <= desk.sources._bodies.used_bytes() - empty < 2_100_000


async def test_bodies_are_stored_together_and_sooner_when_there_are_many(desk: Desk, origin: Origin) -> None:
    writes: list[int] = []
    put_all = desk.sources._bodies.put_all

    async def counted(puts: Sequence[Put]) -> list[bool]:
        writes.append(len(puts))
        return await put_all(puts)

    desk.sources._bodies.put_all = counted  # type: ignore[method-assign]
    paths = [f"/{number}" for number in range(40)]
    for path in paths:
        origin.serve(path, JPEG + path.encode(), cache_control="max-age=100")
    await asyncio.gather(*(desk.bind(origin.url + path) for path in paths))
    await stored(desk)
    assert sum(writes) == 40
    assert max(writes) >= 32 > len(writes)
    desk.sources._held.sweep(float("inf"))
    assert [(await desk.read(origin.url + path))[1] for path in paths] == [JPEG + path.encode() for path in paths]
    assert sum(origin.count(path) for path in paths) == 40


async def test_a_fresh_binding_without_bytes_is_fresh(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", cache_control="max-age=100")
    first = await desk.bind(origin.url + "/x")
    await desk.sources._bodies.drop(Selector(scope=Scope.ALL))
    for _ in range(20):
        assert await desk.bind(origin.url + "/x") == first
    assert origin.count("/x") == 1


async def test_a_confirmed_binding_without_bytes_gets_them_when_opened(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", etag='"1"')
    await desk.bind(origin.url + "/x")
    await stored(desk)
    await desk.sources._bodies.drop(Selector(scope=Scope.ALL))
    desk.sources._held.sweep(float("inf"))
    binding = await desk.bind(origin.url + "/x")
    assert (await desk.open(binding))[1] == JPEG
    assert [("if-none-match" in asked.headers) for asked in origin.asked] == [False, True, False]


async def test_bytes_that_changed_meanwhile_come_with_their_own_binding(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", cache_control="max-age=100")
    binding = await desk.bind(origin.url + "/x")
    await stored(desk)
    await desk.sources._bodies.drop(Selector(scope=Scope.ALL))
    desk.sources._held.sweep(float("inf"))
    origin.serve("/x", JPEG + b"2", cache_control="max-age=100")
    newer, body = await desk.open(binding)
    assert body == JPEG + b"2"
    assert newer.digest != binding.digest


async def test_a_body_too_large_for_the_store_is_still_served(make: Make, origin: Origin) -> None:
    desk = make(store_bytes=1_000_000)
    origin.serve("/x", JPEG + bytes(2_000_000), cache_control="max-age=100")
    binding, body = await desk.read(origin.url + "/x")
    assert len(body) == binding.size == len(JPEG) + 2_000_000
    assert origin.count("/x") == 1


async def test_damaged_bytes_are_never_served(make: Make, origin: Origin, tmp_path: Path) -> None:
    origin.serve("/x", JPEG * 10, cache_control="max-age=100")
    first = make()
    await first.bind(origin.url + "/x")
    await first.sources.close()
    (body,) = [path for path in (tmp_path / "sources").rglob("*") if path.is_file() and path.read_bytes() == JPEG * 10]
    body.write_bytes(JPEG * 9 + b"\0" * len(JPEG))
    assert (await make().read(origin.url + "/x"))[1] == JPEG * 10
    assert origin.count("/x") == 2


async def test_no_temporary_file_is_left(desk: Desk, origin: Origin, tmp_path: Path) -> None:
    origin.serve("/x")
    origin.serve("/private", cache_control="no-store")
    origin.serve("/500", b"no", 500)

    async def cut(asked: Asked) -> None:
        await asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
        await asked.hang_up()

    origin.on["/cut"] = cut
    for path in ("/x", "/private", "/500", "/404", "/cut"):
        with contextlib.suppress(TintypeError):
            await desk.read(origin.url + path)
    await stored(desk)
    assert [path for path in (tmp_path / "sources" / "bodies" / "temp").iterdir() if path.is_file()] == []


# Restarts


async def test_a_restart_keeps_bindings_bytes_and_facts(make: Make, origin: Origin) -> None:
    origin.serve("/x", etag='"1"', cache_control="max-age=100")
    before = make()
    known = await before.sources.learn(await before.bind(origin.url + "/x"), INFO)
    await before.sources.close()
    await origin.stop()
    after = make()
    assert await after.read(origin.url + "/x") == (known, JPEG)


async def test_facts_learnt_after_the_binding_was_written_are_kept_too(make: Make, origin: Origin) -> None:
    origin.serve("/x", etag='"1"', cache_control="max-age=100")
    before = make()
    bound = await before.bind(origin.url + "/x")
    kept = before.sources._bindings
    await until(lambda: not kept._waiting and not kept._writing)
    known = await before.sources.learn(bound, INFO)
    assert await before.bind(origin.url + "/x") == known
    await before.sources.close()
    assert await make().bind(origin.url + "/x") == known


async def test_a_table_that_cannot_keep_up_lets_new_bindings_go(
    make: Make, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "_MOST_WAITING", 2)
    monkeypatch.setattr(table, "_LATER_S", 60)
    desk = make()
    for path in ("/1", "/2", "/3"):
        origin.serve(path, cache_control="max-age=100")
        await desk.bind(origin.url + path)
    assert (await desk.bind(origin.url + "/1")).url.endswith("/1")
    await desk.bind(origin.url + "/3")
    assert [origin.count(path) for path in ("/1", "/3")] == [1, 2]


async def test_a_damaged_table_gives_way_to_a_new_one(make: Make, origin: Origin, tmp_path: Path) -> None:
    origin.serve("/x", cache_control="max-age=100")
    before = make()
    await before.bind(origin.url + "/x")
    await before.sources.close()
    (tmp_path / "sources" / "bindings.sqlite").write_bytes(b"not a database" * 1000)
    assert (await make().read(origin.url + "/x"))[1] == JPEG
    assert origin.count("/x") == 2


async def test_the_table_is_bounded_and_keeps_the_latest(make: Make, origin: Origin) -> None:
    desk = make(bindings=5)
    for number in range(20):
        origin.serve(f"/{number}", cache_control="max-age=1000")
        await desk.bind(f"{origin.url}/{number}")
    for number in (19, 18, 17, 0):
        await desk.bind(f"{origin.url}/{number}")
    assert [origin.count(f"/{number}") for number in (19, 18, 17, 0)] == [1, 1, 1, 2]


# Purges


@pytest.mark.parametrize(
    ("selector", "left"),
    [
        (Selector(scope=Scope.SOURCE, value="{o}/a/1"), {"/a/2", "/b/1", "/a_1"}),
        (Selector(scope=Scope.PREFIX, value="{o}/a/"), {"/b/1", "/a_1"}),
        (Selector(scope=Scope.PREFIX, value="{o}/a_"), {"/a/1", "/a/2", "/b/1"}),
        (Selector(scope=Scope.PREFIX, value="{o}/%"), {"/a/1", "/a/2", "/b/1", "/a_1"}),
        (Selector(scope=Scope.ALL), set()),
        (Selector(scope=Scope.ALL, tenant="t"), set()),
        (Selector(scope=Scope.ALL, tenant="u"), {"/a/1", "/a/2", "/b/1", "/a_1"}),
        (Selector(scope=Scope.TAG, value="x"), {"/a/1", "/a/2", "/b/1", "/a_1"}),
    ],
)
async def test_a_purge_drops_what_it_names(desk: Desk, origin: Origin, selector: Selector, left: set[str]) -> None:
    paths = ("/a/1", "/a/2", "/b/1", "/a_1")
    for path in paths:
        origin.serve(path, JPEG + path.encode(), cache_control="max-age=100")
        await desk.read(origin.url + path)
    named = Selector(scope=selector.scope, value=selector.value.replace("{o}", origin.url), tenant=selector.tenant)
    assert await desk.sources.drop(named, soft=False) == len(paths) - len(left)
    await origin.stop()
    for path in paths:
        if path in left:
            assert (await desk.read(origin.url + path))[1] == JPEG + path.encode()
        else:
            with pytest.raises(SourceFailed):
                await desk.bind(origin.url + path)


async def test_purged_bytes_are_gone_from_disk(desk: Desk, origin: Origin, tmp_path: Path) -> None:
    origin.serve("/x", JPEG + b"to be forgotten", cache_control="max-age=100")
    await desk.read(origin.url + "/x")
    await stored(desk)
    await desk.sources.drop(Selector(scope=Scope.SOURCE, value=origin.url + "/x"), soft=False)
    await until(lambda: not any(b"to be forgotten" in content for content in files(tmp_path)))


async def test_a_fetch_under_way_does_not_put_back_what_was_purged(desk: Desk, origin: Origin) -> None:
    gate = asyncio.Event()

    async def slow(asked: Asked) -> None:
        await gate.wait()
        await asked.answer(JPEG + b"old", cache_control="max-age=100")

    origin.on["/x"] = slow
    before = asyncio.create_task(desk.read(origin.url + "/x"))
    await until(lambda: origin.count("/x") == 1)
    await desk.sources.drop(Selector(scope=Scope.PREFIX, value=origin.url), soft=False)
    origin.serve("/x", JPEG + b"new", cache_control="max-age=100")
    assert (await desk.read(origin.url + "/x"))[1] == JPEG + b"new"  # joins nothing from before the purge
    gate.set()
    assert (await before)[1] == JPEG + b"old"
    assert (await desk.read(origin.url + "/x"))[1] == JPEG + b"new"
    assert origin.count("/x") == 2


async def test_a_soft_purge_makes_stale_and_renews_behind(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", cache_control="max-age=1000")
    origin.serve("/silent")
    first, silent = await desk.bind(origin.url + "/x"), await desk.bind(origin.url + "/silent")
    assert await desk.sources.drop(Selector(scope=Scope.ALL), soft=True) == 2
    origin.serve("/x", JPEG + b"2", cache_control="max-age=1000")
    stale = await desk.bind(origin.url + "/x")
    assert stale.digest == first.digest
    assert stale.fresh_until <= time.time()
    await until(lambda: origin.count("/x") == 2)
    await until(lambda: not len(desk.sources._flights))
    assert (await desk.read(origin.url + "/x"))[1] == JPEG + b"2"
    assert (await desk.bind(origin.url + "/silent", assume_fresh_s=1000.0)).digest == silent.digest
    await until(lambda: origin.count("/silent") == 2)


async def test_a_soft_purge_does_not_override_an_origin_that_forbids_staleness(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", cache_control="max-age=1000, must-revalidate")
    await desk.bind(origin.url + "/x")
    await desk.sources.drop(Selector(scope=Scope.ALL), soft=True)
    origin.serve("/x", JPEG + b"2", cache_control="max-age=1000")
    assert (await desk.read(origin.url + "/x"))[1] == JPEG + b"2"


async def test_closing_ends_what_is_under_way(make: Make, origin: Origin) -> None:
    desk, never = make(), asyncio.Event()

    async def stall(asked: Asked) -> None:
        await never.wait()

    origin.on["/x"] = stall
    reader = asyncio.create_task(desk.read(origin.url + "/x"))
    await until(lambda: origin.count("/x") == 1)
    await desk.sources.close()
    with pytest.raises(TintypeError):
        await reader
    never.set()
