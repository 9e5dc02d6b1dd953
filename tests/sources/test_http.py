"""Fetching over HTTP from an origin that answers well, badly, slowly, and not at all."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from email.utils import formatdate

import pytest

from tests.sources.conftest import Desk, Make
from tests.sources.origin import JPEG, Asked, Origin
from tintype.core.errors import (
    BadRequest,
    SourceDenied,
    SourceError,
    SourceFailed,
    SourceIncomplete,
    SourceMissing,
    SourceRefused,
    SourceSlow,
    SourceTooLarge,
)
from tintype.core.formats import Format
from tintype.core.limits import Limits
from tintype.core.pipeline import SourceRef
from tintype.ports import Forwarded


async def refusal(desk: Desk, url: str) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await desk.bind(url)
    return caught.value


def raw(answer: bytes, *, then_close: bool = True) -> object:
    async def handle(asked: Asked) -> None:
        await asked.send(answer)
        if then_close:
            await asked.hang_up()

    return handle


async def test_a_body_and_what_was_said_of_it(desk: Desk, origin: Origin) -> None:
    origin.serve("/a.jpg", etag='"abc"', last_modified="Wed, 01 Jan 2025 00:00:00 GMT", content_type="image/jpeg",
                 cache_control="public, max-age=77", expires="Fri, 01 Jan 2100 00:00:00 GMT")  # fmt: skip
    binding, body = await desk.read(origin.url + "/a.jpg")
    assert body == JPEG
    assert (binding.size, binding.etag, binding.content_type) == (len(JPEG), '"abc"', "image/jpeg")
    assert binding.last_modified == "Wed, 01 Jan 2025 00:00:00 GMT"
    assert (binding.cache_control, binding.expires) == ("public, max-age=77", "Fri, 01 Jan 2100 00:00:00 GMT")
    assert 70 < binding.fresh_until - time.time() <= 77
    lease = await desk.sources.open(desk.asker(), binding, SourceRef(url=binding.url), Forwarded())
    with lease:
        assert (lease.format, lease.foreign) == (Format.JPEG, "")
    assert desk.metric("fetches_total", scheme="http", result="fetched") == 1
    assert desk.metric("fetch_bytes_total", scheme="http") == len(JPEG)


async def test_what_is_sent_to_the_origin(make: Make, origin: Origin) -> None:
    desk = make(user_agent="tintype-test/1")
    origin.serve("/a%20b.jpg?x=1&y=%2B")
    await desk.bind(origin.url + "/a b.jpg?x=1&y=%2B#top")
    sent = origin.asked[0].headers
    assert sent["user-agent"] == "tintype-test/1"
    assert sent["accept-encoding"] == "gzip, deflate"
    assert not {"cookie", "authorization", "referer", "if-none-match", "range"} & sent.keys()


@pytest.mark.parametrize(
    ("status", "kind", "origin_status"),
    [
        (404, SourceMissing, None),
        (400, SourceRefused, 400),
        (401, SourceRefused, 401),
        (403, SourceRefused, 403),
        (410, SourceRefused, 410),
        (429, SourceRefused, 429),
        (451, SourceRefused, 451),
        (500, SourceFailed, 500),
        (503, SourceFailed, 503),
        (599, SourceFailed, 599),
        (204, SourceFailed, 204),
        (201, SourceFailed, 201),
        (206, SourceFailed, 206),
        (300, SourceFailed, 300),
        (302, SourceFailed, 302),
        (304, SourceFailed, 304),
    ],
)
async def test_statuses(desk: Desk, origin: Origin, status: int, kind: type[SourceError], origin_status: int) -> None:
    origin.serve("/x", b"" if status in (204, 304) else b"no", status)
    error = await refusal(desk, origin.url + "/x")
    assert type(error) is kind
    assert getattr(error, "origin_status", None) == origin_status
    assert "127.0.0.1" not in str(error)


async def test_a_whole_body_may_come_as_a_part(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", JPEG, 206, content_range=f"bytes 0-{len(JPEG) - 1}/{len(JPEG)}")
    assert (await desk.read(origin.url + "/x"))[1] == JPEG


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + JPEG[:50],
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloEXTRA",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhelloEXTRA",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n" + gzip.compress(JPEG)[:-9],
    ],
    ids=["short", "nothing", "chunk cut", "no last chunk", "long", "long, closed", "gzip cut"],
)
async def test_truncated_and_over_long_bodies_are_incomplete(desk: Desk, origin: Origin, answer: bytes) -> None:
    origin.on["/x"] = raw(answer)  # type: ignore[assignment]
    assert type(await refusal(desk, origin.url + "/x")) is SourceIncomplete


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000 + b"\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(500)) + b"Content-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi",
        b"",
    ],
    ids=["no HTTP", "long header", "many headers", "two lengths", "length and chunks", "no chunk size", "hung up"],
)
async def test_what_is_not_proper_http_is_a_failure_of_the_origin(desk: Desk, origin: Origin, answer: bytes) -> None:
    origin.on["/x"] = raw(answer)  # type: ignore[assignment]
    error = await refusal(desk, origin.url + "/x")
    assert isinstance(error, SourceFailed | SourceIncomplete)
    assert getattr(error, "origin_status", 0) == 0


async def test_chunked_and_unmeasured_bodies(desk: Desk, origin: Origin) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (JPEG[:100], JPEG[100:]))
    origin.on["/chunked"] = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")  # type: ignore[assignment]
    origin.on["/http10"] = raw(b"HTTP/1.0 200 OK\r\n\r\n" + JPEG)  # type: ignore[assignment]
    assert (await desk.read(origin.url + "/chunked"))[1] == JPEG
    assert (await desk.read(origin.url + "/http10"))[1] == JPEG


@pytest.mark.parametrize("encode", [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_content_encodings_are_undone(desk: Desk, origin: Origin, encode: tuple[str, object]) -> None:
    origin.serve("/x", encode[1](JPEG), content_encoding=encode[0])  # type: ignore[operator]
    binding, body = await desk.read(origin.url + "/x")
    assert (body, binding.size) == (JPEG, len(JPEG))


async def test_a_bomb_ends_at_the_bound(make: Make, origin: Origin) -> None:
    desk = make(limits=Limits(source_bytes=1_000_000))
    origin.serve("/x", gzip.compress(b"\0" * 50_000_000), content_encoding="gzip")
    assert type(await refusal(desk, origin.url + "/x")) is SourceTooLarge


async def test_an_encoding_nobody_asked_for(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", content_encoding="br")
    assert type(await refusal(desk, origin.url + "/x")) is SourceFailed


async def test_too_many_bytes_announced_or_not(make: Make, origin: Origin, tmp_path: object) -> None:
    desk = make(limits=Limits(source_bytes=len(JPEG)))
    origin.serve("/fits")
    origin.serve("/announced", JPEG + b"x")
    origin.on["/silent"] = raw(b"HTTP/1.0 200 OK\r\n\r\n" + JPEG + b"x")  # type: ignore[assignment]
    assert (await desk.read(origin.url + "/fits"))[1] == JPEG
    for path in ("/announced", "/silent"):
        error = await refusal(desk, origin.url + path)
        assert type(error) is SourceTooLarge
        assert str(len(JPEG)) in str(error)


async def test_an_empty_body_is_a_source_of_no_bytes(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", b"")
    binding, body = await desk.read(origin.url + "/x")
    assert (binding.size, body) == (0, b"")
    with await desk.sources.open(desk.asker(), binding, SourceRef(url=binding.url), Forwarded()) as lease:
        assert (lease.format, lease.foreign) == (None, "empty")


@pytest.mark.parametrize("after", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"])
async def test_a_slow_origin_is_slow(make: Make, origin: Origin, after: bytes) -> None:
    desk, never = make(limits=Limits(fetch_timeout_s=0.2)), asyncio.Event()

    async def stall(asked: Asked) -> None:
        await asked.send(after)
        await never.wait()

    origin.on["/x"] = stall
    assert type(await refusal(desk, origin.url + "/x")) is SourceSlow
    never.set()


async def test_an_origin_that_drips_does_not_win_time(make: Make, origin: Origin) -> None:
    desk = make(limits=Limits(fetch_timeout_s=0.3))

    async def drip(asked: Asked) -> None:
        await asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not asked.writer.is_closing():
            await asked.send(b"x")
            await asyncio.sleep(0.01)

    origin.on["/x"] = drip
    assert type(await refusal(desk, origin.url + "/x")) is SourceSlow


async def test_unreachable_origins(desk: Desk, origin: Origin) -> None:
    await origin.stop()
    error = await refusal(desk, origin.url + "/x")
    assert isinstance(error, SourceFailed)
    assert error.origin_status == 0


async def test_unknown_names_and_schemes_and_urls(desk: Desk) -> None:
    assert type(await refusal(desk, "http://nothing.invalid/x")) is SourceFailed
    for url, says in (
        ("ftp://127.0.0.1/x", "'ftp' sources are off; on are http, https"),
        ("local:///x", "'local' sources are off; on are http, https"),
        ("cat.jpg", "The source is a URL without a scheme such as https://; on are http, https"),
    ):
        refused = await refusal(desk, url)
        assert (type(refused), str(refused)) == (SourceDenied, says)
    with pytest.raises(BadRequest):
        await desk.bind("http://[::1/x")


async def test_the_guard_is_asked(make: Make, origin: Origin) -> None:
    desk = make(allow_loopback=False)
    origin.serve("/x")
    refused = await refusal(desk, origin.url + "/x")
    assert (type(refused), str(refused)) == (
        SourceDenied,
        "The source's address is a loopback address; sources.allow_loopback permits those",
    )
    assert origin.connections == 0


# Redirects


def redirect(origin: Origin, path: str, to: str, status: int = 302, **headers: str) -> None:
    origin.serve(path, b"moved", status, location=to, **headers)


async def test_redirects_are_followed(desk: Desk, origin: Origin) -> None:
    redirect(origin, "/a", "/b", 301)
    redirect(origin, "/b", f"{origin.url}/c?x=%2F", 307)
    redirect(origin, "/c?x=%2F", "d", 308)
    origin.serve("/d")
    assert (await desk.read(origin.url + "/a"))[1] == JPEG


async def test_a_redirect_loop_ends(make: Make, origin: Origin) -> None:
    desk = make(limits=Limits(source_redirects=3))
    redirect(origin, "/loop", "/loop")
    error = await refusal(desk, origin.url + "/loop")
    assert isinstance(error, SourceFailed)
    assert (error.origin_status, origin.count("/loop")) == (302, 4)
    for number in range(3):
        redirect(origin, f"/{number}", f"/{number + 1}")
    origin.serve("/3")
    await desk.bind(origin.url + "/0")


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "local:///x", "http://[::1", "data:,x"]
)
async def test_redirects_lead_to_http_only(desk: Desk, origin: Origin, target: str) -> None:
    redirect(origin, "/x", target)
    assert type(await refusal(desk, origin.url + "/x")) is SourceFailed


@pytest.mark.parametrize(
    "target",
    ["http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "https://192.168.1.1/", "http://[fd00:ec2::254]/",
     "http://[::ffff:10.0.0.1]/", "http://100.100.100.200/", "//169.254.169.254/x", "http://[64:ff9b::a9fe:a9fe]/"],
)  # fmt: skip
async def test_redirects_to_closed_addresses_are_refused(desk: Desk, origin: Origin, target: str) -> None:
    redirect(origin, "/x", target)
    assert type(await refusal(desk, origin.url + "/x")) is SourceDenied


async def test_credentials_stay_with_the_site_they_were_for(desk: Desk, origin: Origin) -> None:
    async with Origin() as other:
        redirect(origin, "/same", "/here")
        origin.serve("/here")
        redirect(origin, "/away", other.url + "/there")
        redirect(other, "/there", origin.url + "/here?back")
        origin.serve("/here?back")
        user = Forwarded({"Cookie": "a=b", "Authorization": "Bearer t", "X-More": "1"}, digest="u", private=True)
        await desk.bind(origin.url + "/same", forwarded=user)
        await desk.bind(origin.url + "/away", forwarded=user)
        sent = {asked.path: asked.headers for asked in origin.asked + other.asked}
    for path in ("/same", "/here", "/away"):
        assert (sent[path]["cookie"], sent[path]["authorization"], sent[path]["x-more"]) == ("a=b", "Bearer t", "1")
    for path in ("/there", "/here?back"):
        assert not {"cookie", "authorization", "x-more"} & sent[path].keys()


async def test_headers_that_are_not_for_forwarding(desk: Desk, origin: Origin) -> None:
    origin.serve("/x")
    headers = {"Host": "evil", "Range": "bytes=0-1", "If-None-Match": '"x"', "Accept-Encoding": "br", "Connection": "x",
               "Transfer-Encoding": "chunked", "X-Bad": "a\r\nX-Injected: 1", "X-Good": "1", "user-agent": "browser"}  # fmt: skip
    await desk.bind(origin.url + "/x", forwarded=Forwarded(headers, digest="h"))
    sent = origin.asked[0].headers
    assert sent["host"] == f"127.0.0.1:{origin.port}"
    assert (sent["accept-encoding"], sent["x-good"], sent["user-agent"]) == ("gzip, deflate", "1", "browser")
    assert not {"range", "if-none-match", "connection", "transfer-encoding", "x-bad", "x-injected"} & sent.keys()


async def test_credentials_in_the_url(desk: Desk, origin: Origin) -> None:
    origin.serve("/x")
    url = origin.url.replace("http://", "http://user:pass@") + "/x"
    await desk.bind(url, forwarded=Forwarded({"Authorization": "Bearer t"}, digest="u", private=True))
    assert origin.asked[0].headers["authorization"] == "Basic dXNlcjpwYXNz"


# Validators


async def test_a_known_body_is_revalidated(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", etag='W/"1"', content_type="image/jpeg", cache_control="max-age=0")
    first = await desk.bind(origin.url + "/x")
    again = await desk.bind(origin.url + "/x")
    assert origin.asked[1].headers["if-none-match"] == 'W/"1"'
    assert (again.digest, again.content_type, again.cache_control) == (first.digest, "image/jpeg", "max-age=0")
    assert again.fetched_at > first.fetched_at
    assert desk.metric("fetches_total", scheme="http", result="unchanged") == 1


async def test_a_changed_body_is_fetched(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", etag='"1"')
    first = await desk.bind(origin.url + "/x")
    origin.serve("/x", JPEG + b"new", etag='"2"')
    binding, body = await desk.read(origin.url + "/x")
    assert (binding.etag, body) == ('"2"', JPEG + b"new")
    assert binding.digest != first.digest


async def test_a_304_changes_what_it_says_and_nothing_else(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", etag='"1"', cache_control="max-age=0", last_modified="Wed, 01 Jan 2025 00:00:00 GMT")
    await desk.bind(origin.url + "/x")

    async def confirm(asked: Asked) -> None:
        await asked.send(b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=50\r\n\r\n")

    origin.on["/x"] = confirm
    binding = await desk.bind(origin.url + "/x")
    assert (binding.etag, binding.cache_control) == ('"1"', "max-age=50")
    assert binding.last_modified == "Wed, 01 Jan 2025 00:00:00 GMT"
    assert binding.fresh_until > time.time() + 40
    await desk.bind(origin.url + "/x")
    assert origin.count("/x") == 2


async def test_a_last_modified_of_long_ago_is_a_validator(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", last_modified="Wed, 01 Jan 2025 00:00:00 GMT")
    await desk.bind(origin.url + "/x")
    await desk.bind(origin.url + "/x")
    assert origin.asked[1].headers["if-modified-since"] == "Wed, 01 Jan 2025 00:00:00 GMT"


async def test_a_last_modified_of_this_second_is_none(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", last_modified=formatdate(time.time() + 5, usegmt=True))
    await desk.bind(origin.url + "/x")
    await desk.bind(origin.url + "/x")
    assert "if-modified-since" not in origin.asked[1].headers


async def test_validators_of_another_url_are_not_ours(desk: Desk, origin: Origin) -> None:
    redirect(origin, "/x", "/y", 301)
    origin.serve("/y", etag='"1"')
    assert (await desk.bind(origin.url + "/x")).etag == ""
    redirect(origin, "/x", "/z", 301)
    origin.serve("/z", JPEG + b"other", etag='"1"')
    assert (await desk.read(origin.url + "/x"))[1] == JPEG + b"other"


async def test_a_redirect_target_confirms_nothing(desk: Desk, origin: Origin) -> None:
    origin.serve("/x", etag='"1"', cache_control="no-cache")
    await desk.bind(origin.url + "/x")
    redirect(origin, "/x", "/y")
    origin.serve("/y", b"", 304)
    assert type(await refusal(desk, origin.url + "/x")) is SourceFailed
    assert "if-none-match" not in origin.asked[-1].headers


@pytest.mark.parametrize(
    ("status", "headers", "fresh"),
    [
        (302, {}, False),
        (307, {"expires": "Fri, 01 Jan 2100 00:00:00 GMT"}, False),
        (302, {"cache_control": "max-age=100"}, True),
        (302, {"cache_control": "max-age=0"}, False),
        (301, {}, True),
        (308, {"cache_control": "no-store"}, False),
    ],
)
async def test_a_source_is_fresh_no_longer_than_the_way_to_it(
    desk: Desk, origin: Origin, status: int, headers: dict[str, str], fresh: bool
) -> None:
    redirect(origin, "/x", "/y", status, **headers)
    origin.serve("/y", cache_control="max-age=1000")
    binding = await desk.bind(origin.url + "/x")
    assert (binding.fresh_until > time.time() + 50) is fresh


async def test_the_age_of_an_answer_counts(desk: Desk, origin: Origin) -> None:
    origin.serve("/age", cache_control="max-age=100", age="60")
    origin.serve("/date", cache_control="max-age=100", date=formatdate(time.time() - 60, usegmt=True))
    for path in ("/age", "/date"):
        assert 30 < (await desk.bind(origin.url + path)).fresh_until - time.time() <= 42


async def test_connections_are_kept_unless_told_otherwise(make: Make, origin: Origin) -> None:
    kept, not_kept = make("kept"), make("not kept", keep_alive_s=0.0)
    origin.serve("/x")
    for _ in range(3):
        await kept.bind(origin.url + "/x")
    assert origin.connections == 1
    for _ in range(3):
        await not_kept.bind(origin.url + "/x")
    assert origin.connections == 4


async def test_one_host_has_so_many_fetches_at_once(make: Make, origin: Origin) -> None:
    desk = make(limits=Limits(fetches=8, fetches_per_host=3))
    running, peak = 0, 0

    async def slow(asked: Asked) -> None:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0.02)
        running -= 1
        await asked.answer()

    for number in range(12):
        origin.on[f"/{number}"] = slow
    await asyncio.gather(*(desk.bind(f"{origin.url}/{number}") for number in range(12)))
    assert peak == 3


def said(*lines: bytes) -> object:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(JPEG)
    return raw(head + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + JPEG)


async def test_headers_beyond_ascii_do_not_spoil_the_body(desk: Desk, origin: Origin) -> None:
    names = (b"ETag", b"Last-Modified", b"Expires", b"Content-Type", b"Vary", b"Age", b"Date")
    mark = b': "\xff\xc3\xa4"'
    origin.on["/x"] = said(*(name + mark for name in names), b'Cache-Control: max-age=60, x="\xe4"')  # type: ignore[assignment]
    binding, body = await desk.read(origin.url + "/x")
    assert body == JPEG
    assert (binding.etag, binding.last_modified, binding.content_type, binding.expires) == ("", "", "", "0")
    assert binding.cache_control == 'max-age=60, x="?"'
    assert (await desk.bind(origin.url + "/x")).digest == binding.digest
    assert origin.count("/x") == 1


async def test_of_long_headers_nothing_is_kept(desk: Desk, origin: Origin) -> None:
    long = b"a" * 1025
    names = (b"ETag", b"Last-Modified", b"Expires", b"Content-Type")
    origin.on["/x"] = said(*(name + b": " + long for name in names), b"Cache-Control: max-age=60")  # type: ignore[assignment]
    binding = await desk.bind(origin.url + "/x")
    assert (binding.etag, binding.last_modified, binding.content_type, binding.expires) == ("", "", "", "0")


@pytest.mark.parametrize("line", [b"Vary: " + b"a" * 1025, b"Cache-Control: max-age=60, a=" + b"a" * 1025])
async def test_what_is_too_long_to_be_obeyed_is_not_shared(desk: Desk, origin: Origin, line: bytes) -> None:
    origin.on["/x"] = said(b"Expires: Fri, 01 Jan 2100 00:00:00 GMT", line)  # type: ignore[assignment]
    assert (await desk.bind(origin.url + "/x")).private
