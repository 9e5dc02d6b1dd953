"""What the comparison rests on: copies that no cache knows, work charged in full, documents that say what was found."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import pyvips
from bench import carried, compare, page, plot, slow
from bench.cells import CELLS, Want, copies, distinct, sources
from bench.field import Effort, Field
from bench.judge import flaw, score
from bench.parts import PHASES, split
from bench.peers import PEERS
from bench.photos import made, picture
from bench.sides import Round, Tally
from bench.tree import Peak, Tree, watching

from tintype.core.formats import Format
from tintype.core.sniff import sniff
from tintype.worker.probe import probe

KINDS = (".jpg", ".png", ".webp", ".avif")


@pytest.fixture(scope="module")
def photo() -> pyvips.Image:
    return picture(160, 120, 1).copy_memory()


@pytest.mark.parametrize("suffix", KINDS)
def test_copies_differ_in_bytes_and_in_nothing_that_is_seen(photo: pyvips.Image, suffix: str) -> None:
    body = bytes(photo.write_to_buffer(suffix))
    one, other = distinct(body, 1), distinct(body, 2)
    assert len({body, one, other}) == 3
    for copy in (one, other):
        shown = pyvips.Image.new_from_buffer(copy, "", fail_on="warning")
        assert (shown - pyvips.Image.new_from_buffer(body, "")).abs().max() == 0
        found = sniff(copy[:4096])
        assert found is not None
        assert (probe(found, copy, 0).width, probe(found, copy, 0).height) == (160, 120)


def test_a_copy_keeps_what_a_camera_wrote_first(photo: pyvips.Image) -> None:
    turned = photo.copy()
    turned.set_type(pyvips.GValue.gint_type, "orientation", 6)
    body = bytes(turned.jpegsave_buffer())
    copy = distinct(body, 7)
    assert copy.index(b"Exif") == body.index(b"Exif")
    assert pyvips.Image.new_from_buffer(copy, "").get("orientation") == 6
    assert sniff(copy[:64]) is Format.JPEG


def test_a_copy_of_something_else_says_what_it_takes() -> None:
    with pytest.raises(ValueError, match="JPEG, PNG, WebP and AVIF"):
        distinct(b"GIF89a", 1)


def test_copies_begin_with_the_first_file_however_they_are_numbered(tmp_path: Path) -> None:
    files = [made(tmp_path / f"{n}.jpg", 32, 24, n) for n in range(3)]
    (first, *_), (again, *_) = (list(copies(files, tmp_path, at, 4)) for at in (100, 200))
    assert (first.name, again.name) == ("000100.jpg", "000200.jpg")
    shown = [pyvips.Image.new_from_file(str(file)) for file in (files[0], again)]
    assert (shown[0] - shown[1]).abs().max() == 0


def test_sources_are_made_once_and_the_same_on_every_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [made(tmp_path / "photo.jpg", 2600, 1300, 1)]
    monkeypatch.setattr("bench.cells.photos", lambda _folder: files)
    (one,), (other,) = (sources("jpeg2k", 8, tmp_path / folder) for folder in "ab")
    assert pyvips.Image.new_from_file(str(one)).width == 2048
    assert (one.name, one.read_bytes()) == (other.name, other.read_bytes())
    before = one.stat().st_mtime_ns
    assert sources("jpeg2k", 8, tmp_path / "a")[0].stat().st_mtime_ns == before
    (alpha,) = sources("alpha2k", 8, tmp_path / "a")
    band = pyvips.Image.new_from_file(str(alpha))[3]
    assert (band.min(), band.max()) == (0, 255)


# What a side takes


def busy(seconds: float) -> str:
    return f"import time; end = time.process_time() + {seconds}\nwhile time.process_time() < end: pass"


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has a child work, waits for it, and stays."""
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy(0.5)!r}]); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_work_of_children_is_charged_to_the_end_and_after_it(parent: subprocess.Popen[bytes]) -> None:
    tree, peak = Tree([parent.pid]), Peak()
    with watching(tree, peak, every_s=0.02):
        deadline = time.monotonic() + 120
        while tree.cpu_s() < 0.5 and time.monotonic() < deadline:
            tree.settle()
    assert tree.cpu_s() >= 0.5
    assert len(tree.processes()) == 1
    assert peak.samples > 2
    assert peak.bytes > 1_000_000


