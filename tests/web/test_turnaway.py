"""What is turned away before it reaches the event loop, and what never is."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cache.support import TickingClock, make_entry
from tests.sources.conftest import Lasting
from tintype.admission.asker import Asker, Lane
from tintype.admission.costs.expect import Expectation
from tintype.admission.gate import Gate
from tintype.admission.order.queue import Rules
from tintype.admission.weighing.backlog import Backlog, Charge
from tintype.admission.weighing.scales import Patience
from tintype.cache.ram import RamCache
from tintype.cache.tiers import Tiers
from tintype.core.asked import Asked
from tintype.core.degrade import Degraded
from tintype.core.errors import Shed
from tintype.core.limits import Limits
from tintype.core.pipeline import Pipeline, Resize, SourceRef
from tintype.core.purges import Purges
from tintype.core.tenant import DeliverySettings, Tenant
from tintype.dialects.imgproxy import Imgproxy
from tintype.dialects.imgproxy.settings import ImgproxySettings
from tintype.ports import Forwarded
from tintype.services.make import pipeline_tag
from tintype.sources.assemble import open_sources
from tintype.sources.settings import SourceSettings
from tintype.sources.sources import SourceStore
from tintype.telemetry.node import NodeTelemetry
from tintype.telemetry.settings import TelemetrySettings
from tintype.web.mounts import Mount, Mounts, Site
from tintype.web.proxies import Proxies
from tintype.web.pulse import Pulse
from tintype.web.refuser import Refuser
from tintype.web.reply import Messages
from tintype.web.settings import ServerSettings
from tintype.web.turnaway import TurnAway

NEW, KNOWN = "local:///new.jpg", "local:///known.jpg"


class StillClock(TickingClock):
    """Time that passes when it is told to: a refusal is good for 20 ms."""

    def monotonic(self) -> float:
        return 1000.0 + self.ahead_s


class Stand:
    """A gate with more before it than anybody waits for, and who is turned away by it."""

    def __init__(
        self,
        folder: Path,
        *,
        prefix: str = "",
        secret: str = "",
        degrade: tuple[Degraded, ...] = (),
        tenants: Sequence[Tenant] = (),
    ) -> None:
        self.clock, self.log, self.asked = StillClock(), io.StringIO(), 0
        self.telemetry = NodeTelemetry(TelemetrySettings(), out=self.log, strict=True)
        rules = Rules(workers=1)
        self.backlog, self.charges = Backlog(rules), list[Charge]()
        self.gate = Gate(self.backlog, Expectation(50.0), Patience(0.25, 0.25), most=100)
        (folder / "root").mkdir()
        (folder / "root" / "known.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
        settings = SourceSettings(local_root=str(folder / "root"))
        self.sources: SourceStore = open_sources(
            settings, Lasting(), Limits(), folder / "sources", self.telemetry, self.clock, self.gate
        )
        keys = ImgproxySettings(keys=("11",), salts=("22",), trusted_signatures=("trusted",))
        tenants = tenants or [
            Tenant(name="red", prefix="/red", delivery=DeliverySettings(secret=secret), degrade=degrade),
            Tenant(name="blue", prefix="/blue"),
        ]
        self.refuser = Refuser(self.clock, self.telemetry)
        site = Site(Mounts.of([Mount(tenant, Imgproxy(keys)) for tenant in tenants]))
        proxies, self.pulse = Proxies(["10.0.0.1"]), Pulse(self.clock.monotonic, self.tell, self.gate.let_go)
        self.cache = Tiers(RamCache(1_000_000, telemetry=self.telemetry), (), purges=Purges(), clock=self.clock)
        self.away = TurnAway(
            site,
            self.gate,
            self.sources,
            self.cache,
            self.clock,
            self.refuser,
            Limits(),
            proxies,
            self.pulse,
            ServerSettings(path_prefix=prefix, health_path="/alive"),
        )

    def tell(self) -> None:
        self.refuser.tell(self.telemetry)

    def crowd(
        self,
        tenant: str = "red",
        lane: Lane = Lane.INTERACTIVE,
        *,
        client: str = "",
        works: int = 10,
        wants: Pipeline | None = None,
    ) -> None:
        """Have a fetch of a tenant's client refused."""
        asker = Asker(tenant, client, lane, pipeline=wants)
        self.charges += [self.backlog.add(asker, 100.0, fetched=True) for _ in range(works)]
        with pytest.raises(Shed):
            self.gate.fetch(asker, "host", self.clock.monotonic())

    def empty(self) -> None:
        """Have the crowd's work done."""
        while self.charges:
            self.gate.leave(self.charges.pop())

    async def know(self, url: str, tenant: str = "red") -> None:
        asker = Asker(tenant, deadline=self.clock.monotonic() + 20)
        await self.sources.bind(asker, SourceRef(url=url), Forwarded())
        self.gate.let_go(asker)  # as a request's end does
        async with asyncio.timeout(60):  # the table of what is known is read by a thread
            while self.sources.may_know(tenant, SourceRef(url="local:///unknown.jpg"), Forwarded()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    def ask(
        self, url: str = NEW, *, at: str = "/red/trusted/w:10/plain/", peer: str = "10.0.0.1", **headers: bytes
    ) -> Messages | None:
        scope: dict[str, Any] = {"method": "GET", "raw_path": f"{at}{url}".encode(), "query_string": b""}
        scope["client"] = (peer, 1)
        given = {name.replace("_", "-").encode(): value for name, value in headers.items()}
        self.asked += 1
        return self.away(scope, given, b"id%d" % (self.asked - 1), self.clock.monotonic())


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    made = Stand(tmp_path)
    yield made
    await made.sources.close()


async def test_what_is_refused_is_told_when_to_come_back_and_is_counted(stand: Stand) -> None:
    await stand.know(KNOWN)  # the table of what is known has been read
    stand.crowd()
    answer = stand.ask()
    assert answer is not None
    start, body = answer
    headers = dict(start["headers"])
    assert (start["status"], body["body"]) == (503, b"Service is overloaded")
    assert int(headers[b"retry-after"]) in (1, 2)
    assert headers[b"x-tintype-error"].startswith(b"shed: it would wait 0.9")
    assert headers[b"content-length"] == b"21"
    stand.telemetry.close()
    line = json.loads(stand.log.getvalue().splitlines()[-1])
    told = {name: line[name] for name in ("event", "status", "tenant", "outcome", "error", "request_id")}
    assert told == {
        "event": "request",
        "status": 503,
        "tenant": "red",
        "outcome": "shed",
        "error": "shed",
        "request_id": "id0",
    }
    assert line["path"].endswith("/w:10/plain/local:///new.jpg")
    exposed = stand.telemetry.exposition().decode()
    assert 'tintype_requests_total{outcome="shed",status="5xx",tenant="red"} 1.0' in exposed
    assert 'tintype_sheds_total{reason="wait"} 1.0' in exposed


async def test_of_a_crowd_a_few_lines_are_logged_and_how_many_more_it_was(stand: Stand) -> None:
    await stand.know(KNOWN)
    stand.crowd()
    assert all(stand.ask(f"local:///new{number}.jpg") for number in range(25))
    stand.clock.ahead_s += 0.05
    stand.tell()
    stand.tell()
    stand.clock.ahead_s += 1.0
    stand.crowd()
    assert stand.ask() is not None
    stand.tell()
    lines = [json.loads(line) for line in stand.log.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["request"] * 10 + ["requests_refused", "request"]
    assert {name: lines[10][name] for name in ("tenant", "reason", "requests")} == {
        "tenant": "red",
        "reason": "wait",
        "requests": 15,
    }
    assert 'tintype_sheds_total{reason="wait"} 26.0' in stand.telemetry.exposition().decode()


async def test_who_is_refused_alike_is_told_the_same_but_for_the_id_and_when_to_come_back(stand: Stand) -> None:
    await stand.know(KNOWN)
    stand.crowd()
    answers = [stand.ask(), stand.ask()]
    heads = [dict(answer[0]["headers"]) for answer in answers if answer]
    assert len(heads) == 2
    assert {name for name in heads[0] if heads[0][name] != heads[1][name]} <= {b"x-request-id", b"retry-after"}
    assert {head.pop(b"x-request-id") for head in heads} == {b"id0", b"id1"}
    assert all(int(head[b"retry-after"]) in (1, 2) for head in heads)


async def test_nobody_is_turned_away_while_nobody_was_refused(stand: Stand) -> None:
    await stand.know(KNOWN)
    assert stand.ask() is None


async def test_of_sources_that_are_known_only_what_needs_a_worker_is_turned_away(stand: Stand) -> None:
    await stand.know(KNOWN)
    stand.crowd()
    assert stand.ask(KNOWN) is not None
    assert stand.ask(KNOWN, if_none_match=b'"key"') is None
    assert stand.ask(KNOWN, at="/red/trusted/raw:1/plain/") is None
    assert stand.ask(KNOWN, at="/red/trusted/skp:jpg/w:10/plain/") is None
    asked = Imgproxy(ImgproxySettings()).parse(f"/x/w:10/plain/{KNOWN}", 0.0)
    await stand.cache.put("key", make_entry(at=stand.clock.now(), tags=(pipeline_tag(asked),)))
    assert stand.ask(KNOWN) is None  # it may be what the cache has
    assert stand.ask(KNOWN, at="/red/trusted/w:11/plain/") is not None
    stand.empty()
    stand.clock.ahead_s += 0.2
    assert stand.ask(KNOWN, at="/red/trusted/w:11/plain/") is None  # there is a worker


async def test_who_may_get_a_larger_result_is_not_turned_away(tmp_path: Path) -> None:
    stand = Stand(tmp_path, degrade=(Degraded.LARGER,))
    await stand.know(KNOWN)
    stand.crowd()
    assert stand.ask(KNOWN) is None
    assert stand.ask(NEW) is not None
    await stand.sources.close()


async def test_a_refusal_is_good_for_its_client_and_for_all_if_it_had_no_work_here(stand: Stand) -> None:
    await stand.know(KNOWN)
    stand.crowd(client="203.0.113.9")
    assert stand.ask(x_forwarded_for=b"203.0.113.9") is not None
    assert stand.ask(x_forwarded_for=b"203.0.113.8") is None  # another client has its own share
    assert stand.ask(x_forwarded_for=b"203.0.113.9", peer="198.51.100.1") is None
    assert stand.ask() is None
    stand.clock.ahead_s += 0.03
    for number in range(10):
        stand.backlog.add(Asker("red", str(number)), 100.0, fetched=True)
    stand.crowd(client="203.0.113.7", works=0)
    other = "local:///other.jpg"
    assert stand.ask(other, x_forwarded_for=b"203.0.113.8") is not None
    assert stand.ask(other, x_forwarded_for=b"203.0.113.8", priority=b"u=7", peer="198.51.100.1") is not None


async def test_others_than_who_was_refused_are_weighed_by_themselves(stand: Stand) -> None:
    await stand.know(KNOWN)
    stand.crowd()
    assert stand.ask(at="/blue/trusted/w:10/plain/") is None  # has a share of its own
    assert stand.ask(sec_purpose=b"prefetch") is not None  # comes after those who were refused
    assert stand.ask() is not None


async def test_what_is_not_heavy_is_weighed_though_what_is_was_refused(stand: Stand) -> None:
    await stand.know(KNOWN)
    dear = "local:///new.avif"
    for url, ms in ((dear, 600.0), (NEW, 8.0)):
        wants = Pipeline.of(SourceRef(url=url), Resize(width=10))
        for _ in range(30):
            stand.gate.expected.likely.learn(Asker("red", pipeline=wants), ms)
    stand.crowd(wants=Pipeline.of(SourceRef(url=dear), Resize(width=10)), works=40)
    stand.empty()
    assert stand.ask(NEW) is None
    assert stand.ask(dear) is not None  # unweighed


async def test_a_refusal_is_good_for_a_moment(stand: Stand) -> None:
    await stand.know(KNOWN)
    stand.crowd()
    assert stand.ask() is not None
    stand.clock.ahead_s += 0.6
    assert stand.ask() is None  # weighed by the usual way


async def test_who_is_weighed_and_would_be_refused_is_turned_away_too(stand: Stand) -> None:
    await stand.know(KNOWN)
    stand.crowd()
    for _ in range(10):  # the last of them long after the first refusal: these were refusals as well
        stand.clock.ahead_s += 0.2
        assert stand.ask() is not None


async def test_who_is_weighed_and_has_room_is_let_pass(stand: Stand) -> None:
    await stand.know(KNOWN)
    stand.crowd()
    stand.empty()
    stand.clock.ahead_s += 0.2
    assert [stand.ask(f"local:///{number}.jpg") is None for number in range(3)] == [True, False, False]
    assert stand.ask("local:///0.jpg") is None  # joins the first


async def test_prefetches_are_turned_away_by_themselves(stand: Stand) -> None:
    await stand.know(KNOWN)
    stand.crowd(lane=Lane.PREFETCH)
    assert stand.ask(sec_purpose=b"prefetch;prerender") is not None
    assert stand.ask() is None


async def test_while_the_event_loop_is_late_with_much_whatever_would_wait_for_it_is_turned_away(stand: Stand) -> None:
    await stand.know(KNOWN)
    beating = asyncio.ensure_future(stand.pulse.beat())
    await asyncio.sleep(0)
    beating.cancel()
    stand.clock.ahead_s += 0.7
    assert stand.ask(KNOWN) is None  # may be chance
    stand.pulse.running = 100
    for url in (KNOWN, NEW):
        answer = stand.ask(url)
        assert answer is not None
        assert dict(answer[0]["headers"])[b"x-tintype-error"].startswith(b"shed: the node is 0.7")
    assert stand.ask(at="/red/wrong/w:10/plain/") is not None  # nothing is read
    assert stand.ask(at="/health", url="") is None
    assert 'tintype_sheds_total{reason="front"} 3.0' in stand.telemetry.exposition().decode()
    beating = asyncio.ensure_future(stand.pulse.beat())
    await asyncio.sleep(0)
    beating.cancel()
    assert stand.ask(KNOWN) is None


async def test_the_loop_is_late_when_what_was_handed_to_it_is_not_begun(stand: Stand) -> None:
    await stand.know(KNOWN)
    beating = asyncio.ensure_future(stand.pulse.beat())
    await asyncio.sleep(0)
    beating.cancel()
    for _ in range(100):
        stand.pulse.handed((b"", b""))
    work = [stand.backlog.add(Asker("red"), 10.0, fetched=False) for _ in range(7)]
    stand.clock.ahead_s += 0.04
    assert stand.pulse.late_s(stand.clock.monotonic()) == 0
    stand.clock.ahead_s += 0.02
    assert stand.ask() is not None  # 50 ms before a beat of that age would tell
    assert stand.ask(at="/blue/trusted/w:10/plain/") is None  # it is not this tenant's work
    stand.backlog.take_off(work[0])
    assert stand.ask() is None  # no more than a browser asks for at once
    stand.backlog.add(Asker("red"), 10.0, fetched=False)
    for _ in range(100):
        stand.pulse.begin()
    assert stand.ask() is None
    stand.pulse.running = 0


async def test_a_burst_is_refused_where_it_comes_in_as_far_as_it_does_not_fit(stand: Stand) -> None:
    await stand.know(KNOWN)
    few = [stand.ask(f"local:///few{number}.jpg") for number in range(30)]
    assert few == [None] * 30  # nothing is under way, so that nothing is weighed here
    for number in range(6):
        stand.pulse.handed((b"%d" % number, b""))
    answers = [stand.ask(f"local:///new{number}.jpg") for number in range(30)]
    let_in = [answer is None for answer in answers].index(False)
    assert 0 < let_in < 15
    assert None not in answers[let_in:]
    assert stand.ask("local:///new.jpg", at="/blue/trusted/w:10/plain/") is None  # it is not this tenant's burst


async def test_a_burst_over_what_is_there_is_charged_until_each_request_ends(stand: Stand) -> None:
    """Before anything was refused, and before any of it came to a worker."""
    await stand.know(KNOWN)
    for number in range(6):
        stand.pulse.handed((b"%d" % number, b""))
    paths = [f"/red/trusted/w:{width}/plain/" for width in range(10, 40)]
    answers = [stand.ask(KNOWN, at=at) for at in paths]
    let_in = [answer is None for answer in answers].index(False)
    assert 0 < let_in < 15
    assert None not in answers[let_in:]
    assert len(stand.backlog) == let_in
    assert stand.ask(KNOWN, at="/red/trusted/w:10/q:80/plain/") is not None
    assert stand.ask(KNOWN, at=paths[0]) is None  # the same result is not made twice
    for at in paths[:let_in]:
        stand.pulse.begin()
        stand.pulse.end((f"{at}{KNOWN}".encode(), b""))
    assert len(stand.backlog) == 0


async def test_who_wants_what_is_under_way_is_let_through(stand: Stand) -> None:
    await stand.know(KNOWN)
    stand.crowd()
    target = b"/red/trusted/w:10/plain/" + NEW.encode(), b""
    assert stand.ask() is not None
    stand.pulse.begin()
    stand.pulse.handed(target)
    charged = len(stand.backlog)
    assert [stand.ask() for _ in range(5)] == [None] * 5
    assert len(stand.backlog) == charged
    stand.pulse.end(target)
    assert stand.ask() is not None


async def flooded(stand: Stand) -> None:
    """Have so many refused that most of the next are not read."""
    await stand.know(KNOWN)
    stand.crowd()
    for number in range(260):
        stand.clock.ahead_s += 0.0001
        assert stand.ask(f"local:///flood{number}.jpg") is not None


def parsed(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return where targets are noted that are read from now on."""
    noted: list[str] = []
    usual = Imgproxy.parse

    def parse(self: Imgproxy, target: str, now: float) -> Asked:
        noted.append(target)
        return usual(self, target, now)

    monkeypatch.setattr(Imgproxy, "parse", parse)
    return noted


async def test_most_of_a_flood_is_refused_unread_and_told_and_counted_all_the_same(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await flooded(stand)
    before = stand.telemetry.exposition().decode()
    read = parsed(stand, monkeypatch)
    answers = [stand.ask(f"local:///new{number}.jpg") for number in range(160)]
    assert len(read) == 10
    assert {(answer[0]["status"], answer[1]["body"]) for answer in answers if answer} == {
        (503, b"Service is overloaded")
    }
    assert None not in answers
    for name in ('requests_total{outcome="shed",status="5xx",tenant="red"}', 'sheds_total{reason="wait"}'):
        assert f"{name} 260.0" in before
        assert f"{name} 420.0" in stand.telemetry.exposition().decode()


async def test_what_is_logged_of_one_refused_unread_shows_no_more_than_of_others(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await flooded(stand)
    for _ in range(8):  # a second in which it goes on, so that of the next there are lines again
        stand.clock.ahead_s += 0.15
        assert stand.ask() is not None
    read = parsed(stand, monkeypatch)
    secret = "/red/" + "k3" * 30 + "/w:10/plain/" + NEW
    heard = [stand.ask("", at=secret) for _ in range(12)]
    stand.telemetry.close()
    assert not read
    assert None not in heard
    assert "k3k3k3k3k3k3" not in stand.log.getvalue()
    assert "/w:10/plain/local:///new.jpg" in stand.log.getvalue()


@pytest.mark.parametrize(
    "at", ["/health", "/alive", "/ready", "/", "/favicon.ico", "/v1/purge", "/.well-known/x", "/demo/"]
)
async def test_the_nodes_own_paths_are_no_images_whatever_there_is_too_much_of(tmp_path: Path, at: str) -> None:
    stand = Stand(tmp_path, tenants=[Tenant(name="red")])
    await stand.know(KNOWN)
    stand.crowd()
    for number in range(300):
        assert stand.ask(f"local:///{number}.jpg", at="/trusted/w:10/plain/") is not None
    assert [stand.ask("", at=at) for _ in range(20)] == [None] * 20
    await stand.sources.close()


async def test_who_can_have_it_for_nothing_is_not_refused_unread(stand: Stand) -> None:
    await flooded(stand)
    known = [stand.ask(KNOWN, if_none_match=b'"key"') for _ in range(20)]
    assert known == [None] * 20
    stand.pulse.begin()
    stand.pulse.handed((b"/red/trusted/w:10/plain/" + NEW.encode(), b""))
    assert [stand.ask() for _ in range(20)] == [None] * 20
    assert stand.ask(at="/blue/trusted/w:10/plain/") is None
    stand.pulse.running = 0


async def test_what_is_let_through_for_what_it_wants_has_the_next_read(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await flooded(stand)
    heard = [stand.ask(KNOWN, at="/red/trusted/raw:1/plain/") for _ in range(40)]
    assert heard.index(None) < 20
    assert heard[heard.index(None) :].count(None) == 40 - heard.index(None)
    read = parsed(stand, monkeypatch)
    assert all(stand.ask(f"local:///new{number}.jpg") for number in range(100))
    assert len(read) == 100


@pytest.mark.parametrize(
    "at", ["/red/wrong/w:10/plain/", "/red/trusted/zz:10/plain/", "/green/trusted/plain/", "/health", "/"]
)
async def test_what_is_wrong_in_itself_is_told_so_by_the_usual_way(stand: Stand, at: str) -> None:
    await stand.know(KNOWN)
    stand.crowd()
    assert stand.ask(at=at) is None


async def test_a_prefix_of_the_server_and_a_secret(tmp_path: Path) -> None:
    cases: tuple[tuple[str, dict[str, Any], bool], ...] = (
        ("a", {"prefix": "/img"}, True),
        ("b", {"secret": "s"}, False),
    )
    for name, options, away in cases:
        (tmp_path / name).mkdir()
        stand = Stand(tmp_path / name, **options)
        await stand.know(KNOWN)
        stand.crowd()
        at = f"{options.get('prefix', '')}/red/trusted/w:10/plain/"
        assert (stand.ask(at=at) is not None) is away
        if options.get("prefix"):
            assert stand.ask(at=at.replace("/img/", "/imgred/", 1).replace("/imgred/red", "/imgred")) is None
            assert stand.ask(at=at.removeprefix("/img")) is None
        await stand.sources.close()
