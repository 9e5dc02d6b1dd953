"""Files of the command line: bytes as a read-only descriptor, and results that are there in full or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import BinaryIO


def readable(data: bytes) -> BinaryIO:
    """Return bytes as a nameless file that can only be read, as the engine wants its inputs."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return Path(file.name).open("rb")


def write_whole(target: Path, body: bytes) -> None:
    """Write a file through a temporary one beside it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temp = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(body)
        Path(temp).chmod(0o644)
        Path(temp).replace(target)
    finally:
        Path(temp).unlink(missing_ok=True)
