"""Logs: one JSON object a line, stable names, no secret in any of them."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.telemetry import redact
from tintype.telemetry.node import NodeTelemetry
from tintype.telemetry.settings import TelemetrySettings


def logged(settings: TelemetrySettings | None = None, /, **facts: Any) -> dict[str, Any]:
    out = io.StringIO()
    NodeTelemetry(settings or TelemetrySettings(log_format="json"), out=out).event("something_happened", **facts)
    line: dict[str, Any] = json.loads(out.getvalue())
    return line


def test_an_event_is_one_line_with_time_level_and_name_first() -> None:
    line = logged(tenant="acme", bytes=12, ok=True, list=("a", 1))
    assert list(line)[:3] == ["time", "level", "event"]
    assert line["event"] == "something_happened"
    assert line["level"] == "info"
    assert line["tenant"] == "acme"
    assert line["bytes"] == 12
    assert line["list"] == ["a", 1]


@pytest.mark.parametrize(
    ("facts", "secret"),
    [
        ({"authorization": "Bearer abcdef123456"}, "abcdef123456"),
        ({"headers": {"Cookie": "session=deadbeef"}}, "deadbeef"),
        ({"message": "sent Authorization: Bearer abcdef123456 to it"}, "abcdef123456"),
        ({"url": "https://user:hunter2@example.com/a.jpg"}, "hunter2"),
        ({"url": "https://b.s3.amazonaws.com/k?X-Amz-Signature=0123abcd&x=1"}, "0123abcd"),
        ({"url": "https://b.blob.core.windows.net/k?sv=1&sig=0123abcd"}, "0123abcd"),
        ({"path": "/oKfUtW34Dvo2BGQehJFR4Nr0_rIjOtdtzJ3QFsUcXH8/rs:fill:300:400/plain/x"}, "oKfUtW34Dvo2BGQ"),
        ({"keys": ["736563726574"]}, "736563726574"),
        ({"secret_key": "shh-shh"}, "shh-shh"),
        ({"admin_token": "shh-shh"}, "shh-shh"),
        ({"deep": {"er": {"salts": ["68656c6c6f"]}}}, "68656c6c6f"),
    ],
)
def test_secrets_never_reach_a_log(facts: dict[str, Any], secret: str) -> None:
    line = json.dumps(logged(**facts))
    assert secret not in line
    assert redact.MASK in line


def test_what_is_no_secret_stays() -> None:
    line = logged(key="0123456789abcdef0123456789abcdef", path="/unsafe/rs:fill:300:400/plain/https://a.b/c.jpg@png")
    assert line["key"] == "0123456789abcdef0123456789abcdef"
    assert line["path"].endswith("https://a.b/c.jpg@png")


def test_the_last_word_of_a_name_sets_the_level_and_a_fact_overrides_it() -> None:
    out = io.StringIO()
    telemetry = NodeTelemetry(TelemetrySettings(log_format="json", log_level="warning"), out=out)
    telemetry.event("renewal_failed")
    telemetry.event("request_done")
    telemetry.event("request_done", level="error")
    assert [json.loads(line)["level"] for line in out.getvalue().splitlines()] == ["warning", "error"]


def test_facts_that_are_called_like_our_fields_lose_nothing() -> None:
    line = logged(time="noon", event="tea")
    assert (line["event"], line["event_"], line["time_"]) == ("something_happened", "tea", "noon")


def test_a_defect_is_logged_with_where_it_happened_and_without_secrets() -> None:
    try:
        raise ValueError("Bearer abcdef123456")
    except ValueError as error:
        line = logged(exc_info=error)
    assert "test_logs.py" in line["traceback"]
    assert "ValueError" in line["traceback"]
    assert "abcdef123456" not in line["traceback"]


def test_a_closed_log_is_no_error() -> None:
    out = io.StringIO()
    telemetry = NodeTelemetry(TelemetrySettings(log_format="json"), out=out)
    out.close()
    telemetry.event("nobody_hears")


@pytest.mark.parametrize("log_format", ["json", "pretty", "auto"])
def test_every_format_names_the_event(log_format: str) -> None:
    out = io.StringIO()
    NodeTelemetry(TelemetrySettings(log_format=log_format), out=out).event("something_happened", n=1)
    assert "something_happened" in out.getvalue()
    assert out.getvalue().count("\n") == 1


FACTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(FACTS)
def test_any_fact_becomes_one_line(value: Any) -> None:
    out = io.StringIO()
    NodeTelemetry(TelemetrySettings(log_format="json"), out=out).event("happened", value=value)
    assert out.getvalue().count("\n") == 1
    json.loads(out.getvalue())


@pytest.mark.parametrize("value", ["a\nb", "\x1b[31m", "\udc80", 2**70, float("inf"), b"\xff" * 10, {1: 2}, object()])
def test_odd_facts_become_one_line(value: Any) -> None:
    out = io.StringIO()
    NodeTelemetry(TelemetrySettings(log_format="json"), out=out).event("happened", value=value)
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()
    json.loads(out.getvalue())


@given(st.text(min_size=1, max_size=50), st.sampled_from([10_000, 10**6]))
def test_a_fact_is_bounded(piece: str, length: int) -> None:
    value = piece * (length // len(piece) + 1)
    assert len(str(redact.fact("x", value))) <= redact.LENGTH + 3


@pytest.mark.parametrize("log_format", ["json", "pretty"])
def test_a_prepared_line_says_what_an_event_says(log_format: str) -> None:
    settings = TelemetrySettings(log_format=log_format)
    out, same = io.StringIO(), io.StringIO()
    facts = {"method": "GET", "path": '/"x\\\udc80/plain/https://u:hunter2@a.b/c.jpg', "status": 200}
    NodeTelemetry(settings, out=out).line("request", **facts)("id-1", 0.256)
    NodeTelemetry(settings, out=same).event("request", request_id="id-1", **facts, ms=0.26)
    assert "hunter2" not in out.getvalue()
    if log_format == "json":
        one, other = json.loads(out.getvalue()), json.loads(same.getvalue())
        assert list(one) == list(other)
        assert {**one, "time": ""} == {**other, "time": ""}
    else:
        assert out.getvalue().split(None, 1)[1] == same.getvalue().split(None, 1)[1]


def test_a_prepared_line_below_the_level_is_silent() -> None:
    out = io.StringIO()
    NodeTelemetry(TelemetrySettings(log_level="warning"), out=out).line("request")("id", 1.0)
    assert out.getvalue() == ""
