"""The tree of errors: stable codes, statuses, and messages that say something."""

from __future__ import annotations

import pytest

from tintype.core import errors
from tintype.core.errors import TintypeError, kinds


def tree(kind: type[TintypeError] = TintypeError) -> list[type[TintypeError]]:
    return [
        kind,
        *(below for child in kind.__subclasses__() if child.__module__ == errors.__name__ for below in tree(child)),
    ]


# Two parents share a code with the child that is meant when nothing more is known.
SHARED = {"broken_image": {"ImageError", "BrokenImage"}, "source_failed": {"SourceError", "SourceFailed"}}


def test_codes_are_unique() -> None:
    by_code: dict[str, set[str]] = {}
    for kind in tree():
        by_code.setdefault(kind.code, set()).add(kind.__name__)
    assert {code: names for code, names in by_code.items() if len(names) > 1} == SHARED


def test_every_code_finds_its_most_specific_error() -> None:
    assert set(kinds()) == {kind.code for kind in tree()}
    assert kinds()["broken_image"] is errors.BrokenImage
    assert kinds()["source_failed"] is errors.SourceFailed


@pytest.mark.parametrize("kind", tree(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_message_a_status_and_is_drawn_in_the_tree(kind: type[TintypeError]) -> None:
    assert str(kind()) == (kind.__doc__ or "").splitlines()[0]
    assert str(kind("something else")) == "something else"
    assert 400 <= kind.status < 600
    assert kind.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("kind", tree(errors.ImageError), ids=lambda kind: kind.__name__)
def test_an_image_is_never_our_fault(kind: type[TintypeError]) -> None:
    assert kind.status == 422


@pytest.mark.parametrize("kind", tree(errors.Overloaded), ids=lambda kind: kind.__name__)
def test_an_overload_says_when_to_come_back(kind: type[TintypeError]) -> None:
    assert kind.status in (429, 503)
    assert kind.retry_after_s
