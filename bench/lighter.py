"""What a render costs at the usual efforts and at lower ones, or in gamma: CPU ms of whole renders by the worker's own code.

    python -m bench.lighter

One thread; in each round every way has its turn, and the least of several rounds counts. A way is worth a step of
`core.degrade` where it saves 15 % of the whole render.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

os.environ |= {"VIPS_CONCURRENCY": "1", "OPENBLAS_NUM_THREADS": "1"}  # before the libraries are loaded

from msgspec.structs import replace

from bench.photos import picture
from bench.report import report
from tintype.core.formats import Format
from tintype.core.offer import Offer
from tintype.core.pipeline import Output, Pipeline, Resize, SourceRef
from tintype.core.plan import Plan
from tintype.core.policy import Encoders, Light, Policy
from tintype.core.resolve import resolve
from tintype.worker.execute import execute
from tintype.worker.probe import probe

_ROUNDS = 7
_SIDES = (512, 1600)
_OURS = Policy(light=Light.LINEAR)
_IMGPROXY = Policy(encoders=Encoders.IMGPROXY, webp_effort=4, avif_speed=8)
_WAYS: Mapping[str, tuple[Format, Mapping[str, Policy]]] = {
    "jpeg": (Format.JPEG, {"as is": _OURS, "gamma": replace(_OURS, light=Light.GAMMA)}),
    "webp": (
        Format.WEBP,
        {
            "as is": _OURS,
            "effort 0": replace(_OURS, webp_effort=0),
            "gamma": replace(_OURS, light=Light.GAMMA),
            "both": replace(_OURS, webp_effort=0, light=Light.GAMMA),
        },
    ),
    "webp, effort 4": (
        Format.WEBP,
        {"as is": replace(_OURS, webp_effort=4), "effort 0": replace(_OURS, webp_effort=0)},
    ),
    "avif, speed 8": (Format.AVIF, {"as is": replace(_OURS, avif_speed=8), "speed 9": _OURS}),
    "avif": (Format.AVIF, {"as is": _OURS, "gamma": replace(_OURS, light=Light.GAMMA)}),
    "jxl": (Format.JXL, {"as is": _OURS, "effort 1": replace(_OURS, jxl_effort=1)}),
    "png": (Format.PNG, {"as is": _OURS, "gamma": replace(_OURS, light=Light.GAMMA)}),
    "webp, imgproxy": (Format.WEBP, {"as is": _IMGPROXY, "effort 0": replace(_IMGPROXY, webp_effort=0)}),
}


def main() -> None:
    body = bytes(picture(2048, 1536, 1).jpegsave_buffer(Q=90))
    info = probe(Format.JPEG, body, 50_000_000)
    rows = []
    for side in _SIDES:
        for name, (kind, ways) in _WAYS.items():
            pipeline = Pipeline.of(SourceRef("x"), Resize(width=side, height=side), output=Output(format=kind))
            plans = {way: resolve(pipeline, info, Offer(), policy) for way, policy in ways.items()}
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
