"""Which purges still matter: the fast answer is the plain one, and what is forgotten counts as purged."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.core.entry import ANY, SOURCE_TAG, Scope, Selector
from tintype.core.purges import Marks, Purges

TENANTS, KEYS, SOURCES, TAGS = ("a", "b"), ("k1", "k2"), ("", "s", "s/1", "s/12", "t"), ("x", "y")

selectors = st.one_of(
    st.builds(Selector, scope=st.just(Scope.KEY), value=st.sampled_from(KEYS), tenant=st.sampled_from(("", *TENANTS))),
    st.builds(
        Selector,
        scope=st.sampled_from((Scope.SOURCE, Scope.PREFIX)),
        value=st.sampled_from(SOURCES),
        tenant=st.sampled_from(("", *TENANTS)),
    ),
    st.builds(Selector, scope=st.just(Scope.TAG), value=st.sampled_from(TAGS), tenant=st.sampled_from(("", *TENANTS))),
    st.builds(Selector, scope=st.just(Scope.ALL), tenant=st.sampled_from(("", *TENANTS))),
)
things = st.tuples(
    st.sampled_from(TENANTS),
    st.sampled_from(KEYS),
    st.sampled_from(SOURCES),
    st.sampled_from(((), ("x",), TAGS, ("x", f"{SOURCE_TAG}s/12"), (f"{SOURCE_TAG}t", f"{SOURCE_TAG}s"), (ANY,))),
)
Thing = tuple[str, str, str, tuple[str, ...]]


def all_of(tenant: str = "") -> Selector:
    return Selector(scope=Scope.ALL, tenant=tenant)


@given(st.lists(selectors, max_size=30), things, st.integers(0, 30))
def test_allows_what_no_later_purge_matches(purged: list[Selector], thing: Thing, since: int) -> None:
    purges = Purges()
    for number, selector in enumerate(purged, 1):
        with purges.carried_out(selector):
            assert purges.generation() == number
    assert purges.allows(since, *thing) is not any(selector.matches(*thing) for selector in purged[since:])


@given(st.lists(st.tuples(selectors, st.booleans()), max_size=10), things)
def test_what_is_found_while_purges_run_counts_from_before_all_of_them(
    begun: list[tuple[Selector, bool]], thing: Thing
) -> None:
    purges, running, ended = Purges(), contextlib.ExitStack(), 0
    for selector, ends in begun:
        with contextlib.ExitStack() as mine:
            mine.enter_context(purges.carried_out(selector))
            if not ends:
                running.push(mine.pop_all())
        ended += ends and purges.settled() == purges.generation()
    lasting = [selector for selector, ends in begun if not ends]
    assert purges.under_way(*thing) is any(selector.matches(*thing) for selector in lasting)
    assert purges.allows(purges.settled(), *thing) or any(selector.matches(*thing) for selector, _ in begun[ended:])
    assert not (purges.under_way(*thing) and purges.allows(purges.settled(), *thing))
    running.close()
    assert purges.settled() == purges.generation() == len(begun)
    assert not purges.under_way(*thing)


@given(st.lists(selectors, max_size=30), things, st.integers(0, 30), st.integers(1, 5))
def test_with_little_memory_it_refuses_too_much_but_never_too_little(
    purged: list[Selector], thing: Thing, since: int, memory: int
) -> None:
    purges = Purges(memory)
    for selector in purged:
        with purges.carried_out(selector):
            pass
    if any(selector.matches(*thing) for selector in purged[since:]):
        assert not purges.allows(since, *thing)
    assert purges.allows(purges.generation(), *thing)


@given(st.lists(st.tuples(selectors, st.integers(0, 50)), max_size=30), things)
def test_marks_may_come_in_any_order(marked: list[tuple[Selector, int]], thing: Thing) -> None:
    marks, again = Marks(100), Marks(100)
    for selector, at in marked:
        marks.mark(selector, at)
    latest = max((at for selector, at in marked if selector.matches(*thing)), default=float("-inf"))
    assert marks.latest(*thing) == latest
    for selector, mark in marks.items():
        again.mark(selector, mark)
    assert again.latest(*thing) == latest


def test_memory_is_bounded_and_purging_again_takes_none() -> None:
    marks = Marks(10)
    for at in range(1000):
        marks.mark(Selector(scope=Scope.PREFIX, value="p" * (at % 50)), at)
        assert len(marks) <= 10
    for at in range(1000, 1100):
        marks.mark(Selector(scope=Scope.TAG, value="same"), at)
    assert len(marks) <= 10
    assert marks.get(Selector(scope=Scope.TAG, value="same")) == 1099
    assert marks.latest("a", "k", "other", ()) == marks.get(all_of()) >= 989


def test_a_purge_of_everything_replaces_all_before_it() -> None:
    marks = Marks(10)
    marks.mark(Selector(scope=Scope.TAG, value="x"), 5)
    marks.mark(Selector(scope=Scope.TAG, value="later"), 9)
    marks.mark(all_of(), 7)
    assert marks.items() == [(all_of(), 7), (Selector(scope=Scope.TAG, value="later"), 9)]


def test_tenants_of_forgotten_purges_are_forgotten() -> None:
    marks = Marks(10)
    for at in range(1000):
        marks.mark(Selector(scope=Scope.TAG, value="x", tenant=f"t{at}"), at)
    assert marks.latest("t999", "k", "s", (ANY,)) == 999
    assert marks.latest("t3", "k", "s", (ANY,)) == marks.get(all_of())
    assert len(marks._by_name) <= 11


@pytest.mark.parametrize("tenant", ["a", "b"])
def test_a_purge_of_one_tenant_is_not_about_others(tenant: str) -> None:
    purges = Purges()
    with purges.carried_out(all_of("a")):
        pass
    assert purges.allows(0, tenant, "k", "s") is (tenant == "b")
