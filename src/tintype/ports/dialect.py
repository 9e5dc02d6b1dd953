"""The port of URL languages."""

from __future__ import annotations

from typing import Protocol

from tintype.core.asked import Asked


class Dialect(Protocol):
    """A URL language. Pure: keys, presets and defaults are given at construction."""

    name: str

    def parse(self, target: str, now: float) -> Asked:
        """Read a raw request target (percent-encoded path, prefix removed, query included).

        Raises:
            BadRequest: with what was given and what is allowed; NotSigned before anything else is looked at.
        """
        ...

    def format(self, asked: Asked) -> str:
        """Write the canonical target, signed with the first key. parse(format(x)) == x, but for the key."""
        ...

    def refusal(self, error: Exception) -> tuple[int, str]:
        """Return the status and the short public text that users of this dialect expect for an error."""
        ...

    def shown(self, target: str) -> str:
        """Return any target, readable or not, for the log: what was asked of which host and path.

        Without queries, fragments and users of sources, however they are encoded, and without a whole signature, so that
        whoever reads the log can fetch nothing that is signed.
        """
        ...
