"""What a node's processes load to start: a supervisor only what it watches with, a front nothing that is not asked for yet."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path

import pytest

from tests.e2e.node import running

_IMPORTED = re.compile(r"^import time: .*\| +(\S+)$", re.MULTILINE)
# What a front is made of.
_NODE = frozenset(
    {
        *("tintype.wiring.node", "tintype.web.front", "tintype.engine.pool", "tintype.ports"),
        *("tintype.services.render", "tintype.cache.disk", "tintype.sources.sources", "tintype.kit.filestore"),
        *("asyncio", "granian", "aiohttp", "sqlite3", "prometheus_client", "uvloop"),
    }
)
# What no process of a node needs as it comes.
_NEVER = frozenset(
    {
        *("fastapi", "starlette", "cryptography", "valkey", "opentelemetry", "structlog", "rich", "numpy", "pyvips"),
        *("tintype.web.control", "tintype.coordination.link", "tintype.telemetry.traces", "tintype.worker"),
        *("tintype.cli.check", "tintype.cli.transform", "tintype.cli.explain"),
    }
)


@pytest.fixture(scope="module")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """Return the modules of a supervisor whose node became ready and ended."""
    with running(tmp_path_factory.mktemp("supervisor"), python=("-X", "importtime")) as node:
        pass
    return frozenset(_IMPORTED.findall(node.log))


@pytest.fixture(scope="module")
def all_processes(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """Return the modules of a supervisor and its front, whose control API is on. Workers get no variables."""
    env = {"PYTHONPROFILEIMPORTTIME": "1", "TINTYPE_SERVER__ADMIN_TOKEN": "admin"}
    with running(tmp_path_factory.mktemp("node"), env=env) as node:
        pass
    return frozenset(_IMPORTED.findall(node.log))


def test_a_supervisor_loads_no_part_of_a_node(supervisor: frozenset[str]) -> None:
    assert "tintype.web.supervisor" in supervisor
    assert supervisor.isdisjoint(_NODE | _NEVER), sorted(supervisor & (_NODE | _NEVER))


def test_a_front_loads_nothing_that_is_switched_off_or_that_nobody_has_asked_for(all_processes: frozenset[str]) -> None:
    assert all_processes >= _NODE
    assert all_processes.isdisjoint(_NEVER), sorted(all_processes & _NEVER)


def test_a_front_that_serves_stands_back_behind_nobody(tmp_path: Path) -> None:
    """Only the thread that imports it does: what a front is asked for is not to wait for the work of others."""
    with running(tmp_path) as node:
        (front,) = node.children()
        assert os.getpriority(os.PRIO_PROCESS, front) == os.getpriority(os.PRIO_PROCESS, node.process.pid)


def test_nobody_can_connect_before_a_worker_is_there(tmp_path: Path) -> None:
    """Who stands in front asks another node, rather than wait for the workers of this one."""
    with running(tmp_path, ready=False) as node:
        deadline = time.monotonic() + 60
        while not _listens(node.port):
            assert node.process.poll() is None, node.log
            assert time.monotonic() < deadline, node.log
            time.sleep(0.005)
        assert "engine.worker_started" in node.log
        assert node.ask("/ready").status == 200


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0
