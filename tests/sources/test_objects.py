"""Object stores: S3 against a real server; Google's and Azure's against an origin that checks what they are sent."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import S3Store

from tests.sources.conftest import Clock, Desk, Make
from tests.sources.gateway import ACCESS, SECRET, Gateway
from tests.sources.origin import JPEG, Asked, Origin
from tintype.core.entry import Scope, Selector
from tintype.core.errors import (
    Misconfigured,
    SourceDenied,
    SourceError,
    SourceFailed,
    SourceIncomplete,
    SourceMissing,
    SourceRefused,
    SourceSlow,
    SourceTooLarge,
)
from tintype.core.limits import Limits
from tintype.sources.objects import ObjectFetcher
from tintype.sources.settings import StoreSettings


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("s3") / "gateway") as gateway:
        gateway.make_bucket("photos")
        gateway.make_bucket("archive", versioned=True)
        gateway.make_bucket("secret")
        obstore.put(gateway.store("photos"), "a.jpg", JPEG, attributes={"Content-Type": "image/jpeg"})
        obstore.put(gateway.store("secret"), "a.jpg", JPEG)
        yield gateway


def s3(gateway: Gateway, **more: Any) -> StoreSettings:
    known: dict[str, Any] = {"endpoint": gateway.endpoint, "access_key": ACCESS, "secret_key": SECRET}
    return StoreSettings(**(known | more))


@pytest.fixture
def desk(make: Make, gateway: Gateway) -> Desk:
    return make(
        stores=(
            ("s3", s3(gateway)),
            ("mine", s3(gateway, allowed_buckets=("photos", "secret"), denied_buckets=("secret",))),
            ("wrong", s3(gateway, secret_key="no")),
        )
    )


async def refusal(desk: Desk, url: str) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await desk.bind(url)
    assert SECRET not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    return caught.value


async def test_an_object_and_what_is_said_of_it(desk: Desk) -> None:
    binding, body = await desk.read("s3://photos/a.jpg")
    assert body == JPEG
    assert (binding.content_type, binding.size) == ("image/jpeg", len(JPEG))
    assert binding.etag.startswith('"')
    assert binding.last_modified.endswith(" GMT")
    assert desk.metric("fetches_total", scheme="s3", result="fetched") == 1


async def test_an_unchanged_object_is_confirmed_and_a_changed_one_fetched(desk: Desk, gateway: Gateway) -> None:
    store = gateway.store("photos")
    await obstore.put_async(store, "changing.jpg", JPEG)
    before = await desk.bind("s3://photos/changing.jpg")
    again = await desk.bind("s3://photos/changing.jpg")
    assert again.digest == before.digest
    assert desk.metric("fetches_total", scheme="s3", result="unchanged") == 1
    await obstore.put_async(store, "changing.jpg", JPEG + b"2")
    assert (await desk.read("s3://photos/changing.jpg"))[1] == JPEG + b"2"


async def test_cache_control_of_an_object_counts(desk: Desk, gateway: Gateway) -> None:
    await obstore.put_async(gateway.store("photos"), "fresh.jpg", JPEG, attributes={"Cache-Control": "max-age=100"})
    for _ in range(3):
        await desk.bind("s3://photos/fresh.jpg")
    assert desk.metric("fetches_total", scheme="s3", result="fetched") == 1
    assert desk.metric("fetches_total", scheme="s3", result="unchanged") == 0


async def test_versions_are_other_sources_and_never_change(make: Make, desk: Desk, gateway: Gateway) -> None:
    store = gateway.store("archive")
    versions = [(await obstore.put_async(store, "a.jpg", JPEG + mark))["version"] for mark in (b"1", b"2")]
    for version, mark in zip(versions, (b"1", b"2"), strict=True):
        for _ in range(2):
            assert (await desk.read(f"s3://archive/a.jpg?{version}"))[1] == JPEG + mark
    assert desk.metric("fetches_total", scheme="s3", result="fetched") == 2
    assert (await desk.read("s3://archive/a.jpg"))[1] == JPEG + b"2"
    other = make("other", stores=(("s3", s3(gateway)),), query_separator="@@")
    assert (await other.read(f"s3://archive/a.jpg@@{versions[0]}"))[1] == JPEG + b"1"
    assert type(await refusal(other, f"s3://archive/a.jpg?{versions[0]}")) is SourceMissing


@pytest.mark.parametrize(
    "key", ["a b.jpg", "a%20b.jpg", "ä/ü.jpg", "a#b.jpg", "a+b&c=d.jpg", "a'b\"c.jpg", "a:b@c.jpg"]
)
async def test_keys_are_taken_as_they_stand(desk: Desk, gateway: Gateway, key: str) -> None:
    await obstore.put_async(gateway.store("photos"), key, JPEG + key.encode())
    assert (await desk.read(f"s3://photos/{key}"))[1] == JPEG + key.encode()


@pytest.mark.parametrize(
    "url", ["s3://photos/no.jpg", "s3://nothing/a.jpg", "s3://photos/", "s3://photos", "s3://", "s3:///a.jpg",
            "s3://photos/../secret/a.jpg", "s3://photos/a//b.jpg", "s3://photos/?x"],
)  # fmt: skip
async def test_what_is_not_there(desk: Desk, url: str) -> None:
    assert type(await refusal(desk, url)) is SourceMissing


async def test_buckets_are_allowed_and_denied_for_each_store(desk: Desk) -> None:
    assert (await desk.read("mine://photos/a.jpg"))[1] == JPEG
    assert type(await refusal(desk, "mine://secret/a.jpg")) is SourceDenied
    assert type(await refusal(desk, "mine://archive/a.jpg")) is SourceDenied
    assert (await desk.read("s3://secret/a.jpg"))[1] == JPEG
    assert type(await refusal(desk, "theirs://photos/a.jpg")) is SourceDenied


async def test_wrong_credentials(desk: Desk) -> None:
    error = await refusal(desk, "wrong://photos/a.jpg")
    assert isinstance(error, SourceRefused)
    assert error.origin_status == 403


async def test_a_version_that_makes_no_sense(desk: Desk) -> None:
    error = await refusal(desk, "s3://archive/a.jpg?nonsense")
    assert isinstance(error, SourceRefused)
    assert error.origin_status == 400


async def test_too_large_an_object(make: Make, gateway: Gateway) -> None:
    desk = make(stores=(("s3", s3(gateway)),), limits=Limits(source_bytes=len(JPEG) - 1))
    assert type(await refusal(desk, "s3://photos/a.jpg")) is SourceTooLarge


async def test_a_store_that_is_away(make: Make, gateway: Gateway) -> None:
    desk = make(stores=(("s3", s3(gateway, endpoint="http://127.0.0.1:9")),))
    error = await refusal(desk, "s3://photos/a.jpg")
    assert isinstance(error, SourceFailed)
    assert error.origin_status == 0


async def test_a_store_that_hangs_fails_or_cuts_short(make: Make, gateway: Gateway, origin: Origin) -> None:
    limits = Limits(fetch_timeout_s=0.5)
    desk = make(stores=(("s3", s3(gateway, endpoint=origin.url)),), limits=limits)
    never = asyncio.Event()

    async def hang(asked: Asked) -> None:
        await never.wait()

    async def cut(asked: Asked) -> None:
        await asked.send(
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nLast-Modified: Wed, 01 Jan 2025 00:00:00 GMT\r\n\r\nx"
        )
        await asked.hang_up()

    origin.on["/photos/hang"], origin.on["/photos/cut"] = hang, cut
    origin.serve("/photos/500", b"no", 500)
    assert type(await refusal(desk, "s3://photos/hang")) is SourceSlow
    assert type(await refusal(desk, "s3://photos/cut")) in (SourceIncomplete, SourceFailed)
    broken = await refusal(desk, "s3://photos/500")
    assert isinstance(broken, SourceFailed)
    assert broken.origin_status == 500
    never.set()


async def test_bytes_survive_the_store_going_away(desk: Desk, gateway: Gateway) -> None:
    await obstore.put_async(gateway.store("photos"), "kept.jpg", JPEG, attributes={"Cache-Control": "max-age=100"})
    await desk.read("s3://photos/kept.jpg")
    await obstore.delete_async(gateway.store("photos"), "kept.jpg")
    assert (await desk.read("s3://photos/kept.jpg"))[1] == JPEG
    await desk.sources.drop(Selector(scope=Scope.PREFIX, value="s3://photos/"), soft=False)
    assert type(await refusal(desk, "s3://photos/kept.jpg")) is SourceMissing


STAMP = "Wed, 01 Jan 2025 00:00:00 GMT"


async def test_google_cloud_storage_at_an_endpoint(make: Make, origin: Origin) -> None:
    desk = make(stores=(("gs", StoreSettings(kind="gs", endpoint=origin.url, allowed_buckets=("photos",))),))
    origin.serve("/photos/a%2Fb%2Ejpg", content_type="image/jpeg", etag='"1"', last_modified=STAMP)
    origin.serve("/photos/a%2Fb%2Ejpg?generation=7", JPEG + b"7", etag='"1"', last_modified=STAMP)
    binding, body = await desk.read("gs://photos/a/b.jpg")
    assert (body, binding.content_type) == (JPEG, "image/jpeg")
    await desk.bind("gs://photos/a/b.jpg")
    assert origin.asked[-1].headers["if-none-match"] == '"1"'
    assert "authorization" not in origin.asked[-1].headers
    assert (await desk.read("gs://photos/a/b.jpg?7"))[1] == JPEG + b"7"
    assert type(await refusal(desk, "gs://photos/no.jpg")) is SourceMissing
    assert type(await refusal(desk, "gs://other/a.jpg")) is SourceDenied


async def test_azure_blobs_at_an_endpoint(make: Make, origin: Origin) -> None:
    key = base64.b64encode(b"a key of an account").decode()
    settings = StoreSettings(kind="abs", endpoint=f"{origin.url}/account", access_key="account", secret_key=key)
    desk = make(stores=(("abs", settings),))
    origin.serve("/account/photos/a.jpg", content_type="image/jpeg", etag='"1"', last_modified=STAMP)
    binding, body = await desk.read("abs://photos/a.jpg")
    assert (body, binding.content_type) == (JPEG, "image/jpeg")
    assert origin.asked[-1].headers["authorization"].startswith("SharedKey account:")
    assert type(await refusal(desk, "abs://photos/no.jpg")) is SourceMissing


NO_BUCKETS = ["..", ".", ".photos", "%2e%2e", "a..b", "photos\\..\\secret", "photos\\", "secret#", "photos?", "evil.test?",
              "127.0.0.1:80", "127.0.0.1:80?", "u@photos", "a b", "a\nb", "photos\n", "ph\u00f6tos",
              "x" * 256]  # fmt: skip


@pytest.mark.parametrize("bucket", NO_BUCKETS)
@pytest.mark.parametrize(
    ("scheme", "style"), [("s3", {}), ("s3", {"path_style": False}), ("gs", {}), ("abs", {"access_key": "account"})]
)
async def test_a_name_that_no_bucket_has_asks_nobody(
    make: Make, origin: Origin, scheme: str, style: dict[str, Any], bucket: str
) -> None:
    keys = {"access_key": ACCESS, "secret_key": "" if scheme == "gs" else base64.b64encode(SECRET.encode()).decode()}
    desk = make(stores=((scheme, StoreSettings(kind=scheme, endpoint=origin.url, **(keys | style))),))
    bucket = bucket.replace(":80", f":{origin.port}")
    assert type(await refusal(desk, f"{scheme}://{bucket}/a.jpg")) is SourceDenied
    assert type(await refusal(desk, f"{scheme}://{bucket}/photos/a.jpg")) is SourceDenied
    assert origin.connections == 0


async def test_a_denied_bucket_is_denied_in_any_case(make: Make, origin: Origin) -> None:
    settings = StoreSettings(endpoint=origin.url, path_style=False, denied_buckets=("secret",))
    desk = make(stores=(("s3", settings),))
    assert type(await refusal(desk, "s3://SECRET/a.jpg")) is SourceDenied


@pytest.mark.parametrize("key", ["../secret/a.jpg", "a/../b.jpg", "a/..", "./a.jpg", "a/./b.jpg", "..?v"])
async def test_keys_lead_nowhere_else(make: Make, origin: Origin, key: str) -> None:
    desk = make(stores=(("s3", StoreSettings(endpoint=origin.url, access_key=ACCESS, secret_key=SECRET)),))
    assert type(await refusal(desk, f"s3://photos/{key}")) is SourceMissing
    assert origin.connections == 0


async def test_a_client_that_gives_up_is_a_failure_of_the_store(make: Make, origin: Origin) -> None:
    settings = StoreSettings(endpoint=origin.url + "/a b", access_key=ACCESS, secret_key=SECRET)
    assert type(await refusal(make(stores=(("s3", settings),)), "s3://photos/a.jpg")) is SourceFailed


def test_buckets_in_the_host_name() -> None:
    hosted = StoreSettings(endpoint="https://s3.example.com:8443", path_style=False)
    store = ObjectFetcher(hosted, query_separator="?", source_bytes=1, timeout_s=1.0, clock=Clock())._store("photos")
    assert isinstance(store, S3Store)
    assert store.config["endpoint"] == "https://photos.s3.example.com:8443"
    assert str(store.config["virtual_hosted_style_request"]) == "true"


def test_a_kind_that_nobody_knows(make: Make, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="s3, gs, abs"):
        make(stores=(("x", StoreSettings(kind="swift")),))
