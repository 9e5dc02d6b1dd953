"""The native extension: the pixels of PNG, whatever the filters of its rows; and when it is used at all."""

from __future__ import annotations

import struct
import sys
import types
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker import extension
from tests.worker.test_png_load import both, chunks, file
from tintype.worker import native
from tintype.worker.native import Extension

BANDS = {1: 0, 3: 2, 4: 6}


@pytest.fixture
def rust() -> Iterator[Extension]:
    with extension.in_use() as found:
        yield found


def png(width: int, height: int, bands: int, rows: bytes) -> bytes:
    """Return a file of rows as they are filtered: any bytes are, if each row begins with 0 to 4."""
    header = struct.pack(">IIBBBBB", width, height, 8, BANDS[bands], 0, 0, 0)
    return file([(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")])


@given(
    width=st.integers(1, 40),
    height=st.integers(1, 14),
    bands=st.sampled_from(sorted(BANDS)),
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([2, 20, 256]),
)
def test_every_mixture_of_filters_is_undone_as_by_libvips(
    width: int, height: int, bands: int, seed: int, spread: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, spread, (height, 1 + width * bands), np.uint8) - np.uint8(spread // 2)
    rows[:, 0] = rng.integers(0, 5, height)
    with extension.in_use() as found:
        body = png(width, height, bands, rows.tobytes())
        ours, theirs = both(body)
        assert found.png_pixels(body, width, height, bands) is not None
    assert np.array_equal(ours.numpy(), theirs.numpy())


def test_what_the_caller_did_not_say_is_declined(rust: Extension) -> None:
    body = png(3, 2, 3, bytes(20))
    assert rust.png_pixels(body, 3, 2, 3) == bytes(20)
    for shape in ((2, 3, 3), (3, 2, 4), (3, 2, 1), (0, 2, 3), (3, 0, 3), (3, 2, 0), (3, 2, 9)):
        assert rust.png_pixels(body, *shape) is None
    for more in (png(3, 2, 3, bytes(21)), png(3, 2, 3, bytes(19)), png(3, 2, 3, bytes([5]) + bytes(19))):
        assert rust.png_pixels(more, 3, 2, 3) is None


def test_sizes_without_end_are_refused_before_anything_is_done(rust: Extension) -> None:
    for shape in ((2**63, 2, 4), (2**62, 2**62, 1)):
        with pytest.raises((MemoryError, OverflowError)):
            rust.png_pixels(b"", *shape)


def test_a_bomb_is_no_larger_than_its_header_says(rust: Extension) -> None:
    body = png(3, 2, 3, bytes(200_000_000))
    assert rust.png_pixels(body, 3, 2, 3) is None


@pytest.mark.parametrize("at", [b"IHDR", b"IDAT"])
def test_a_wrong_checksum_of_a_chunk_is_declined(rust: Extension, at: bytes) -> None:
    body = bytearray(png(3, 2, 3, bytes(20)))
    size = len(dict(chunks(bytes(body)))[at])
    body[body.index(at) + 4 + size] ^= 1
    assert rust.png_pixels(bytes(body), 3, 2, 3) is None


def test_every_cut_and_every_changed_byte_is_declined_or_the_same(rust: Extension) -> None:
    body = png(5, 4, 3, bytes(range(1, 5)) * 16)
    whole = rust.png_pixels(body, 5, 4, 3)
    for cut in range(len(body)):
        assert rust.png_pixels(body[:cut], 5, 4, 3) in (None, whole)
    for at in range(len(body)):
        changed = body[:at] + bytes([body[at] ^ 0x55]) + body[at + 1 :]
        assert rust.png_pixels(changed, 5, 4, 3) in (None, whole)


def stand_in(monkeypatch: pytest.MonkeyPatch, **content: Any) -> None:
    module = types.ModuleType("tintype_native")
    module.__dict__.update(content)
    monkeypatch.setitem(sys.modules, "tintype_native", module)


def test_it_is_used_only_where_it_is_wanted_and_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, __version__="9", NEEDS=())
    assert native.use(wanted=False) == "native extension not used: engine.native is off"
    assert native.extension() is None
    assert native.use(wanted=True) == "native extension 9 in use"
    assert native.extension() is not None
    stand_in(monkeypatch, __version__="9", NEEDS=("AVX2", "TELEPATHY"))
    assert "built for a processor with TELEPATHY" in native.use(wanted=True)
    assert native.extension() is None


def test_where_it_is_not_installed_it_says_how_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tintype_native", None)
    assert "scripts/native" in native.use(wanted=True)
    assert native.extension() is None
