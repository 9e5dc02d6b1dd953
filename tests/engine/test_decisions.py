"""The pure parts of the pool: poison, exits, turnover, pauses. No process, no clock."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.core.limits import Limits
from tintype.engine.exits import read_exit
from tintype.engine.poison import PoisonLedger, Suspect
from tintype.engine.process import environment
from tintype.engine.settings import Isolation
from tintype.engine.starts import pause_s
from tintype.engine.turnover import Owner, Service, Turnover
from tintype.worker.sandbox.paths import outermost

A: Suspect = ("tenant", "digest", "plan")


def test_a_suspect_is_refused_from_the_second_crash_until_its_time_is_up() -> None:
    ledger = PoisonLedger(crashes=2, poison_s=60)
    assert not ledger
    assert ledger.crashed(A, now=100) == 1
    assert ledger.refused_s(A, now=100) == 0
    assert ledger.crashed(A, now=130) == 2
    assert ledger.refused_s(A, now=130) == 60
    assert ledger.refused_s(A, now=189.5) == 0.5
    assert ledger.refused_s(A, now=190) == 0
    assert ledger.crashed(A, now=191) == 1  # it starts anew


def test_crashes_far_apart_do_not_add_up() -> None:
    ledger = PoisonLedger(crashes=2, poison_s=60)
    for n in range(10):
        assert ledger.crashed(A, now=n * 60.0) == 1


@pytest.mark.parametrize("other", [("other", *A[1:]), (A[0], "other", A[2]), (*A[:2], "other")])
def test_nobody_else_is_refused(other: Suspect) -> None:
    ledger = PoisonLedger(crashes=1, poison_s=60)
    ledger.crashed(A, now=0)
    assert ledger.refused_s(A, now=1) > 0
    assert ledger.refused_s(other, now=1) == 0


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 50)), max_size=200), st.integers(1, 10))
def test_the_ledger_is_bounded_and_agrees_with_a_plain_count(crashes: list[tuple[int, float]], most: int) -> None:
    """Against a list of all crashes: never refused with fewer, always with as many if it is still remembered."""
    ledger = PoisonLedger(crashes=2, poison_s=60, most=most)
    history: dict[int, tuple[int, float]] = {}  # crashes in a row, the last one's time
    now = 0.0
    for number, later in crashes:
        now += later
        row, last = history.get(number, (0, -1e9))
        history[number] = (row + 1 if now < last + 60 else 1, now)
        ledger.crashed(("t", str(number), "p"), now)
        assert len(ledger) <= most
    for number, (row, last) in history.items():
        refused = ledger.refused_s(("t", str(number), "p"), now)
        if row < 2 or now >= last + 60:
            assert refused == 0
        assert 0 <= refused < 60.001  # sums of floats


@given(st.lists(st.integers(0, 5), max_size=50))
def test_with_room_for_all_the_ledger_forgets_nothing(crashes: list[int]) -> None:
    ledger = PoisonLedger(crashes=2, poison_s=60, most=6)
    for number in crashes:
        ledger.crashed(("t", str(number), "p"), now=0)
    for number in range(6):
        assert (ledger.refused_s(("t", str(number), "p"), now=1) > 0) == (crashes.count(number) >= 2)


@pytest.mark.parametrize("name", ["SEGV", "BUS", "ABRT", "SYS", "ILL", "FPE", "TRAP", "XCPU"])
def test_crashes_are_the_image_s(name: str) -> None:
    assert read_exit(-getattr(signal, f"SIG{name}")).guilty


@pytest.mark.parametrize("name", ["KILL", "TERM", "INT", "HUP"])
def test_signals_from_outside_are_not(name: str) -> None:
    end = read_exit(-getattr(signal, f"SIG{name}"))
    assert not end.guilty
    assert end.cause == f"SIG{name}"


def test_a_decoder_that_exits_is_a_crash_and_odd_signals_are_read() -> None:
    assert read_exit(0).guilty
    assert read_exit(1).guilty
    assert read_exit(-63).cause == "signal 63"
    assert read_exit(-signal.SIGXCPU).reason == "cpu"
    assert read_exit(-signal.SIGSEGV).reason == "crash"


TURNOVERS = {
    isolation: Turnover.of(isolation, Limits(worker_images=10, worker_rss_bytes=100)) for isolation in Isolation
}
OWNERS = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["1", "2"]))
SERVICES = st.builds(Service, st.integers(0, 20), st.integers(0, 200), st.none() | OWNERS)


@given(SERVICES, OWNERS)
def test_who_may_serve_whom(service: Service, owner: Owner) -> None:
    assert TURNOVERS[Isolation.NODE].may_serve(service, owner)
    if TURNOVERS[Isolation.TENANT].may_serve(service, owner):
        assert service.tenant in (None, owner[0])
    if TURNOVERS[Isolation.IMAGE].may_serve(service, owner):
        assert service.fresh or (service.owner == owner and service.images == 0)


@given(SERVICES, OWNERS)
def test_a_worker_is_kept_for_one_image_and_for_as_long_as_it_may_render_it(service: Service, owner: Owner) -> None:
    assert not TURNOVERS[Isolation.NODE].kept(service)
    assert not TURNOVERS[Isolation.TENANT].kept(service)
    if TURNOVERS[Isolation.IMAGE].kept(service):
        assert TURNOVERS[Isolation.IMAGE].may_serve(service, owner) == (service.owner == owner)


@given(SERVICES)
def test_when_a_worker_is_spent(service: Service) -> None:
    grown = service.images >= 10 or service.rss_bytes >= 100
    assert TURNOVERS[Isolation.NODE].spent(service) == grown
    assert TURNOVERS[Isolation.TENANT].spent(service) == grown
    assert TURNOVERS[Isolation.IMAGE].spent(service) == (service.images > 0)


def test_why_a_worker_was_replaced() -> None:
    assert TURNOVERS[Isolation.NODE].reason(Service(10, 1, ("a", "1"))) == "images"
    assert TURNOVERS[Isolation.NODE].reason(Service(1, 100, ("a", "1"))) == "memory"
    assert TURNOVERS[Isolation.TENANT].reason(Service(1, 1, ("a", "1"))) == "tenant"


@given(st.integers(0, 10_000))
def test_pauses_grow_and_are_bounded(failures: int) -> None:
    assert 0 <= pause_s(failures) <= pause_s(failures + 1) <= 10
    assert (pause_s(failures) == 0) == (failures == 0)


def test_nothing_of_our_environment_reaches_a_worker_but_where_libraries_and_fonts_are() -> None:
    ours = {"SECRET": "x", "PATH": "/bin", "AWS_ACCESS_KEY_ID": "x", "FONTCONFIG_PATH": "/fonts", "LD_LIBRARY_PATH": ""}
    theirs = environment(ours)
    assert "FONTCONFIG_PATH" in theirs
    assert not {"SECRET", "PATH", "AWS_ACCESS_KEY_ID", "LD_LIBRARY_PATH"} & set(theirs)


PATHS = st.lists(st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=4).map(lambda p: "/" + "/".join(p)))


@given(PATHS)
def test_outermost_covers_all_and_repeats_nothing(paths: list[str]) -> None:
    kept = outermost(paths)
    assert all(any((path + "/").startswith(other + "/") for other in kept) for path in paths)
    assert not [a for a in kept for b in kept if a != b and a.startswith(b + "/")]
