"""Where sides meet: an origin of fresh sources, servers that fetch from it, and rounds in which each is asked for the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import origin
from bench.cells import Want, copies
from bench.judge import quality
from bench.peers import Loop, Peer
from bench.sides import LoopSide, Round, S, ServerSide, Side

_WARM = 8
Serving = Callable[[Path, Path], AbstractContextManager[str]]  # (folder served, folder of its own) -> base URL


@dataclass(frozen=True)
class Effort:
    """How much is measured: rounds, requests of a side in a round, photos that differ."""

    rounds: int
    requests: int
    connections: int
    photos: int


class Field:
    """Servers that run side by side over one folder of sources. Ends with the stack."""

    def __init__(
        self, stack: ExitStack, effort: Effort, files: Sequence[Path], serving: Serving = origin.serving
    ) -> None:
        self.stack, self.effort, self.files = stack, effort, files
        self.work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tintype-bench-")))
        self.root = self.work / "sources"
        self.root.mkdir()
        self._base = stack.enter_context(serving(self.root, self.work / "origin"))
        self._used = 0

    def servers(self, peers: Sequence[Peer], connections: int = 0, base: str = "") -> list[ServerSide]:
        """Start servers that fetch from the origin, or from another one."""
        found = []
        for peer in peers:
            folder = self.work / f"{peer.name}-{len(list(self.work.iterdir()))}"
            server = self.stack.enter_context(peer.start(folder, base or self._base))
            found.append(ServerSide(peer, server, connections or self.effort.connections))
        return found

    def loop(self) -> LoopSide:
        """Start the loop that has no server."""
        running = Loop()
        self.stack.callback(running.close)
        return LoopSide(running)

    def able(self, sides: Sequence[Side], want: Want) -> tuple[list[Side], dict[str, str]]:
        """Warm sides up; returns those that can make the variant, and why the others cannot."""
        warm = self.fresh(_WARM)
        flaws = {side.name: side.unable(warm[0], want) for side in sides}
        found = [side for side in sides if not flaws[side.name]]
        for side in found:
            side.go(warm[1:], want)
        return found, {name: flaw for name, flaw in flaws.items() if flaw}

    def fresh(self, count: int) -> list[Path]:
        """Return copies of the sources that nobody has seen; those from before are gone."""
        for file in self.root.iterdir():
            file.unlink()
        self._used += count
        return list(copies(self.files, self.root, self._used - count, count))

    def rounds(self, sides: Sequence[S], count: int, go: Callable[[S, list[Path]], Round]) -> None:
        """Have every side do the same, with `count` new sources a round; who is first changes from round to round."""
        for number in range(self.effort.rounds):
            files = self.fresh(count)
            first = number % len(sides)
            for side in (*sides[first:], *sides[:first]):
                side.tally.rounds.append(go(side, files))

    def judged(self, side: Side) -> dict[str, float]:
        """Return quality figures of the bodies that a side kept: those of the first sources of a round."""
        found = quality([(self.files[number], body) for number, body in sorted(side.tally.bodies.items())])
        return {"SSIMULACRA2": found.mean, "p5": found.p5}
