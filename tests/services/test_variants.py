"""What is remembered of answers: the latest of each question, for as long as its source allows, and never without bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tintype.core.binding import Binding
from tintype.core.degrade import Kept
from tintype.core.formats import Format
from tintype.core.geometry import Size
from tintype.services.variants import _MEANINGS, _RESULTS, _SOURCES, Variants


def bound(url: str = "u", digest: str = "d", fresh_until: float = 10.0, error_until: float = 0.0) -> Binding:
    return Binding(tenant="t", url=url, digest=digest, size=1, fresh_until=fresh_until, error_until=error_until)


def kept(asked: str = "q", key: str = "k") -> Kept:
    return Kept(key, asked, "", Format.JPEG, Size(1, 1))


def test_the_latest_result_of_a_question_is_remembered_and_the_latest_question_is_first() -> None:
    lately = Variants()
    for asked, key in (("a", "1"), ("b", "2"), ("a", "3")):
        lately.note(bound(), kept(asked, key))
    assert [(one.asked, one.key) for one, _ in lately.of(bound().key, 0)] == [("a", "3"), ("b", "2")]
    assert not lately.of(bound("other").key, 0)


def test_a_result_may_be_served_for_as_long_as_its_source_is_fresh_or_may_be_stale() -> None:
    lately = Variants()
    lately.note(bound(digest="old", error_until=20.0), kept("a"))
    lately.note(bound(digest="new"), kept("b"))
    seen = {now: [one.asked for one, _ in lately.of(bound().key, now)] for now in (9.0, 11.0, 21.0)}
    assert seen == {9.0: ["b", "a"], 11.0: ["a"], 21.0: []}


def test_what_is_learnt_of_a_source_holds_for_all_its_results() -> None:
    lately = Variants()
    lately.note(bound(), kept("a"))
    lately.note(bound(fresh_until=50.0), kept("b"))
    assert {one.asked for one, _ in lately.of(bound().key, 40.0)} == {"a", "b"}


def test_forgotten_is_one_source_or_all() -> None:
    lately = Variants()
    for url in ("u", "v", "w"):
        lately.note(bound(url), kept())
    lately.forget(bound("u").key)
    assert [bool(lately.of(bound(url).key, 0)) for url in ("u", "v", "w")] == [False, True, True]
    lately.forget()
    assert not lately.of(bound("v").key, 0)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6)), max_size=120))
def test_a_source_has_so_many_results_and_meanings_and_each_result_its_own(notes: list[tuple[int, int]]) -> None:
    lately = Variants()
    for number, (asked, digest) in enumerate(notes):
        lately.note(bound(digest=str(digest)), kept(str(asked), f"{number} {digest}"))
        found = lately.of(bound().key, 0)
        assert found[0][0].key == f"{number} {digest}"
        assert len(found) <= _RESULTS
        assert len({one.digest for _, one in found}) <= _MEANINGS
        assert all(one.key.split()[1] == binding.digest for one, binding in found)


def test_so_many_sources_and_those_least_lately_used_go() -> None:
    lately = Variants()
    for number in range(_SOURCES + 10):
        lately.note(bound(str(number)), kept())
        lately.note(bound("0"), kept())
    assert [bool(lately.of(bound(str(n)).key, 0)) for n in (0, 1, 9, 12, _SOURCES + 9)] == [
        True,
        False,
        False,
        True,
        True,
    ]
