"""A body on its way in: pieces of any size come out as one file and one hash, within a bound, from any thread."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tintype.core.errors import SourceFailed, SourceTooLarge
from tintype.sources.spool import Spool

PIECES = st.lists(st.sampled_from([0, 1, 7, 1448, 65_536, 262_143, 262_144, 400_000]), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(sizes=PIECES)
def test_what_goes_in_is_hashed_and_comes_out(tmp_path: Path, sizes: list[int]) -> None:
    pieces = [os.urandom(size) for size in sizes]
    whole = b"".join(pieces)
    with Spool(str(tmp_path / os.urandom(8).hex()), 10_000_000) as spool:
        for piece in pieces:
            spool.write(piece)
        assert (spool.digest, spool.size) == (hashlib.sha256(whole).hexdigest(), len(whole))
        body = spool.body()
        spool.write(b"")  # nothing is written twice
        assert spool.digest == hashlib.sha256(whole).hexdigest()
    assert os.pread(body.fd(), len(whole) + 1, 0) == whole
    assert Path(spool.path).read_bytes() == whole
    body.close()
    Path(spool.path).unlink()


def test_pieces_beyond_what_the_kernel_takes_at_once_all_arrive(tmp_path: Path) -> None:
    whole = os.urandom(3_000)
    with Spool(str(tmp_path / "x"), 10_000) as spool:
        for at in range(len(whole)):
            spool.write(whole[at : at + 1])
        assert spool.digest == hashlib.sha256(whole).hexdigest()
        body = spool.body()
    assert os.pread(body.fd(), 4_000, 0) == whole


def test_one_byte_too_many_is_refused(tmp_path: Path) -> None:
    with Spool(str(tmp_path / "x"), 10) as spool:
        spool.write(b"12345")
        with pytest.raises(SourceTooLarge):
            spool.write(b"123456")


def test_whoever_writes_after_the_end_is_told(tmp_path: Path) -> None:
    with Spool(str(tmp_path / "x"), 10) as spool:
        spool.write(b"12345")
    with pytest.raises(SourceFailed):
        spool.write(b"6")


def test_a_fetch_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def fetch() -> None:
        with Spool(str(tmp_path / "x"), 10_000_000) as spool:
            spool.write(bytes(300_000))
            assert Path(spool.path).exists()
            raise SourceFailed

    with pytest.raises(SourceFailed):
        fetch()
    assert list(tmp_path.iterdir()) == []


def test_what_is_unchanged_needs_no_file(tmp_path: Path) -> None:
    with Spool(str(tmp_path / "x"), 10) as spool:
        pass
    assert not Path(spool.path).exists()


def test_a_disk_that_takes_nothing_is_a_failure_of_the_fetch(tmp_path: Path) -> None:
    with Spool(str(tmp_path / "nowhere" / "x"), 10) as spool:
        spool.write(b"1")
        with pytest.raises(SourceFailed):
            spool.body()


def test_the_first_byte_is_told_of_once(tmp_path: Path) -> None:
    told: list[int] = []
    with Spool(str(tmp_path / "x"), 100, began=lambda: told.append(spool.size)) as spool:
        assert not told
        spool.write(b"a")
        spool.write(b"b")
    assert told == [0]
