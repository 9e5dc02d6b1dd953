"""Refused unread: most of a flood, and nobody else."""

from __future__ import annotations

import random

import pytest
from msgspec import structs

from tests.admission.loads import Stream, Work, steady
from tests.admission.simulation import Outcome, Simulation
from tests.admission.test_handed import wants
from tests.admission.test_simulation import CAPACITY, MS, RULES
from tintype.admission import unread as deciding
from tintype.admission.asker import Asker, Lane
from tintype.admission.costs.expect import Expectation
from tintype.admission.gate import Gate
from tintype.admission.unread import Unread
from tintype.admission.weighing.backlog import Backlog
from tintype.admission.weighing.scales import Patience

SEEDS = [1, 2]
PER_S = 1000.0
LANE = Lane.INTERACTIVE


class Stand:
    """A gate with more before it than anybody waits for, asked a thousand times a second by one tenant."""

    def __init__(self) -> None:
        self.backlog = Backlog(RULES)
        self.gate = Gate(self.backlog, Expectation(50.0), Patience(0.5, 0.8), most=10_000)
        self.unread = Unread(self.gate)
        self.charges = [self.backlog.add(Asker("a", str(n)), 100.0, fetched=True) for n in range(100)]
        self.now, self.number = 10.0, 0

    def ask(self, client: str = "", *, wanted: bool = False) -> str:
        """Return what becomes of one: refused `unread`, or once it is read `refused` or `let` through, as what is `wanted` is."""
        self.now += 1 / PER_S
        self.number += 1
        if self.unread.refused("a", client, LANE, self.now) is not None:
            return "unread"
        asker = structs.replace(wants(self.number), client=client)
        shed = None if wanted else self.gate.hand_on(asker, "host", self.now)
        self.unread.read(asker, shed, self.now)
        return "let" if shed is None else "refused"

    def flood(self, count: int = 300) -> None:
        assert "let" not in {self.ask() for _ in range(count)}

    def done(self) -> None:
        """Have all work done."""
        while self.charges:
            self.gate.leave(self.charges.pop())


def test_a_flood_is_read_until_all_of_a_row_were_refused_and_then_hardly() -> None:
    stand = Stand()
    heard = [stand.ask() for _ in range(3000)]
    assert set(heard[:256]) == {"refused"}
    assert 0.9 < heard[300:].count("unread") / 2700 < 0.95
    assert max(map(len, "".join(one[0] for one in heard[300:]).split("r"))) < 16


def test_when_there_is_room_it_is_found_at_once_and_soon_nobody_is_refused() -> None:
    stand = Stand()
    stand.flood(1000)
    stand.done()
    heard = [stand.ask() for _ in range(110)]
    assert "let" in heard
    stand.now += 0.2
    assert all(stand.ask() != "unread" for _ in range(20))
    stand.now += 1.0
    stand.done()
    assert {stand.ask() for _ in range(5)} == {"let"}


def test_one_that_is_let_through_for_what_it_wants_has_all_of_the_next_read() -> None:
    stand = Stand()
    stand.flood(1000)
    heard = []
    while "let" not in heard:
        heard.append(stand.ask(wanted=True))
    assert len(heard) < 50
    assert {stand.ask() for _ in range(250)} == {"refused"}


@pytest.mark.parametrize("part", [0.002, 0.005, 0.01, 0.015, 0.03, 0.1])
def test_few_are_refused_in_error_however_many_want_what_is_there(part: float) -> None:
    rng, stand, wrong = random.Random(1), Stand(), 0
    asked = 60_000
    for _ in range(asked):
        wanted = rng.random() < part
        wrong += stand.ask(wanted=wanted) == "unread" and wanted
    assert wrong / asked < (0.007 if part < 0.03 else 0.0005)


def test_others_are_read() -> None:
    stand = Stand()
    for _ in range(20):  # so that what is refused is this client's own
        stand.charges.append(stand.backlog.add(Asker("a", "flood"), 100.0, fetched=True))
    heard = [stand.ask("flood") for _ in range(400)]
    assert "unread" in heard[-2:]
    assert stand.unread.refused("a", "modest", LANE, stand.now) is None
    assert stand.unread.refused("a", "flood", Lane.PREFETCH, stand.now) is None
    assert stand.unread.refused("b", "flood", LANE, stand.now) is None


def test_of_many_clients_who_have_nothing_here_each_goes_by_all() -> None:
    stand = Stand()
    heard = [stand.ask(f"{number}.new") for number in range(1000)]
    assert heard[500:].count("unread") > 450
    stand.done()
    stand.now += 0.3
    assert stand.ask("1001.new") == "let"


def test_the_names_that_are_remembered_are_bounded() -> None:
    stand = Stand()
    for number in range(3000):
        client = f"{number}"
        stand.charges.append(stand.backlog.add(Asker("a", client), 100.0, fetched=True))
        stand.ask(client)
    assert len(vars(stand.unread)["_lately"]) <= 1000


def test_what_was_refused_unread_is_paid_for_with_the_next_that_is_read() -> None:
    stand = Stand()
    stand.flood(300)
    stand.gate.owed()
    heard = [stand.ask() for _ in range(1000)]
    while heard[-1] == "unread":
        heard.append(stand.ask())
    assert sum(stand.gate.owed().values()) == pytest.approx(0.0003 * len(heard), rel=0.02)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_flood_of_one_tenant_beside_modest_ones_is_refused_unread_and_alone(seed: int) -> None:
    modest = [Stream(Asker(f"modest{number}"), 0.05 * CAPACITY, steady(MS)) for number in range(9)]
    node = Simulation([Stream(Asker("flood"), 10 * CAPACITY, steady(MS)), *modest], RULES, seed=seed)
    outcomes = node.run(20.0)
    flood = outcomes.pop("flood//INTERACTIVE")
    assert node.refused_unread > 0.8 * flood.refused
    assert sum(one.refused for one in outcomes.values()) == 0
    assert flood.in_time / 20 >= 0.45 * CAPACITY


def answered(streams: list[Stream], seed: int, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Outcome]]:
    """Return what becomes of a load where most is refused unread, and where all is read."""
    heard = []
    for row in (256, 10**9):
        monkeypatch.setattr(deciding, "_ROW", row)
        node = Simulation(streams, RULES, seed=seed)
        heard.append(node.run(20.0))
        assert (node.refused_unread > 1000) is (row == 256)
    return heard


@pytest.mark.parametrize("seed", SEEDS)
def test_to_refuse_unread_answers_as_much_as_to_read_all(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    unread, read = answered([Stream(Asker("a"), 10 * CAPACITY, steady(MS))], seed, monkeypatch)
    assert unread["a//INTERACTIVE"].in_time >= 0.99 * read["a//INTERACTIVE"].in_time


@pytest.mark.parametrize("seed", SEEDS)
def test_who_wants_what_many_want_has_it_in_a_flood_too(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def hot(rng: random.Random) -> Work:
        return Work(MS, MS, key=f"{rng.random():.2f}")

    streams = [Stream(Asker("a"), 10 * CAPACITY, steady(MS)), Stream(Asker("a", "crowd"), 50 * CAPACITY, hot)]
    unread, read = answered(streams, seed, monkeypatch)
    assert unread["a/crowd/INTERACTIVE"].in_time >= 0.98 * read["a/crowd/INTERACTIVE"].in_time
