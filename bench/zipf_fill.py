"""Fills a node's result cache on disk, while the node is not running, with what it would have put there itself."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

from tintype.cache.disk import DiskCache
from tintype.config import load as load_config
from tintype.core.entry import Entry, EntryFacts
from tintype.core.epoch import RENDER_EPOCH
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.offer import Offer
from tintype.core.plan import plan_key
from tintype.core.resolve import resolve
from tintype.kit.filestore import FileStore
from tintype.services.make import pipeline_tag
from tintype.telemetry.clock import SystemClock
from tintype.telemetry.node import NodeTelemetry
from tintype.telemetry.settings import TelemetrySettings
from tintype.wiring.tenants import dialect_for
from tintype.worker.probe import probe

_BODY_BYTES = 700
_AT_ONCE = 64


class Filler:
    """Knows a node's folder, whose configuration it reads, and the sources behind its URLs."""

    def __init__(self, folder: Path, sources: Path, base: str) -> None:
        loaded = load_config(env={}, path=str(folder / "tintype.toml"))
        (tenant,) = loaded.config.tenants
        self._tenant, self._dialect = tenant.tenant, dialect_for(tenant)
        self._folder = folder / "var" / "cache"
        self._known = {f"{base}/{file.name}": _facts(file) for file in sources.iterdir()}
        self._filled = 0

    async def fill(self, paths: Iterator[str], max_bytes: int) -> int:
        """Put an entry for each path that is not there from before; returns the bytes that the disk tier then takes."""
        telemetry = NodeTelemetry(TelemetrySettings(log_level="error"))
        store = FileStore(self._folder, max_bytes, tier="disk", clock=SystemClock(), telemetry=telemetry)
        cache = DiskCache(store, telemetry=telemetry)
        try:
            paths = itertools.islice(paths, self._filled, None)
            while some := list(itertools.islice(paths, _AT_ONCE)):
                await asyncio.gather(*(cache.put(*self._entry(path)) for path in some))
                self._filled += len(some)
            return store.used_bytes()
        finally:
            await cache.close()

    def _entry(self, path: str) -> tuple[str, Entry]:
        asked = self._dialect.parse(path, time.time())
        url = asked.pipeline.source.url
        info, digest, size = self._known[url]
        plan = resolve(asked.pipeline, info, Offer(), self._tenant.policy)
        key = plan_key(self._tenant.name, (digest,), plan, RENDER_EPOCH)
        facts = EntryFacts(
            tenant=self._tenant.name,
            source=url,
            digest=digest,
            format=Format.JPEG,
            width=plan.width,
            height=plan.height,
            source_width=info.width,
            source_height=info.height,
            source_bytes=size,
            created_at=time.time(),
            tags=(pipeline_tag(asked),),
        )
        return key, Entry(facts=facts, body=key.encode() * (_BODY_BYTES // 32))


def _facts(file: Path) -> tuple[ImageInfo, str, int]:
    body = file.read_bytes()
    return probe(Format.JPEG, body, 0), hashlib.sha256(body).hexdigest(), len(body)
