"""What the edge keeps and for whom: variants of a source on one node, one render for many, purges that hold."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from tests.e2e.conftest import picture
from tests.e2e.origin import Origin, Page
from tests.edge.edge import EXPIRED_S, Edge, until

pytestmark = [pytest.mark.slow, pytest.mark.alone]

FRESH = {"Cache-Control": "max-age=600", "Content-Type": "image/jpeg", "Last-Modified": "Fri, 01 Jan 2021 00:00:00 GMT"}
CHROME = {"Accept": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"}
FIREFOX = {"Accept": "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"}
# An origin that answers so late does so when all have come who were sent at once, on a busy machine too.
ALL_HAVE_COME_S = 4.0
OLD = {"Accept": "image/png,image/*;q=0.8,*/*;q=0.5"}


def put(origin: Origin, name: str, seed: int, width: int = 400, **headers: str) -> str:
    """Have the origin serve a picture; returns its URL."""
    origin.pages[f"/{name}"] = Page(picture(width, width * 3 // 4, seed), headers={**FRESH, **headers})
    return f"{origin.url}/{name}"


def path(source: str, options: str = "w:100") -> str:
    return f"/unsafe/{options}/plain/{source}"


def renders(edge: Edge) -> float:
    return edge.total("tintype_engine_seconds_count", kind="run")


def decodes(edge: Edge) -> float:
    """Return how often a worker was given an original; other jobs were given a rung."""
    return renders(edge) - edge.total("tintype_rungs_total", use="read")


def test_six_variants_at_once_are_one_fetch_and_one_full_decode(edge: Edge, origin: Origin) -> None:
    source = put(origin, "six.jpg", 1, 4000)
    origin.pages["/six.jpg"].delay_s = ALL_HAVE_COME_S
    before = decodes(edge)
    answers = edge.together(
        [path(source, f"w:{width}/f:{kind}") for width in (320, 640, 800) for kind in ("jpg", "webp")]
    )
    assert [answer.status for answer in answers] == [200] * 6
    assert (origin.count("/six.jpg"), decodes(edge) - before) == (1, 1)
    until(lambda: sum(node.log.count(f"/plain/{source}") for node in edge.nodes) == 6, "not all six are in a log")
    assert sorted(source in node.log for node in edge.nodes) == [False, False, True]


def test_fifty_equal_requests_are_one_render(edge: Edge, origin: Origin) -> None:
    source = put(origin, "fifty.jpg", 2)
    before = renders(edge)
    answers = edge.together([path(source)] * 50)
    assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}
    assert (renders(edge) - before, origin.count("/fifty.jpg")) == (1, 1)


def test_kept_then_confirmed(edge: Edge, origin: Origin) -> None:
    brief = "/brief" + path(put(origin, "kept.jpg", 3))

    def hit() -> bool:  # unless its second is over before it is asked for again
        return edge.state(brief) == (200, "HIT")

    assert edge.state(brief) == (200, "MISS")
    until(hit, "it is not kept")
    time.sleep(EXPIRED_S)
    before = renders(edge)
    again = edge.ask(brief)
    assert again.headers["x-edge"] == "REVALIDATED"
    until(hit, "it is not kept again")
    assert (renders(edge) - before, origin.count("/kept.jpg")) == (0, 1)
    # What others are told is not what the edge is.
    assert again.headers["cache-control"] == "max-age=31536000, public"
    assert "x-accel-expires" not in again.headers


def test_a_purge_holds_within_the_edges_time(edge: Edge, origin: Origin) -> None:
    source = put(origin, "purged.jpg", 4)
    brief = "/brief" + path(source)
    old = edge.ask(brief)
    put(origin, "purged.jpg", 5)
    edge.purge(source)
    # The last moment in which the edge may give what it has, and nobody has asked meanwhile.
    time.sleep(EXPIRED_S)
    new = edge.ask(brief)
    assert new.headers["x-edge"] == "EXPIRED"
    assert (new.status, new.body != old.body, new.headers["etag"] != old.headers["etag"]) == (200, True, True)
    assert edge.ask(brief).body == new.body


def test_each_client_gets_its_format_and_few_copies_are_made(edge: Edge, origin: Origin) -> None:
    source = put(origin, "formats.jpg", 6)
    avif, old = edge.ask(path(source), CHROME), edge.ask(path(source), OLD)
    assert (avif.headers["content-type"], old.headers["content-type"]) == ("image/avif", "image/jpeg")
    assert avif.headers["vary"] == "Accept"
    again = edge.ask(path(source), FIREFOX)
    assert (again.headers["x-edge"], again.body) == ("HIT", avif.body)
    for none in ({"Accept": "*/*"}, {}):
        assert edge.state(path(source), none) == (200, "HIT")


def test_not_modified(edge: Edge, origin: Origin) -> None:
    source = put(origin, "same.jpg", 7)
    first = edge.ask(path(source))
    for condition in (
        {"If-None-Match": first.headers["etag"]},
        {"If-Modified-Since": first.headers["last-modified"]},
        {"If-Modified-Since": "Fri, 01 Jan 2027 00:00:00 GMT"},
    ):
        answer = edge.ask(path(source), condition)
        assert (answer.status, answer.body) == (304, b""), condition
    assert edge.ask(path(source), {"If-None-Match": '"another"'}).body == first.body
    # A browser that has it, and an edge that has it no more, or not yet.
    other = path(source, "w:100/q:70")
    etag = edge.nodes[0].ask(other).headers["etag"]
    assert edge.ask(other, {"If-None-Match": etag}).status == 304


def test_ranges(edge: Edge, origin: Origin) -> None:
    source = put(origin, "parts.jpg", 8)
    not_kept = edge.ask(path(source), {"Range": "bytes=10-19"})
    whole = edge.ask(path(source))
    kept = edge.ask(path(source), {"Range": "bytes=10-19"})
    assert (not_kept.headers["x-edge"], kept.headers["x-edge"]) == ("MISS", "HIT")
    for part in (not_kept, kept):
        assert (part.status, part.body) == (206, whole.body[10:20])
        assert part.headers["content-range"] == f"bytes 10-19/{len(whole.body)}"
    assert edge.ask(path(source), {"Range": "bytes=9999999-"}).status == 416


def test_errors_are_not_kept(edge: Edge, origin: Origin) -> None:
    missing = path(f"{origin.url}/later.jpg")
    assert edge.state(missing) == (404, "MISS")
    assert edge.state(missing) == (404, "MISS")
    assert edge.state(path(origin.url, "w:nonsense"))[0] == edge.state("/nonsense/x.jpg")[0] == 404


def test_answers_for_some_are_not_given_to_others(edge: Edge, origin: Origin) -> None:
    source = put(origin, "some.jpg", 9)
    for device in ("phone", "watch", "phone"):
        assert edge.state(f"/devices{path(source)}", {"X-Device": device}) == (200, "MISS")
    token = {"Authorization": "Bearer open sesame"}
    for _ in range(2):
        assert edge.state(f"/secret{path(source)}", token) == (200, "BYPASS")
        assert edge.state(f"/secret{path(source)}")[0] == 403


def test_queries_make_no_copies(edge: Edge, origin: Origin) -> None:
    source = put(origin, "query.jpg", 10)
    assert edge.state(path(source)) == (200, "MISS")
    assert edge.state(path(source) + "?utm_source=x") == edge.state(path(source) + "?") == (200, "HIT")


def test_what_is_for_the_inside_stays_there(edge: Edge) -> None:
    for inside in ("/v1/purge", "//v1/purge", "/%76%31/purge", "/x/../v1/purge", "/ready", "//ready"):
        assert edge.ask(inside).status == 404, inside
        assert edge.ask(inside, {"Authorization": "Bearer admin"}, method="POST").status == 404
    assert edge.ask("/health").status == 200


def test_clients_are_told_apart_and_none_says_that_it_is_another(edge: Edge, origin: Origin) -> None:
    source = put(origin, "metered.jpg", 30)
    first, second, lie = "127.0.0.8", "127.0.0.9", {"X-Forwarded-For": "127.0.0.7", "Forwarded": "for=127.0.0.7"}

    def status(width: int, client: str, headers: Mapping[str, str] = lie) -> int:
        return edge.ask(f"/metered{path(source, f'w:{width}')}", headers, client=client).status

    assert [status(60, first), status(61, first), status(62, first, {})] == [200, 429, 429]
    assert [status(63, second), status(64, second)] == [200, 429]


def test_requests_have_one_name_on_their_whole_way(edge: Edge, origin: Origin) -> None:
    source = put(origin, "named.jpg", 11)
    assert edge.ask(path(source), {"X-Request-Id": "from-the-client"}).headers["x-request-id"] == "from-the-client"
    until(lambda: any("from-the-client" in node.log for node in edge.nodes), "no node logged the client's name")
    first, second = (edge.ask(path(source)).headers["x-request-id"] for _ in range(2))
    assert first != second
    assert edge.ask(path(source), {"X-Request-Id": "bad one"}).headers["x-request-id"] != "bad one"


def test_originals_come_through_whatever_the_client_says(edge: Edge, origin: Origin) -> None:
    body = b"<svg>" + bytes(range(256)) * 8000
    origin.pages["/original.svg"] = Page(body, headers={**FRESH, "Content-Type": "image/svg+xml"})
    asked = f"/unsafe/raw:1/plain/{origin.url}/original.svg"
    for wanted in ("MISS", "HIT"):
        answer = edge.ask(asked, {"X-Hand-Over": "yes"})
        assert (answer.status, answer.headers["x-edge"], answer.body) == (200, wanted, body)


def test_long_urls(edge: Edge, origin: Origin) -> None:
    source = put(origin, "long.jpg", 12)
    assert edge.state(path(source, "/".join(["w:100"] * 1200)))[0] == 200
    assert edge.state(path(source, "/".join(["w:100"] * 1400)))[0] == 404  # beyond the nodes' limits.url_bytes


def test_one_sources_load_is_bounded(edge: Edge, origin: Origin) -> None:
    """More than max_conns requests for variants of one source at once: the rest goes to the next node."""
    source = put(origin, "crowd.jpg", 13, 1200)
    origin.pages["/crowd.jpg"].delay_s = ALL_HAVE_COME_S
    answers = edge.together([path(source, f"w:{width}") for width in range(50, 170)])
    assert {answer.status for answer in answers} == {200}
    reached: list[int] = []

    def all_logged() -> bool:
        reached[:] = sorted(node.log.count(f"/plain/{source}") for node in edge.nodes)
        return sum(reached) >= 120  # what a node refuses, another one is asked for

    until(all_logged, "not every request is in a log")
    assert reached[-1] >= 100
    assert reached[-2] > 0
