"""Sources that many want are asked for again before they end, behind an answer; those that may not be used unasked, never."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from msgspec.structs import replace

from tests.e2e.origin import Origin, Page
from tests.e2e.site import solid
from tests.services.conftest import Running, Start
from tintype.core.binding import Binding, binding_key

BLUE = solid((0, 0, 255))


async def binding_of(node: Running, url: str, **changed: Any) -> Binding:
    """Return a source's binding, changed first."""
    bindings = node.node.sources._bindings
    binding = await bindings.get(binding_key("default", url))
    assert binding is not None
    if changed:
        binding = replace(binding, **changed)
        bindings.put(binding)
    return binding


async def test_a_hot_source_is_asked_for_again_before_it_ends_and_nobody_waits(origin: Origin, start: Start) -> None:
    node = await start()
    url = f"{origin.url}/x.png"
    origin.pages["/x.png"] = Page(BLUE, headers={"ETag": '"1"'})
    path = f"/unsafe/rs:fit:10:10/plain/{url}"
    first = await node.ask(path)
    await binding_of(node, url, ahead_s=15.0)  # as of an origin that took some seconds
    node.node.memo.forget()

    node.clock.ahead += 20
    assert (await node.ask(path)).body == first.body  # in the memo from now on, until it is time
    node.clock.ahead += 30
    origin.pages["/x.png"].after = answered = threading.Event()
    asked = node.metric("tintype_fetches_total")
    answers = await asyncio.gather(*(node.ask(path) for _ in range(100)))
    assert {answer.body for answer in answers} == {first.body}
    assert node.metric("tintype_fetches_total") == asked  # all were answered before the origin was
    answered.set()

    async def renewed() -> bool:
        return node.metric("tintype_fetches_total", result="unchanged") == 1

    await node.until(renewed)
    node.clock.ahead += 15  # beyond the end of what was known first
    assert (await node.ask(path)).body == first.body
    assert origin.count("/x.png") == 2


async def test_a_source_that_nobody_wants_is_not_asked_for(origin: Origin, start: Start) -> None:
    node = await start()
    origin.pages["/x.png"] = Page(BLUE)
    await node.ask(f"/unsafe/rs:fit:10:10/plain/{origin.url}/x.png")
    await binding_of(node, f"{origin.url}/x.png", ahead_s=15.0)
    node.clock.ahead += 50
    await asyncio.sleep(0.2)
    assert origin.count("/x.png") == 1


async def test_what_is_never_to_be_used_unasked_is_not_remembered(origin: Origin, start: Start) -> None:
    node = await start()
    origin.pages["/x.png"] = Page(BLUE, headers={"ETag": '"1"', "Cache-Control": "no-cache"})
    for count in range(1, 4):
        assert (await node.ask(f"/unsafe/rs:fit:10:10/plain/{origin.url}/x.png")).status == 200
        assert origin.count("/x.png") >= count
