"""What tests share: the corpus, when it is there, and one way to say that an outside tool is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.company import company

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("TINTYPE_SHARED", ROOT.parent / "shared"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run those marked `alone` beside no other test."""
    with company(alone=item.get_closest_marker("alone") is not None):
        return (yield)


def missing(what: str, how: str) -> None:
    """Skip the calling test because something is not installed; under REQUIRE_ALL=1 fail it instead."""
    message = f"{what} is not here; to run this test: {how}"
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(message)
    pytest.skip(message)


def tool(name: str, how: str) -> str:
    """Return the path of an outside program, or skip."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + str(Path.home() / "go" / "bin"))
    if found is None:
        missing(name, how)
    assert found is not None
    return found


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The shared test images (photos, orientation, odd, hostile)."""
    path = SHARED / "corpus"
    if not path.is_dir():
        pytest.skip("the corpus is not here; set TINTYPE_SHARED to a folder that has corpus/ and spec/")
    return path


@pytest.fixture(scope="session")
def spec() -> Path:
    """The shared facts to build against."""
    path = SHARED / "spec"
    if not path.is_dir():
        pytest.skip("the spec is not here; set TINTYPE_SHARED to a folder that has corpus/ and spec/")
    return path
