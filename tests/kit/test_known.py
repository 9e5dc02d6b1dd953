"""The filter over keys: what was added may be there, always; of what was not, nearly all is known to be missing."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.kit import known
from tintype.kit.known import Known


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_PAUSE_S", 0)


def filled(*pages: list[bytes], count: int = 0) -> Known:
    one = Known()
    one.fill(count, pages)
    return one


def names(prefix: str, count: int) -> list[bytes]:
    return [f"{prefix}{number}".encode() for number in range(count)]


def test_before_it_was_filled_everything_may_be_there() -> None:
    assert Known().may(b"anything")


def test_what_was_there_and_what_came_since_may_be_there() -> None:
    one = filled(names("old", 1500), names("older", 500), count=2000)
    one.add(names("new", 1000))
    assert all(map(one.may, names("old", 1500) + names("older", 500) + names("new", 1000)))


def test_nearly_all_of_the_rest_is_known_to_be_missing() -> None:
    keys = names("there", 100_000)
    one = filled(keys, count=len(keys))
    one.add(names("new", 100_000))
    assert sum(map(one.may, names("not", 50_000))) < 500


@given(st.lists(st.binary(max_size=40)), st.lists(st.binary(max_size=40)))
def test_no_key_is_denied(before: list[bytes], since: list[bytes]) -> None:
    one = filled(before)
    one.add(since)
    assert all(map(one.may, before + since))


def test_it_says_when_it_has_taken_in_enough_and_begins_anew() -> None:
    one = filled()
    assert not one.add(names("a", 65_536))
    assert one.add([b"one more"])
    one.fill(1, [[b"one more"]])
    assert one.may(b"one more")
    assert sum(map(one.may, names("a", 10_000))) < 100
    assert not one.add([b"and more"])


def test_what_comes_while_it_is_filled_is_in_it() -> None:
    one = filled([b"old"])

    def pages() -> Iterator[list[bytes]]:
        assert one.may(b"old")
        one.add([b"meanwhile"])
        one.fill(0, [[b"another filling ends at once"]])
        yield [b"kept"]

    one.fill(1, pages())
    assert one.may(b"meanwhile")
    assert one.may(b"kept")
    assert not one.may(b"old")


def test_a_filling_that_fails_changes_nothing() -> None:
    one = filled([b"old"])

    def pages() -> Iterator[list[bytes]]:
        yield [b"new"]
        raise OSError("the disk")

    with pytest.raises(OSError, match="the disk"):
        one.fill(1, pages())
    assert one.may(b"old")
    assert not one.may(b"never")
    one.fill(1, [[b"again"]])
    assert one.may(b"again")


def test_threads_lose_nothing() -> None:
    one = filled()
    batches = [names(f"{thread}-", 3000) for thread in range(6)]
    threads = [threading.Thread(target=lambda keys=keys: [one.add([key]) for key in keys]) for keys in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(one.may(key) for keys in batches for key in keys)
