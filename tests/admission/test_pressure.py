"""Whether less is made of a render: while the node is pressed, or where the whole would be refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.admission.asker import Asker
from tintype.admission.costs.expect import Expectation
from tintype.admission.gate import Gate
from tintype.admission.order.queue import Rules
from tintype.admission.pressure import Outlook, lightest_needed
from tintype.admission.weighing.backlog import Backlog, Charge
from tintype.admission.weighing.scales import Patience

A, B = Asker("a"), Asker("b")
CALM, PRESSED, REFUSED = Outlook(True, False), Outlook(True, True), Outlook(False, True)
OUTLOOKS = st.builds(Outlook, st.booleans(), st.booleans())


@pytest.mark.parametrize(
    ("full", "cheaper", "made"),
    [
        (CALM, [CALM, CALM], None),  # nobody waits long
        (PRESSED, [], None),  # there is nothing cheaper
        (PRESSED, [PRESSED, PRESSED], 0),  # the first that fits
        (PRESSED, [REFUSED, PRESSED], 1),
        (PRESSED, [REFUSED, REFUSED], None),  # patience is for what takes long, too
        (REFUSED, [PRESSED], 0),  # the whole would be refused, the cheaper fits
        (Outlook(False, False), [CALM], 0),
        (REFUSED, [REFUSED, REFUSED], None),  # so that it is refused, for its own reason
    ],
)
def test_which_form_is_made(full: Outlook, cheaper: list[Outlook], made: int | None) -> None:
    assert lightest_needed(full, cheaper) == made


@given(OUTLOOKS, st.lists(OUTLOOKS, max_size=4))
def test_less_is_only_made_where_it_fits_and_is_needed(full: Outlook, cheaper: list[Outlook]) -> None:
    at = lightest_needed(full, cheaper)
    if at is None:
        assert full.easy or not any(one.fits for one in cheaper)
    else:
        assert cheaper[at].fits
        assert not full.easy
        assert not any(one.fits for one in cheaper[:at])


def gate(*ahead_ms: float, workers: int = 1, burst_s: float = 0.8) -> Gate:
    whole = Backlog(Rules(workers, heavy_ms=250.0))
    for ms in ahead_ms:
        whole.add(A, ms, fetched=True)
    return Gate(whole, Expectation(50.0), Patience(0.5, burst_s), most=1000)


def test_a_page_full_of_images_is_no_pressure_but_what_lasts_is() -> None:
    door = gate(400.0)
    times = [0.0, 0.7, 0.9, 2.5, 5.0, 5.5, 6.0]
    assert [door.outlook(A, 20, now).pressed for now in times] == [False, False, True, True, False, False, True]


def test_who_waits_little_is_not_pressed_however_long_the_crowd_lasts() -> None:
    door = gate(200.0)
    assert not any(door.outlook(A, 20, now / 10).pressed for now in range(50))


def test_one_tenant_s_crowd_is_no_pressure_on_another() -> None:
    door = gate(*[400.0] * 4)
    assert [door.outlook(A, 20, now).pressed for now in (0.0, 1.0)] == [False, True]
    assert [door.outlook(B, 20, now).pressed for now in (0.0, 1.0)] == [False, False]


def test_work_that_is_being_fetched_presses_too() -> None:
    door = gate()
    for _ in range(10):
        door.admit(A, 45, 0.0)
    assert [door.outlook(A, 20, now).pressed for now in (0.0, 1.0)] == [False, True]


def test_what_is_heavy_would_be_refused_where_a_lighter_form_has_a_worker() -> None:
    door = gate(*[2000.0] * 8, workers=2)
    assert not door.outlook(A, 300, 0.0).fits
    assert door.outlook(A, 200, 0.0).fits


def test_nobody_is_pressed_where_patience_is_endless() -> None:
    door = Gate(Backlog(Rules(1)), Expectation(50.0), Patience(math.inf, math.inf), most=10)
    door.admit(A, 1e9, 0.0)
    assert all(door.outlook(A, 20, now) == CALM for now in (0.0, 100.0))


@given(st.lists(st.floats(1, 2000), max_size=12), st.floats(1, 2000), st.integers(1, 4))
def test_an_outlook_charges_nothing_and_says_what_will_be(ahead: list[float], ms: float, workers: int) -> None:
    door = gate(*ahead, workers=workers)
    fits = [door.outlook(A, ms, 0.0).fits for _ in range(3)]
    assert fits == [isinstance(door.admit(A, ms, 0.0, fetched=True), Charge)] * 3
