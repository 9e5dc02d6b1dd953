"""Bytes that the configuration gives (watermarks, fallbacks), held in memory and leased like any source."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from typing import Self

from tintype.core.binding import Binding
from tintype.core.foreign import foreign_name
from tintype.core.formats import Format
from tintype.core.sniff import HEAD_BYTES, sniff


class HeldLease:
    """A lease that never ends: closing it does nothing, the bytes live as long as the process's configuration."""

    def __init__(self, tenant: str, name: str, body: bytes) -> None:
        self._fd = _memory(body)
        self.format: Format | None = sniff(body[:HEAD_BYTES])
        self.foreign = "" if self.format else foreign_name(body[:HEAD_BYTES])
        self.binding = Binding(tenant=tenant, url=name, digest=hashlib.sha256(body).hexdigest(), size=len(body))

    def fd(self) -> int:
        return self._fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __del__(self) -> None:
        os.close(self._fd)


def _memory(body: bytes) -> int:
    """Return a descriptor on bytes: sealed memory where the platform has it, else a file without a name."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("tintype-held", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with open(fd, "wb", closefd=False) as file:
            file.write(body)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        return fd
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        return os.open(file.name, os.O_RDONLY | os.O_CLOEXEC)
