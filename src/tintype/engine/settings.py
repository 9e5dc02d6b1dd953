"""Settings of the engine pool and its sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tintype.core.settings import setting


class Isolation(StrEnum):
    """When a worker is replaced for the sake of separation."""

    NODE = "node"  # after `limits.worker_images` images
    TENANT = "tenant"  # also whenever the tenant changes
    IMAGE = "image"  # a fresh fork for each image


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The worker processes."""

    workers: int = setting(0, "Worker processes; 0 = one for each core.", most=1024)
    isolation: Isolation = setting(Isolation.NODE, "When a worker is replaced: node, tenant or image.")
    nice: int = setting(
        10,
        "How far workers stand back behind the server's own threads and other processes, as nice(2) has it.",
        most=19,
    )
    heavy_ms: float = setting(
        250.0, "Predicted time in ms above which a render is heavy: while others come, such leave one worker to them."
    )
    heavy_patience_s: float = setting(
        2.0,
        "How long after work that is light, or that somebody looks at, a worker is left to the next of it, in s. With a single "
        "worker, how long heavy renders wait for the rest, and the rest between two of them.",
    )
    finished_bytes: int = setting(
        64_000_000,
        "Bytes of finished pixels kept in memory for a minute, so that the same picture in another format is only encoded; "
        "0 = none.",
    )
    poison_crashes: int = setting(2, "Crashes after which a source and plan are refused for a while.", least=1)
    poison_s: float = setting(60.0, "How long they are refused, in seconds.")


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """What must hold before anything is decoded."""

    require_sandbox: bool = setting(
        False, "Refuse to start where the kernel lacks a sandbox layer, instead of warning."
    )
