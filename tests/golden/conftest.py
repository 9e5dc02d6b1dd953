"""The node that the golden cases are asked of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.node import Node
from tests.golden.make import golden_node


@pytest.fixture(scope="package")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with golden_node(tmp_path_factory.mktemp("golden")) as node:
        yield node
