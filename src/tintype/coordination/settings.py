"""Settings of coordination."""

from __future__ import annotations

from dataclasses import dataclass

from tintype.core.settings import setting

SCHEMES = ("valkey", "valkeys", "redis", "rediss", "unix")


@dataclass(frozen=True, slots=True)
class CoordinationSettings:
    """A Valkey that nodes share. Without one, each node is alone."""

    valkey_url: str = setting(
        "",
        "A Valkey or Redis server that nodes share, valkey://USER:PASSWORD@HOST:6379/0, valkeys:// with TLS; empty = none.",
        secret=True,
    )
    prefix: str = setting(
        "tintype", "What the names of its keys begin with: nodes that share results have the same, others another."
    )
    timeout_s: float = setting(
        0.1,
        "How long it may take to answer; after three failures in a row a node goes on alone for a while.",
        least=0.001,
        most=10,
    )
    connections: int = setting(8, "Connections of a node to it, at most.", least=1, most=1000)
    lead_s: float = setting(
        3.0,
        "After how long another node makes a result whose node has died; one that lives says so meanwhile.",
        least=0.1,
        most=60,
    )
