"""Putting the tiers together as the settings say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from tintype.cache.behind import Behind
from tintype.cache.disk import DiskCache
from tintype.cache.object import ObjectCache, ObjectLimits
from tintype.cache.purgelog import PurgeLog
from tintype.cache.ram import RamCache
from tintype.cache.settings import CacheSettings
from tintype.cache.store import open_store
from tintype.cache.tiers import Tiers
from tintype.core.entry import Selector
from tintype.core.limits import Limits
from tintype.core.purges import Purges
from tintype.kit.filestore import FileStore
from tintype.ports import Clock, Measures

# Entries go to disk together, a moment later: all that are written at once take one hop to a thread. Not where there is
# no memory in front of the disk, which answers faster than what waits. Seconds.
_DISK_LATER_S, _DISK_WRITERS, _DISK_TOGETHER, _OBJECT_WRITERS = 0.25, 2, 16, 4


def open_cache(
    settings: CacheSettings,
    folder: Path,
    *,
    limits: Limits,
    clock: Clock,
    telemetry: Measures,
    heard: Callable[[Selector], Awaitable[object]] | None = None,
    lock_wait_s: float = 0.0,
) -> Tiers:
    """Open the result cache of a node; results on disk live in `folder`.

    `heard` is called with purges from other nodes (object tier only), and has `Tiers.hear` carry them out here.
    `lock_wait_s` is how long a predecessor may still have the folder.

    Raises:
        Misconfigured: the folder is in use or cannot be used, or the object URL is wrong.
    """
    shared = open_store(settings.object_url) if settings.object_url else None
    purges = Purges(limits.purge_memory)
    below: list[Behind] = []
    disk = None
    if settings.disk_bytes:
        store = FileStore(
            folder, settings.disk_bytes, tier="disk", clock=clock, telemetry=telemetry, lock_wait_s=lock_wait_s
        )
        disk = DiskCache(store, telemetry=telemetry)
        later_s = _DISK_LATER_S if settings.ram_bytes else 0.0
        behind = Behind(
            disk,
            purges=purges,
            telemetry=telemetry,
            workers=_DISK_WRITERS,
            together=_DISK_TOGETHER,
            later_s=later_s,
        )
        below.append(behind)
    log = None
    if shared is not None:
        log = PurgeLog(shared, clock=clock, telemetry=telemetry, memory=limits.purge_memory)
        bounds = ObjectLimits(body_bytes=limits.result_bytes)
        cache = ObjectCache(shared, purges=log, clock=clock, telemetry=telemetry, limits=bounds)
        below.append(Behind(cache, purges=purges, telemetry=telemetry, workers=_OBJECT_WRITERS))
    ram = RamCache(settings.ram_bytes, telemetry=telemetry)
    tiers = Tiers(ram, below, purges=purges, clock=clock, memory=limits.purge_memory, log=log, disk=disk)
    if log is not None:
        log.listen(heard or tiers.hear)
    return tiers
