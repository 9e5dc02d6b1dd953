"""What `use` elements add to a drawing is counted, whatever the order, nesting and loops of their references."""

from __future__ import annotations

import pytest
from bench.bombs import svg_uses

from tests.worker.pictures import svg
from tintype.core.errors import ImageTooLarge
from tintype.worker.svg import sanitise
from tintype.worker.svg.uses import Uses

Element = tuple[str, str | None, str | None] | None


def added(*elements: Element) -> int:
    """Count over elements as (name, id, href); None ends the one that was begun last."""
    uses = Uses()
    for one in elements:
        if one is None:
            uses.end()
        else:
            uses.start(*one)
    return uses.added()


def test_nothing_is_added_without_uses() -> None:
    assert added(("svg", None, None), ("g", "a", None), ("rect", None, None), None, None, None) == 0


def test_a_use_adds_what_it_shows_and_not_itself() -> None:
    group = (("g", "a", None), ("rect", None, None), None, ("rect", None, None), None, None)
    assert added(("svg", None, None), *group, ("use", None, "#a"), None, None) == 3
    assert added(("svg", None, None), ("use", None, " #a"), None, *group, ("use", None, "#a"), None, None) == 6


def test_uses_multiply() -> None:
    levels: list[Element] = [("svg", None, None), ("g", "g0", None), None]
    for n in range(1, 4):
        levels += [("g", f"g{n}", None), *(("use", None, f"#g{n - 1}"), None) * 10, None]
    # g1 draws 11 + 10 x 1, g2 11 + 10 x 21, g3 11 + 10 x 221; written are 1 + 11 + 11 + 11.
    assert added(*levels, None) == (1 + 21 + 221 + 2221) - 34


def test_a_part_inside_another_counts_with_it() -> None:
    inner = (("g", "in", None), ("rect", None, None), None, None)
    assert added(("svg", None, None), ("g", "out", None), *inner, None, ("use", None, "#out"), None, None) == 3


@pytest.mark.parametrize("target", ["#a", "#svg", "#nowhere", "#", "other.svg#a", ""])
def test_loops_and_dead_references_end(target: str) -> None:
    assert added(("svg", "svg", None), ("g", "a", None), ("use", None, target), None, None, None) <= 3


def test_a_long_chain_is_no_deep_recursion() -> None:
    chain: list[Element] = [("svg", None, None)]
    for n in range(100_000):
        chain += [("g", f"g{n}", None), *(("use", None, f"#g{n + 1}"), None) * 2, None]
    assert added(*chain, None) > 100_000_000


def test_a_bomb_of_uses_is_refused() -> None:
    with pytest.raises(ImageTooLarge, match="use elements draw more than"):
        sanitise(svg_uses(12))
    assert sanitise(svg_uses(4))


def test_symbols_used_often_are_fine() -> None:
    many = "".join(f'<use href="#s" x="{n}"/>' for n in range(9000))
    assert sanitise(svg(f'<symbol id="s"><path d="M0 0L9 9"/></symbol>{many}').encode())
