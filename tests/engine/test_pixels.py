"""Finished pixels between jobs: whose they are, for how long, and what a worker may send as such."""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import sys
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from tests.engine.conftest import plan
from tintype.core.errors import EngineFailed
from tintype.core.formats import Format
from tintype.core.messages import Pixels
from tintype.core.plan import Plan, Rung, Save, Scale
from tintype.engine import pixels
from tintype.engine.pixels import Kept

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="uses memfd")

SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def sent(size: int = 1000, seals: int = SEALS) -> int:
    fd = os.memfd_create("pixels", os.MFD_ALLOW_SEALING)
    os.write(fd, bytes(size))
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def sized(side: int, format: Format = Format.JPEG) -> Plan:
    return replace(plan(), steps=(Scale(width=side, height=side),), width=side, height=side, save=Save(format=format))


@pytest.fixture
async def kept() -> AsyncIterator[Kept]:
    kept = Kept(10_000)
    yield kept
    for key in list(kept._entries):
        kept._drop(key)
    assert kept.used_bytes == 0


def keep(kept: Kept, one: Plan, size: int = 1000, *, tenant: str = "t", digest: str = "d") -> None:
    with kept.use(tenant, digest, [one]) as use:
        assert use.keep == (0,)
        fd = sent(size)
        use.add([Pixels(plan=0, size=size)], [fd])
        os.close(fd)


def there(kept: Kept, one: Plan, *, tenant: str = "t", digest: str = "d") -> bool:
    with kept.use(tenant, digest, [one]) as use:
        assert bool(use.found) is kept.has(tenant, digest, one) is (use.keep == ())
        return bool(use.found)


async def test_they_serve_the_same_tenant_and_source_in_any_format_and_nobody_else(kept: Kept) -> None:
    keep(kept, sized(10))
    assert there(kept, sized(10, Format.WEBP))
    assert not there(kept, sized(11))
    assert not there(kept, sized(10), tenant="other")
    assert not there(kept, sized(10), digest="other")


async def test_the_oldest_go_first_and_large_ones_are_not_kept(kept: Kept) -> None:
    for side in range(10, 21):
        keep(kept, sized(side))
    assert kept.used_bytes == 10_000
    assert [there(kept, sized(side)) for side in (10, 11, 20)] == [False, True, True]
    keep(kept, sized(15), 1300, digest="large")  # more than an eighth
    assert not there(kept, sized(15), digest="large")
    with kept.use("t", "d", [sized(1000)]) as use:
        assert use.keep == ()


async def test_so_many_descriptors_are_held_and_no_more(kept: Kept) -> None:
    for number in range(300):
        keep(kept, sized(10), 1, digest=str(number))
    assert kept.used_bytes == 256


async def test_who_has_no_descriptor_left_does_without(kept: Kept) -> None:
    keep(kept, sized(10))
    fd, most = sent(), resource.getrlimit(resource.RLIMIT_NOFILE)
    with kept.use("t", "d", [sized(11)]) as use:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, most[1]))
        try:
            use.add([Pixels(plan=0, size=1000)], [fd])
            assert kept.get(next(iter(kept._entries))) is None
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, most)
    os.close(fd)
    assert kept.used_bytes == 1000


async def test_they_go_after_a_while(monkeypatch: pytest.MonkeyPatch, kept: Kept) -> None:
    monkeypatch.setattr(pixels, "_LASTS_S", 0.05)
    keep(kept, sized(10))
    async with asyncio.timeout(30):
        while there(kept, sized(10)):  # noqa: ASYNC110 - by the loop's clock
            await asyncio.sleep(0.01)
    assert kept.used_bytes == 0


async def test_a_job_that_has_them_keeps_them_though_they_go_meanwhile(kept: Kept) -> None:
    keep(kept, sized(10))
    with kept.use("t", "d", [sized(10)]) as use:
        for side in range(11, 21):
            keep(kept, sized(side))
        assert not there(kept, sized(10))
        assert os.fstat(use.fds[0]).st_size == 1000


async def test_of_plans_alike_one_is_kept_and_a_rung_is_not(kept: Kept) -> None:
    rung = replace(sized(12), rung=Rung(side=12, format=Format.JPEG, quality=90))
    with kept.use("t", "d", [rung, sized(10), sized(10, Format.WEBP), sized(11)]) as use:
        assert use.keep == (1, 3)


@pytest.mark.parametrize("seals", [0, fcntl.F_SEAL_WRITE, SEALS & ~fcntl.F_SEAL_WRITE])
async def test_what_its_sender_could_still_change_is_refused(kept: Kept, seals: int) -> None:
    refused(kept, sent(seals=seals), "not sealed")


async def test_what_is_no_memory_is_refused(kept: Kept) -> None:
    refused(kept, os.open(os.devnull, os.O_RDONLY), "not sealed")


async def test_what_is_not_as_announced_is_refused(kept: Kept) -> None:
    refused(kept, sent(999), "not as many")


def refused(kept: Kept, fd: int, why: str) -> None:
    with kept.use("t", "d", [sized(10)]) as use, pytest.raises(EngineFailed, match=why):
        use.add([Pixels(plan=0, size=1000)], [fd])
    os.close(fd)
    assert not there(kept, sized(10))


@pytest.mark.parametrize("number", [1, 2, -1, 99])
async def test_what_nobody_asked_for_is_refused(kept: Kept, number: int) -> None:
    fd = sent()
    plans = [sized(10), sized(10, Format.WEBP)]
    with kept.use("t", "d", plans) as use, pytest.raises(EngineFailed, match="nobody asked for"):
        use.add([Pixels(plan=number, size=1000)], [fd])
    os.close(fd)


async def test_descriptors_are_as_many_as_are_announced(kept: Kept) -> None:
    fd = sent()
    with kept.use("t", "d", [sized(10)]) as use, pytest.raises(EngineFailed, match="0 finished pixels and 1"):
        use.add([], [fd])
    os.close(fd)


async def test_none_are_kept_where_none_may_be() -> None:
    with Kept(0).use("t", "d", [sized(1)]) as use:
        assert (use.keep, use.found) == ((), [])
