"""What an Overlay lays: another input, decoded upright, fitted, made as opaque as asked, repeated if asked."""

from __future__ import annotations

from math import ceil

from tintype.core.formats import FACTS, Format
from tintype.core.geometry import half_up, offset_px, upright
from tintype.core.plan import Canvas, Load, Overlay, Scale, ToWorking, Turn
from tintype.worker import codecs, colour
from tintype.worker.pixels import Data, Image, colour_bands, full
from tintype.worker.steps.canvas import canvas
from tintype.worker.steps.context import Context
from tintype.worker.steps.scale import scale
from tintype.worker.steps.turn import turn


def prepared(step: Overlay, image: Image, context: Context) -> Image:
    """Return the overlay in the image's space, at its final size and opacity, tiled if asked."""
    mark = _fitted(*context.inputs[step.input], step, context)
    if image.interpretation == "rgb16":
        mark = mark.colourspace("rgb16")
    if not mark.hasalpha():
        mark = mark.bandjoin(full(mark)).copy(interpretation=mark.interpretation)
    if step.tile:
        mark = _tiled(mark, step, image)
    if step.opacity < 1:
        count = colour_bands(mark)
        mark = mark[:count].bandjoin((mark[count] * step.opacity).cast(mark.format))
    return mark.copy(interpretation=image.interpretation)


def _fitted(format: Format, data: Data, step: Overlay, context: Context) -> Image:
    """Decode upright, fitted into the wanted box; a vector is rendered at that size, anything else resampled to it."""
    found = codecs.info(format, data)
    mirror, angle = upright(found.orientation)
    width, height = (found.height, found.width) if angle % 180 else (found.width, found.height)
    factor = min(step.fit_width / width, step.fit_height / height) if step.fit_width and step.fit_height else 1.0
    target = Scale(width=max(1, half_up(width * factor)), height=max(1, half_up(height * factor)))
    drawn = factor if FACTS[format].vector else 1.0
    load = Load(format=format, width=half_up(found.width * drawn), height=half_up(found.height * drawn), scale=drawn)
    mark = colour.to_working(codecs.load(data, load), ToWorking())
    mark = turn(mark, Turn(angle=angle, mirror=mirror), context)
    return colour.paintable(scale(mark, target, context))


def _tiled(mark: Image, step: Overlay, image: Image) -> Image:
    """Add the gaps around the overlay and repeat it over the image, one copy in the middle."""
    gap_x = offset_px(image.width, step.x, step.offset_scale)
    gap_y = offset_px(image.height, step.y, step.offset_scale)
    size = Canvas(width=mark.width + gap_x, height=mark.height + gap_y, left=gap_x // 2, top=gap_y // 2)
    mark = canvas(mark, size, Context(())).copy_memory()
    across, down = (ceil(image.width / mark.width) | 1, ceil(image.height / mark.height) | 1)
    tiles = mark.replicate(across, down)
    return tiles.extract_area(
        (tiles.width - image.width) // 2, (tiles.height - image.height) // 2, image.width, image.height
    )
