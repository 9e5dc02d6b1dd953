"""All ports in one file: what the services need of the world, in at most four methods each.

Adapters live in sources, cache, engine, coordination and telemetry; wiring alone names them. Times are Unix seconds from
`Clock.now` where they are kept, and `Clock.monotonic` where they measure; `deadline` is monotonic.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from tintype.admission.asker import Asker
from tintype.admission.gcra import Policy
from tintype.admission.lease import Leased
from tintype.core.asked import Asked
from tintype.core.binding import Binding
from tintype.core.entry import Entry, Names, Selector
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.ladder import Forgone
from tintype.core.messages import Done
from tintype.core.pipeline import SourceRef
from tintype.core.plan import Plan, Rung


class Clock(Protocol):
    """Synchronous, so that deciders and tests can be handed any time."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...


class Telemetry(Protocol):
    """Synchronous and never failing: a metric that cannot be kept is dropped."""

    def event(self, name: str, /, **facts: Any) -> None: ...
    def count(self, name: str, amount: float = 1, /, **labels: str) -> None: ...
    def observe(self, name: str, value: float, /, **labels: str) -> None: ...
    def gauge(self, name: str, value: float, /, **labels: str) -> None: ...


class Prepared(Protocol):
    """Telemetry for what happens thousands of times a second: resolved once. What is returned is for one thread alone."""

    def line(self, name: str, /, **facts: Any) -> Callable[[str, float], None]:
        """Prepare an event; call with its request_id (letters, digits, _ and -) and its milliseconds."""
        ...

    def counter(self, name: str, /, **labels: str) -> Callable[[float], None]: ...
    def timer(self, name: str, /, **labels: str) -> Callable[[float], None]: ...
    def watch(self, name: str, read: Callable[[], float], /, **labels: str) -> None:
        """Have a gauge read when somebody looks, in whatever thread, in place of putting it at each change."""
        ...


class Measures(Telemetry, Prepared, Protocol):
    """Both: what is handed on to those who need the one or the other."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took time (Clock.monotonic), and what took it within. `facts`: as of an event."""

    name: str
    began: float
    ended: float
    children: tuple[Span, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)


class Tracer(Protocol):
    """Traces of some requests. From any thread; never waits."""

    def begin(self, traceparent: bytes) -> object | None:
        """Return what stands for a request's trace; None = it has none. `traceparent`: the request's header, or empty."""

    def end(self, traced: object, root: Span) -> None:
        """Take the spans of a request; its facts have the tenant and kind that its time is counted by."""


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
        """Return whether a source may be known, or is being fetched: a no is certain. From any thread."""
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


@dataclass(frozen=True, slots=True)
class Fetched:
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


class Cache(Protocol):
    """Results by plan key. May lose anything at any moment, never returns what was not put."""

    async def get(self, key: str, names: Names | None = None) -> Entry | None:
        """Return a whole, checked entry or None; a damaged one is dropped and counts as None.

        With `names`, those of the request that it is to answer, it goes by them too from now on: a purge by any name of any
        request that an entry has answered finds it. One made before a purge by these names counts as None.
        """
        ...

    @property
    def generation(self) -> int:
        """How many purges there were. Read it before anything a result depends on, and hand it to `put`."""
        ...

    async def put(self, key: str, entry: Entry, *, generation: int | None = None) -> None:
        """Keep an entry, unless a purge after `generation` matches it. Failing to (disk full, store away) is an event."""
        ...

    async def drop(self, selector: Selector) -> int:
        """Drop what matches, in every tier; returns how many entries went (without those only a shared tier had).

        Raises:
            Overloaded: done here, but a store shared with other nodes could not be told yet; ask again.
        """
        ...

    async def close(self) -> None: ...


class Finder(Protocol):
    """What a cache can answer without waiting."""

    def find(self, key: str) -> tuple[str, bytes] | None:
        """Return the tier and the body of a whole, checked entry if it is at hand. From any thread; counts nothing."""
        ...

    def may_find(self, tag: str) -> bool:
        """Return whether any entry may go by a tag: a no is certain. From any thread."""
        ...


