"""Another format of the same picture: nothing is decoded for it, in an answer or behind one."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import OPEN, picture
from tests.e2e.node import Node, running
from tests.e2e.origin import Origin, Page

AUTO = """policy.auto_formats = ["avif", "webp"]
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[Node]:
    for name, seed in (("one", 1), ("two", 2), ("three", 3)):
        origin.pages[f"/{name}.jpg"] = Page(picture(1600, 1200, seed), headers={"Cache-Control": "max-age=600"})
    with running(tmp_path_factory.mktemp("node"), OPEN + AUTO, metrics=True) as one:
        yield one


def only_encoded(node: Node) -> float:
    return node.metric("tintype_engine_finished_pixels_total")


def test_a_picture_in_two_formats_is_decoded_once(node: Node, origin: Origin) -> None:
    path = f"/unsafe/w:300/f:{{}}/plain/{origin.url}/one.jpg"
    assert node.ask(path.format("jpg")).headers["content-type"] == "image/jpeg"
    before = only_encoded(node)
    assert node.metric("tintype_engine_finished_bytes") > 300 * 225 * 3
    other = node.ask(path.format("png"))
    assert (other.status, other.headers["content-type"]) == (200, "image/png")
    assert only_encoded(node) == before + 1


def test_another_size_of_it_is_decoded(node: Node, origin: Origin) -> None:
    before = only_encoded(node)
    for width in (310, 311):
        assert node.ask(f"/unsafe/w:{width}/f:jpg/plain/{origin.url}/two.jpg").status == 200
    assert only_encoded(node) == before


def test_what_is_made_behind_an_answer_is_encoded_alone(node: Node, origin: Origin) -> None:
    path, accepts = f"/unsafe/w:300/plain/{origin.url}/three.jpg", {"Accept": "image/avif,image/webp"}
    before = only_encoded(node)
    assert node.ask(path, headers=accepts).headers["content-type"] == "image/webp"
    deadline = time.monotonic() + 120
    while node.ask(path, headers=accepts).headers["content-type"] != "image/avif":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert only_encoded(node) == before + 1


def test_pixels_that_are_larger_than_a_result_may_be_are_not_kept(
    tmp_path_factory: pytest.TempPathFactory, origin: Origin
) -> None:
    origin.pages["/four.jpg"] = Page(picture(1600, 1200, 4), headers={"Cache-Control": "max-age=600"})
    small = OPEN.replace("[limits]", "[limits]\nresult_bytes = 100000")
    with running(tmp_path_factory.mktemp("small"), small, metrics=True) as node:
        for kind in ("jpg", "webp"):
            assert node.ask(f"/unsafe/w:300/f:{kind}/plain/{origin.url}/four.jpg").status == 200
        assert (only_encoded(node), node.metric("tintype_engine_finished_bytes")) == (0, 0)
