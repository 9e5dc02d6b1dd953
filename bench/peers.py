"""The sides of a comparison: how each server is found, started and asked, all on the same terms.

Equal terms: sources over HTTP from one origin, two engine processes or threads for two cores (each server's own default
where it follows the cores), the same quality for a format, no store of results or sources where it can be switched off.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import node
from bench.cells import CACHE, QUALITY, Want
from bench.tree import Tree
from tintype.urls import Signer

CORES = os.cpu_count() or 1
_THUMBOR = "thumbor==7.8.0"
_THUMBOR_CONFIG = """
LOADER = 'thumbor.loaders.http_loader'
STORAGE = 'thumbor.storages.no_storage'
RESULT_STORAGE = None
ALLOW_UNSAFE_URL = True
RESPECT_ORIENTATION = True  # the others turn photos upright too
"""
_READY_S, _INSTALL_S = 30.0, 600.0
Path_ = Callable[[str, Want], str]


@dataclass(frozen=True)
class Server:
    """A server that runs: its port, its first process, and the path of a variant of a file of the origin."""

    port: int
    pid: int
    path: Path_
    node: node.Node | None = None  # of our own, for its metrics


Start = Callable[[Path, str], AbstractContextManager[Server]]


@dataclass(frozen=True)
class Peer:
    """A side by name: how to start it with a folder of its own and the origin's base URL, and how to get it."""

    name: str
    title: str
    start: Start
    program: Callable[[], str | None]
    get: str = ""


# Ours


def _tintype(settings: dict[str, object]) -> Start:
    @contextlib.contextmanager
    def start(folder: Path, base: str) -> Iterator[Server]:
        chosen = {"sources.allow_loopback": True, "server.host": "127.0.0.1", **settings}
        with node.running(folder, chosen) as running:
            yield ours(running, base)

    return start


def ours(running: node.Node, base: str) -> Server:
    """Return a node of our own as a server of what the origin has."""

    def path(name: str, want: Want) -> str:
        options = {"quality": want.quality} if want.quality else {}
        return running.path(f"{base}/{name}", width=want.side, height=want.side, format=want.format, **options)

    return Server(running.port, running.process.pid, path, running)


def tintype(name: str, title: str, **settings: object) -> Peer:
    """Return our own node as a side, with settings by dotted name, dots as `__`."""
    dotted = {key.replace("__", "."): value for key, value in settings.items()}
    return Peer(name, title, _tintype(dotted), lambda: sys.executable)


# Others