class Shared(Protocol):
    """What a cache can say of the tier that it shares with other nodes."""

    async def written(self, key: str) -> None:
        """Return once what was put under a key is there, or was given up."""
        ...


class Lead(Protocol):
    """The right to make a result, among nodes. A context manager: it ends with the block, or a little after."""

    def end_after(self, kept: Callable[[], Awaitable[None]]) -> None:
        """Have it end no sooner than something is done, once the block has."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...


class Leads(Protocol):
    """Which of several nodes makes a result."""

    async def lead(self, key: str, deadline: float, waits: Callable[[], None]) -> Lead | None:
        """Return the lead of a result, or None once another node's has ended; in both cases, look what it has made.

        `waits` is called if there is one to wait for. After None, ask again. At `deadline`, or when there is no word of
        other nodes, a node leads whatever they do.
        """
        ...


class Accounts(Protocol):
    """Accounts that nodes share (see `admission.lease`). What cannot be told soon is not waited for."""

    async def lease(self, name: str, policies: Sequence[Policy], need_ms: float, extra_ms: float) -> Leased | None:
        """Charge an account, if it has room for what is needed, that and as much more as it has room for. None: no word."""
        ...

    async def give_back(self, name: str, policies: Sequence[Policy], ms: float) -> None:
        """Take a charge back, if the account can be told."""
        ...


class Held(Protocol):
    """Which tier has what. `shared`: there is one that other nodes use too."""

    @property
    def shared(self) -> bool: ...
    async def where(self, key: str) -> str:
        """Return the fastest tier of this node's own that has an entry, "" = none; counts nothing."""
        ...


class Runner(Protocol):
    """Runs plans in sandboxed workers. Takes descriptors, gives bytes; knows no codec itself."""

    async def run(
        self,
        inputs: Sequence[tuple[int, int, Format]],
        plans: Sequence[Plan],
        *,
        asker: Asker,
        digest: str,
        began: Callable[[], None] | None = None,
    ) -> Finished:
        """Run plans over inputs (descriptor, size, format), the source first.

        Raises:
            ImageError, Overloaded, EngineFailed.

        Cancelling the call while it is queued takes it out of the queue; once a worker has it (`began` is called then), it
        runs to its end.
        """
        ...


class Reserve(Protocol):
    """Another runner, for what nobody waits for."""

    async def runner(self) -> Runner:
        """Return it, started. Raises EngineFailed."""
        ...


class Spare(Protocol):
    """When there is time for what nobody waits for."""

    async def spare(self) -> None:
        """Return once there is: a worker has nothing to do, and nothing waits for one."""
        ...


class Engine(Runner, Protocol):
    """A runner that reads headers too, and is started and ended."""

    async def probe(
        self, source: int, size: int, format: Format, *, asker: Asker, digest: str, source_pixels: int
    ) -> ImageInfo:
        """Return header facts. Raises as `run`."""
        ...

    async def start(self) -> None: ...
    async def close(self) -> None:
        """Let running work end (within the drain time), refuse the rest with Draining, end the workers."""
        ...


@dataclass(frozen=True, slots=True)
class Finished:
    """Results of a run: facts and bytes by plan, and how long it queued (seconds)."""

    done: Done
    bodies: tuple[bytes, ...]
    queued_s: float


class Dialect(Protocol):
    """A URL language. Pure: keys, presets and defaults are given at construction."""

    name: str

    def parse(self, target: str, now: float) -> Asked:
        """Read a raw request target (percent-encoded path, prefix removed, query included).

        Raises:
            BadRequest: with what was given and what is allowed; NotSigned before anything else is looked at.
        """
        ...

    def format(self, asked: Asked) -> str:
        """Write the canonical target, signed with the first key. parse(format(x)) == x, but for the key."""
        ...

    def refusal(self, error: Exception) -> tuple[int, str]:
        """Return the status and the short public text that users of this dialect expect for an error."""
        ...

    def shown(self, target: str) -> str:
        """Return any target, readable or not, for the log: what was asked of which host and path.

        Without queries, fragments and users of sources, however they are encoded, and without a whole signature, so that
        whoever reads the log can fetch nothing that is signed.
        """
        ...
