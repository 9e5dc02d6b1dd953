"""Every error tintype raises on purpose, in one tree. `code` is stable; the docstring is the default message.

    TintypeError
    |- BadRequest            the URL or its arguments           NotSigned (SignatureLeftOut), NotAllowed (SourceUnlisted),
    |                                                           Expired, NotFound
    |- SourceError           fetching the source                SourceMissing, SourceRefused, SourceDenied, SourceFailed,
    |                                                           SourceSlow, SourceBusy, SourceIncomplete,
    |                                                           SourceTooLarge
    |- ImageError            the bytes of an image              UnsupportedImage, BrokenImage, ImageTooLarge, Poisoned,
    |                                                           UnsupportedOutput
    |- Overloaded            us: too much to do                 Shed, DeadlinePassed, Draining; the client: QuotaExceeded
    `- InternalError         us: a defect                       EngineFailed, Misconfigured

`status` is the HTTP status tintype answers with; a dialect may say a code with another status (see `dialects`).
"""

from __future__ import annotations

from tintype.core.quota import Allowance


class TintypeError(Exception):
    """Something went wrong; see the code."""

    code = "error"
    status = 500
    retry_after_s: float | None = None

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class BadRequest(TintypeError):
    """The URL cannot be understood; see the reference of its dialect."""

    code = "bad_request"
    status = 400


class NotSigned(BadRequest):
    """The signature is missing or wrong; sign the path with a key of this tenant."""

    code = "not_signed"
    status = 403


class SignatureLeftOut(NotSigned):
    """The path begins with an option where its signature belongs; put a signature, or any word if none is needed, first."""

    code = "signature_left_out"


class NotAllowed(BadRequest):
    """The request asks for something this tenant does not allow; ask its operator or leave it out."""

    code = "not_allowed"
    status = 403


class SourceUnlisted(NotAllowed):
    """The source's URL is not on this tenant's list of allowed sources; use a listed one or ask its operator."""

    code = "source_unlisted"


class Expired(BadRequest):
    """The URL has expired; make a new one."""

    code = "expired"
    status = 404


class NotFound(BadRequest):
    """There is nothing at this path."""

    code = "not_found"
    status = 404


class SourceError(TintypeError):
    """The source could not be fetched."""

    code = "source_failed"
    status = 502
    forgivable = True  # older bytes are better than it: the origin is in trouble, and has not said no (RFC 5861)


class SourceMissing(SourceError):
    """The source does not exist."""

    code = "source_missing"
    status = 404
    forgivable = False


class SourceRefused(SourceError):
    """The origin refused the source; `origin_status` is its answer, a 4xx."""

    code = "source_refused"
    status = 403

    def __init__(self, message: str = "", origin_status: int = 403) -> None:
        super().__init__(message)
        self.origin_status = origin_status
        self.forgivable = origin_status in (408, 429)


class SourceDenied(SourceError):
    """The source's address is not allowed; allow it in the configuration if it is meant to be."""

    code = "source_denied"
    status = 403
    forgivable = False


class SourceFailed(SourceError):
    """The origin failed; `origin_status` is its answer, whose body may be what is no good, or 0: no answer is to be had."""

    code = "source_failed"
    status = 502

    def __init__(self, message: str = "", origin_status: int = 200) -> None:
        super().__init__(message)
        self.origin_status = origin_status


class SourceSlow(SourceError):
    """The origin did not answer in time."""

    code = "source_slow"
    status = 504


class SourceBusy(SourceError):
    """The origin is not asked now: it failed again and again, or many wait for it; try again after Retry-After."""

    code = "source_busy"
    status = 503
    retry_after_s: float = 1.0  # at the least

    def __init__(self, message: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = max(self.retry_after_s, retry_after_s)


class SourceIncomplete(SourceError):
    """The origin sent fewer or more bytes than it announced."""

    code = "source_incomplete"
    status = 422


class SourceTooLarge(SourceError):
    """The source has more bytes than allowed."""

    code = "source_too_large"
    status = 422
    forgivable = False


class ImageError(TintypeError):
    """The source is not an image that can be shown."""

    code = "broken_image"
    status = 422


class UnsupportedImage(ImageError):
    """The source is not in a supported format."""

    code = "unsupported_image"


class BrokenImage(ImageError):
    """The source is broken and cannot be decoded."""

    code = "broken_image"


class ImageTooLarge(ImageError):
    """The source has more pixels or frames than allowed."""

    code = "image_too_large"


class UnsupportedOutput(ImageError):
    """The result cannot be written in the format asked for."""

    code = "unsupported_output"


class Poisoned(ImageError):
    """Rendering this source crashed before; it is refused for a while."""

    code = "poisoned"


class Overloaded(TintypeError):
    """Too much to do; try again shortly."""

    code = "overloaded"
    status = 503
    retry_after_s = 1.0


class Shed(Overloaded):
    """There is too much to do at this moment; try again after the time that Retry-After names."""

    code = "shed"

    def __init__(
        self, message: str = "", retry_after_s: float = Overloaded.retry_after_s, reason: str = "wait"
    ) -> None:
        """`reason`: it would wait too long (`wait`) or did (`late`), the queue is `full`, the `front` itself is far behind."""
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.reason = reason


class QuotaExceeded(Overloaded):
    """A quota (tenant, key or client) is spent for now; try again after the time that Retry-After names, or have it raised."""

    code = "quota_exceeded"
    status = 429

    def __init__(
        self, message: str = "", retry_after_s: float = Overloaded.retry_after_s, allowances: tuple[Allowance, ...] = ()
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.allowances = allowances


class DeadlinePassed(Overloaded):
    """The request's time ran out before its result was ready."""

    code = "deadline_passed"


class Draining(Overloaded):
    """This node is shutting down; try again, another node will answer."""

    code = "draining"


class InternalError(TintypeError):
    """A defect of tintype; the log has the details under the request id."""

    code = "internal"
    status = 500


class EngineFailed(InternalError):
    """The engine could not do its work, for no fault of the image."""

    code = "engine_failed"
    status = 503
    retry_after_s = 1.0


class Misconfigured(TintypeError):
    """The configuration is wrong; the message names the setting and what it takes."""

    code = "misconfigured"


def kinds() -> dict[str, type[TintypeError]]:
    """Return every error class by code, for tables and documentation. The most specific class wins its code."""
    found: dict[str, type[TintypeError]] = {}

    def walk(kind: type[TintypeError]) -> None:
        found[kind.code] = kind
        for child in kind.__subclasses__():
            walk(child)

    walk(TintypeError)
    return found