@contextlib.contextmanager
def _started(command: Sequence[str], env: dict[str, str], folder: Path, port: int) -> Iterator[int]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **env}, stdout=log, stderr=log, cwd=folder)
    try:
        _wait(port, process, folder / "log")
        yield process.pid
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server and what it forked: thumbor leaves its processes behind."""
    below = Tree([process.pid]).processes() if process.poll() is None else []
    node.end(process)
    for left in below:
        with contextlib.suppress(psutil.NoSuchProcess):
            left.kill()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            node.ask(port, "/health")
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not answer:\n{log.read_text(errors='replace')[-2000:]}")


def _oximg_program() -> str | None:
    places = (os.environ.get("OXIMG_BIN", ""), str(Path.home() / ".cargo" / "bin" / "oximg"), str(CACHE / "bin/oximg"))
    return shutil.which("oximg") or next((place for place in places if place and Path(place).is_file()), None)


@contextlib.contextmanager
def _oximg(folder: Path, base: str) -> Iterator[Server]:
    port = node.free_port()
    env = {
        "PORT": str(port),
        "OXIMG_BIND": "127.0.0.1",
        "OXIMG_SOURCE_BASE_URL": base,
        "QUALITY": str(QUALITY["jpg"]),
        "OXIMG_WEBP_QUALITY": str(QUALITY["webp"]),
        "OXIMG_AVIF_QUALITY": str(QUALITY["avif"]),
    }
    with _started([_oximg_program() or ""], env, folder, port) as pid:
        yield Server(port, pid, lambda name, want: f"/resize/{want.side}/{want.side}/{name}@{want.format}")


def _thumbor_program() -> str | None:
    """Return thumbor from the path, or from an environment of its own in the user's cache folder, made when missing."""
    own = CACHE / "thumbor" / "bin"
    if not (own / "thumbor").is_file() and not shutil.which("thumbor"):
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            print(f"installing {_THUMBOR} into {own.parent}", flush=True)
            subprocess.run([sys.executable, "-m", "venv", str(own.parent)], check=True, timeout=_INSTALL_S)
            pip = [str(own / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
            subprocess.run([*pip, _THUMBOR], check=True, timeout=_INSTALL_S)
    return str(own / "thumbor") if (own / "thumbor").is_file() else shutil.which("thumbor")


@contextlib.contextmanager
def _thumbor(folder: Path, base: str) -> Iterator[Server]:
    port = node.free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "thumbor.conf"
    config.write_text(_THUMBOR_CONFIG)
    command = [_thumbor_program() or "", "--port", str(port), "--ip", "127.0.0.1", "--conf", str(config)]
    with _started([*command, "--processes", str(CORES), "--log-level", "error"], {}, folder, port) as pid:
        yield Server(port, pid, lambda name, want: _thumbor_path(f"{base}/{name}", want))


def _thumbor_path(url: str, want: Want) -> str:
    quality = f"quality({want.quality}):" if want.quality else ""
    named = "jpeg" if want.format == "jpg" else want.format
    return f"/unsafe/fit-in/{want.side}x{want.side}/filters:{quality}format({named})/{url}"


def imgproxy(name: str, title: str, **variables: str) -> Peer:
    """Return imgproxy as a side, with more of its variables, without their prefix."""

    @contextlib.contextmanager
    def start(folder: Path, base: str) -> Iterator[Server]:
        port, signer = node.free_port(), Signer(node.KEY, node.SALT)
        chosen = {"BIND": f"127.0.0.1:{port}", "KEY": node.KEY, "SALT": node.SALT, **variables}
        env = {f"IMGPROXY_{name}": value for name, value in chosen.items()}
        env["IMGPROXY_ALLOW_LOOPBACK_SOURCE_ADDRESSES"] = "true"

        def path(name: str, want: Want) -> str:
            options = {"quality": want.quality} if want.quality else {}
            return signer.url(f"{base}/{name}", width=want.side, height=want.side, format=want.format, **options)  # type: ignore[arg-type]

        with _started([os.environ["IMGPROXY_BIN"]], env, folder, port) as pid:
            yield Server(port, pid, path)

    get = "set IMGPROXY_BIN to a binary of imgproxy 4 (its releases and packages: github.com/imgproxy/imgproxy)"
    return Peer(name, title, start, lambda: os.environ.get("IMGPROXY_BIN") or None, get)


PEERS = {
    peer.name: peer
    for peer in (
        tintype("tintype-linear", "tintype, linear light (default)"),
        tintype("tintype-gamma", "tintype, imgproxy profile (gamma)", profile="imgproxy"),
        imgproxy("imgproxy", "imgproxy"),
        Peer("oximg", "oximg", _oximg, _oximg_program, "cargo install oximg --version ^0.18, or set OXIMG_BIN"),
        Peer("thumbor", "thumbor", _thumbor, _thumbor_program, f"python -m venv ... && pip install {_THUMBOR}"),
    )
}


def installed(names: Sequence[str], peers: Mapping[str, Peer]) -> list[str]:
    """Return the names of those that can be started here; tells how to get the others."""
    here = [name for name in names if peers[name].program()]
    for name in sorted(set(names) - set(here)):
        print(f"not found: {name}; to have it measured: {peers[name].get}")
    return here


# A loop without a server


class Loop:
    """What libvips alone does: `thumbnail` and a saver in one process for each core, files read from the page cache."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(CORES, multiprocessing.get_context("spawn"), _alone)
        before = {process.pid for process in multiprocessing.active_children()}
        list(self._pool.map(time.sleep, [0.2] * CORES))  # all of them are started
        self.pids = [p.pid for p in multiprocessing.active_children() if p.pid and p.pid not in before]

    def make(self, files: Sequence[Path], want: Want) -> list[tuple[float, bytes]]:
        """Return seconds and bytes of each result."""
        return list(self._pool.map(_thumbnail, files, itertools.repeat(want)))

    def close(self) -> None:
        self._pool.shutdown()


def _alone() -> None:
    os.environ["VIPS_CONCURRENCY"] = "1"


def _thumbnail(file: Path, want: Want) -> tuple[float, bytes]:
    import pyvips  # noqa: PLC0415 - after VIPS_CONCURRENCY is set

    began = time.perf_counter()
    pyvips.cache_set_max(0)
    image = pyvips.Image.thumbnail_buffer(file.read_bytes(), want.side, height=want.side)
    options = {"Q": want.quality} if want.quality else {}
    options |= {"effort": 1} if want.format == "avif" else {}
    body = bytes(image.write_to_buffer(f".{want.format}", keep="none", **options))
    return time.perf_counter() - began, body
