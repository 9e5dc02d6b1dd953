"""Traces: what a real collector over OTLP/HTTP is sent, and that one that is away costs nothing."""

from __future__ import annotations

import http.server
import itertools
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.openmetrics.exposition import generate_latest

from tests.e2e.origin import Origin, Page
from tests.services.conftest import Running, Start
from tests.services.test_ladder import photo
from tintype.core.errors import Misconfigured
from tintype.telemetry.clock import SystemClock
from tintype.telemetry.node import NodeTelemetry
from tintype.telemetry.settings import TelemetrySettings

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"


class Collector:
    """An OTLP/HTTP receiver: decodes what it is sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.paths: set[str] = set()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.paths.add(f"{self.path} {self.headers['Content-Type']}")
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        collector.spans += scope.spans
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def roots(self, most: int) -> list[Span]:
        """Return the request spans, once there are so many."""
        deadline = time.monotonic() + 60
        while len(found := [span for span in self.spans if span.name == "request"]) < most:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return found

    def below(self, span: Span) -> list[Span]:
        found = [one for one in self.spans if one.parent_span_id == span.span_id]
        return sorted(found, key=lambda one: one.start_time_unix_nano)


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


def told(span: Span) -> dict[str, object]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def tracing(url: str, more: str = "trace_ratio = 0.0") -> str:
    return f'[telemetry]\notlp_endpoint = "{url}"\n{more}\n'


def hit(running: Running, path: str, traceparent: str) -> int:
    """Ask the quick path, as the server does."""
    headers = [(b"traceparent", traceparent.encode())]
    messages = running.node.front.quick(
        {"method": "GET", "raw_path": path.encode(), "path": path, "query_string": b"", "headers": headers}
    )
    assert messages is not None
    status: int = messages[0]["status"]
    return status


async def test_the_spans_of_a_cold_request_and_of_a_hit(origin: Origin, start: Start, collector: Collector) -> None:
    origin.pages["/p.jpg?token=secret"] = Page(photo(), headers={"Cache-Control": "max-age=600"}, delay_s=0.05)
    running = await start(tracing(collector.url))
    path = f"/a-trusted-signature-for-tests/w:100/plain/{origin.url}/p.jpg%3Ftoken=secret"
    assert (await running.ask(path, traceparent=SAMPLED)).status == 200
    (cold,) = collector.roots(1)
    assert (cold.trace_id.hex(), cold.parent_span_id.hex()) == (TRACE, PARENT)
    assert cold.kind == Span.SPAN_KIND_SERVER
    facts = told(cold)
    assert (facts["tintype.kind"], facts["tintype.status"], facts["tintype.tenant"]) == ("cold", 200, "default")
    assert str(facts["tintype.plan"]).startswith("Load format=jpeg")
    assert "secret" not in str(facts)
    assert "a-trusted-signature-for-tests" not in str(facts)

    parts = {span.name: span for span in collector.below(cold)}
    assert parts.keys() == {"fetch", "cache", "render", "send"}
    assert parts["fetch"].end_time_unix_nano - parts["fetch"].start_time_unix_nano >= 40_000_000
    phases = collector.below(parts["render"])
    assert [span.name for span in phases] == ["queue", "decode", "steps", "encode"]
    assert all(one.end_time_unix_nano <= two.start_time_unix_nano + 1000 for one, two in itertools.pairwise(phases))
    for span in collector.spans:
        assert span.trace_id.hex() == TRACE
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        assert abs(span.end_time_unix_nano / 1e9 - time.time()) < 3600
    assert collector.paths == {"/v1/traces application/x-protobuf"}

    before = len(collector.spans)
    assert hit(running, path, SAMPLED) == 200
    quick = collector.roots(2)[-1]
    assert (quick.trace_id.hex(), told(quick)["tintype.kind"], collector.below(quick)) == (TRACE, "hit", [])
    assert len(collector.spans) == before + 1


async def test_who_is_traced(origin: Origin, start: Start, collector: Collector) -> None:
    origin.pages["/p.jpg"] = Page(photo(), headers={"Cache-Control": "max-age=600"})
    path = f"/unsafe/w:100/plain/{origin.url}/p.jpg"
    broken = f"00-{'0' * 32}-{PARENT}-01"
    running = await start(tracing(collector.url))
    for traceparent in (UNSAMPLED, broken, "", SAMPLED.upper(), SAMPLED + "x"):
        assert (await running.ask(path, traceparent=traceparent)).status == 200
    running = await start(tracing(collector.url, 'trace_ratio = 1.0\ntrace_parents = "never"'))
    assert not collector.spans  # what waited was sent at the end
    assert (await running.ask(path, traceparent=SAMPLED)).status == 200
    assert collector.roots(1)[0].trace_id.hex() != TRACE
    running = await start(tracing(collector.url, 'trace_ratio = 1.0\ntrace_parents = "always"'))
    assert (await running.ask(path, traceparent=UNSAMPLED)).status == 200
    assert collector.roots(2)[-1].trace_id.hex() == TRACE


async def test_an_error_is_a_trace_too_and_times_name_their_traces(start: Start, collector: Collector) -> None:
    running = await start(tracing(collector.url))
    assert (await running.ask("/unsafe/w:1/plain/local:///none.jpg", traceparent=SAMPLED)).status == 404
    (root,) = collector.roots(1)
    assert told(root)["tintype.error"] == "source_missing"
    shown = generate_latest(running.node.telemetry.registry).decode()  # type: ignore[no-untyped-call]  # as a scrape that asks for OpenMetrics gets it
    assert f'# {{trace_id="{TRACE}"}}' in shown
    assert TRACE not in running.node.telemetry.exposition().decode()


@contextmanager
def silent() -> Iterator[str]:
    """An address that takes connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("listens", [True, False])
async def test_a_collector_that_is_away_holds_up_nobody(listens: bool, origin: Origin, start: Start) -> None:
    origin.pages["/p.jpg"] = Page(photo(), headers={"Cache-Control": "max-age=600"})
    path = f"/unsafe/w:100/plain/{origin.url}/p.jpg"
    with silent() as url:
        running = await start(tracing(url if listens else "http://127.0.0.1:9", "trace_ratio = 1.0"))
        assert (await running.ask(path)).status == 200
        for _ in range(6000):  # more than may wait
            assert hit(running, path, "") == 200
        await running.until(lambda: failed(running))
    assert TRACE not in running.log.getvalue()


async def failed(running: Running) -> bool:
    """Whether it was told that spans were dropped, or that the collector is away."""
    return bool(running.events("traces_failed"))


def test_an_endpoint_that_is_none_is_refused() -> None:
    for endpoint in ("collector:4318", "grpc://127.0.0.1:4317", "http://"):
        telemetry = NodeTelemetry(TelemetrySettings(otlp_endpoint=endpoint))
        with pytest.raises(Misconfigured, match=r"telemetry\.otlp_endpoint"):
            telemetry.traces(SystemClock())
    assert NodeTelemetry(TelemetrySettings()).traces(SystemClock()) is None


def test_who_does_not_trace_does_not_load_it() -> None:
    code = "import sys, tintype.wiring; sys.exit(any(n.startswith('opentelemetry.sdk') for n in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


async def test_what_is_no_image_has_no_trace(start: Start, collector: Collector) -> None:
    running = await start(tracing(collector.url, "trace_ratio = 1.0"))
    for path in ("/health", "/ready", "/favicon.ico"):
        await running.ask(path, traceparent=SAMPLED)
    await running.ask("/unsafe/w:1/plain/local:///none.jpg")
    assert len(collector.roots(1)) == 1
