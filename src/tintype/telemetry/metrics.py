"""Every metric tintype has, in one table: name, kind, labels with what they may say, and what it means.

A label is either a closed set of values or capped at a number of them; what is outside becomes `other`. So the number of
series is bounded by this file, whatever a request says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tintype.core.degrade import Degraded
from tintype.core.errors import kinds


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


OTHER = "other"


@dataclass(frozen=True, slots=True)
class Label:
    """A label: its closed set of values, or, when that is empty, at most `most` values, first come."""

    name: str
    values: tuple[str, ...] = ()
    most: int = 100


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. A counter's exported name ends in `_total`; times are seconds, sizes bytes."""

    name: str
    kind: Kind
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()


# From a memory hit (well below a millisecond) to the request timeout.
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

TENANT = Label("tenant", most=200)
STATUS = Label("status", ("1xx", "2xx", "3xx", "4xx", "5xx"))
# How an answer came about, or the code of the error that it is.
WAYS = (
    "hit",
    "renewed",
    "shared",
    "miss",
    "private",
    "raw",
    "fallback",
    "unchanged",
    "degraded",
    "slow_client",
    "cut_short",
    "text",
)
OUTCOME = Label("outcome", (*WAYS, *sorted(kinds())))
KIND = Label("kind", ("hit", "mezzanine", "cold", "other"))
TIER = Label("tier", ("memo", "ram", "disk", "object", "source"))
SCHEME = Label("scheme", ("http", "https", "local", "s3", "gs", "abs"))
POOL = Label("pool", ("answers", "reserve"))
SHED = Label("reason", ("wait", "full", "late", "front"))
REASON = Label("reason", ("renewal", "promotion"))
MADE = Label("result", ("made", "failed", "left", "dropped"))
USE = Label("use", ("made", "read"))
SCOPE = Label("scope", ("key", "source", "prefix", "tag", "all"))


def _counter(name: str, text: str, *labels: Label) -> Metric:
    return Metric(name, Kind.COUNTER, text, labels)


def _gauge(name: str, text: str, *labels: Label) -> Metric:
    return Metric(name, Kind.GAUGE, text, labels)


def _seconds(name: str, text: str, *labels: Label) -> Metric:
    return Metric(name, Kind.HISTOGRAM, text, labels, SECONDS)


