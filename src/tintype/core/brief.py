"""A plan on one line, for people: each part by its name and by what is not at its default."""

from __future__ import annotations

from enum import Enum

import msgspec

from tintype.core.plan import Plan
from tintype.core.values import Value

# Of a plan with many watermarks and steps; a line that is longer says less.
_LENGTH = 1000


def brief(plan: Plan) -> str:
    """Return a plan's load, steps and save: `Load format=jpeg width=800 height=600; Scale width=100 height=75; ...`."""
    if plan.passthrough:
        return f"the original as it is, {plan.width}x{plan.height}"
    parts = [_part(part) for part in (plan.load, *plan.steps)]
    parts += ["what trimming leaves is planned then"] if plan.rest else []
    text = "; ".join([*parts, _part(plan.save)])
    return text if len(text) <= _LENGTH else text[:_LENGTH] + "..."


def _part(part: Value) -> str:
    named = [(field.name, getattr(part, field.name), field.default) for field in msgspec.structs.fields(part)]
    told = [f"{name}={_word(value)}" for name, value, default in named if value != default]
    return " ".join([type(part).__name__, *told])


def _word(value: object) -> str:
    if isinstance(value, Value):
        return f"({_part(value)})"
    return str(value.value if isinstance(value, Enum) else value)
