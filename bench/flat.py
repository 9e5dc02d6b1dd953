"""Whether memory stays flat: of one real worker, never replaced, over many images of every format; of a node over an hour.

A worker's memory is looked at after a fifth of the images, when every codec has been through all of its paths, and at the
end; a node's by a line through all samples after a quarter of the time.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import psutil

from bench import flat_node
from bench.mutants import own_pictures
from bench.report import report
from tintype.admission.asker import Asker
from tintype.config import Config
from tintype.core.errors import ImageError
from tintype.core.formats import Format
from tintype.core.limits import Limits
from tintype.core.offer import Offer
from tintype.core.pipeline import Output, Pipeline, Resize, SourceRef
from tintype.core.policy import Policy
from tintype.core.resolve import resolve
from tintype.core.sniff import sniff
from tintype.engine.pool import Pool
from tintype.engine.settings import EngineSettings
from tintype.kit.held import HeldLease
from tintype.wiring.engines import engine

TO = (Format.JPEG, Format.PNG, Format.WEBP, Format.GIF, Format.TIFF, Format.BMP, Format.JPEG, Format.AVIF)
_IMAGE_S = 30.0
_WARM = 0.25  # of the time: until then a node may grow
_WORKER_GROWTH, _NODE_GROWTH = 0.05, 0.02


@dataclass(frozen=True)
class Flatness:
    """Resident bytes of the worker after so many images."""

    samples: tuple[tuple[int, int], ...]
    pid_changed: bool

    def growth(self, early: int) -> float:
        """Return the growth from `early` images to the end, as a fraction."""
        before = next(rss for count, rss in self.samples if count >= early)
        return self.samples[-1][1] / before - 1


async def measure(images: int, every: int, *, broken: bool = True) -> Flatness:
    """Have one worker make `images` images; every fifth source is broken when `broken`."""
    limits = replace(Limits(), worker_images=10**9, worker_rss_bytes=10**12)
    config = Config(limits=limits, engine=replace(EngineSettings(), workers=1))
    samples = []
    async with engine(config) as pool:
        (worker,) = _workers()
        for count, (body, asked, width) in enumerate(itertools.islice(_jobs(broken=broken), images), 1):
            await _render(pool, body, asked, width)
            if count % every == 0:
                samples.append((count, worker.memory_info().rss if worker.is_running() else 0))
        changed = [p.pid for p in _workers()] != [worker.pid]
    return Flatness(tuple(samples), changed)


def _jobs(*, broken: bool) -> Iterator[tuple[bytes, Format, int]]:
    sources = itertools.cycle(_sources(broken=broken))
    for number, (body, asked) in enumerate(zip(sources, itertools.cycle(TO), strict=False)):
        yield body, asked, 40 + number % 60


def _sources(*, broken: bool) -> Sequence[bytes]:
    bodies = [body for _, body in own_pictures()]
    return bodies + ([body[: len(body) * 2 // 3] for body in bodies[::5]] if broken else [])


async def _render(pool: Pool, body: bytes, asked: Format, width: int) -> None:
    found = sniff(body)
    assert found is not None
    loop = asyncio.get_running_loop()
    with HeldLease("", "flat:", body) as lease:
        source, digest = (lease.fd(), len(body), found), lease.binding.digest
        try:
            info = await pool.probe(
                *source, asker=Asker("", deadline=loop.time() + _IMAGE_S), digest=digest, source_pixels=0
            )
            pipeline = Pipeline.of(SourceRef(url="flat:"), Resize(width=width), output=Output(format=asked))
            plan = resolve(pipeline, info, Offer(), Policy())
            await pool.run([source], [plan], asker=Asker("", deadline=loop.time() + _IMAGE_S), digest=digest)
        except ImageError:
            return


def _workers() -> list[psutil.Process]:
    children = psutil.Process(os.getpid()).children(recursive=True)
    return [p for p in children if "tintype.worker" in p.cmdline()]


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--images", type=int, default=5000)
    given.add_argument("--quick", action="store_true", help="1,000 images")
    given.add_argument("--seconds", type=float, default=0.0, help="of a whole node, instead of a worker")
    given.add_argument("--rate", type=float, default=8.0, help="images a second that the node is asked for")
    args = given.parse_args()
    if args.seconds:
        _judge_node(args.seconds, args.rate)
    else:
        _judge_worker(1000 if args.quick else args.images)


def _judge_node(seconds: float, rate: float) -> None:
    found = flat_node.measure(seconds, rate)
    growth = found.growth(_WARM)
    rows = [{"minutes": s.at_s / 60, "own MB": s.own / 1e6, "PSS MB": s.pss / 1e6} for s in found.samples]
    report("flat", rows, growth=growth, replaced=found.replaced, statuses=dict(found.statuses))
    print(f"growth of a node in the last {1 - _WARM:.0%} of {seconds:.0f} s, by a line through them: {growth:.1%}")
    if growth > _NODE_GROWTH or found.replaced or set(found.statuses) != {200}:
        raise SystemExit(1)


def _judge_worker(images: int) -> None:
    found = asyncio.run(measure(images, max(1, images // 10)))
    growth = found.growth(images // 5)
    rows = [{"images": count, "RSS MB": rss / 1e6} for count, rss in found.samples]
    report("flat", rows, growth=growth, replaced=found.pid_changed)
    print(f"growth of a worker from {images // 5} to {images} images: {growth:.1%}")
    if growth > _WORKER_GROWTH or found.pid_changed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
