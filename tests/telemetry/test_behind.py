"""The log's own thread: nobody waits for a reader, and nothing is lost that a reader could have had."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading

from tintype.telemetry.behind import Behind

TALK = """
import sys
from tintype.telemetry.node import NodeTelemetry
from tintype.telemetry.settings import TelemetrySettings
telemetry = NodeTelemetry(TelemetrySettings(log_format="json"))
tell = telemetry.line("request", path="/x", status=200)
for number in range(int(sys.argv[1])):
    tell(f"id-{number}", 0.25)
telemetry.event("last", level="error")
if sys.argv[2] == "crash":
    raise RuntimeError("the end")
"""


def talk(lines: int, how: str = "return") -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", TALK, str(lines), how], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stderr.splitlines()


def test_all_lines_are_there_when_the_process_has_ended() -> None:
    told = [json.loads(line) for line in talk(5000)]
    assert [line["request_id"] for line in told[:-1]] == [f"id-{n}" for n in range(5000)]
    assert list(told[0]) == ["time", "level", "event", "request_id", "path", "status", "ms"]
    assert told[-1]["event"] == "last"


def test_a_crash_loses_no_line() -> None:
    lines = [line for line in talk(100, "crash") if line.startswith("{")]
    assert len(lines) == 101


def test_a_reader_that_does_not_read_stops_nobody_and_is_told_what_it_missed() -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w") as out:
        behind = Behind(out, lambda lines: f"lost {lines}\n", most=1000)
        for number in range(20_000):
            behind.write(f"{number:0200}\n")  # far more than the pipe takes: this would never end
        with os.fdopen(read) as reader:
            text: list[str] = []
            reading = threading.Thread(target=lambda: text.append(reader.read()))
            reading.start()
            behind.end()
            out.close()
            reading.join(10)
    told = text[0].splitlines()
    lost = sum(int(line.split()[1]) for line in told if line.startswith("lost"))
    assert lost >= 15_000
    assert len([line for line in told if line.isdigit()]) + lost == 20_000


def test_a_line_after_a_silence_comes_at_once() -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w") as out, os.fdopen(read) as heard:
        behind = Behind(out, lambda lines: f"lost {lines}\n")
        for word in ("one", "two", "three"):
            behind.write(word + "\n")
            assert heard.readline() == word + "\n"
        behind.end()
        behind.write("four\n")
        assert heard.readline() == "four\n"


def test_a_closed_stream_is_no_error() -> None:
    out = io.StringIO()
    behind = Behind(out, str)
    out.close()
    behind.write("x\n")
    behind.end()
