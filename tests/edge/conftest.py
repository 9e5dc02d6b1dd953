"""One edge in front of three nodes, for tests that leave it as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.origin import Origin, origin_server
from tests.edge.edge import Edge, cluster


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with origin_server() as server:
        yield server


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with cluster(tmp_path_factory.mktemp("edge")) as one:
        yield one
