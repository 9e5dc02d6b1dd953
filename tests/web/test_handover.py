"""Names for nginx, on a real disk: of the very file that was opened, or none."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cache.support import Seen
from tintype.core.errors import Misconfigured
from tintype.web import handover
from tintype.web.handover import HandOver
from tintype.web.memo import Headers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="open files have names in /proc on Linux only")

ASKS = {b"x-hand-over": b"yes"}
BODY = bytes(range(256)) * 4096


@contextmanager
def opened(path: Path) -> Iterator[int]:
    path.write_bytes(BODY)
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def asked(over: HandOver, fd: int, size: int = len(BODY), request: dict[bytes, bytes] | None = None) -> Headers:
    return asyncio.run(over.headers(ASKS if request is None else request, fd, size))


def test_a_name_is_of_the_file_that_was_opened(tmp_path: Path) -> None:
    folder = tmp_path / "handed"
    over = HandOver("/handed/", folder, Seen())
    with opened(tmp_path / "body") as fd:
        (tmp_path / "other").write_bytes(b"other bytes")
        (tmp_path / "other").rename(tmp_path / "body.new")
        [(name, value), length] = asked(over, fd)
        assert (name, length) == (b"x-accel-redirect", (b"content-length", b"0"))
        path = folder / value.decode().removeprefix("/handed/")
        (tmp_path / "body").unlink()  # evicted, and the name given to something else
        (tmp_path / "body.new").rename(tmp_path / "body")
        assert path.read_bytes() == BODY
        again = asked(over, fd)[0][1]
    assert again != value


def test_no_name(tmp_path: Path) -> None:
    over = HandOver("handed", tmp_path / "handed", Seen())
    with opened(tmp_path / "body") as fd:
        assert asked(over, fd, len(BODY) - 1) == []  # small
        assert asked(over, fd, request={}) == asked(over, fd, request={b"x-hand-over": b"no"}) == []
        assert asked(HandOver("", tmp_path / "off", Seen()), fd) == []
        assert not (tmp_path / "off").exists()
        (tmp_path / "body").unlink()
        assert asked(over, fd) == []  # evicted between opening and naming, or never named: made for one client
    assert list((tmp_path / "handed").iterdir()) == []


def test_names_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "_MOST_NAMES", 2)
    over = HandOver("/handed", tmp_path / "handed", Seen())
    with opened(tmp_path / "body") as fd:
        assert [bool(asked(over, fd)) for _ in range(3)] == [True, True, False]


def test_names_go_and_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "_MOST_NAMES", 1)
    monkeypatch.setattr(handover, "_NAMED_S", 0.01)
    folder = tmp_path / "handed"

    async def twice(fd: int) -> None:
        over = HandOver("/handed", folder, Seen())
        assert await over.headers(ASKS, fd, len(BODY))
        while list(folder.iterdir()):  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.01)
        assert await over.headers(ASKS, fd, len(BODY))

    with opened(tmp_path / "body") as fd:
        asyncio.run(asyncio.wait_for(twice(fd), 30))


def test_what_cannot_be_named_is_told_once(tmp_path: Path) -> None:
    told, folder = Seen(), tmp_path / "handed"
    over = HandOver("/handed", folder, told)
    folder.rmdir()
    folder.write_bytes(b"a file where the folder was")
    with opened(tmp_path / "body") as fd:
        assert [asked(over, fd) for _ in range(3)] == [[], [], []]
    assert len(told.named("hand_over_failed")) == 1


def test_starting(tmp_path: Path) -> None:
    (tmp_path / "handed").mkdir()
    (tmp_path / "handed" / "left").write_bytes(b"by a kill")
    HandOver("/handed", tmp_path / "handed", Seen())
    assert list((tmp_path / "handed").iterdir()) == []
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Misconfigured, match=r"server\.hand_over"):
        HandOver("/handed", tmp_path / "file", Seen())
