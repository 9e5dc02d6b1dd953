"""The table of recent things."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tintype.kit.recent import Recent


def test_what_is_remembered_expires() -> None:
    recent: Recent[str] = Recent(10)
    recent.put("k", "v", until=5.0)
    assert recent.get("k", 4.9) == "v"
    assert recent.get("k", 5.0) is None
    assert len(recent) == 0
    assert recent.get("never", 0.0) is None


def test_sweeping_forgets_what_expired_and_what_matches() -> None:
    recent: Recent[str] = Recent(10)
    for key, until in (("a", 1.0), ("b", 9.0), ("c", 9.0)):
        recent.put(key, key, until)
    recent.sweep(2.0, lambda value: value == "c")
    assert (len(recent), recent.get("b", 2.0)) == (1, "b")
    recent.forget("b")
    recent.forget("b")
    assert len(recent) == 0


def test_trimming_forgets_the_oldest_that_have_expired() -> None:
    recent: Recent[str] = Recent(10)
    for key, until in (("a", 5.0), ("b", 2.0), ("c", 3.0), ("a", 4.0)):
        recent.put(key, key, until)
    recent.trim(3.0)
    assert (len(recent), recent.get("a", 3.0)) == (1, "a")
    recent.trim(9.0)
    recent.trim(9.0)
    assert len(recent) == 0


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 9))))
def test_the_table_is_bounded_and_the_latest_word_counts(puts: list[tuple[str, int]]) -> None:
    recent: Recent[int] = Recent(3)
    for key, value in puts:
        recent.put(key, value, until=1.0)
        assert recent.get(key, 0.0) == value
        assert len(recent) <= 3
