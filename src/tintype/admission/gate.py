"""The gate: whether a miss may begin, by how long the work ahead of it will take."""

from __future__ import annotations

from dataclasses import dataclass

from tintype.admission.asker import Asker
from tintype.admission.load import Charge, Load


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why work was not let in: what it would have waited, and what it may wait. Seconds."""

    wait_s: float
    patience_s: float


class Gate:
    """Lets work in while it will begin soon enough.

    `patience_s`: the longest wait for a worker that is let in. What has been fetched may wait as long again: it has cost
    something by then.
    """

    def __init__(self, load: Load, *, patience_s: float, most: int) -> None:
        self._load, self._patience_s, self._most = load, patience_s, most

    def admit(
        self, asker: Asker, ms: float, now: float, *, after_s: float = 0.0, fetched: bool = False
    ) -> Charge | Refusal:
        """Charge work of so many milliseconds, or say why not.

        What is let in has a worker soon enough, and can be done by its deadline. `after_s`: its fetch is expected to take
        so long; what is ahead of it is worked off meanwhile.
        """
        wait_s = max(0.0, self._load.wait_s(asker, ms, fetched=fetched) - after_s)
        patience_s = min(self._patience_s * (2 if fetched else 1), asker.deadline - now - after_s - ms / 1000)
        if wait_s > patience_s or len(self._load) >= self._most:
            return Refusal(wait_s, max(0.0, patience_s))
        return self._load.add(asker, ms, fetched=fetched)

    def leave(self, charge: Charge) -> None:
        """Take off work that is done, or will not be done."""
        self._load.take_off(charge)
