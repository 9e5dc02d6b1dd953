"""What must not slow a node down, or swell it: a slow origin, many large photos at once, giants among thumbnails."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pyvips

from bench import load
from bench.cells import CACHE, Want, distinct, sources
from bench.field import Effort, Field
from bench.peers import Peer, tintype
from bench.photos import picture
from bench.sides import Round, ServerSide, row
from bench.slow import serving

_WANT = Want.of("jpg")
_WANT_OF = {".jpg": _WANT, ".gif": Want("gif", 240)}
_THUMBNAIL = Want.of("jpg", 200)
_AT_ONCE = 16
_LARGE = 4


def memory(peers: Sequence[Peer], effort: Effort) -> list[dict[str, Any]]:
    """Ask for variants of 12 MP photos, 16 at once: the peak of PSS over all processes of a server."""
    with ExitStack() as stack:
        field = Field(stack, effort, sources("jpeg12", effort.photos))
        sides = field.servers(peers, connections=_AT_ONCE)
        field.able(sides, _WANT)
        field.rounds(sides, max(effort.requests, 2 * _AT_ONCE), lambda side, files: side.go(files, _WANT))
        return [row(side, {"of ours": side.tally.peak.bytes / sides[0].tally.peak.bytes}) for side in sides]


def slow_origin(peers: Sequence[Peer], effort: Effort) -> list[dict[str, Any]]:
    """Ask over 32 connections with an origin that takes 60 ms, and 2 s for 2 % of its files, and with one that is fast."""
    with ExitStack() as stack:
        field = Field(stack, effort, sources("jpeg2k", effort.photos), partial(serving, delay_ms=60, seldom_ms=2000))
        fast = stack.enter_context(serving(field.root, field.work / "fast"))
        pairs = list(zip(field.servers(peers, 32), field.servers(peers, 32, fast), strict=True))
        for pair in pairs:
            field.able(pair, _WANT)
        sides = [side for pair in pairs for side in pair]
        field.rounds(sides, max(effort.requests, 32) * 4, _until_the_last_is_asked)
    rows = []
    for slow, quick in pairs:
        rows.append(row(slow, {"origin": "slow", "of fast": slow.tally.ratio(quick.tally)}))
        rows.append(row(quick, {"origin": "fast", "of fast": 1.0}))
    return rows


def _until_the_last_is_asked(side: ServerSide, files: list[Path]) -> Round:
    """Count what was answered between the first answer and the last question: there is something to do all that time.

    After that, connections stand idle; before it, a server that has just been asked for the first time waits once.
    """
    began = ended = 0.0
    answered = 0

    def paths() -> Iterator[str]:
        nonlocal ended
        yield from (side.server.path(file.name, _WANT) for file in files)
        ended = ended or time.perf_counter()

    def heard(_: load.Answer) -> None:
        nonlocal began, answered
        began, answered = began or time.perf_counter(), answered + (not ended)

    found = side.ask(paths(), heard)
    seconds = (ended - began) * found.count / (answered - 1)
    return Round(seconds, found.times, found.cpu_s, found.body_bytes, found.failed)


# Giants among thumbnails


def neighbours(_peers: Sequence[Peer], effort: Effort) -> list[dict[str, Any]]:
    """Ask our node for thumbnails, alone and while it makes variants of four 100 MP progressive JPEGs and a 200-frame GIF."""
    bounds = {"source_pixels": 150_000_000, "frames": 200, "frame_pixels": 150_000_000}
    settings = {f"tenants__default__policy__{name}": value for name, value in bounds.items()}
    peer = tintype("tintype-giants", "tintype", **settings, limits__request_timeout_s=60)
    with ExitStack() as stack:
        field = Field(stack, effort, sources("jpeg1k", effort.photos))
        (side,) = field.servers([peer], connections=2)
        field.able([side], _WANT)
        alone, beside = side.again("alone"), side.again("beside")
        turn = itertools.count()

        def go(one: ServerSide, files: list[Path]) -> Round:
            half = len(files) // 2
            paths = [one.server.path(file.name, _THUMBNAIL) for file in files]
            if one.role == "alone":
                return one.ask(paths[:half])
            giants = [one.server.path(file.name, _WANT_OF[file.suffix]) for file in _giants(field.root, next(turn))]
            return _beside(one, paths[half:], giants)

        field.rounds([alone, beside], effort.requests * 16, go)
    p99 = alone.tally.percentile_ms(99)
    return [row(s, {"thumbnails": s.role, "p99 of alone": s.tally.percentile_ms(99) / p99}) for s in (alone, beside)]


def _beside(side: ServerSide, paths: Sequence[str], giants: Sequence[str]) -> Round:
    """Ask for thumbnails for as long as giants, asked for at once, are under way."""
    asking = load.Load(side.server.port, iter(giants), connections=len(giants))
    found: list[load.Tally] = []
    thread = threading.Thread(target=lambda: found.append(load.run(asking)))
    thread.start()
    try:
        thumbnails = side.ask(itertools.takewhile(lambda _: thread.is_alive(), paths))
    finally:
        thread.join()
    if not found or set(found[0].statuses) != {200}:
        raise RuntimeError(f"the giants were answered {dict(found[0].statuses) if found else 'not at all'}")
    return thumbnails


def _giants(root: Path, number: int) -> Iterator[Path]:
    """Put giants that nobody has seen among the sources."""
    for place, file in enumerate([_large()] * _LARGE + [_animation()]):
        target = root / f"giant-{number}-{place}{file.suffix}"
        # An animation says nothing of its number; the bytes behind its end are what differs.
        told = distinct(file.read_bytes(), place + number * 10) if file.suffix == ".jpg" else b""
        target.write_bytes(told or file.read_bytes() + f"{number}".encode())
        yield target


def _large() -> Path:
    file = CACHE / "made" / "giant-12000x8400.jpg"
    if not file.exists():
        written(file, picture(12_000, 8_400, 1), Q=85, interlace=True)
    return file


def _animation() -> Path:
    file = CACHE / "made" / "giant-200.gif"
    if not file.exists():
        still = picture(480 + 200, 360, 2).copy_memory()
        frames = [still.crop(left, 0, 480, 360) for left in range(200)]
        joined = pyvips.Image.arrayjoin(frames, across=1).copy_memory()
        joined.set_type(pyvips.GValue.gint_type, "page-height", 360)
        written(file, joined, effort=1)
    return file


def written(file: Path, image: pyvips.Image, **options: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{os.getpid()}{file.suffix}")
    image.write_to_file(str(part), **options)
    part.replace(file)
