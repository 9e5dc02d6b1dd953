"""The memo."""

from __future__ import annotations

from tintype.web.memo import Memo, Remembered


def answer(key: str, until: float = 100.0) -> Remembered:
    return Remembered(key, b'"x"', [], until)


def test_it_forgets_by_time_size_and_order() -> None:
    memo = Memo(most=2)
    memo.put("a", answer("a"), 0)
    memo.put("b", answer("b", until=5.0), 0)
    assert memo.get("a", 1.0) is not None
    memo.put("c", answer("c"), 0)  # b is the least recently used
    assert memo.get("b", 1.0) is None
    assert memo.get("c", 99.9) is not None
    assert memo.get("c", 100.0) is None


def test_what_was_answered_before_a_purge_is_not_remembered_after_it() -> None:
    memo = Memo()
    generation = memo.generation
    memo.forget()
    memo.put("a", answer("a"), generation)
    assert memo.get("a", 0.0) is None
    memo.put("a", answer("a"), memo.generation)
    assert memo.get("a", 0.0) is not None


def test_long_questions_and_answers_count_by_their_bytes() -> None:
    memo = Memo(most_bytes=100_000)
    for i in range(50):
        memo.put(("t", "/x", f"/x?{i}" + "q" * 8000, None), answer("a"), 0)
    kept = [i for i in range(50) if memo.get(("t", "/x", f"/x?{i}" + "q" * 8000, None), 0.0)]
    assert kept == list(range(50 - len(kept), 50))
    assert 5 <= len(kept) <= 12
    memo.put("small", answer("a"), 0)
    memo.put("small", answer("b"), 0)
    memo.forget()
    for i in range(12):
        memo.put(("t", "/x", f"/y?{i}" + "q" * 7000, None), answer("a", until=5.0), memo.generation)
        assert memo.get(("t", "/x", f"/y?{i}" + "q" * 7000, None), 9.0) is None
    memo.put("a", Remembered("a", b"", [(b"link", b"x" * 90_000)], 100.0), memo.generation)
    memo.put("a", Remembered("a", b"", [(b"link", b"x" * 90_000)], 100.0), memo.generation)
    assert memo.get("a", 0.0) is not None


def test_a_peek_answers_as_get_does_and_takes_nothing_away() -> None:
    memo = Memo(most=2)
    memo.put("a", answer("a"), 0)
    memo.put("b", answer("b", until=5.0), 0)
    assert memo.peek("a", 1.0) is not None
    assert memo.peek("b", 5.0) is None
    assert memo.peek("c", 1.0) is None
    assert memo.get("b", 1.0) is not None
    assert memo.peek("a", 1.0) is not None
    memo.put("c", answer("c"), 0)  # b is the least recently used
    assert memo.get("b", 1.0) is None
