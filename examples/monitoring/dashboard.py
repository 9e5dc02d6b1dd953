"""The Grafana dashboard: "is it us, the origin, or the load?" on one screen.

Prints it as JSON: python dashboard.py > grafana/dashboards/tintype.json
"""  # noqa: INP001

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${source}"}
# What is chosen above the panels; part of every selector.
NODES = 'job=~"$job",instance=~"$instance"'
TENANT = 'tenant=~"$tenant"'
LOAD = "shed|overloaded|deadline_passed|draining"
HIGH, WIDTH = 5, 24

# PromQL, and the legend.
Query = tuple[str, str]


@dataclass(frozen=True)
class Panel:
    """A graph: `help` says what to make of it. Without queries it is a text, which is its help."""

    title: str
    unit: str
    help: str
    queries: tuple[Query, ...] = ()
    stacked: bool = False


def selected(metric: str, *more: str) -> str:
    return f"{metric}{{{','.join((NODES, *more))}}}"


def summed(inner: str, by: str) -> str:
    return f"sum by ({by}) ({inner})"


def rate(metric: str, by: str, *more: str) -> str:
    """Return the rate of a counter, summed by labels; `more` selects further."""
    return summed(f"rate({selected(metric, *more)}[$__rate_interval])", by)


def gauge(metric: str, by: str, *more: str) -> str:
    return summed(selected(metric, *more), by)


def legend(by: str, word: str = "") -> str:
    """Return a legend that tells labels, after a word."""
    return " ".join([*([word] if word else []), *(f"{{{{{label}}}}}" for label in by.split(", "))])


def rates(metric: str, by: str, *more: str, word: str = "", most: int = 0) -> Query:
    """Return the rate of a counter by labels; with `most`, only the largest."""
    found = rate(metric, by, *more)
    return (f"topk({most}, {found})" if most else found), legend(by, word)


def gauges(metric: str, by: str, word: str = "") -> Query:
    return gauge(metric, by), legend(by, word)


def quantiles(metric: str, by: str, *more: str, shares: tuple[float, ...] = (0.5, 0.99)) -> tuple[Query, ...]:
    """Return some quantiles of a histogram by labels."""
    buckets = rate(f"{metric}_bucket", f"le, {by}", *more)
    return tuple((f"histogram_quantile({share}, {buckets})", legend(by) + f" {share:.0%}") for share in shares)


def share(part: str, whole: str, by: str, word: str = "") -> Query:
    return f"{part} / {whole}", legend(by, word)


def failures(word: str, *more: str) -> Query:
    """Return the rate of some answers; none of them is a line at 0, which "no data" is not."""
    return f"{rate('tintype_requests_total', 'job', *more)} or 0 * {rate('tintype_requests_total', 'job')}", word


