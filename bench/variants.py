"""Several variants of one source: in a session, asked for together, from a rung that is there, promoted to AVIF."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import node
from bench.cells import Want, sources
from bench.field import Effort, Field
from bench.peers import Peer, tintype
from bench.sides import Round, ServerSide, reference, row

SIX = tuple(Want.of(kind, side) for side in (320, 640, 1280) for kind in ("jpg", "webp"))
_KIND = "jpeg12"
_WANT = Want.of("jpg")
_SESSIONS = 12  # of a round


def session(peers: Sequence[Peer], effort: Effort) -> list[dict[str, Any]]:
    """Each client asks for six variants of a photo of its own, one after another; rungs and work put off are charged."""
    with ExitStack() as stack:
        field = Field(stack, effort, sources(_KIND, effort.photos))
        sides = field.servers(peers)
        field.able(sides, _WANT)
        field.rounds(sides, _SESSIONS, lambda side, files: side.ask(_in_turn(side, files, effort.connections)))
    return [_images(side, sides) for side in sides]


def _in_turn(side: ServerSide, files: Sequence[Path], clients: int) -> list[str]:
    groups = [files[at : at + clients] for at in range(0, len(files), clients)]
    return [side.server.path(file.name, want) for group in groups for want in SIX for file in group]


def _images(side: ServerSide, sides: Sequence[ServerSide]) -> dict[str, Any]:
    other = reference(sides)
    more = {"images / CPU s": 1000 / side.tally.cpu_ms, f"x {other.name}": other.tally.cpu_ms / side.tally.cpu_ms}
    return row(side, more)


def together(peers: Sequence[Peer], effort: Effort) -> list[dict[str, Any]]:
    """Ask for six variants of one source at once, and for each of them from a source of its own; two sources at a time."""
    at_once = 8  # sources of a round
    with ExitStack() as stack:
        field = Field(stack, effort, sources(_KIND, effort.photos))
        sides = field.servers(peers, connections=2 * len(SIX))
        field.able(sides, _WANT)
        pairs = [(side.again("together"), side.again("separate")) for side in sides]

        def go(side: ServerSide, files: list[Path]) -> Round:
            six = [(file, want) for file in files[:at_once] for want in SIX]
            alone = list(zip(files[at_once:], SIX * at_once, strict=True))
            return side.ask([side.server.path(f.name, want) for f, want in (six if side.role == "together" else alone)])

        field.rounds([side for pair in pairs for side in pair], at_once * (1 + len(SIX)), go)
    return [
        row(side, {"asked": side.role, "x separate": side.tally.ratio(alone.tally)})
        for pair in pairs
        for side, alone in zip(pair, (pair[1], pair[1]), strict=True)
    ]


def rung(peers: Sequence[Peer], effort: Effort) -> list[dict[str, Any]]:
    """Ask for one more variant of a photo that was asked for four times, in other sizes, before: what was kept of it helps."""
    before = tuple(Want.of("jpg", side) for side in (300, 400, 700, 450))
    with ExitStack() as stack:
        field = Field(stack, effort, sources(_KIND, effort.photos))
        sides = field.servers(peers)
        field.able(sides, _WANT)

        def go(side: ServerSide, files: list[Path]) -> Round:
            for want in before:
                side.ask([side.server.path(file.name, want) for file in files])
            return side.go(files, _WANT, keep=len(field.files))

        field.rounds(sides, effort.requests, go)
        other = reference(sides)
        return [row(s, {**field.judged(s), f"x {other.name}": s.tally.ratio(other.tally)}) for s in sides]


def once(_peers: Sequence[Peer], effort: Effort) -> list[dict[str, Any]]:
    """Ask our node for one variant of 60 % of photos and for two of the rest, with its ladder and without."""
    pair = [
        tintype("ladder", "tintype"),
        tintype("no-ladder", "tintype without a ladder", tenants__default__policy__ladder=""),
    ]
    with ExitStack() as stack:
        field = Field(stack, effort, sources(_KIND, effort.photos))
        sides = field.servers(pair)
        field.able(sides, _WANT)

        def go(side: ServerSide, files: list[Path]) -> Round:
            again = [file for number, file in enumerate(files) if number % 5 < 2]
            asked = [*((file, _WANT) for file in files), *((file, Want.of("jpg", 300)) for file in again)]
            return side.ask([side.server.path(file.name, want) for file, want in asked])

        field.rounds(sides, effort.requests, go)
    return [row(side, {"CPU of no ladder": side.tally.cpu_ms / sides[1].tally.cpu_ms}) for side in sides]


def promotion(_peers: Sequence[Peer], effort: Effort) -> list[dict[str, Any]]:
    """Ask our node for new photos as a client that accepts AVIF, and as one that accepts WebP; then again, once AVIF is made."""
    accepts = {"webp": "image/webp,*/*", "avif": "image/avif,image/webp,*/*"}
    peer = tintype("tintype-auto", "tintype, formats by Accept", tenants__default__policy__auto_formats="avif,webp")
    with ExitStack() as stack:
        field = Field(stack, effort, sources("jpeg2k", effort.photos))
        (side,) = field.servers([peer])
        server = side.server.node
        assert server is not None
        field.able([side], _WANT)
        roles = {name: side.again(name, {"Accept": accept}) for name, accept in accepts.items()}
        seen: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)

        def go(side: ServerSide, files: list[Path]) -> Round:
            half = len(files) // 2
            files = files[:half] if side.role == "webp" else files[half:]
            paths = [side.server.path(file.name, Want("")) for file in files]
            found = side.ask(paths, lambda a: seen[side.role, "first"].update([a.headers["content-type"]]))
            _wait_promoted(server)
            side.ask(paths, lambda a: seen[side.role, "second"].update([a.headers["content-type"]]))
            return found

        field.rounds(list(roles.values()), effort.requests, go)
        after_s = _promoted_after_s(server)
    webp = roles["webp"].tally.percentile_ms(95)
    return [
        {
            "accepts": name,
            "first answer": _kinds(seen[name, "first"]),
            "second answer": _kinds(seen[name, "second"]),
            "p50 ms": role.tally.percentile_ms(50),
            "p95 ms": role.tally.percentile_ms(95),
            "p95 of WebP": role.tally.percentile_ms(95) / webp,
            "CPU ms": role.tally.cpu_ms,
            "AVIF after s": after_s if name == "avif" else None,
        }
        for name, role in roles.items()
    ]


def _wait_promoted(server: node.Node, most_s: float = 60.0) -> None:
    """Wait as a user does before the next page view: until what was put off has been made."""
    until = time.monotonic() + most_s
    while node.total(server.metrics(), "behind_pending", reason="promotion") and time.monotonic() < until:
        time.sleep(0.1)


def _promoted_after_s(server: node.Node) -> float:
    """Return the mean time from an answer until AVIF was there."""
    found = server.metrics()
    took, count = (node.total(found, f"behind_seconds_{part}", reason="promotion") for part in ("sum", "count"))
    return took / max(1, count)


def _kinds(seen: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in seen.most_common())
