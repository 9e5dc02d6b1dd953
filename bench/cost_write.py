"""Writes measured service times as src/tintype/core/cost_table.py, whose classes and comments stay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tintype.core import cost_table
from tintype.core.cost_table import Decode, Encode, Work
from tintype.core.formats import Format

FILE = Path(cost_table.__file__)


@dataclass(frozen=True)
class Measured:
    """Everything in the table that is measured."""

    decode: dict[Format, Decode]
    steps: dict[str, Work]
    cmyk: Work
    profile: Work
    linear_scale: Work
    alpha_scale: Work
    encode: dict[Format, Encode]
    palette_ms: float

    def put(self) -> None:
        """Let predictions of this process use what was measured."""
        cost_table.DECODE.update(self.decode)
        cost_table.STEPS.update(self.steps)
        cost_table.ENCODE.update(self.encode)
        cost_table.CMYK, cost_table.PROFILE = self.cmyk, self.profile
        cost_table.LINEAR_SCALE, cost_table.ALPHA_SCALE = self.linear_scale, self.alpha_scale
        cost_table.PALETTE_MS = self.palette_ms


def write(measured: Measured) -> None:
    """Replace the values in the file, up to the fixed costs at its end."""
    text = FILE.read_text()
    before, after = text.index("DECODE: dict"), text.index("# What every image costs besides")
    FILE.write_text(text[:before] + _values(measured) + "\n" + text[after:])


_PIXELS = """\
# What the pixels themselves add, for each MP that is brought to working space or scaled.
CMYK = {}
PROFILE = {}  # transformed after scaling
LINEAR_SCALE = {}
ALPHA_SCALE = {}
"""


def _values(found: Measured) -> str:
    parts = [
        _table("DECODE", "Format, Decode", ((f"Format.{f.name}", _decode(d)) for f, d in found.decode.items())),
        _table("STEPS", "str, Work", ((f'"{name}"', _work(work)) for name, work in found.steps.items())),
        _PIXELS.format(*map(_work, (found.cmyk, found.profile, found.linear_scale, found.alpha_scale))),
        _table("ENCODE", "Format, Encode", ((f"Format.{f.name}", _encode(e)) for f, e in found.encode.items()))[:-1],
        f"PALETTE_MS = {_short(found.palette_ms)}  # a PNG with a palette of its own, for each MP\n",
    ]
    return "\n".join(parts)


def _table(name: str, kind: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = "".join(f"    {key}: {value},\n" for key, value in rows)
    return f"{name}: dict[{kind}] = {{\n{lines}}}\n"


def _decode(row: Decode) -> str:
    streaming = ", streaming=True" if row.streaming else ""
    return f"Decode({_short(row.fixed_ms)}, {_short(row.stored_ms)}, {_short(row.made_ms)}{streaming})"


def _work(row: Work) -> str:
    named = (("fixed_ms", row.fixed_ms), ("read_ms", row.read_ms), ("made_ms", row.made_ms))
    parts = [f"{name}={_short(value)}" for name, value in named if value]
    return f"Work({', '.join([*parts, *(['whole=True'] if row.whole else [])])})"


def _encode(row: Encode) -> str:
    efforts = ", ".join(f"({effort}, {_short(ms)})" for effort, ms in row.effort_ms)
    return f"Encode({_short(row.fixed_ms)}, {_short(row.ms)}{f', ({efforts})' if efforts else ''})"


def _short(value: float) -> str:
    """Return a number to two or three figures: more would be noise."""
    return str(float(f"{value:.2g}" if value < 10 else f"{value:.3g}"))
