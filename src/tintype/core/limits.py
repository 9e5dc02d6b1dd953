"""Every bound in one place. Each has a default, a unit in its name and an error that names it."""

from __future__ import annotations

from dataclasses import dataclass

from tintype.core.settings import setting


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a node. Bounds that a tenant may lower or raise for itself are in `Policy`."""

    source_bytes: int = setting(100_000_000, "Largest source body, in bytes.", least=1)
    source_redirects: int = setting(10, "Redirects followed for one source.")
    fetch_timeout_s: float = setting(
        5.0, "Time for one fetch of a source, from connecting to its last byte.", least=0.01
    )
    request_timeout_s: float = setting(
        10.0, "Time for one request, from its first byte to its result being ready.", least=0.01
    )
    url_bytes: int = setting(8192, "Longest request path.", least=128)
    result_bytes: int = setting(200_000_000, "Largest result, in bytes.", least=1)
    render_queue: int = setting(
        1000,
        "Renders let in that are not done, of which few wait for long (admission.patience_s); one more is refused.",
        least=1,
    )
    fetches: int = setting(64, "Fetches of sources under way at once.", least=1)
    fetches_per_host: int = setting(
        32, "Fetches under way at once from one host, at most: fewer while it is slow, 16 to begin with.", least=1
    )
    fetch_queue: int = setting(
        512, "Fetches that wait for one host; with one more, the last in turn is refused.", least=0
    )
    clients: int = setting(
        8192,
        "Connections served at once, idle ones too; more wait to be accepted. Fewer where `ulimit -n` allows no more.",
        least=1,
    )
    worker_memory_bytes: int = setting(
        2_000_000_000, "Address space a worker may add to what it has when idle (RLIMIT_AS).", least=100_000_000
    )
    worker_cpu_s: int = setting(
        0,
        "CPU time one image may take in a worker; 0 = four fifths of request_timeout_s. Below that time, because a deadline "
        "that passes is held against no image, and used-up CPU time is.",
    )
    worker_images: int = setting(500, "Images a worker handles before a fresh one takes its place.", least=1)
    worker_rss_bytes: int = setting(
        700_000_000, "Resident memory at which a worker is replaced after its image.", least=50_000_000
    )
    purge_memory: int = setting(
        10_000, "Purges remembered, to keep renders in flight from putting back what was purged.", least=1
    )

    @property
    def image_cpu_s(self) -> int:
        """CPU time one image may take: as set, or four fifths of a request's time."""
        return self.worker_cpu_s or max(1, int(self.request_timeout_s * 0.8))
