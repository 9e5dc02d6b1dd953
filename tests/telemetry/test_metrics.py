"""Metrics: declared in one table, bounded in number, scraped from a port of their own."""

from __future__ import annotations

import io
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import tool
from tintype.telemetry.clock import SystemClock
from tintype.telemetry.metrics import METRICS, Kind
from tintype.telemetry.node import NodeTelemetry, Undeclared
from tintype.telemetry.settings import TelemetrySettings


@pytest.fixture
def telemetry() -> Iterator[NodeTelemetry]:
    made = NodeTelemetry(TelemetrySettings(), out=io.StringIO(), strict=True)
    yield made
    made.close()


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for f in text_string_to_metric_families(text)
        for s in f.samples
    }


def use_all(telemetry: NodeTelemetry) -> None:
    for metric in METRICS:
        labels = {label.name: (label.values or ("anything",))[0] for label in metric.labels}
        match metric.kind:
            case Kind.COUNTER:
                telemetry.count(metric.name, 2, **labels)
            case Kind.GAUGE:
                telemetry.gauge(metric.name, 2, **labels)
            case Kind.HISTOGRAM:
                telemetry.observe(metric.name, 0.02, **labels)


def test_every_declared_metric_can_be_measured_and_is_exported(telemetry: NodeTelemetry) -> None:
    use_all(telemetry)
    names = {name for name, _ in samples(telemetry.exposition().decode())}
    suffix = {Kind.COUNTER: "_total", Kind.GAUGE: "", Kind.HISTOGRAM: "_count"}
    for metric in METRICS:
        assert f"tintype_{metric.name}{suffix[metric.kind]}" in names


def test_the_table_is_well_formed() -> None:
    assert len({m.name for m in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.help.endswith("."), metric.name
        assert not metric.name.endswith("_total"), metric.name


def test_an_undeclared_metric_fails_in_tests_and_is_counted_in_production(telemetry: NodeTelemetry) -> None:
    with pytest.raises(Undeclared, match="no_such_thing"):
        telemetry.count("no_such_thing")
    with pytest.raises(Undeclared):
        telemetry.count("requests", tenant="a")
    with pytest.raises(Undeclared):
        telemetry.observe("engine_queue", 1)
    lenient = NodeTelemetry(TelemetrySettings(), out=io.StringIO())
    lenient.count("no_such_thing", 1, colour="red")
    assert samples(lenient.exposition().decode())["tintype_metrics_dropped_total", ()] == 1


def test_label_values_are_bounded_whatever_requests_say(telemetry: NodeTelemetry) -> None:
    for i in range(1000):
        telemetry.count("requests", tenant=f"t{i}", status="2xx", outcome=f"weird{i}")
    found = [labels for (name, labels) in samples(telemetry.exposition().decode()) if name == "tintype_requests_total"]
    assert len(found) == 201  # 200 tenants and `other`
    assert {dict(labels)["outcome"] for labels in found} == {"other"}


def test_a_counter_never_goes_down(telemetry: NodeTelemetry) -> None:
    telemetry.count("poison", 3)
    telemetry.count("poison", -5)
    assert samples(telemetry.exposition().decode())["tintype_poison_total", ()] == 3


def test_scrapes_are_answered_on_a_port_of_their_own(telemetry: NodeTelemetry) -> None:
    telemetry.count("poison")
    port = telemetry.serve_metrics("127.0.0.1", 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert b"tintype_poison_total 1.0" in answer.read()
    telemetry.close()
    telemetry.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)


def test_the_namespace_is_a_setting() -> None:
    telemetry = NodeTelemetry(TelemetrySettings(namespace="pictures"), out=io.StringIO())
    assert b"pictures_requests_total" in telemetry.exposition()


def test_promtool_likes_what_is_exported(telemetry: NodeTelemetry) -> None:
    promtool = tool("promtool", "apt-get install prometheus")
    use_all(telemetry)
    done = subprocess.run(
        [promtool, "check", "metrics"], input=telemetry.exposition(), capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_clock_goes_forward() -> None:
    clock = SystemClock()
    assert clock.now() > 1_700_000_000
    assert clock.monotonic() <= clock.monotonic()


def test_parts_of_one_writer_are_summed_with_what_all_add(telemetry: NodeTelemetry) -> None:
    labels = {"tenant": "a", "status": "2xx", "outcome": "hit"}
    count, again = telemetry.counter("requests", **labels), telemetry.counter("requests", **labels)
    timed = telemetry.timer("request_seconds", tenant="a", kind="hit")
    count(1)
    again(2)
    telemetry.count("requests", 4, **labels)
    for seconds in (0.0004, 0.0005, 0.3, 99.0):
        timed(seconds)
    telemetry.observe("request_seconds", 0.0001, tenant="a", kind="hit")
    found = samples(telemetry.exposition().decode())
    assert found["tintype_requests_total", tuple(sorted(labels.items()))] == 7
    hit = {dict(at)["le"]: n for (name, at), n in found.items() if name == "tintype_request_seconds_bucket"}
    assert (hit["0.0005"], hit["0.25"], hit["0.5"], hit["30.0"], hit["+Inf"]) == (3, 3, 4, 4, 5)
    assert found["tintype_request_seconds_sum", (("kind", "hit"), ("tenant", "a"))] == pytest.approx(99.301)
    with pytest.raises(Undeclared):
        telemetry.counter("requests", tenant="a")


def test_a_gauge_can_be_read_when_somebody_looks(telemetry: NodeTelemetry) -> None:
    held = [1, 2]
    telemetry.watch("cache_entries", lambda: len(held), tier="ram")
    telemetry.gauge("cache_entries", 7, tier="disk")
    held.append(3)
    found = samples(telemetry.exposition().decode())
    assert found["tintype_cache_entries", (("tier", "ram"),)] == 3
    assert found["tintype_cache_entries", (("tier", "disk"),)] == 7
    telemetry.watch("cache_entries", lambda: 5, tier="ram")  # in place of the one before
    assert samples(telemetry.exposition().decode())["tintype_cache_entries", (("tier", "ram"),)] == 5
    with pytest.raises(Undeclared):
        telemetry.watch("cache_hits", lambda: 5, tier="ram")


def test_the_order_of_labels_does_not_matter(telemetry: NodeTelemetry) -> None:
    telemetry.count("behind", reason="renewal", result="made")
    telemetry.count("behind", result="made", reason="renewal")
    with pytest.raises(Undeclared):
        telemetry.gauge("behind", 1, reason="renewal", result="made")
    found = samples(telemetry.exposition().decode())
    assert found["tintype_behind_total", (("reason", "renewal"), ("result", "made"))] == 2


def test_a_scrape_can_ask_for_one_metric(telemetry: NodeTelemetry) -> None:
    telemetry.count("poison")
    port = telemetry.serve_metrics("127.0.0.1", 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics?name[]=tintype_poison_total", timeout=10) as answer:
        text = answer.read()
    assert b"tintype_poison_total 1.0" in text
    assert b"purges" not in text


def test_threads_lose_no_count(telemetry: NodeTelemetry) -> None:
    def add() -> None:
        for _ in range(5000):
            telemetry.count("poison")

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert samples(telemetry.exposition().decode())["tintype_poison_total", ()] == 20_000
