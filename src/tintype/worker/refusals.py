"""What foreign libraries say goes wrong with an image, said in our errors: short, without paths, with what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyvips

from tintype.core.errors import (
    BrokenImage,
    ImageError,
    ImageTooLarge,
    TintypeError,
    UnsupportedImage,
    UnsupportedOutput,
)

_MESSAGE_CHARS = 160

# Words of libvips, the codecs below it and libheif -> what they mean. The first match counts; broken is what is left.
_MEANINGS: tuple[tuple[re.Pattern[str], type[ImageError]], ...] = (
    (re.compile(r"^(jpeg|png|webp|heif|avif|gif|tiff|cgif)\w*save\w*:", re.MULTILINE), UnsupportedOutput),
    (re.compile(r"out of memory|too large|too many pixels|exceeds?\b|security limit|\blimits?\b"), ImageTooLarge),
    (re.compile(r"blocked|unsupported|not supported|no support|unimplemented|not implemented"), UnsupportedImage),
)


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn any failure of a codec inside the block into an ImageError that begins with `what`.

    Codecs fail in any way a library may: the bytes are hostile, so whatever they raise is the image's fault.
    """
    with refusing_pixels(what):
        try:
            yield
        except (TintypeError, MemoryError, pyvips.Error):
            raise
        except Exception as error:
            raise refusal(what, str(error) or type(error).__name__) from error


@contextmanager
def refusing_pixels(what: str) -> Iterator[None]:
    """Turn a failure of libvips inside the block into an ImageError; anything else is a defect of ours, and shows."""
    try:
        yield
    except MemoryError as error:
        raise ImageTooLarge(f"{what}: decoding needs more memory than a worker may use") from error
    except pyvips.Error as error:
        raise refusal(what, error.detail or "cannot be decoded") from error


def refusal(what: str, detail: str) -> ImageError:
    """Return the error that a library's message means."""
    text = detail.lower()
    kind = next((kind for words, kind in _MEANINGS if words.search(text)), BrokenImage)
    return kind(f"{what}: {_short(detail)}")


def _short(detail: str) -> str:
    lines = [line.strip() for line in detail.splitlines() if line.strip()]
    text = "".join(c if c.isprintable() else "?" for c in (lines[-1] if lines else "no reason given"))
    return re.sub(r"\S*/\S*", "...", text)[:_MESSAGE_CHARS]
