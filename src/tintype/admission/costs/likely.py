"""The likely cost: what a request will take of a worker, by its URL alone, as such requests took lately.

Such requests are those of a tenant for a host's images of one extension, to about one size and one format; where none of
them is remembered, all of that extension, size and format; else all. So thumbnails are not charged for what large images
take that come at the same time.
"""

from __future__ import annotations

from statistics import median_low
from typing import NamedTuple, TypeAlias

from tintype.admission.asker import Asker
from tintype.admission.remembered import remember
from tintype.core.pipeline import Pipeline, Resize

# What requests have in common: tenant and host, and how they look. The less it says, the more have it in common.
Such: TypeAlias = tuple[str | int, ...]

_ALL: Such = ()
# So many of each are remembered.
_LATELY = 16
# What takes more than this times the median counts as that: a few odd ones that look the same to a URL hardly matter. While
# costs are spread by less, it is their mean, which is what the work that is let in takes together.
_ODD = 4.0
_EXTENSION = 5  # letters; what is longer is none


class _Lately(NamedTuple):
    took: tuple[float, ...]
    ms: float


class Likely:
    """Likely costs. `first_ms`: before any was measured. They may be asked for from any thread."""

    def __init__(self, first_ms: float) -> None:
        self._first_ms = first_ms
        self._lately: dict[Such, _Lately] = {}

    def ms(self, asker: Asker) -> float:
        """Return the milliseconds of a worker that a request will likely take."""
        for such in _from_specific(asker):
            found = self._lately.get(such)
            if found is not None:
                return found.ms
        return self._first_ms

    def learn(self, asker: Asker, took_ms: float) -> None:
        """Note what a request took."""
        general_ms = self._first_ms
        for such in reversed(_from_specific(asker)):
            # The first of a kind may be an odd one: what is known in general counts as much.
            before = self._lately.get(such) or _Lately((general_ms,), general_ms)
            took = (*before.took, took_ms)[-_LATELY:]
            remember(self._lately, such, _Lately(took, _usual(took)))
            general_ms = before.ms


def _usual(took: tuple[float, ...]) -> float:
    """Return a mean in which what is odd counts for no more than is usual."""
    most = _ODD * median_low(took)
    even = took if max(took) <= most else [min(one, most) for one in took]
    return sum(even) / len(took)


def _from_specific(asker: Asker) -> tuple[Such, ...]:
    pipeline = asker.pipeline
    if pipeline is None:
        return (_ALL,)
    look = (_extension(pipeline.source.url), _size_class(pipeline), pipeline.output.format or "")
    return (asker.tenant, pipeline.source.host, *look), look, _ALL


def _extension(url: str) -> str:
    name = url.partition("?")[0].rpartition("/")[2]
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    return extension if len(extension) <= _EXTENSION else ""


def _size_class(pipeline: Pipeline) -> int:
    """Return the power of two that the wanted sides are below; 0: the source's own size."""
    for op in pipeline.ops:
        if isinstance(op, Resize):
            return int(max(op.width, op.height) * op.dpr).bit_length()
    return 0
