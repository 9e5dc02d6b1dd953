"""How a setting is declared: once, as a field of a frozen dataclass, with default, unit in the name and one line of doc.

TOML, environment, `tintype config` and the reference page are all generated from these fields.
"""

from __future__ import annotations

import dataclasses
from typing import Any


def setting(default: Any, doc: str, *, secret: bool = False) -> Any:
    """Declare a setting. Lists and mappings are given as tuples, so that a settings object stays frozen.

    Args:
        default: the embedded default.
        doc: one sentence: what it does and, where it matters, what 0 or empty means.
        secret: print as `***` wherever settings are shown.
    """
    return dataclasses.field(default=default, metadata={"doc": doc, "secret": secret})
