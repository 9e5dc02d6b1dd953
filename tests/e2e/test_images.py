"""Images over HTTP: what a browser, a CDN and a script see of a real node."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from pathlib import Path

import pytest
import pyvips

from tests.e2e.conftest import OPEN, picture
from tests.e2e.node import Node, running
from tests.e2e.origin import Origin, Page


def path(origin: Origin, name: str, options: str = "rs:fit:100:100", ext: str = "") -> str:
    return f"/unsafe/{options}/plain/{origin.url}/{name}{ext}"


def size_of(body: bytes) -> tuple[int, int]:
    image = pyvips.Image.new_from_buffer(body, "")
    return image.width, image.height


def test_an_image_and_its_headers(node: Node, origin: Origin) -> None:
    origin.pages["/a.jpg"] = Page(picture(), headers={"Cache-Control": "max-age=600", "Content-Type": "image/jpeg"})
    answer = node.ask(path(origin, "a.jpg"))
    assert answer.status == 200
    assert size_of(answer.body) == (100, 75)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["cache-control"] == "max-age=31536000, public"
    assert answer.headers["content-disposition"] == 'inline; filename="a.jpg"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', answer.headers["etag"])
    assert "desc=miss" in answer.headers["server-timing"]
    assert "desc=hit" in node.ask(path(origin, "a.jpg")).headers["server-timing"]


def test_head_has_the_real_headers_and_no_body(node: Node, origin: Origin) -> None:
    origin.pages["/head.jpg"] = Page(picture(seed=2), headers={"Cache-Control": "max-age=600"})
    head = node.ask(path(origin, "head.jpg"), "HEAD")
    get = node.ask(path(origin, "head.jpg"))
    assert (head.status, head.body) == (200, b"")
    for name in ("content-type", "content-length", "etag", "cache-control", "content-disposition"):
        assert head.headers[name] == get.headers[name]


def test_a_304_needs_no_origin_trip_while_the_binding_is_fresh(node: Node, origin: Origin) -> None:
    origin.pages["/fresh.jpg"] = Page(picture(seed=3), headers={"Cache-Control": "max-age=600"})
    etag = node.ask(path(origin, "fresh.jpg")).headers["etag"]
    asked = origin.count("/fresh.jpg")
    again = node.ask(path(origin, "fresh.jpg"), headers={"If-None-Match": f'"other", W/{etag}'})
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == etag
    assert "content-type" not in again.headers
    assert origin.count("/fresh.jpg") == asked == 1


def test_last_modified_answers_if_modified_since(node: Node, origin: Origin) -> None:
    when = "Wed, 01 Jan 2025 00:00:00 GMT"
    origin.pages["/dated.jpg"] = Page(picture(seed=4), headers={"Cache-Control": "max-age=600", "Last-Modified": when})
    assert node.ask(path(origin, "dated.jpg")).headers["last-modified"] == when
    assert node.ask(path(origin, "dated.jpg"), headers={"If-Modified-Since": when}).status == 304
    old = {"If-Modified-Since": "Tue, 31 Dec 2024 00:00:00 GMT"}
    assert node.ask(path(origin, "dated.jpg"), headers=old).status == 200


def test_byte_ranges(node: Node, origin: Origin) -> None:
    origin.pages["/range.jpg"] = Page(picture(seed=5), headers={"Cache-Control": "max-age=600"})
    whole = node.ask(path(origin, "range.jpg"))
    part = node.ask(path(origin, "range.jpg"), headers={"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, whole.body[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.body)}"
    assert node.ask(path(origin, "range.jpg"), headers={"Range": "bytes=9999999-"}).status == 416
    other = {"Range": "bytes=10-19", "If-Range": '"other"'}
    assert node.ask(path(origin, "range.jpg"), headers=other).status == 200
    same = {"Range": "bytes=10-19", "If-Range": whole.headers["etag"]}
    assert node.ask(path(origin, "range.jpg"), headers=same).status == 206


def test_variants_of_one_source_fetch_it_once(node: Node, origin: Origin) -> None:
    origin.pages["/once.jpg"] = Page(picture(seed=6), headers={"Cache-Control": "max-age=600"}, delay_s=0.2)
    threads = [
        threading.Thread(target=node.ask, args=(path(origin, "once.jpg", f"rs:fit:{60 + i}:{60 + i}"),))
        for i in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert origin.count("/once.jpg") == 1


def test_identical_misses_render_once(node: Node, origin: Origin) -> None:
    origin.pages["/same.jpg"] = Page(picture(1600, 1200, seed=7), headers={"Cache-Control": "max-age=600"})
    before = node.metric("tintype_engine_seconds_count", kind="run")
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(node.ask(path(origin, "same.jpg", "w:300/bl:3"))))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {a.status for a in answers} == {200}
    assert len({a.body for a in answers}) == 1
    assert len({a.headers["etag"] for a in answers}) == 1
    assert node.metric("tintype_engine_seconds_count", kind="run") == before + 1


def test_the_same_image_asked_in_two_ways_is_one_result(node: Node, origin: Origin) -> None:
    origin.pages["/ways.jpg"] = Page(picture(seed=8), headers={"Cache-Control": "max-age=600"})
    first = node.ask(path(origin, "ways.jpg", "rs:fit:80:80"))
    second = node.ask(path(origin, "ways.jpg", "height:80/w:80/resizing_type:fit"))
    assert first.headers["etag"] == second.headers["etag"]
    assert "desc=hit" in second.headers["server-timing"]


def test_new_bytes_have_a_new_etag_and_cachebuster_finds_them(node: Node, origin: Origin) -> None:
    origin.pages["/new.jpg"] = Page(picture(seed=9), headers={"Cache-Control": "max-age=600"})
    first = node.ask(path(origin, "new.jpg"))
    origin.pages["/new.jpg"] = Page(picture(seed=10), headers={"Cache-Control": "max-age=600"})
    assert node.ask(path(origin, "new.jpg")).headers["etag"] == first.headers["etag"]
    busted = node.ask(path(origin, "new.jpg", "rs:fit:100:100/cb:2"))
    assert busted.headers["etag"] != first.headers["etag"]
    assert busted.body != first.body


def test_a_source_that_turns_stale_is_asked_for_again(node: Node, origin: Origin) -> None:
    origin.pages["/brief.jpg"] = Page(picture(seed=11), headers={"Cache-Control": "max-age=1", "ETag": '"v1"'})
    first = node.ask(path(origin, "brief.jpg"))
    origin.pages["/brief.jpg"] = Page(picture(seed=12), headers={"Cache-Control": "max-age=1", "ETag": '"v2"'})
    deadline = time.monotonic() + 60
    while node.ask(path(origin, "brief.jpg")).headers["etag"] == first.headers["etag"]:
        assert time.monotonic() < deadline, "the new picture never came"
        time.sleep(0.2)
    assert origin.count("/brief.jpg") >= 2


def test_stale_is_served_while_the_origin_fails_and_says_so(node: Node, origin: Origin) -> None:
    origin.pages["/fails.jpg"] = Page(picture(seed=13), headers={"Cache-Control": "max-age=1, stale-if-error=600"})
    first = node.ask(path(origin, "fails.jpg"))
    origin.pages["/fails.jpg"] = Page(b"", 500)
    time.sleep(1.2)
    stale = node.ask(path(origin, "fails.jpg"))
    assert (stale.status, stale.body) == (200, first.body)
    assert stale.headers["cache-control"] == "max-age=10, public"


@pytest.mark.parametrize("header", ["private, max-age=600", "no-store"])
def test_what_the_origin_calls_private_is_nobody_elses(node: Node, origin: Origin, header: str) -> None:
    name = f"private{len(header)}.jpg"
    origin.pages["/" + name] = Page(picture(seed=14), headers={"Cache-Control": header})
    for _ in range(2):
        answer = node.ask(path(origin, name))
        assert answer.status == 200
        assert answer.headers["cache-control"] == "private, no-store"
    assert origin.count("/" + name) >= 2


@pytest.mark.parametrize(
    ("name", "page", "status", "code"),
    [
        ("none.jpg", Page(b"no", 404), 404, "source_missing"),
        ("gone.jpg", Page(b"no", 410), 410, "source_"),
        ("secret.jpg", Page(b"no", 403), 403, "source_refused"),
        ("down.jpg", Page(b"no", 500), 502, "source_failed"),
        ("text.jpg", Page(b"hello, I am not an image " * 9), 422, "unsupported_image"),
        ("empty.jpg", Page(b""), 422, "unsupported_image"),
        ("cut.jpg", Page(picture(seed=15), cut=True), 422, "source_incomplete"),
        ("broken.jpg", Page(picture(seed=16)[:200]), 422, "broken_image"),
    ],
)
def test_honest_errors(node: Node, origin: Origin, name: str, page: Page, status: int, code: str) -> None:
    origin.pages["/" + name] = page
    answer = node.ask(path(origin, name))
    assert answer.status == status
    assert answer.headers["x-tintype-error"].startswith(code)
    assert "cache-control" not in answer.headers
    assert answer.headers["content-type"] == "text/plain"


def test_a_source_that_takes_too_long_is_given_up(tmp_path: Path, origin: Origin) -> None:
    origin.pages["/slow.jpg"] = Page(b"x", delay_s=20)
    with running(tmp_path, OPEN.replace("fetch_timeout_s = 20", "fetch_timeout_s = 0.5")) as hasty:
        answer = hasty.ask(path(origin, "slow.jpg"))
    assert (answer.status, answer.headers["x-tintype-error"].split(":")[0]) == (504, "source_slow")
    assert "cache-control" not in answer.headers


def test_a_bad_option_is_named_in_the_header_and_not_in_the_body(node: Node, origin: Origin) -> None:
    answer = node.ask(path(origin, "a.jpg", "rs:fit:abc:100"))
    assert (answer.status, answer.body) == (404, b"Invalid URL")
    assert "abc" in answer.headers["x-tintype-error"]
    deadline = time.monotonic() + 60
    while "abc" not in node.log:  # a request is logged when its answer is sent
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_methods(node: Node, origin: Origin) -> None:
    refused = node.ask(path(origin, "a.jpg"), "POST", body=b"x")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert refused.headers["x-tintype-error"] == "bad_request: Images take GET, HEAD and OPTIONS."
    assert node.ask(path(origin, "a.jpg"), "DELETE").headers["allow"] == "GET, HEAD, OPTIONS"
    assert node.ask(path(origin, "a.jpg"), "OPTIONS").status == 200


def test_request_ids_are_kept_when_they_are_harmless(node: Node) -> None:
    assert node.ask("/health", headers={"X-Request-ID": "abc-123"}).headers["x-request-id"] == "abc-123"
    assert node.ask("/health", headers={"X-Request-ID": "a b<c"}).headers["x-request-id"] != "a b<c"


def test_raw_hands_the_source_on(node: Node, origin: Origin) -> None:
    body = picture(seed=17)
    origin.pages["/raw.jpg"] = Page(body, headers={"Cache-Control": "max-age=600", "Content-Type": "image/jpeg"})
    answer = node.ask(path(origin, "raw.jpg", "raw:1"))
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, body, "image/jpeg")


def test_parts_of_a_large_source_are_handed_on(node: Node, origin: Origin) -> None:
    body = os.urandom(700_000)
    origin.pages["/large.bin"] = Page(body, headers={"Cache-Control": "max-age=600", "Content-Type": "image/jpeg"})
    asked = path(origin, "large.bin", "raw:1")
    whole = node.ask(asked)
    assert (whole.body, whole.headers["accept-ranges"]) == (body, "bytes")
    part = node.ask(asked, headers={"Range": "bytes=100000-599999", "If-Range": whole.headers["etag"]})
    assert (part.status, part.body) == (206, body[100_000:600_000])
    assert part.headers["content-range"] == "bytes 100000-599999/700000"
    assert node.ask(asked, headers={"Range": "bytes=-5"}).body == body[-5:]
    assert node.ask(asked, headers={"Range": "bytes=0-9", "If-Range": '"other"'}).body == body
    beyond = node.ask(asked, headers={"Range": "bytes=700000-"})
    assert (beyond.status, beyond.headers["content-range"]) == (416, "bytes */700000")
    head = node.ask(asked, "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "700000")


def test_private_addresses_are_refused_without_being_asked(node: Node) -> None:
    for host in ("10.0.0.1", "169.254.169.254", "[::ffff:10.0.0.1]", "0x0a000001", "192.168.1.1"):
        answer = node.ask(f"/unsafe/w:10/plain/http://{host}/x.jpg")
        assert answer.status in (403, 404)
        assert "source_denied" in answer.headers["x-tintype-error"]


def test_an_abort_while_queued_leaves_no_trace(node: Node, origin: Origin) -> None:
    origin.pages["/abort.jpg"] = Page(picture(seed=18), headers={"Cache-Control": "max-age=600"}, delay_s=0.5)
    for i in range(20):
        with socket.create_connection(("127.0.0.1", node.port)) as client:
            client.sendall(f"GET {path(origin, 'abort.jpg', f'w:{50 + i}')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    time.sleep(1)
    assert node.ask(path(origin, "abort.jpg", "w:200")).status == 200


def test_a_slow_client_holds_no_worker(node: Node, origin: Origin) -> None:
    origin.pages["/big.png"] = Page(
        picture(1200, 900, seed=19, suffix=".png"), headers={"Cache-Control": "max-age=600"}
    )
    clients = []
    for i in range(8):
        client = socket.create_connection(("127.0.0.1", node.port))
        client.sendall(f"GET {path(origin, 'big.png', f'w:{1100 + i}', '@bmp')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        clients.append(client)  # and reads nothing
    assert node.ask(path(origin, "a.jpg", "w:77")).status == 200
    for client in clients:
        client.close()


def test_too_long_a_url(node: Node) -> None:
    answer = node.ask("/unsafe/w:10/plain/http://example.com/" + "a" * 9000)
    assert answer.status in (400, 404, 414)
