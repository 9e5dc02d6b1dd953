"""Sources survive kill -9 at any moment: what is served afterwards is right, and nothing grows."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.sources.conftest import Make
from tests.sources.origin import JPEG

# Binds every file over and over, while the files change under it.
PROGRAM = """
import asyncio, os, sys
from pathlib import Path
from tintype.core.limits import Limits
from tintype.core.pipeline import SourceRef
from tintype.ports import Forwarded
from tintype.sources.assemble import open_sources
from tintype.sources.settings import SourceSettings
from tests.gates import patient
from tests.sources.conftest import Clock, Lasting
from tintype.admission.asker import Asker
from tintype.telemetry.node import NodeTelemetry
from tintype.telemetry.settings import TelemetrySettings

async def main(folder, root):
    clock = Clock()
    telemetry = NodeTelemetry(TelemetrySettings(), out=open(os.devnull, "w"))
    settings = SourceSettings(local_root=str(root), store_bytes=2_000_000)
    sources = open_sources(settings, Lasting(), Limits(), folder, telemetry, clock, patient())
    print("ready", flush=True)
    while True:
        for path in sorted(root.iterdir()):
            ref = SourceRef(url=f"local:///{path.name}")
            asker = Asker("t", deadline=clock.monotonic() + 60)
            binding = await sources.bind(asker, ref, Forwarded())
            with await sources.open(asker, binding, ref, Forwarded()):
                pass
            path.with_suffix(".new").write_bytes(path.read_bytes() + b".")
            path.with_suffix(".new").rename(path)

asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
"""


def killed_after(seconds: float, folder: Path, root: Path) -> None:
    """Run the program, and kill it some time after it is ready."""
    command = [sys.executable, "-c", PROGRAM, str(folder), str(root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


async def test_killed_again_and_again(make: Make, tmp_path: Path) -> None:
    root, folder = tmp_path / "root", tmp_path / "sources"
    root.mkdir()
    for number in range(8):
        (root / f"{number}.jpg").write_bytes(JPEG + os.urandom(100_000) + b"%d" % number)
    seed = random.randrange(10**6)
    moments = random.Random(seed)
    for _ in range(6):
        killed_after(moments.uniform(0.0, 0.3), folder, root)
    for left in root.glob("*.new"):
        left.unlink()
    desk = make(local_root=str(root), store_bytes=2_000_000)
    for path in root.iterdir():
        assert (await desk.read(f"local:///{path.name}"))[1] == path.read_bytes(), f"seed {seed}"
    await desk.sources.close()
    on_disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert on_disk < 2_000_000 + 1_000_000  # the store, and the table of bindings beside it
