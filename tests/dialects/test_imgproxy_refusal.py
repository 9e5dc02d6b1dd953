"""Every error has a status and a text that users of imgproxy know."""

from __future__ import annotations

import pytest

from tintype.core import errors
from tintype.core.errors import SourceFailed, SourceRefused, kinds
from tintype.dialects.imgproxy import Imgproxy, ImgproxySettings

DIALECT = Imgproxy(ImgproxySettings())

EXPECTED: list[tuple[Exception, tuple[int, str]]] = [
    (errors.BadRequest(), (404, "Invalid URL")),
    (errors.NotFound(), (404, "Invalid URL")),
    (errors.Expired(), (404, "Invalid URL")),
    (errors.NotSigned(), (403, "Forbidden")),
    (errors.NotAllowed(), (403, "Invalid URL")),
    (errors.SourceUnlisted(), (404, "Invalid source URL")),
    (errors.SourceDenied(), (404, "Invalid source URL")),
    (errors.SourceMissing(), (404, "Source is unreachable")),
    (SourceRefused(origin_status=403), (403, "Source is unreachable")),
    (SourceRefused(origin_status=410), (410, "Source is unreachable")),
    (SourceRefused(origin_status=302), (403, "Source is unreachable")),
    (SourceFailed(origin_status=500), (502, "Source is unreachable")),
    (SourceFailed(), (404, "Source is unreachable")),
    (errors.SourceSlow(), (504, "Source is unreachable")),
    (errors.SourceIncomplete(), (422, "Source response is incomplete")),
    (errors.SourceTooLarge(), (422, "Invalid source image")),
    (errors.UnsupportedImage(), (422, "Invalid source image")),
    (errors.ImageTooLarge(), (422, "Invalid source image")),
    (errors.BrokenImage(), (422, "Broken or unsupported image")),
    (errors.Poisoned(), (422, "Broken or unsupported image")),
    (errors.UnsupportedOutput(), (422, "Invalid URL")),
    (errors.Shed(), (503, "Service is overloaded")),
    (errors.DeadlinePassed(), (503, "Timeout")),
    (errors.Draining(), (503, "Service is shutting down")),
    (errors.EngineFailed(), (503, "Internal error")),
    (errors.Misconfigured(), (500, "Internal error")),
    (RuntimeError("secret"), (500, "Internal error")),
]


@pytest.mark.parametrize(("error", "expected"), EXPECTED, ids=lambda x: type(x).__name__)
def test_refusals(error: Exception, expected: tuple[int, str]) -> None:
    assert DIALECT.refusal(error) == expected


@pytest.mark.parametrize("kind", kinds().values(), ids=lambda kind: kind.__name__)
def test_no_error_tells_more_than_its_class(kind: type[errors.TintypeError]) -> None:
    status, text = DIALECT.refusal(kind("the key is 123"))
    assert 400 <= status <= 599
    assert text
    assert "123" not in text
    # An image, a URL or a source is never our fault; overload and defects never the client's.
    if issubclass(kind, errors.BadRequest | errors.ImageError):
        assert status < 500
    if issubclass(kind, errors.Overloaded):
        assert status in (429, 503)
