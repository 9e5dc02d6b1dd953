"""What a worker can do in production: every verb of the loop, said to the codecs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tintype.core.formats import SAVABLE, Format
from tintype.core.info import ImageInfo
from tintype.core.plan import Load, Plan, Save, Scale, ToWorking
from tintype.worker import codecs, execute, probe
from tintype.worker.loop import Buffer

# Text, so that fontconfig has read its fonts before the first SVG comes.
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48"><text x="2" y="40">tintype</text></svg>'
_WIDTH, _HEIGHT = 64, 48


class Codecs:
    """The codecs, locked down as soon as they are imported."""

    def __init__(self) -> None:
        codecs.lock_down()

    def warm(self) -> None:
        """Draw a small image, write it in every format and read each back, so that libraries and fonts are loaded."""
        drawn = execute.execute(_plan(Format.SVG, Format.PNG), [(Format.SVG, _SVG)]).body
        for kind in sorted(SAVABLE):
            body = execute.execute(_plan(Format.PNG, kind), [(Format.PNG, drawn)]).body
            execute.execute(_plan(kind, Format.PNG), [(kind, body)])

    def probe(self, format: Format, source: Buffer, source_pixels: int) -> ImageInfo:
        return probe.probe(format, memoryview(source), source_pixels)

    def run(
        self,
        plans: Sequence[Plan],
        inputs: Sequence[tuple[Format, Buffer]],
        there: Mapping[int, Buffer],
        keep: Collection[int],
    ) -> Sequence[execute.Rendered]:
        return execute.execute_all(plans, inputs, there, keep)

    def check(self) -> Sequence[str]:
        return codecs.prove().sentences()


def _plan(source: Format, result: Format) -> Plan:
    load = Load(format=source, width=_WIDTH, height=_HEIGHT)
    steps = (ToWorking(), Scale(width=_WIDTH, height=_HEIGHT))
    return Plan(load=load, steps=steps, save=Save(format=result), width=_WIDTH, height=_HEIGHT)
