"""Fetches s3://, gs:// and abs:// objects (and those of stores with names of their own) through obstore."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from obstore import get_async
from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    NotModifiedError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from tintype.core.binding import Binding
from tintype.core.errors import (
    Misconfigured,
    SourceDenied,
    SourceFailed,
    SourceIncomplete,
    SourceMissing,
    SourceRefused,
    SourceSlow,
    SourceTooLarge,
    TintypeError,
)
from tintype.ports import Clock, Fetched, Forwarded, Sink
from tintype.sources.settings import StoreSettings

# Clients kept for one store, one a bucket; the least recently used goes.
_BUCKETS = 64
_CHUNK = 256 * 1024
# One more try for what fails before a body begins; the fetch's own deadline bounds both.
_RETRIES = 1
_STATUS = re.compile(r"status code: (\d{3})")
# What a bucket may be called: clients put names into URLs as they stand, where anything else means something.
_BUCKET = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._$-]{0,254}")
# What the client raises when its own code gives up: neither is a class that can be imported.
_PANICS = frozenset({"RustPanic", "PanicException"})

if TYPE_CHECKING:  # obstore has these names in its type information only
    from obstore import GetOptions, GetResult

ObjectStore: TypeAlias = S3Store | GCSStore | AzureStore


class Open(Protocol):
    """Makes the client of one bucket."""

    def __call__(self, settings: StoreSettings, bucket: str, timeout_s: float) -> ObjectStore: ...


class ObjectFetcher:
    """Reads the buckets of one store. Where it is and who may read it is the operator's word, so no guard is asked."""

    def __init__(
        self, settings: StoreSettings, *, query_separator: str, source_bytes: int, timeout_s: float, clock: Clock
    ) -> None:
        if settings.kind not in _KINDS:
            raise Misconfigured(f"stores: kind {settings.kind!r} is unknown; it is one of {', '.join(_KINDS)}")
        self._settings, self._separator, self._clock = settings, query_separator, clock
        self._source_bytes, self._timeout_s = source_bytes, timeout_s
        self._stores: OrderedDict[str, ObjectStore] = OrderedDict()

    async def fetch(
        self,
        url: str,
        known: Binding | None,
        forwarded: Forwarded,  # noqa: ARG002 a store knows the server's credentials, no user's
        sink: Sink,
        deadline: float,
    ) -> Fetched:
        """Fetch an object, or the version of it that the URL names; see the port."""
        bucket, key, version = parts(url, self._separator)
        self._check(bucket)
        options: GetOptions = {}
        if known is not None and known.etag:
            options["if_none_match"] = known.etag
        if version:
            options["version"] = version
        try:
            async with asyncio.timeout(deadline - self._clock.monotonic()):
                got = await get_async(self._store(bucket), key, options=options)
                await self._pour(got, sink)
        except NotModifiedError:
            assert known is not None
            return _unchanged(known, versioned=bool(version))
        except (BaseError, OSError, ValueError) as error:
            raise translated(error) from None
        except BaseException as error:
            if type(error).__name__ not in _PANICS:
                raise
            raise SourceFailed("The object store's client cannot ask for this object; check the endpoint") from None
        return _fetched(got, versioned=bool(version))

    def _check(self, bucket: str) -> None:
        if not _BUCKET.fullmatch(bucket) or ".." in bucket:
            raise SourceDenied("The source URL's bucket has a name that no bucket has; it looks like s3://bucket/key")
        allowed, denied = self._settings.allowed_buckets, self._settings.denied_buckets
        # Host names have no case, so a bucket in one is denied however it is spelled.
        if bucket.lower() in map(str.lower, denied) or (allowed and bucket not in allowed):
            raise SourceDenied(f"The bucket {bucket!r} may not be read; see allowed_buckets and denied_buckets")

    def _store(self, bucket: str) -> ObjectStore:
        store = self._stores.pop(bucket, None) or _KINDS[self._settings.kind](self._settings, bucket, self._timeout_s)
        self._stores[bucket] = store
        if len(self._stores) > _BUCKETS:
            self._stores.popitem(last=False)
        return store

    async def _pour(self, got: GetResult, sink: Sink) -> None:
        size, received = got.meta["size"], 0
        if size > self._source_bytes:
            raise SourceTooLarge(f"The source has {size} bytes; at most {self._source_bytes} are allowed")
        async for chunk in got.stream(min_chunk_size=_CHUNK):
            received += len(chunk)
            sink.write(bytes(chunk))
        if received != size:
            raise SourceIncomplete


