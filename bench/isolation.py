"""What separation costs: the same images by the same engine under isolation node, tenant and image, CPU against CPU.

Rounds alternate, so that whatever else the machine does hits all three; each image is probed and rendered as a request
would. CPU is that of all processes, those that have ended and the pool's own among them.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pyvips

from bench.photos import photos
from bench.report import report
from tintype.admission.asker import Asker
from tintype.config import Config
from tintype.core.formats import Format
from tintype.core.offer import Offer
from tintype.core.pipeline import Output, Pipeline, Resize, SourceRef
from tintype.core.policy import Policy
from tintype.core.resolve import resolve
from tintype.core.sniff import sniff
from tintype.engine.pool import Pool
from tintype.engine.settings import EngineSettings, Isolation
from tintype.kit.held import HeldLease
from tintype.wiring.engines import engine

WIDTH = 512
TENANTS = ("a", "b")
_IMAGE_S = 30.0


@dataclass
class Side:
    """An engine under one isolation, and the CPU ms an image took, by kind of image, round by round."""

    isolation: Isolation
    pool: Pool
    cpu_ms: dict[str, list[float]] = field(default_factory=dict)


async def measure(rounds: int, cells: Mapping[str, Sequence[bytes]], workers: int) -> list[Side]:
    """Have each side make all images in each round."""
    async with AsyncExitStack() as stack:
        sides = [await _start(stack, isolation, workers) for isolation in Isolation]
        for number in range(-1, rounds):  # the first one warms
            for side in sides[number % 3 :] + sides[: number % 3]:
                for cell, bodies in cells.items():
                    cpu_ms = await _round(side.pool, bodies)
                    if number >= 0:
                        side.cpu_ms.setdefault(cell, []).append(cpu_ms)
        return sides


async def _start(stack: AsyncExitStack, isolation: Isolation, workers: int) -> Side:
    config = Config(engine=replace(EngineSettings(), workers=workers, isolation=isolation))
    pool = await stack.enter_async_context(engine(config))
    await asyncio.sleep(1)  # all workers are up
    return Side(isolation, pool)


async def _round(pool: Pool, bodies: Sequence[bytes]) -> float:
    """Return CPU ms an image."""
    before = _cpu_s()
    for number, body in enumerate(bodies):
        await _render(pool, body, TENANTS[number * len(TENANTS) // len(bodies)])
    await asyncio.sleep(0.2)  # stock is made up, ended children are buried
    return 1000 * (_cpu_s() - before) / len(bodies)


async def _render(pool: Pool, body: bytes, tenant: str) -> None:
    found = sniff(body)
    assert found is not None
    deadline = asyncio.get_running_loop().time() + _IMAGE_S
    with HeldLease(tenant, "isolation:", body) as lease:
        source, digest = (lease.fd(), len(body), found), lease.binding.digest
        info = await pool.probe(*source, asker=Asker(tenant, deadline=deadline), digest=digest, source_pixels=0)
        pipeline = Pipeline.of(SourceRef(url="isolation:"), Resize(width=WIDTH), output=Output(format=Format.JPEG))
        plan = resolve(pipeline, info, Offer(), Policy())
        await pool.run([source], [plan], asker=Asker(tenant, deadline=deadline), digest=digest)


def _cpu_s() -> float:
    """Return CPU seconds of this process and all below it, with those that ended and were waited for."""
    own = psutil.Process(os.getpid())
    total = 0.0
    for process in [own, *own.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _cells(images: int) -> dict[str, list[bytes]]:
    """Return photos as cameras make them, and the same as a site keeps them."""
    with tempfile.TemporaryDirectory() as folder:
        files = photos(Path(folder))
        large = [file.read_bytes() for file in files]
        small = [pyvips.Image.thumbnail(str(file), 2048).jpegsave_buffer(Q=85, strip=True) for file in files]
    return {"photo": _repeated(large, images), "2 K": _repeated(small, images)}


def _repeated(bodies: Sequence[bytes], count: int) -> list[bytes]:
    return list(itertools.islice(itertools.cycle(bodies), count))


def _rows(sides: Sequence[Side]) -> list[dict[str, object]]:
    node = sides[0].cpu_ms
    return [
        {
            "source": cell,
            "isolation": side.isolation.value,
            "CPU ms/image": statistics.median(own),
            "against node": statistics.median(a / b for a, b in zip(own, node[cell], strict=True)),
        }
        for cell in node
        for side in sides
        for own in [side.cpu_ms[cell]]
    ]


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--rounds", type=int, default=12)
    given.add_argument("--images", type=int, default=20, help="of each kind in a round")
    given.add_argument("--workers", type=int, default=1)
    given.add_argument("--quick", action="store_true", help="3 rounds")
    args = given.parse_args()
    sides = asyncio.run(measure(3 if args.quick else args.rounds, _cells(args.images), args.workers))
    report("isolation", _rows(sides), images=args.images, width=WIDTH)


if __name__ == "__main__":
    main()