def test_a_tree_that_ended_takes_nothing(parent: subprocess.Popen[bytes]) -> None:
    tree = Tree([parent.pid])
    parent.kill()
    parent.wait()
    assert (tree.cpu_s(), tree.memory()) == (0, 0)


def of(*rates: float, cpu_s: float = 1.0) -> Tally:
    rounds = [Round(10 / rate, tuple(n / 100 for n in range(1, 11)), cpu_s, 5000) for rate in rates]
    return Tally(rounds)


def test_a_ratio_is_of_neighbours_not_of_medians() -> None:
    ours, theirs = of(20, 2, 60), of(10, 1, 10)  # the machine was busy in the second round
    assert ours.ratio(theirs) == pytest.approx(2)
    assert ours.per_s == pytest.approx(20)
    assert ours.cpu_ms == pytest.approx(100)
    assert ours.mean_bytes == pytest.approx(500)
    assert ours.percentile_ms(50) == pytest.approx(60)


def test_sides_of_unequal_rounds_are_not_compared() -> None:
    with pytest.raises(ValueError, match="zip"):
        of(1, 2).ratio(of(1))


# Judging


def test_a_good_reduction_scores_above_a_bad_one(tmp_path: Path) -> None:
    source = made(tmp_path / "photo.jpg", 800, 600, 1)
    good = pyvips.Image.thumbnail(str(source), 200, linear=True).write_to_buffer(".png")
    bad = pyvips.Image.new_from_file(str(source)).subsample(4, 4).write_to_buffer(".png")
    assert score(source, bytes(good)) > 90 > score(source, bytes(bad))


def test_an_answer_that_is_no_result_is_found_out(photo: pyvips.Image) -> None:
    body = bytes(photo.write_to_buffer(".png"))
    assert flaw(body, "png", 160) == ""
    assert "instead of webp" in flaw(body, "webp", 160)
    assert "160 px on its longer side instead of 512" in flaw(body, "png", 512)
    assert "no image" in flaw(b"sorry", "png", 160)


# Figures and documents


def test_the_phases_of_a_request_are_differences_between_scrapes() -> None:
    before = {'tintype_engine_cpu_seconds_total{phase="decode"}': 1.0, 'tintype_engine_seconds_sum{kind="run"}': 5.0}
    after = {
        'tintype_engine_cpu_seconds_total{phase="decode"}': 1.2,
        'tintype_engine_cpu_seconds_total{phase="encode"}': 0.1,
        'tintype_engine_seconds_sum{kind="probe"}': 0.01,
        'tintype_engine_seconds_sum{kind="run"}': 9.0,
        'tintype_fetch_seconds_sum{scheme="http"}': 0.05,
    }
    found = split(before, after, 10, total_ms=500)
    assert tuple(found) == PHASES
    expected = {"fetch": 5, "probe": 1, "decode": 20, "steps": 0, "encode": 10, "front": 14}
    assert found == pytest.approx(expected)


def test_imgproxy_is_carried_over_by_what_both_machines_measured() -> None:
    rows = {row["cell"]: row for row in carried.rows({("jpeg12", "oximg"): 44.8, ("avif", "tintype-linear"): 30.0})}
    assert rows["jpeg12"]["req/s"] == pytest.approx(52)
    assert rows["avif"]["req/s"] == pytest.approx(38)  # no peer in common: this machine is twice as fast elsewhere
    assert "carried over" in rows["avif"]["title"]
    assert carried.rows({("jpeg12", "tintype-linear"): 50.0}) == []
    assert carried.SEEN.keys() == CELLS.keys()


SAVED = {
    "time": 1_795_300_000,
    "machine": {"cpu": "A CPU", "cores": 2, "python": "3.11.7"},
    "facts": {"quiet": False},
    "rows": [
        {"cell": "jpeg12", "side": "oximg", "title": "oximg", "req/s": 22.44, "SSIMULACRA2": 77.9, "KB": 123.4},
        {"cell": "jpeg12", "side": "thumbor", "title": "thumbor", "cannot": "answers 400"},
    ],
}


