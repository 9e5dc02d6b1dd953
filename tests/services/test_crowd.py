"""The crowd: who decides for all waits for those on their way, and for nobody else."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from tintype.core.asked import Asked
from tintype.core.offer import Offer
from tintype.core.pipeline import Pipeline, Resize, SourceRef
from tintype.core.tenant import Tenant
from tintype.ports import Forwarded
from tintype.services.crowd import Crowd
from tintype.services.look import Want


def want(width: int, url: str = "local:///p.jpg", digest: str = "") -> Want:
    asked = Asked(pipeline=Pipeline.of(SourceRef(url=url), Resize(width=width)))
    return Want(Tenant(name="t"), asked, Offer(), Forwarded(digest=digest), deadline=0.0)


async def waits(crowd: Crowd, one: Want) -> bool:
    """Tell whether a want has to wait for others now."""
    task = asyncio.create_task(crowd.gathered(one))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    return not task.done()


async def test_who_is_alone_waits_for_nobody() -> None:
    crowd, one = Crowd(), want(1)
    with crowd.coming(one):
        crowd.arrived(one)
        assert not await waits(crowd, one)


async def test_who_is_alone_knows_it() -> None:
    crowd, one, same, other = Crowd(), want(1), want(1), want(1, url="local:///other.jpg")
    assert crowd.alone(one)
    with crowd.coming(one), crowd.coming(other):
        assert crowd.alone(one)
        with crowd.coming(same):
            assert not crowd.alone(one)
            crowd.arrived(one)
            assert not crowd.alone(one)
            crowd.arrived(same)
            assert crowd.alone(one)


async def test_who_is_first_waits_until_those_who_were_coming_arrive_or_leave() -> None:
    crowd, one, two, three = Crowd(), want(1), want(2), want(3)
    with crowd.coming(one), crowd.coming(three):
        with crowd.coming(two):
            crowd.arrived(one)
            gathered = asyncio.create_task(crowd.gathered(one))
            crowd.arrived(three)
            assert await waits(crowd, one)
        await asyncio.wait_for(gathered, 30)


async def test_nobody_waits_for_who_comes_later() -> None:
    crowd, one, two, late = Crowd(), want(1), want(2), want(3)
    with crowd.coming(one), crowd.coming(two), ExitStack() as later:
        crowd.arrived(one)
        gathered = asyncio.create_task(crowd.gathered(one))
        await asyncio.sleep(0)
        later.enter_context(crowd.coming(late))
        crowd.arrived(two)
        await asyncio.wait_for(gathered, 30)


@pytest.mark.parametrize("other", [want(2, url="local:///q.jpg"), want(2, digest="cookie")])
async def test_nobody_waits_for_another_source(other: Want) -> None:
    crowd, one = Crowd(), want(1)
    with crowd.coming(one), crowd.coming(other):
        crowd.arrived(one)
        assert not await waits(crowd, one)


async def test_nothing_is_remembered_of_those_who_left() -> None:
    crowd, one = Crowd(), want(1)
    for _ in range(2):
        with crowd.coming(one), crowd.coming(one):
            pass
    assert not crowd._coming  # that it is bounded shows nowhere else
