"""An origin, and a node with an origin's sources on loopback, as tests of faults need them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.origin import Origin, origin_server


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with origin_server() as server:
        yield server
