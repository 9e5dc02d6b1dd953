"""Heirs: who stands for work that several wait for, and who tries it next when that one was refused."""

from __future__ import annotations

from tintype.admission.asker import Asker


def overtakes(asker: Asker, leader: Asker) -> bool:
    """Tell whether one who comes is to stand for work that waits for its turn, as it would come sooner by itself."""
    return asker.lane < leader.lane


def better_off(asker: Asker, leader: Asker, now: float, *, expired: bool) -> bool:
    """Tell whether one who waits may have what its leader was refused. What was refused to one is refused to all others.

    A higher lane is better, and more time is where the leader's ran out (`expired`) or was its client's own, by which it may
    have been judged. If of those the first by `urgency` tries next, and so on, each lane tries once.
    """
    longer = (expired or leader.firm) and asker.deadline > leader.deadline
    return asker.deadline > now and (asker.lane < leader.lane or longer)


def urgency(asker: Asker) -> tuple[int, float]:
    """Return what orders those who may try: by lane, and then who has the most time."""
    return asker.lane, -asker.deadline
