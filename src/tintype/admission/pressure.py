"""Pressure: whether a render begins as it was asked for, or in a form that takes less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Outlook(NamedTuple):
    """How a render would fare that came now.

    Attributes:
        fits: it would be let in.
        pressed: more has been asked for than there is, for a while; what is let in should take less.
    """

    fits: bool
    pressed: bool

    @property
    def easy(self) -> bool:
        """Whether there is no reason to make less of it."""
        return self.fits and not self.pressed


def lightest_needed(full: Outlook, cheaper: Sequence[Outlook]) -> int | None:
    """Return which of the cheaper forms is to be made, the first that fits; None: what was asked for, come what may."""
    if full.easy:
        return None
    return next((at for at, one in enumerate(cheaper) if one.fits), None)
