"""Gates for tests of what is behind them."""

from __future__ import annotations

import math

from tintype.admission.costs.expect import Expectation
from tintype.admission.gate import Gate
from tintype.admission.order.queue import Rules
from tintype.admission.weighing.backlog import Backlog
from tintype.admission.weighing.scales import Patience


def patient(workers: int = 1, most: int = 10_000) -> Gate:
    """Return a gate that lets everything in, up to so much at once."""
    rules = Rules(workers, target_s=math.inf)
    return Gate(Backlog(rules), Expectation(50.0), Patience(math.inf, math.inf), most=most)
