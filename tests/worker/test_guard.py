"""libvips is locked down: every loader and saver is known, and what is not allowed does not decode."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tintype.core.errors import EngineFailed
from tintype.worker.codecs import guard


def in_process(code: str) -> str:
    """Run code in a process of its own: what is blocked stays blocked."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_proof_holds_after_locking_and_names_everything() -> None:
    out = in_process("""
        from tintype.worker.codecs import guard
        guard.lock_down()
        report = guard.prove()
        print(report.enumerated, len(report.allowed), len(report.blocked), ",".join(report.refused))
        print("VipsForeignLoadJpegFile" in report.blocked, "VipsSystem" in report.blocked)
    """)
    numbers, flags = out.splitlines()
    enumerated, allowed, blocked, refused = numbers.split()
    assert int(enumerated) == int(allowed) + int(blocked)
    assert int(allowed) == len(guard.ALLOWED)
    assert {"csv", "matrix", "vips", "ppm", "hdr"} <= set(refused.split(","))
    assert flags == "True True"


def test_without_locking_there_is_no_proof() -> None:
    with pytest.raises(EngineFailed, match="not locked down"):
        guard.prove()


def test_one_thing_left_open_is_noticed() -> None:
    out = in_process("""
        import pyvips
        from tintype.core.errors import EngineFailed
        from tintype.worker.codecs import guard
        guard.lock_down()
        pyvips.operation_block_set("VipsForeignLoadCsvSource", False)
        try:
            guard.prove()
        except EngineFailed as error:
            print(error)
    """)
    assert "VipsForeignLoadCsvSource" in out


def test_a_libvips_of_the_system_is_refused_with_what_to_do() -> None:
    out = in_process("""
        import pyvips
        from tintype.core.errors import EngineFailed
        from tintype.worker.codecs import guard
        pyvips.version = lambda part: (8, 14, 1)[part]  # as where pyvips was built beside Debian's libvips-dev
        try:
            guard.lock_down()
        except EngineFailed as error:
            print(error)
    """)
    assert "libvips 8.14 of this system" in out
    assert "pip install --force-reinstall --no-deps pyvips-binary" in out


def test_one_thing_missing_is_noticed() -> None:
    out = in_process("""
        import pyvips
        from tintype.core.errors import EngineFailed
        from tintype.worker.codecs import guard
        guard.lock_down()
        pyvips.operation_block_set("VipsForeignLoadJpegSource", True)
        try:
            guard.prove()
        except EngineFailed as error:
            print(error)
    """)
    assert "VipsForeignLoadJpegSource" in out


def test_real_bytes_that_decoded_before_do_not_after() -> None:
    """csv, matrix, libvips' own files and Ultra HDR; by content, by name, from memory and from a file."""
    out = in_process("""
        import tempfile, pathlib, pyvips
        from tintype.worker.codecs import guard
        folder = pathlib.Path(tempfile.mkdtemp())
        grey = (pyvips.Image.black(64, 64, bands=3) + 90).cast("uchar").copy(interpretation="srgb")
        grey.write_to_file(str(folder / "x.v"))
        grey.jpegsave(str(folder / "x.jpg"))
        (folder / "x.csv").write_text("1,2,3\\n4,5,6\\n")
        (folder / "x.mat").write_text("2 2\\n1 2\\n3 4\\n")
        source = lambda name: pyvips.Source.new_from_memory((folder / name).read_bytes())
        attempts = {
            "csv": lambda: pyvips.Image.csvload_source(source("x.csv")),
            "csv file": lambda: pyvips.Image.csvload(str(folder / "x.csv")),
            "matrix": lambda: pyvips.Image.matrixload_source(source("x.mat")),
            "vips file": lambda: pyvips.Image.vipsload(str(folder / "x.v")),
            "vips by name": lambda: pyvips.Image.new_from_file(str(folder / "x.v")),
            "raw": lambda: pyvips.Image.rawload(str(folder / "x.v"), 8, 8, 3),
            "jpeg file": lambda: pyvips.Image.jpegload(str(folder / "x.jpg")),
            "jpeg by content": lambda: pyvips.Image.new_from_buffer((folder / "x.jpg").read_bytes(), ""),
            "save to a file": lambda: grey.jpegsave(str(folder / "y.jpg")) or grey,
            "raw to a file": lambda: grey.rawsave(str(folder / "y.raw")) or grey,
            "system": lambda: pyvips.Operation.call("system", "true") or grey,
        }
        def works(attempt):
            try:
                attempt().avg()
                return True
            except pyvips.Error as error:
                return False
        before = {name for name, attempt in attempts.items() if works(attempt)}
        guard.lock_down()
        after = {name for name, attempt in attempts.items() if works(attempt)}
        print(sorted(set(attempts) - before), sorted(after))
    """)
    assert out == "[] []"
