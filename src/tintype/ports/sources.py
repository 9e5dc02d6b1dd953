"""Ports of sources: which bytes a URL means, the bytes, and the rungs that are kept beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

import msgspec

from tintype.admission.asker import Asker
from tintype.core.binding import Binding
from tintype.core.entry import Selector
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.ladder import Forgone
from tintype.core.pipeline import SourceRef
from tintype.core.plan import Rung


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What is passed on to an origin: headers (cookies among them), already chosen by the tenant's settings.

    `private` is true when they carry a user's identity (Cookie, Authorization): the answer is then nobody else's.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    private: bool = False


class Lease(Protocol):
    """Source bytes on local disk or in a memfd, kept from deletion until `close`. Use as a context manager."""

    @property
    def binding(self) -> Binding: ...
    @property
    def format(self) -> Format | None:
        """Sniffed from the first bytes; None = not one we know (`foreign` then names it if it can)."""

    @property
    def foreign(self) -> str: ...
    def fd(self) -> int:
        """A read-only descriptor at offset 0; owned by the lease."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...


class Sources(Protocol):
    """Bindings and source bytes, fetched when needed, revalidated when stale, shared between concurrent callers."""

    async def bind(self, asker: Asker, ref: SourceRef, forwarded: Forwarded, *, assume_fresh_s: float = 0.0) -> Binding:
        """Return a binding that is fresh, or stale within its allowance (a refresh is then under way).

        One whose origin named no lifetime counts as fresh for `assume_fresh_s` after it was last confirmed.
        Fetches if there is none or if it must be revalidated; never needs the bytes when the binding is fresh.

        Raises:
            SourceError: as the origin, the allow-list or the address guard says.
            DeadlinePassed: time ran out.
            Shed: it would have to be fetched, and there is too much to do.
        """
        ...

    async def open(self, asker: Asker, binding: Binding, ref: SourceRef, forwarded: Forwarded) -> Lease:
        """Return the bytes of a binding, from the local store or, if they were evicted, from the origin again.

        The lease's own binding may be newer, if the origin has changed meanwhile. Raises as `bind`.
        """
        ...

    async def learn(self, binding: Binding, info: ImageInfo) -> Binding:
        """Keep header facts with a binding; returns the binding with them."""
        ...

    async def drop(self, selector: Selector, *, soft: bool) -> int:
        """Forget bindings and bytes, or with `soft` let them be stale from now on. Returns how many."""
        ...


class Acquainted(Protocol):
    """What sources can say without asking an origin."""

    async def known(self, tenant: str, ref: SourceRef, forwarded: Forwarded) -> Binding | None:
        """Return what is known of a source, however old."""

    def may_know(self, tenant: str, ref: SourceRef, forwarded: Forwarded) -> bool:
        """Return whether a source, or that it cannot be had, may be known, or it is being fetched: a no is certain.

        From any thread.
        """
        ...


class Master(Protocol):
    """A rung's bytes on local disk, kept from deletion until `close`. Use as a context manager."""

    @property
    def size(self) -> int: ...
    def fd(self) -> int:
        """A read-only descriptor at offset 0; owned by the master."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...


class Mezzanines(Protocol):
    """Rungs by (tenant, digest, rung, epoch), kept beside sources and dropped with them. May lose any at any moment."""

    def forgone(self, binding: Binding, rung: Rung, savings_ms: Sequence[float]) -> Forgone:
        """Return what a rung would have saved since it was last made; remember what it would save results now."""
        ...

    @property
    def generation(self) -> int:
        """How many purges there were. Read it before the original is opened, and hand it to `put`."""
        ...

    async def open(self, binding: Binding, rung: Rung) -> Master | None:
        """Return a whole, checked rung, or None."""
        ...

    async def put(self, binding: Binding, rung: Rung, body: bytes, *, generation: int) -> None:
        """Keep a rung, unless its source was purged after `generation`."""
        ...


class Fetcher(Protocol):
    """One kind of origin (http, local files, one object store): fetches a body into a file. Sources holds several."""

    async def fetch(
        self, url: str, known: Binding | None, forwarded: Forwarded, sink: Sink, deadline: float
    ) -> Fetched:
        """Fetch, conditionally if `known` has validators, writing the body to `sink`.

        Raises:
            SourceError, DeadlinePassed.
        """
        ...


class Sink(Protocol):
    """Where a fetched body goes; refuses with SourceTooLarge what exceeds the bound."""

    def write(self, chunk: bytes, /) -> None: ...


class Fetched(msgspec.Struct, frozen=True):
    """What an origin said. `unchanged`: it confirmed the known bytes. Header values as sent, "" = absent."""

    unchanged: bool = False
    etag: str = ""
    last_modified: str = ""
    cache_control: str = ""
    expires: str = ""
    age_s: float = 0.0
    vary: str = ""
    content_type: str = ""
    set_cookie: bool = False
    versioned: bool = False  # the URL names immutable bytes (an object version)
