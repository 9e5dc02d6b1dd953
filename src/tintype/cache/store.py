"""Opening the object store that nodes share, from its URL."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from tintype.core.errors import Misconfigured

if TYPE_CHECKING:  # obstore has these for type checkers only
    from obstore.store import ClientConfig, RetryConfig

_SCHEMES = ("s3", "gs", "az", "file", "memory")
# The cache has its own time limits and stops asking a store that is away; the library's minutes of retries would
# only keep connections busy.
_RETRY: RetryConfig = {"max_retries": 1, "retry_timeout": timedelta(seconds=5)}
# Plain http only ever goes to an endpoint that the operator spelled so.
_CLIENT: ClientConfig = {"allow_http": True, "timeout": timedelta(seconds=30), "connect_timeout": timedelta(seconds=2)}


def open_store(url: str) -> ObjectStore:
    """Open s3://bucket/prefix, gs://bucket/prefix, az://account/container/prefix or file:///folder (memory:/// in tests).

    Credentials and endpoints come from the environment, as the provider's tools read it (AWS_ACCESS_KEY_ID,
    AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_KEY ...).

    Raises:
        Misconfigured: the URL is not of a store tintype knows, or its settings do not fit.
    """
    scheme = url.partition("://")[0]
    if scheme not in _SCHEMES:
        raise Misconfigured(f"cache.object_url is {url!r}; it takes {', '.join(f'{known}://' for known in _SCHEMES)}")
    try:
        if scheme == "file":
            return from_url(url, mkdir=True)
        if scheme == "memory":
            return from_url(url)
        return from_url(url, client_options=_CLIENT, retry_config=_RETRY)
    except (BaseError, ValueError, OSError) as error:
        raise Misconfigured(f"cache.object_url {url!r} cannot be opened: {error}") from error
