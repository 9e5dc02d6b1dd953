"""What users of imgproxy see of an error: the status and the short text that imgproxy answers with."""

from __future__ import annotations

from tintype.core import errors
from tintype.core.errors import SourceFailed, SourceRefused, TintypeError

INVALID_URL = "Invalid URL"
FORBIDDEN = "Forbidden"
UNREACHABLE = "Source is unreachable"
INVALID_SOURCE_URL = "Invalid source URL"
INVALID_IMAGE = "Invalid source image"
BROKEN_IMAGE = "Broken or unsupported image"
INTERNAL = "Internal error"

# By class; a class that is not here answers as the nearest one above it.
REFUSALS: dict[type[TintypeError], tuple[int, str]] = {
    errors.TintypeError: (500, INTERNAL),
    errors.BadRequest: (404, INVALID_URL),
    errors.NotSigned: (403, FORBIDDEN),
    errors.SignatureLeftOut: (403, "The first part of the path is an option; a signature belongs there"),
    errors.NotAllowed: (403, INVALID_URL),
    errors.SourceUnlisted: (404, INVALID_SOURCE_URL),
    errors.SourceError: (404, UNREACHABLE),
    errors.SourceDenied: (404, INVALID_SOURCE_URL),
    errors.SourceSlow: (504, UNREACHABLE),
    errors.SourceBusy: (503, UNREACHABLE),
    errors.SourceIncomplete: (422, "Source response is incomplete"),
    errors.SourceTooLarge: (422, INVALID_IMAGE),
    errors.ImageError: (422, BROKEN_IMAGE),
    errors.UnsupportedImage: (422, INVALID_IMAGE),
    errors.ImageTooLarge: (422, INVALID_IMAGE),
    errors.UnsupportedOutput: (422, INVALID_URL),
    errors.Overloaded: (503, "Service is overloaded"),
    errors.QuotaExceeded: (429, "Too many requests"),
    errors.DeadlinePassed: (503, "Timeout"),
    errors.Draining: (503, "Service is shutting down"),
    errors.EngineFailed: (503, INTERNAL),
}


def refusal(error: Exception) -> tuple[int, str]:
    """Return status and public text; the error's own message has the details."""
    status, text = next((REFUSALS[kind] for kind in type(error).__mro__ if kind in REFUSALS), (500, INTERNAL))
    if isinstance(error, SourceRefused):  # the origin's own 4xx is passed on
        status = error.origin_status if 400 <= error.origin_status <= 499 else 403
    if isinstance(error, SourceFailed) and error.origin_status >= 500:
        status = 502
    return status, text
