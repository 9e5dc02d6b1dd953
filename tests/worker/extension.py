"""The native extension in tests: used where it is installed, and said to be missing where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tintype.worker import native


@contextmanager
def in_use() -> Iterator[native.Extension]:
    """Have codecs use the extension; skip the calling test where there is none, as it is optional, even in CI."""
    said = native.use(wanted=True)
    extension = native.extension()
    try:
        if extension is None:
            pytest.skip(f"{said}; it needs cargo")
        yield extension
    finally:
        native.use(wanted=False)
