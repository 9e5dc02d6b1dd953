"""Demo: make the photo that a fresh install shows, with the node's own engine."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from tintype.admission.asker import Asker
from tintype.core.formats import Format
from tintype.core.offer import Offer
from tintype.core.pipeline import Output, Pipeline, SourceRef
from tintype.core.policy import Policy
from tintype.core.resolve import resolve
from tintype.kit.held import HeldLease
from tintype.ports import Engine

_QUALITY = 90


async def make_photo(engine: Engine, photo: Path, deadline: float) -> None:
    """Render the drawn landscape to a JPEG of 1800 x 1200 at `photo`.

    Raises:
        TintypeError: the engine cannot.
        OSError: the folder cannot be written.
    """
    drawing = files("tintype.services").joinpath("demo.svg").read_bytes()
    asked = Pipeline.of(SourceRef(url="local:///demo.svg"), output=Output(format=Format.JPEG, quality=_QUALITY))
    with HeldLease("", "demo:", drawing) as lease:
        source, digest = (lease.fd(), len(drawing), Format.SVG), lease.binding.digest
        asker = Asker("", deadline=deadline)
        info = await engine.probe(*source, asker=asker, digest=digest, source_pixels=0)
        plan = resolve(asked, info, Offer(), Policy())
        done = await engine.run([source], [plan], asker=asker, digest=digest)
    _write(photo, done.bodies[0])


def _write(photo: Path, body: bytes) -> None:
    photo.parent.mkdir(parents=True, exist_ok=True)
    new = photo.with_suffix(".new")
    new.write_bytes(body)
    os.replace(new, photo)  # noqa: PTH105 - whole or not at all