FOUND, LACKED = (rate(f"tintype_cache_{what}_total", "tier") for what in ("hits", "misses"))
BUSY = rate("tintype_engine_seconds_sum", "pool"), gauge("tintype_engine_workers", "pool")
MEMORY = gauge("tintype_engine_memory_bytes", "pool"), gauge("tintype_engine_memory_limit_bytes", "pool")
TOP = """\
Which sources took most of a node's workers lately is not in Prometheus: it would be a series for each source. Ask a node:

```sh
curl -H "Authorization: Bearer $TOKEN" https://NODE/v1/top
```
"""

ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Do users notice?",
        (
            Panel(
                "Budget burn, 8 minutes",
                "none",
                "How many times as fast as it may an error budget burns. 14.4 pages. The rules of slo.yml record it.",
                (('tintype:slo_burn:rate8m{job=~"$job"}', "{{slo}}"),),
            ),
            Panel(
                "Requests by tenant and kind",
                "reqps",
                "Of the chosen tenants. One tenant that rises alone is the load. other: no result.",
                (rates("tintype_request_seconds_count", "tenant, kind", TENANT, most=10),),
                stacked=True,
            ),
            Panel(
                "Errors: us, origin, load",
                "reqps",
                "Whose fault a failure is. Mistakes of clients are not in here.",
                (
                    failures("us", 'status="5xx"', f'outcome!~"source_.*|{LOAD}"'),
                    failures("origin", 'outcome=~"source_(failed|slow|busy|incomplete)"'),
                    failures("load", f'outcome=~"{LOAD}"'),
                ),
            ),
            Panel(
                "Errors by tenant",
                "reqps",
                "Answers that were no image, mistakes of clients among them.",
                (rates("tintype_requests_total", "tenant, outcome", TENANT, 'status=~"4xx|5xx"', most=10),),
            ),
            Panel(
                "Time to answer by tenant and kind, 99th percentile",
                "s",
                "mezzanine: made from a rung; cold: from the original; other: no result. Writing to the client counts.",
                quantiles("tintype_request_seconds", "tenant, kind", TENANT, 'kind!="other"', shares=(0.99,)),
            ),
        ),
    ),
    (
        "Is it the load?",
        (
            Panel(
                "Refused, by reason",
                "reqps",
                "wait: it would have waited too long; full: no place in the queue; late: it had waited too long; front: "
                "the event loop itself was late.",
                (
                    rates("tintype_sheds_total", "reason"),
                    rates("tintype_quota_refusals_total", "mode", word="quota"),
                ),
            ),
            Panel(
                "Degraded, by step",
                "reqps",
                "Answers with less than was asked for, instead of a refusal. Before refusals, they say that it is the load.",
                (rates("tintype_degraded_total", "step"),),
                stacked=True,
            ),
            Panel(
                "Refused, by tenant",
                "reqps",
                "Shares are fair: who asks for more than its share is refused first. Quotas burn no budget.",
                (rates("tintype_requests_total", "tenant, outcome", f'outcome=~"{LOAD}|quota_exceeded"', most=10),),
            ),
            Panel(
                "Wait for a worker",
                "s",
                "More than admission.crowd_s means that predictions of cost are wrong.",
                quantiles("tintype_queue_seconds", "pool", shares=(0.5, 0.95)),
            ),
            Panel(
                "Workers and memory taken",
                "percentunit",
                "Time in workers by the time there was; memory of running renders by admission.memory_bytes. At 1 the node"
                " does what it can.",
                (share(*BUSY, "pool", "workers"), share(*MEMORY, "pool", "memory")),
            ),
            Panel("Sources that cost most", "none", TOP),
        ),
    ),
    (
        "Is it the origin?",
        (
            Panel(
                "Fetches that fail",
                "reqps",
                "failed, slow and incomplete are the origin's; missing, refused and denied are often a wrong URL.",
                (rates("tintype_fetches_total", "scheme, result", 'result!~"fetched|unchanged"'),),
            ),
            Panel("Time of a fetch", "s", "By scheme.", quantiles("tintype_fetch_seconds", "scheme")),
            Panel(
                "Fetches, and those shared",
                "reqps",
                "joined: requests that waited for a fetch under way instead of starting one.",
                (
                    rates("tintype_fetches_total", "scheme"),
                    (rate("tintype_fetches_joined_total", "job"), "joined"),
                ),
            ),
            Panel("Bytes from origins", "Bps", "By scheme.", (rates("tintype_fetch_bytes_total", "scheme"),)),
        ),
    ),
    (
        "Is it us?",
        (
            Panel(
                "Hit ratio by tier",
                "percentunit",
                "A ratio that falls after a deployment or a purge is the load of the next minutes.",
                (share(FOUND, f"({FOUND} + {LACKED})", "tier"),),
            ),
            Panel(
                "Caches that fail, bodies cut short",
                "ops",
                "damaged: checksums that did not match. errors: disk full, store away.",
                (
                    rates("tintype_cache_errors_total", "tier", word="errors"),
                    rates("tintype_cache_damaged_total", "tier", word="damaged"),
                    (rate("tintype_short_bodies_total", "job"), "cut short"),
                ),
            ),
            Panel(
                "Purges of other nodes, until they are in force",
                "s",
                "Nodes look every second. Late ones: a shared store that is slow or away, or clocks that differ.",
                quantiles("tintype_purge_seconds", "job"),
            ),
            Panel(
                "Poison, crashes, workers replaced",
                "none",
                "remembered: images in the poison ledger. The rest a second; images and memory are normal life.",
                (
                    gauges("tintype_poison_ledger", "pool", word="remembered"),
                    (rate("tintype_poison_total", "job"), "poison refused"),
                    rates("tintype_engine_crashes_total", "reason", word="crash"),
                    rates("tintype_engine_restarts_total", "reason", word="replaced"),
                ),
            ),
            Panel(
                "CPU of workers, in cores",
                "none",
                "What images cost, by phase: decoding rises with larger originals, encoding with AVIF.",
                (rates("tintype_engine_cpu_seconds_total", "phase"),),
                stacked=True,
            ),
            Panel(
                "Renewals and promotions",
                "ops",
                "Results made behind answers. left and dropped: there was no room for them.",
                (rates("tintype_behind_total", "reason, result"),),
            ),
        ),
    ),
)


def graph(panel: Panel) -> dict[str, Any]:
    """Return what is particular to a graph."""
    custom = {"fillOpacity": 20 if panel.stacked else 0, "stacking": {"mode": "normal" if panel.stacked else "none"}}
    return {
        "type": "timeseries",
        "description": panel.help,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": custom}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + i), "datasource": SOURCE, "expr": expr, "legendFormat": name}
            for i, (expr, name) in enumerate(panel.queries)
        ],
    }


def text(panel: Panel) -> dict[str, Any]:
    return {"type": "text", "options": {"mode": "markdown", "content": panel.help}}


def chosen(name: str, query: str) -> dict[str, Any]:
    """Return a variable with all values of a label; all of them are chosen at first."""
    base = {"name": name, "type": "query", "datasource": SOURCE, "query": query, "refresh": 2, "sort": 1}
    return {**base, "includeAll": True, "multi": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}}


def row(title: str, panels: tuple[Panel, ...], y: int) -> list[dict[str, Any]]:
    """Return a row's line and its panels beside each other, as wide as there is room for."""
    wide = WIDTH // len(panels)
    line = {"type": "row", "title": title, "collapsed": False, "panels": []}
    return [
        {**line, "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}},
        *(
            {
                "title": panel.title,
                "gridPos": {"x": x * wide, "y": y + 1, "w": wide, "h": HIGH},
                **(graph(panel) if panel.queries else text(panel)),
            }
            for x, panel in enumerate(panels)
        ),
    ]


def dashboard() -> dict[str, Any]:
    panels = [panel for i, (title, members) in enumerate(ROWS) for panel in row(title, members, i * (HIGH + 1))]
    return {
        "uid": "tintype",
        "title": "tintype: us, the origin, or the load?",
        "schemaVersion": 39,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": "prometheus"},
                chosen("job", "label_values(tintype_engine_workers, job)"),
                chosen("instance", 'label_values(tintype_engine_workers{job=~"$job"}, instance)'),
                chosen("tenant", 'label_values(tintype_requests_total{job=~"$job"}, tenant)'),
            ]
        },
        "panels": [{"id": i, **panel} for i, panel in enumerate(panels, 1)],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dashboard(), indent=1) + "\n")
