"""Colour spaces and metadata of JPEG XL are read inside the sandbox, where the library was not loaded before."""

from __future__ import annotations

import os
import sys

import pytest

from tests.engine.conftest import Benches, sealed
from tests.worker.jxl_files import FILES
from tests.worker.pictures import plan_of, run
from tintype.admission.asker import Asker
from tintype.core.formats import Format
from tintype.core.plan import Save
from tintype.engine.process import COMMAND

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="worker sandboxes are tested on Linux")


@pytest.mark.parametrize("name", ["icc_lossless", "named_lossy", "transcoded"])
async def test_as_outside(engine: Benches, name: str) -> None:
    bench = await engine(command=COMMAND, require_sandbox=True)
    data, kept = FILES[name], Save(format=Format.PNG, keep_copyright=True)
    fd = sealed(data)
    try:
        deadline = bench.clock.monotonic() + 60
        info = await bench.pool.probe(
            fd, len(data), Format.JXL, asker=Asker("t", deadline=deadline), digest="d", source_pixels=0
        )
        plan = plan_of(data, Format.JXL, save=kept)
        done = await bench.pool.run(
            [(fd, len(data), Format.JXL)], [plan], asker=Asker("t", deadline=deadline), digest="d"
        )
    finally:
        os.close(fd)
    assert info.profile
    assert done.bodies[0] == run(data, Format.JXL, save=kept).body
