"""The supervisor: keeps one front process running, and passes on what it is told."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

# A front that dies at once again and again is started less and less often, but always within two seconds.
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 1.0
_SETTLED_S = 10.0

# How often a child is looked at between signals.
_LOOK_S = 0.5


class Supervisor:
    """Starts `command`, starts it again when it dies, and ends it when told to end. `event` is that of telemetry."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], event: Callable[..., None], kill_after_s: float
    ) -> None:
        self._command = list(command)
        self._env = dict(env)
        self._event = event
        self._kill_after_s = kill_after_s
        self._child: subprocess.Popen[bytes] | None = None
        self._ending = False
        self._kill_at = float("inf")

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; returns the exit status. SIGHUP goes to the front, which reloads."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        signal.signal(signal.SIGHUP, self._pass_on)
        wait_s = _FIRST_WAIT_S
        while True:
            began = time.monotonic()
            self._child = subprocess.Popen(self._command, env=self._env)  # noqa: S603 - our own interpreter and module
            status = self._wait()
            if self._ending:
                return 0 if status in (0, -signal.SIGTERM, -signal.SIGINT) else 1
            if status == CONFIGURATION_ERROR:
                return status
            self._event("front_died", status=status)
            wait_s = _FIRST_WAIT_S if time.monotonic() - began > _SETTLED_S else min(wait_s * 2, _LONGEST_WAIT_S)
            time.sleep(wait_s)

    def _wait(self) -> int:
        """Wait for the child to end; one that was told to and does not is killed."""
        assert self._child is not None
        while True:
            try:
                return self._child.wait(timeout=_LOOK_S)
            except subprocess.TimeoutExpired:
                if time.monotonic() > self._kill_at:
                    self._child.kill()

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        if not self._ending:
            self._kill_at = time.monotonic() + self._kill_after_s
        self._ending = True
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)


# Exit status of a front that will never start with this configuration.
CONFIGURATION_ERROR = 2
