"""All ports: what the services need of the world, in at most four methods each; a module for each kind of them.

Adapters live in sources, cache, engine, coordination and telemetry; wiring alone names them. Times are Unix seconds from
`Clock.now` where they are kept, and `Clock.monotonic` where they measure; `deadline` is monotonic.
"""

from __future__ import annotations

from tintype.ports.cache import Cache, Finder, Held, Shared
from tintype.ports.coordination import Accounts, Lead, Leads
from tintype.ports.dialect import Dialect
from tintype.ports.engine import Encodes, Engine, Finished, Reserve, Runner, Spare
from tintype.ports.sources import Acquainted, Fetched, Fetcher, Forwarded, Lease, Master, Mezzanines, Sink, Sources
from tintype.ports.telemetry import Clock, Measures, Prepared, Span, Telemetry, Tracer

__all__ = [
    "Accounts",
    "Acquainted",
    "Cache",
    "Clock",
    "Dialect",
    "Encodes",
    "Engine",
    "Fetched",
    "Fetcher",
    "Finder",
    "Finished",
    "Forwarded",
    "Held",
    "Lead",
    "Leads",
    "Lease",
    "Master",
    "Measures",
    "Mezzanines",
    "Prepared",
    "Reserve",
    "Runner",
    "Shared",
    "Sink",
    "Sources",
    "Span",
    "Spare",
    "Telemetry",
    "Tracer",
]
