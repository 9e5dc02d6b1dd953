"""The Grafana dashboard: "is it us, the origin, or the load?" on one screen.

Prints it as JSON: python dashboard.py > grafana/dashboards/tintype.json
"""  # noqa: INP001

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${source}"}
# Nodes chosen above the panels; part of every selector.
NODES = 'job=~"$job",instance=~"$instance"'
LOAD = "shed|overloaded|deadline_passed|draining"
REFUSED = f',outcome=~"{LOAD}"'
TURNED_AWAY = f',outcome=~"{LOAD}|quota_exceeded"'
WIDE, HIGH, COLUMNS = 6, 5, 4


@dataclass(frozen=True)
class Panel:
    """A graph: `queries` are pairs of PromQL and legend, `help` says what to make of it."""

    title: str
    unit: str
    help: str
    queries: tuple[tuple[str, str], ...]
    stacked: bool = False


def rate(metric: str, by: str, more: str = "") -> str:
    """Return the rate of a counter, summed by labels; `more` selects further, and begins with a comma."""
    return f"sum by ({by}) (rate({metric}{{{NODES}{more}}}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "", more: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', labels, more)})"


def failures(more: str) -> str:
    """Return the rate of some answers; none of them is a line at 0, which "no data" is not."""
    return f"{rate('tintype_requests_total', 'job', more)} or 0 * {rate('tintype_requests_total', 'job')}"


def gauge(metric: str, by: str, more: str = "") -> str:
    return f"sum by ({by}) ({metric}{{{NODES}{more}}})"


FOUND = rate("tintype_cache_hits_total", "tier")
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
                "Answers by outcome",
                "reqps",
                "hit, shared, miss and so on are answers; the rest are codes of errors.",
                ((rate("tintype_requests_total", "outcome", ',tenant=~"$tenant"'), "{{outcome}}"),),
                stacked=True,
            ),
            Panel(
                "Errors: us, origin, load",
                "reqps",
                "Whose fault a failure is. Mistakes of clients are not in here.",
                (
                    (failures(f',status="5xx",outcome!~"source_.*|{LOAD}"'), "us"),
                    (failures(',outcome=~"source_(failed|slow|incomplete)"'), "origin"),
                    (failures(REFUSED), "load"),
                ),
            ),
            Panel(
                "Time to answer, 99th percentile",
                "s",
                "mezzanine: made from a rung; cold: from the original; other: no result. Writing to the client counts.",
                ((quantile(0.99, "tintype_request_seconds", "kind", ',tenant=~"$tenant"'), "{{kind}}"),),
            ),
        ),
    ),
    (
        "Is it the load?",
        (
            Panel(
                "Requests by tenant",
                "reqps",
                "One tenant that rises alone is the load.",
                ((f"topk(10, {rate('tintype_requests_total', 'tenant')})", "{{tenant}}"),),
                stacked=True,
            ),
            Panel(
                "Refused, by tenant",
                "reqps",
                "Shares are fair: who asks for more than its share is refused first. Quotas burn no budget.",
                (
                    (
                        f"topk(10, {rate('tintype_requests_total', 'tenant, outcome', TURNED_AWAY)})",
                        "{{tenant}} {{outcome}}",
                    ),
                ),
            ),
            Panel(
                "Wait for a worker",
                "s",
                "More than admission.crowd_s means that predictions of cost are wrong.",
                (
                    (quantile(0.5, "tintype_queue_seconds", "pool"), "{{pool}} median"),
                    (quantile(0.95, "tintype_queue_seconds", "pool"), "{{pool}} 95th"),
                ),
            ),
            Panel(
                "Workers busy",
                "percentunit",
                "Time in workers by the time there was. At 1 the node does what it can.",
                (
                    (
                        f"{rate('tintype_engine_seconds_sum', 'pool')} / {gauge('tintype_engine_workers', 'pool')}",
                        "{{pool}}",
                    ),
                ),
            ),
        ),
    ),
    (
        "Is it the origin?",
        (
            Panel(
                "Fetches that fail",
                "reqps",
                "failed, slow and incomplete are the origin's; missing, refused and denied are often a wrong URL.",
                (
                    (
                        rate("tintype_fetches_total", "scheme, result", ',result!~"fetched|unchanged"'),
                        "{{scheme}} {{result}}",
                    ),
                ),
            ),
            Panel(
                "Time of a fetch",
                "s",
                "By scheme.",
                (
                    (quantile(0.5, "tintype_fetch_seconds", "scheme"), "{{scheme}} median"),
                    (quantile(0.99, "tintype_fetch_seconds", "scheme"), "{{scheme}} 99th"),
                ),
            ),
            Panel(
                "Fetches, and those shared",
                "reqps",
                "joined: requests that waited for a fetch under way instead of starting one.",
                (
                    (rate("tintype_fetches_total", "scheme"), "{{scheme}}"),
                    (rate("tintype_fetches_joined_total", "job"), "joined"),
                ),
            ),
            Panel(
                "Bytes from origins",
                "Bps",
                "By scheme.",
                ((rate("tintype_fetch_bytes_total", "scheme"), "{{scheme}}"),),
            ),
        ),
    ),
    (
        "Is it us?",
        (
            Panel(
                "Hit ratio by tier",
                "percentunit",
                "A ratio that falls after a deployment or a purge is the load of the next minutes.",
                (
                    (
                        f"{FOUND} / ({FOUND} + {rate('tintype_cache_misses_total', 'tier')})",
                        "{{tier}}",
                    ),
                ),
            ),
            Panel(
                "Caches that fail",
                "ops",
                "damaged: checksums that did not match. errors: disk full, store away.",
                (
                    (rate("tintype_cache_errors_total", "tier"), "{{tier}} errors"),
                    (rate("tintype_cache_damaged_total", "tier"), "{{tier}} damaged"),
                ),
            ),
            Panel(
                "Poison, crashes, workers replaced",
                "ops",
                "images and memory are the normal life of a worker.",
                (
                    (rate("tintype_poison_total", "job"), "poison refused"),
                    (rate("tintype_engine_crashes_total", "reason"), "crash {{reason}}"),
                    (rate("tintype_engine_restarts_total", "reason"), "replaced {{reason}}"),
                ),
            ),
            Panel(
                "Renewals and promotions",
                "ops",
                "Results made behind answers. left and dropped: there was no room for them.",
                ((rate("tintype_behind_total", "reason, result"), "{{reason}} {{result}}"),),
            ),
        ),
    ),
)


def graph(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    custom = {"fillOpacity": 20 if panel.stacked else 0, "stacking": {"mode": "normal" if panel.stacked else "none"}}
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.help,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": WIDE, "h": HIGH},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": custom}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + i), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
            for i, (expr, legend) in enumerate(panel.queries)
        ],
    }


def chosen(name: str, query: str) -> dict[str, Any]:
    """Return a variable with all values of a label; all of them are chosen at first."""
    base = {"name": name, "type": "query", "datasource": SOURCE, "query": query, "refresh": 2, "sort": 1}
    return {**base, "includeAll": True, "multi": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}}


def panels() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for i, (title, row) in enumerate(ROWS):
        y = i * (HIGH + 1)
        at = {"x": 0, "y": y, "w": WIDE * COLUMNS, "h": 1}
        made.append(
            {"id": len(made) + 1, "type": "row", "title": title, "collapsed": False, "gridPos": at, "panels": []}
        )
        for x, panel in enumerate(row):
            made.append(graph(panel, len(made) + 1, x * WIDE, y + 1))
    return made


def dashboard() -> dict[str, Any]:
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
        "panels": panels(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dashboard(), indent=1) + "\n")
