"""What results go by: every name of every URL they answered, bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.cache.support import make_entry, select
from tintype.core.entry import ANY, MOST_TAGS, Names, Scope, knows, with_names

SOURCES, TAGS = ("s", "s/1", "t"), ("x", "y", "z")
names = st.builds(
    Names, source=st.sampled_from(SOURCES), tags=st.lists(st.sampled_from(TAGS), unique=True, min_size=1).map(tuple)
)


def own(source: str, *tags: str) -> Names:
    """Names as requests have them: the first tag is the URL's own, so it goes with its source."""
    return Names(source=source, tags=(f"pipeline:{source}", *tags))


@given(st.lists(names, max_size=8))
def test_an_entry_goes_by_all_it_was_given_and_by_nothing_else(given_names: list[Names]) -> None:
    facts = make_entry(source="first").facts
    for one in given_names:
        facts = with_names(facts, one)
    sources = {"first"} | {one.source for one in given_names}
    tags = {tag for one in given_names for tag in one.tags}
    for source in SOURCES:
        for scope in (Scope.SOURCE, Scope.PREFIX):
            wanted = source in sources or (scope is Scope.PREFIX and any(s.startswith(source) for s in sources))
            assert select(scope, source).matches("default", "k", facts.source, facts.tags) is wanted
    for tag in TAGS:
        assert select(Scope.TAG, tag).matches("default", "k", facts.source, facts.tags) is (tag in tags)
    assert all(knows(facts, one) for one in given_names)


def test_names_given_twice_change_nothing() -> None:
    facts = with_names(make_entry(source="s").facts, own("t", "x"))
    assert with_names(facts, own("t", "x")) == facts
    assert with_names(make_entry(source="s").facts, Names(source="s", tags=())) == make_entry(source="s").facts


def test_one_of_another_source_is_not_known_yet() -> None:
    facts = with_names(make_entry(source="s").facts, own("s", "x"))
    assert knows(facts, own("s", "x"))
    assert not knows(facts, own("t", "x"))
    assert not knows(facts, own("s", "x", "y"))


def test_with_too_many_names_it_goes_with_every_purge_of_its_tenant() -> None:
    facts = make_entry(source="s", tenant="a").facts
    for number in range(MOST_TAGS):
        facts = with_names(facts, own(f"https://x/{number}"))
        assert len(facts.tags) <= MOST_TAGS
    assert facts.tags == (ANY,) or ANY in facts.tags
    assert knows(facts, own("https://never.seen/"))
    assert with_names(facts, own("https://x/0")).tags.count(ANY) == 1
    for selector in (select(Scope.TAG, "whatever"), select(Scope.SOURCE, "other"), select(Scope.PREFIX, "q")):
        assert selector.matches("a", "k", facts.source, facts.tags)
        assert not select(selector.scope, selector.value, "b").matches("a", "k", facts.source, facts.tags)
    assert not select(Scope.KEY, "other").matches("a", "k", facts.source, facts.tags)