METRICS: tuple[Metric, ...] = (
    # Requests
    _counter(
        "requests", "Requests answered, by tenant, status class and how the answer came about.", TENANT, STATUS, OUTCOME
    ),
    _seconds(
        "request_seconds",
        "Time from a request's first byte until its answer was handed to the server: a hit; made from a mezzanine rung; cold,"
        " made from the original; other: no result, or a hit that had to ask its origin first.",
        TENANT,
        KIND,
    ),
    _counter("response_bytes", "Bytes of answers handed to the server.", TENANT),
    _counter(
        "quota_refusals",
        "Misses that a quota had no room for, by whose it is: refused, or with its dark setting not.",
        TENANT,
        Label("scope", ("tenant", "key", "client")),
        Label("mode", ("refused", "dark")),
    ),
    _counter("short_bodies", "Answers that ended before their announced length, because their file did."),
    _counter(
        "proxy_headers_unread",
        "Headers of trusted proxies that are malformed or contradict each other, and so say nothing; not looked at for hits.",
        Label("header", ("forwarded", "x-forwarded-for", "priority", "x-request-deadline")),
    ),
    _counter(
        "sheds",
        "Requests refused for lack of room: they would have waited too long (wait), there was no place in the queue (full),"
        " or they had waited too long (late).",
        SHED,
    ),
    _counter(
        "degraded",
        "Answers that were less than was asked for, by what was less.",
        Label("step", tuple(one.value for one in Degraded)),
        TENANT,
    ),
    _counter("aborts", "Clients that went away before their answer."),
    # Engine
    _counter(
        "engine_jobs",
        "Jobs given to workers, by how they ended.",
        Label("result", ("done", "failed", "crashed", "deadline")),
    ),
    _seconds("engine_seconds", "Time a job spent in a worker.", Label("kind", ("probe", "run")), POOL),
    _counter(
        "engine_cpu_seconds", "CPU time spent in workers, by phase.", Label("phase", ("decode", "steps", "encode"))
    ),
    _counter("engine_crashes", "Workers that died in a job, by signal or reason.", Label("reason", most=20)),
    _counter(
        "engine_restarts",
        "Workers replaced, by why.",
        Label("reason", ("images", "memory", "tenant", "crash", "deadline", "cpu")),
    ),
    _gauge("engine_workers", "Workers that are ready for work.", POOL),
    _gauge("engine_queue", "Jobs waiting for a worker.", POOL),
    _gauge("engine_busy", "Workers that have work.", POOL),
    _counter("engine_finished_pixels", "Results that were only encoded, their pixels being there."),
    _gauge("engine_finished_bytes", "Bytes of finished pixels that are kept (engine.finished_bytes)."),
    _gauge("engine_memory_bytes", "Memory that running renders are predicted to take.", POOL),
    _gauge("engine_memory_limit_bytes", "Memory that they may take together (admission.memory_bytes).", POOL),
    _seconds("queue_seconds", "Time a job waited for a worker.", POOL),
    _counter("poison", "Jobs refused because their image crashed workers before."),
    _gauge(
        "poison_ledger", "Images that crashed workers lately, by plan; twice, and they are refused for a while.", POOL
    ),
    # Sources
    _counter(
        "fetches",
        "Fetches of sources, by scheme and how they ended.",
        SCHEME,
        Label(
            "result",
            ("fetched", "unchanged", "missing", "refused", "denied", "failed", "slow", "incomplete", "too_large"),
        ),
    ),
    _seconds("fetch_seconds", "Time of one fetch.", SCHEME),
    _counter("fetch_bytes", "Bytes fetched from origins.", SCHEME),
    _counter(
        "origin_refusals",
        "Fetches not begun, for their host has failed again and again (open), or too many wait for it (full).",
        Label("reason", ("open", "full")),
    ),
    _gauge("origins_open", "Hosts that are not asked at present but for an attempt now and then, as they failed."),
    _counter("fetches_joined", "Requests that waited for a fetch already under way instead of starting one."),
    _counter(
        "behind",
        "Results made behind answers that did without them, failed, left for lack of room, or dropped after too long a wait.",
        REASON,
        MADE,
    ),
    _gauge(
        "behind_pending", "Results to be made behind answers: waiting for a worker to spare, or being made.", REASON
    ),
    _seconds("behind_seconds", "Time from an answer until the result behind it was made.", REASON),
    _counter("rungs", "Mezzanine rungs made, and results made from one.", USE),
    # Caches
    _counter("cache_hits", "Lookups that found an entry, by tier.", TIER),
    _counter("cache_misses", "Lookups that found none, by tier.", TIER),
    _counter("cache_puts", "Entries kept, by tier.", TIER),
    _counter("cache_evictions", "Entries dropped to make room, by tier.", TIER),
    _counter("cache_damaged", "Entries dropped because their checksum did not match, by tier.", TIER),
    _counter("cache_errors", "Operations a cache could not do (disk full, store away), by tier.", TIER),
    _gauge("cache_bytes", "Bytes held, by tier.", TIER),
    _gauge("cache_entries", "Entries held, by tier.", TIER),
    _counter("purges", "Purges, by what they dropped.", SCOPE, Label("mode", ("hard", "soft"))),
    _counter("purged_entries", "Entries that purges dropped."),
    _seconds("purge_seconds", "Time from a purge at another node until it was in force at this one."),
    # Coordination
    _gauge(
        "coordination_up",
        "Whether the Valkey that nodes share answers (1; also if none is set) or each goes on alone (0).",
    ),
    _counter("coordination_errors", "Calls of Valkey that failed or took too long."),
    _counter(
        "leads",
        "Results that were to be made, by what nodes agreed on: this one led, waited for another, or went on alone.",
        Label("result", ("led", "waited", "alone")),
    ),
    # The node
    _counter("reloads", "Configuration reloads.", Label("result", ("done", "refused"))),
    _counter("metrics_dropped", "Measurements that name no declared metric or not its labels: a defect."),
)
