"""How a setting is declared: once, as a field of a frozen dataclass, with default, unit in the name and one line of doc.

TOML, environment, `tintype config` and the reference page are all generated from these fields.
"""

from __future__ import annotations

import dataclasses
from typing import Any


def setting(
    default: Any,
    doc: str,
    *,
    secret: bool = False,
    least: float = 0,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    derived: bool = False,
) -> Any:
    """Declare a setting. Lists and mappings are given as tuples, so that a settings object stays frozen.

    Args:
        default: the embedded default.
        doc: one sentence: what it does and, where it matters, what 0 or empty means.
        secret: print as `***` wherever settings are shown; left out of the object's repr.
        least: lower bound of a number.
        most: upper bound of a number; None = none.
        choices: what a text may be; empty = anything.
        derived: worked out from other settings, so that nobody can set it.
    """
    facts = {
        "doc": doc,
        "secret": secret,
        "least": least,
        "most": most,
        "choices": choices,
        "derived": derived,
    }
    return dataclasses.field(default=default, metadata=facts, repr=not secret)