def parts(url: str, separator: str) -> tuple[str, str, str]:
    """Split scheme://bucket/key?version. Keys are taken as they stand, as they may hold any character.

    Raises:
        SourceMissing: there is no bucket or no key, or the key has a segment that URLs take for a step up or nowhere.
    """
    bucket, _, key = url.partition("://")[2].partition("/")
    version = ""
    if separator:
        key, _, version = key.partition(separator)
    key = key.lstrip("/")
    if not bucket or not key:
        raise SourceMissing("The source URL names no object; it looks like s3://bucket/key")
    if not {".", ".."}.isdisjoint(key.split("/")):
        raise SourceMissing("The source URL's key has a . or .. between slashes, which no client asks for")
    return bucket, key, version


def translated(error: Exception) -> TintypeError:
    """Return our error for one of the store's; its text has URLs and debug dumps in it, so none of it is handed on."""
    if isinstance(error, FileNotFoundError | InvalidPathError | ValueError):  # ValueError: a key no client can name
        return SourceMissing()
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return SourceRefused("The object store does not hand this object out; check the store's credentials", 403)
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return SourceSlow()
    found = _STATUS.search(str(error))
    status = int(found[1]) if found else 0
    if 400 <= status < 500:
        return SourceRefused(f"The object store answered with status {status}", status)
    if status:
        return SourceFailed(f"The object store answered with status {status}", status)
    return SourceFailed("The object store cannot be reached, or its credentials cannot be had", 0)


def _fetched(got: GetResult, *, versioned: bool) -> Fetched:
    attributes = {str(name): value for name, value in got.attributes.items()}
    return Fetched(
        etag=got.meta["e_tag"] or "",
        last_modified=format_datetime(got.meta["last_modified"], usegmt=True),
        cache_control=attributes.get("Cache-Control", ""),
        content_type=attributes.get("Content-Type", ""),
        versioned=versioned,
    )


def _unchanged(known: Binding, *, versioned: bool) -> Fetched:
    return Fetched(
        unchanged=True,
        etag=known.etag,
        last_modified=known.last_modified,
        cache_control=known.cache_control,
        content_type=known.content_type,
        versioned=versioned,
    )


def _common(settings: StoreSettings, timeout_s: float) -> dict[str, Any]:
    limit = timedelta(seconds=timeout_s)
    return {
        "client_options": {"timeout": limit, "connect_timeout": limit, "allow_http": settings.endpoint[:5] == "http:"},
        "retry_config": {"max_retries": _RETRIES, "retry_timeout": limit},
    }


def _s3(settings: StoreSettings, bucket: str, timeout_s: float) -> ObjectStore:
    given = {
        "endpoint": settings.endpoint if settings.path_style else _hosted(settings.endpoint, bucket),
        "region": settings.region or "us-east-1",
        "access_key_id": settings.access_key,
        "secret_access_key": settings.secret_key,
    }
    return S3Store(
        bucket,
        virtual_hosted_style_request=not settings.path_style,
        **{name: value for name, value in given.items() if value},  # type: ignore[arg-type]
        **_common(settings, timeout_s),
    )


def _hosted(endpoint: str, bucket: str) -> str:
    scheme, mark, host = endpoint.partition("://")
    return f"{scheme}{mark}{bucket}.{host}" if mark else ""


def _gs(settings: StoreSettings, bucket: str, timeout_s: float) -> ObjectStore:
    given: dict[str, Any] = {}
    if settings.endpoint:
        given["base_url"] = settings.endpoint
    if settings.secret_key:
        given["service_account_key"] = settings.secret_key
    elif settings.endpoint:
        given["skip_signature"] = True  # an emulator or a proxy of one's own, which Google's credentials are not for
    return GCSStore(bucket, **given, **_common(settings, timeout_s))


def _abs(settings: StoreSettings, bucket: str, timeout_s: float) -> ObjectStore:
    given = {"account_name": settings.access_key, "account_key": settings.secret_key, "endpoint": settings.endpoint}
    return AzureStore(
        bucket,
        **{name: value for name, value in given.items() if value},  # type: ignore[arg-type]
        **_common(settings, timeout_s),
    )


_KINDS: dict[str, Open] = {"s3": _s3, "gs": _gs, "abs": _abs}
