"""What a render costs at the usual efforts and at lower ones, or in gamma: CPU ms of whole renders by the worker's own code.

    python -m bench.lighter [SIDE ...]

One thread; in each round every way has its turn, and the least of several rounds counts. A way is worth a step of
`core.degrade` where it saves 15 % of the whole render.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

os.environ |= {"VIPS_CONCURRENCY": "1", "OPENBLAS_NUM_THREADS": "1"}  # before the libraries are loaded

from msgspec.structs import replace

from bench.photos import picture
from bench.report import report
from tintype.core.degrade import lighter
from tintype.core.formats import Format
from tintype.core.offer import Offer
from tintype.core.pipeline import Output, Pipeline, Resize, SourceRef
from tintype.core.plan import Plan
from tintype.core.policy import Light, Policy
from tintype.core.resolve import resolve
from tintype.worker.execute import execute
from tintype.worker.probe import probe

_ROUNDS = 9
_SIDES = (512, 1600)
_OURS = Policy(light=Light.LINEAR)
_LESS: Mapping[Format, Mapping[str, Any]] = {
    Format.WEBP: {"webp_effort": 0},
    Format.AVIF: {"avif_speed": 9},
    Format.JXL: {"jxl_effort": 1},
}
# What a tenant may have set instead of our defaults.
_SLOWER: Mapping[Format, Policy] = {
    Format.WEBP: replace(_OURS, webp_effort=4),
    Format.AVIF: replace(_OURS, avif_speed=8),
}
_FORMATS = (Format.JPEG, Format.PNG, Format.WEBP, Format.AVIF, Format.JXL)


def _ways(kind: Format, usual: Policy) -> Mapping[str, Policy]:
    """Return policies by what is less in them, each of them another plan."""
    less = replace(usual, **_LESS.get(kind, {}))
    ways = {"as is": usual, "effort": less, "gamma": replace(usual, light=Light.GAMMA), "degraded": lighter(usual)}
    return {way: policy for way, policy in ways.items() if way == "as is" or policy != usual}


def main() -> None:
    sides = [int(side) for side in sys.argv[1:]] or _SIDES
    body = bytes(picture(2048, 1536, 1).jpegsave_buffer(Q=90))
    info = probe(Format.JPEG, body, 50_000_000)
    usual = {kind.value: (kind, _OURS) for kind in _FORMATS}
    usual |= {f"{kind.value}, slower": (kind, policy) for kind, policy in _SLOWER.items()}
    rows = []
    for side in sides:
        for name, (kind, policy) in usual.items():
            asked = Pipeline.of(SourceRef("x"), Resize(width=side, height=side), output=Output(format=kind))
            plans = {way: resolve(asked, info, Offer(), one) for way, one in _ways(kind, policy).items()}
            rows += _rows(f"{side} {name}", plans, body)
    report("lighter", rows, rounds=_ROUNDS)


def _rows(name: str, plans: Mapping[str, Plan], body: bytes) -> list[dict[str, Any]]:
    least = dict.fromkeys(plans, float("inf"))
    size = dict.fromkeys(plans, 0)
    for _ in range(_ROUNDS):
        for way, plan in plans.items():
            began = time.process_time()
            size[way] = len(execute(plan, [(Format.JPEG, body)]).body)
            least[way] = min(least[way], (time.process_time() - began) * 1000)
    usual, bytes_ = least["as is"], size["as is"]
    return [
        {
            "px and format": name,
            "way": way,
            "ms": ms,
            "predicted": plans[way].cost.cpu_ms,
            "saves %": 100 * (1 - ms / usual),
            "bytes %": 100 * size[way] / bytes_,
        }
        for way, ms in least.items()
    ]


if __name__ == "__main__":
    main()
