"""`transform` and `check`: the real engine in its sandbox, over real files."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from tests.cli.test_cli import run


def png(path: Path, width: int = 64, height: int = 48) -> Path:
    row = b"\0" + b"".join(bytes((4 * x % 256, 128, 255 - 4 * x % 256)) for x in range(width))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(row * height)),
        (b"IEND", b""),
    )
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_a_folder_keeps_its_shape_and_what_is_no_image_is_skipped(tmp_path: Path) -> None:
    png(tmp_path / "in" / "a.png")
    png(tmp_path / "in" / "deep" / "b.png")
    (tmp_path / "in" / "notes.txt").write_text("no image")
    done = run("transform", "rs:fit:32:32/q:80", "in", "--out", "out", "--format", "webp", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()) == [
        "a.webp",
        "deep/b.webp",
    ]
    assert (tmp_path / "out" / "a.webp").read_bytes()[8:12] == b"WEBP"
    assert done.stdout.split()[:3] == ["done", "failed", "skipped"]
    assert done.stdout.splitlines()[1].split()[:3] == ["2", "0", "1"]


def test_one_file_to_one_file_takes_the_format_from_its_name(tmp_path: Path) -> None:
    png(tmp_path / "a.png")
    done = run("transform", "rs:fill:20:20", "a.png", "--out", "thumb.jpg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "thumb.jpg").read_bytes()[:3] == b"\xff\xd8\xff"
    again = run("transform", "rs:fit:16:16", "a.png", "--out", "thumb.png", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert size(tmp_path / "thumb.png") == (16, 12)


def test_errors_are_listed_the_rest_is_done_and_the_exit_code_is_1(tmp_path: Path) -> None:
    png(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes((tmp_path / "good.png").read_bytes()[:40] + b"\0" * 100)
    (tmp_path / "text.txt").write_text("hello")
    done = run("transform", "w:10", "good.png", "bad.png", "text.txt", "--out", "out", cwd=tmp_path)
    assert done.returncode == 1
    assert size(tmp_path / "out" / "good.png")[0] == 10
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["good.png"]
    failed = [line for line in done.stdout.splitlines() if line.startswith("failed: ")]
    assert [line.split(":")[1].strip() for line in failed] == ["bad.png", "text.txt"]
    assert "plain text" in failed[1]
    assert "Traceback" not in done.stderr


def test_what_is_there_is_not_replaced_unless_told(tmp_path: Path) -> None:
    png(tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_text("mine")
    done = run("transform", "w:10", "a.png", "--out", "out", cwd=tmp_path)
    assert done.returncode == 1
    assert "exists; --overwrite replaces it" in done.stdout
    assert (tmp_path / "out" / "a.png").read_text() == "mine"
    done = run("transform", "w:10", "a.png", "--out", "out", "--overwrite", cwd=tmp_path)
    assert done.returncode == 0
    assert size(tmp_path / "out" / "a.png")[0] == 10


def test_sources_of_one_stem_do_not_overwrite_each_other(tmp_path: Path) -> None:
    png(tmp_path / "in" / "cat.png")
    (tmp_path / "in" / "cat.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    done = run("transform", "", "in", "--out", "out", "--format", "png", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_watermark_of_the_tenant_is_laid_over(tmp_path: Path) -> None:
    png(tmp_path / "a.png")
    png(tmp_path / "mark.png", 16, 16)
    (tmp_path / "tintype.toml").write_text('[tenants.default.watermark]\npath = "mark.png"\n')
    for name, options in (("plain.png", "w:40"), ("marked.png", "w:40/wm:1:soea")):
        done = run("transform", options, "a.png", "--out", name, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "plain.png").read_bytes() != (tmp_path / "marked.png").read_bytes()


def test_check_proves_sandbox_codecs_disk_and_clock(tmp_path: Path) -> None:
    done = run("check", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    found = {line.split()[0] for line in done.stdout.splitlines() if line.strip()}
    assert {"configuration", "disk", "clock", "sandbox", "codecs", "formats"} <= found
    for proved in ("avif is written and read back", "svg is rendered", "PPM is refused", "blocked"):
        assert proved in done.stdout
    assert "failed" not in done.stdout


def test_check_fails_where_the_disk_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("check", "--set", "data_dir=file/var", cwd=tmp_path)
    assert done.returncode == 1
    assert "cannot be written" in done.stdout


@pytest.mark.parametrize("name", ["TINTYPE_SERVER__PRT", "TINTYPE_LIMITS__RENDER_QUEUE"])
def test_check_of_a_wrong_configuration_is_one_line(name: str, tmp_path: Path) -> None:
    done = run("check", cwd=tmp_path, **{name: "0"})
    assert done.returncode == 2
    assert name in done.stderr
