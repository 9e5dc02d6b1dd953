"""Images, an origin and a node, as end-to-end tests need them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import pyvips

from tests.e2e.node import Node, running
from tests.e2e.origin import Origin, origin_server

# How long work may wait, where refusing it is not what a test is about: a machine that is busy is no overload.
PATIENT = """
[admission]
crowd_s = 60
burst_s = 60
"""
# Sources on loopback, no signature, time enough on any machine; everything else as tintype ships it.
OPEN = f"""
{PATIENT}
[sources]
allow_loopback = true
[server]
admin_token = "admin"
[limits]
fetch_timeout_s = 20
request_timeout_s = 60
[engine]
workers = 2
[tenants.default]
trusted_signatures = ["unsafe"]
"""


def picture(width: int = 400, height: int = 300, seed: int = 1, suffix: str = ".jpg") -> bytes:
    """Return an image with some detail, different for each seed."""
    noise = pyvips.Image.perlin(width, height, cell_size=32, seed=seed) * 127 + 128
    ramp = pyvips.Image.xyz(width, height)
    image = noise.bandjoin([ramp[0] * 255 / width, ramp[1] * 255 / height]).cast("uchar").copy(interpretation="srgb")
    return bytes(image.write_to_buffer(suffix))


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with origin_server() as server:
        yield server


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder: Path = tmp_path_factory.mktemp("node")
    with running(folder, OPEN, metrics=True) as one:
        yield one