def test_documents_get_figures_between_their_markers_and_keep_the_rest() -> None:
    text = "# A\n<!-- bench: cells -->\nold\n<!-- /bench -->\nB\n<!-- bench: overview -->\n<!-- /bench -->\n"
    text += "<!-- bench: hits -->\nkept\n<!-- /bench -->\n"
    written = page.filled(text, {"cells": SAVED})
    assert "| oximg | 22.4 | 77.9 | 123 |" in written.replace("|  |", "|")
    assert "22.4, 78" in written
    assert "Preliminary" in written
    assert "old" not in written
    assert "\nkept\n" in written
    assert written.startswith("# A\n<!-- bench: cells -->\n2026-")
    assert page.filled(written, {"cells": SAVED}) == written


def test_a_plot_is_xml_with_a_bar_for_each_figure() -> None:
    tree = ET.fromstring(plot.rates(SAVED["rows"]))  # type: ignore[arg-type]
    bars = [e for e in tree.iter("{http://www.w3.org/2000/svg}rect") if e.get("fill") != "#fff"]
    assert len(bars) == 1
    row = {"cell": "png2k", "side": "a <b>", **dict.fromkeys(PHASES, 2.0)}
    assert len(list(ET.fromstring(plot.parts([row])).iter("{http://www.w3.org/2000/svg}rect"))) == 1 + 2 * len(PHASES)


def test_one_file_in_fifty_is_very_late_for_everybody() -> None:
    late = [slow.late_ms(f"{n:06d}.jpg", 60, 2000) for n in range(5000)]
    assert set(late) == {60, 2000}
    assert 60 <= late.count(2000) <= 150


def test_the_slow_origin_serves_whole_files_late_over_one_connection(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(body := os.urandom(3_000_000))
    with slow.serving(tmp_path, tmp_path, delay_ms=50, seldom_ms=50) as base:
        connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=60)
        for path, status, expected in (("/a.jpg", 200, body), ("/none.jpg", 404, b""), ("/a.jpg", 200, body)):
            began = time.monotonic()
            connection.request("GET", path)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (status, expected)
            assert time.monotonic() - began >= 0.05
        connection.close()


def test_the_command_line_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.parsed([]).cells == list(CELLS)
    assert compare.parsed(["--quick"]).rounds == 2
    for wrong in (["--cells", "jpeg13"], ["--requests", "2"]):
        with pytest.raises(SystemExit):
            compare.parsed(wrong)
    assert "jpeg12" in capsys.readouterr().err


def test_a_peer_that_is_not_here_is_named_with_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("IMGPROXY_BIN", raising=False)
    assert [peer.name for peer in compare.here(["tintype-linear", "imgproxy", "pyvips"])] == ["tintype-linear"]
    assert "set IMGPROXY_BIN" in capsys.readouterr().out


def test_a_cell_of_our_node_is_cold_in_every_request(tmp_path: Path) -> None:
    files = [made(tmp_path / f"{n}.jpg", 700, 500, n) for n in range(2)]
    want = Want.of("png", 128)
    with ExitStack() as stack:
        field = Field(stack, Effort(rounds=2, requests=6, connections=3, photos=2), files)
        sides = field.servers([PEERS["tintype-linear"]])
        able, flaws = field.able(sides, want)
        assert (able, flaws) == (sides, {})
        field.rounds(sides, 6, lambda side, files: side.go(files, want, keep=2))
        tally, running = sides[0].tally, sides[0].server.node
        assert running is not None
        hits = [
            name for name, count in running.metrics().items() if "cache_hits" in name and "source" not in name and count
        ]
        assert hits == []
        assert (tally.count, sorted(tally.bodies)) == (12, [0, 1])
        assert tally.cpu_ms > 0
        assert tally.peak.bytes > 10_000_000
        assert field.judged(sides[0])["SSIMULACRA2"] > 50
