"""What it takes to refuse a request, beside a hit: functions called and microseconds, in the server's own thread.

A node is put together and not started; its gate is charged with more work than anybody waits for. Requests are each for a source
of its own. Nothing else runs here: beside busy workers, the same takes some times as long.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench.node import KEY, SALT
from bench.report import report
from tintype.admission.asker import Asker
from tintype.config import load
from tintype.core.entry import Entry, EntryFacts
from tintype.core.formats import Format
from tintype.core.pipeline import SourceRef
from tintype.ports import Forwarded
from tintype.telemetry.clock import SystemClock
from tintype.telemetry.node import NodeTelemetry
from tintype.urls import Signer
from tintype.web.memo import Remembered
from tintype.wiring.node import Node, build

_TOML = """
data_dir = "{folder}"
[tenants.default]
keys = ["{key}"]
salts = ["{salt}"]
"""
_CHARGED = 400  # renders; at twice that many requests a second none of them is done
_WARM = 1000  # until most is refused as in a flood
_HEADERS = [
    (b"host", b"images.example.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"accept", b"image/avif,image/webp,*/*"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"priority", b"u=5"),
]


def scopes(paths: Iterator[str]) -> Iterator[dict[str, Any]]:
    for path in paths:
        yield {
            "method": "GET",
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": list(_HEADERS),
            "client": ("127.0.0.1", 1),
        }


def new(signer: Signer) -> Iterator[str]:
    for number in itertools.count():
        yield signer.url(f"http://10.0.0.1/photos/{number}/photo.jpg", width=512, height=512, format="jpg")


def measured(ask: Callable[[dict[str, Any]], object], asked: list[dict[str, Any]]) -> dict[str, float]:
    """Return calls of functions in Python and in C, and microseconds, each the mean of half of the requests but the first."""
    for scope in asked[:_WARM]:
        assert ask(scope) is not None
    asked = asked[_WARM:]
    half = len(asked) // 2
    counts = {"call": 0, "c_call": 0}

    def called(_frame: object, event: str, _argument: object) -> None:
        if event in counts:
            counts[event] += 1

    sys.setprofile(called)
    for scope in asked[:half]:
        ask(scope)
    sys.setprofile(None)
    begun = time.perf_counter()
    for scope in asked[half:]:
        ask(scope)
    took = time.perf_counter() - begun
    return {"python": counts["call"] / half, "c": counts["c_call"] / half, "us": took / half * 1e6}


async def known(node: Node, path: str) -> None:
    """Have a path be a hit from memory."""
    facts = EntryFacts("default", "s", "d", Format.WEBP, 512, 340, 4000, 3000, 3_300_000, 3, int(time.time()))
    await node.cache.put("key", Entry(facts=facts, body=bytes(20_000)))
    quick, mounts = node.front.quick, node.site.mounts
    again = partial(quick.ready, mounts.mounts[0].tenant, path, [(b"content-type", b"image/webp")], 20_000)
    answer = Remembered("key", b'"key"', [], time.time() + 3600, b"", again)
    node.memo.put(mounts.question(path.encode(), b"", dict(_HEADERS)), answer, node.memo.generation)


async def all_known(node: Node) -> None:
    """Wait until the table of known sources has been read: before, any may be in it."""
    while node.sources.may_know("default", SourceRef(url="http://10.0.0.1/no.jpg"), Forwarded()):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def rows(folder: Path, requests: int, rounds: int) -> list[dict[str, Any]]:
    (folder / "tintype.toml").write_text(_TOML.format(folder=folder, key=KEY, salt=SALT))
    config = load(env={}, path=str(folder / "tintype.toml")).config
    node = build(config, NodeTelemetry(config.telemetry, out=io.StringIO()), SystemClock())
    ask, fresh = node.front.quick, new(Signer(KEY, SALT))
    hit = next(fresh)
    await known(node, hit)
    await all_known(node)
    for number in range(_CHARGED):
        node.gate.look(Asker("default", pipeline=None, deadline=float(number)))
    node.front.pulse.running = 10
    refused = list(scopes(itertools.islice(fresh, _WARM + 2 * requests)))
    hits = list(scopes(itertools.repeat(hit, _WARM + 2 * requests)))
    found = []
    for _ in range(rounds):
        found += [{"what": "hit", **measured(ask, hits)}, {"what": "refusal", **measured(ask, refused)}]
    await node.close()
    return found


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    given.add_argument("--requests", type=int, default=5000)
    given.add_argument("--rounds", type=int, default=3)
    args = given.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report("refusals", asyncio.run(rows(Path(folder), args.requests, args.rounds)))


if __name__ == "__main__":
    main()
