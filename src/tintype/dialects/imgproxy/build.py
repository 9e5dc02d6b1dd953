"""From what options ask for to a canonical request, and back: requests that mean the same are built the same."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from tintype.core.asked import Asked, Delivery
from tintype.core.pipeline import (
    Background,
    Blur,
    Bounds,
    Crop,
    Extend,
    ExtendAspect,
    Fit,
    Flip,
    Gravity,
    Op,
    Orient,
    Output,
    Pad,
    Pipeline,
    Pixelate,
    Resize,
    Rotate,
    Sharpen,
    SourceRef,
    Trim,
    Watermark,
)
from tintype.dialects.imgproxy.wanted import Wanted

_CUTTING = frozenset({Fit.COVER, Fit.COVER_DOWN, Fit.AUTO})


def build(wanted: Wanted) -> Asked:
    """Make the request of what options ask for, of no source yet."""
    return Asked(pipeline=_pipeline(wanted), delivery=_delivery(wanted))


def sourced(asked: Asked, url: str, key: str) -> Asked:
    """Return such a request of a source, signed with a key."""
    pipeline = replace(asked.pipeline, source=SourceRef(url=url, buster=asked.pipeline.source.buster))
    return replace(asked, pipeline=pipeline, key=key)


def unbuild(asked: Asked, base: Wanted) -> Wanted:
    """Return the state that `build` makes the request from; where it cannot be, `build` makes something else.

    What does not count for a raw answer is as in `base`, the state that every request begins with.
    """
    wanted = base.copy() if asked.delivery.raw else Wanted()
    wanted.buster = asked.pipeline.source.buster
    _take(wanted, asked.delivery, **{field: field for field in Delivery.__struct_fields__})
    _take(wanted, asked.pipeline.bounds, **{field: field for field in Bounds.__struct_fields__})
    if not wanted.raw:
        _unbuild_image(wanted, asked.pipeline)
    return wanted


def _unbuild_image(wanted: Wanted, pipeline: Pipeline) -> None:
    wanted.auto_rotate = pipeline.find(Orient) is not None
    _take(wanted, pipeline.output, **{field: field for field in Output.__struct_fields__})
    for op in pipeline.ops:
        _unbuild_op(wanted, op)
    if wanted.crop_gravity == wanted.gravity:
        wanted.crop_gravity = None


def _pipeline(wanted: Wanted) -> Pipeline:
    source = SourceRef(url="", buster=wanted.buster)
    bounds = Bounds(
        source_pixels=wanted.source_pixels,
        source_bytes=wanted.source_bytes,
        frames=wanted.frames,
        frame_pixels=wanted.frame_pixels,
        result_side_px=wanted.result_side_px,
    )
    if wanted.raw:  # the source as it is: nothing that shapes an image counts
        return Pipeline.of(source, bounds=bounds)
    return Pipeline.of(source, *_ops(wanted), output=_output(wanted), bounds=bounds)


def _delivery(wanted: Wanted) -> Delivery:
    return Delivery(
        filename=wanted.filename,
        attachment=wanted.attachment,
        expires_at=wanted.expires_at,
        raw=wanted.raw,
        tags=wanted.tags,
    )


def _output(wanted: Wanted) -> Output:
    return Output(
        format=wanted.format,
        quality=wanted.quality,
        # A general quality in the URL wins over those by format.
        format_quality=() if wanted.quality else wanted.format_quality,
        max_bytes=wanted.max_bytes,
        strip_metadata=wanted.strip_metadata,
        keep_copyright=wanted.keep_copyright,
        strip_color_profile=wanted.strip_color_profile,
        preserve_hdr=wanted.preserve_hdr,
        enforce_thumbnail=wanted.enforce_thumbnail,
        passthrough=wanted.passthrough,
    )


def _ops(wanted: Wanted) -> Iterator[Op]:
    """Yield ops; the pipeline orders them and leaves out those that do nothing."""
    yield from _turning(wanted)
    yield from _sizing(wanted)
    yield Blur(sigma=wanted.blur)
    yield Sharpen(sigma=wanted.sharpen)
    if wanted.pixelate > 1:  # blocks of one pixel are the image itself
        yield Pixelate(size=wanted.pixelate)
    top, right, bottom, left = wanted.padding
    yield Pad(top=top, right=right, bottom=bottom, left=left)
    if wanted.background is not None:
        yield Background(color=wanted.background)
    if wanted.watermark:
        yield Watermark(opacity=wanted.watermark, gravity=wanted.watermark_gravity, scale=wanted.watermark_scale)


def _turning(wanted: Wanted) -> Iterator[Op]:
    if wanted.auto_rotate:
        yield Orient()
    if wanted.rotate:
        yield Rotate(angle=wanted.rotate)
    yield Flip(horizontal=wanted.flip_horizontal, vertical=wanted.flip_vertical)


def _sizing(wanted: Wanted) -> Iterator[Op]:
    if wanted.trim is not None:
        yield Trim(
            threshold=wanted.trim,
            color=wanted.trim_color,
            equal_horizontal=wanted.trim_equal_horizontal,
            equal_vertical=wanted.trim_equal_vertical,
        )
    width, height = wanted.crop
    if width or height:
        yield Crop(width=width, height=height, gravity=wanted.crop_gravity or wanted.gravity)
    yield _resize(wanted)
    # Extending is to the box of the resize: without a box, or without an aspect, there is nothing to extend to.
    if wanted.extend and (wanted.width or wanted.height):
        yield Extend(gravity=wanted.extend_gravity)
    if wanted.extend_aspect and wanted.width and wanted.height:
        yield ExtendAspect(gravity=wanted.extend_aspect_gravity)


def _resize(wanted: Wanted) -> Resize:
    box = wanted.width or wanted.height
    floor = wanted.min_width or wanted.min_height
    if not box and not floor and wanted.zoom == (1.0, 1.0) and wanted.dpr == 1.0:
        return Resize()
    # Gravity matters where something may be cut: by a covering fit, or because a minimum made the image exceed its box.
    cuts = box and (wanted.fit in _CUTTING or floor)
    return Resize(
        width=wanted.width,
        height=wanted.height,
        fit=wanted.fit if box or floor else Fit.CONTAIN,
        enlarge=wanted.enlarge,
        gravity=wanted.gravity if cuts else Gravity(),
        zoom_x=wanted.zoom[0],
        zoom_y=wanted.zoom[1],
        dpr=wanted.dpr,
        min_width=wanted.min_width,
        min_height=wanted.min_height,
    )


def _take(wanted: Wanted, value: object, **fields: str) -> None:
    for field, source in fields.items():
        setattr(wanted, field, getattr(value, source))


def _unbuild_op(wanted: Wanted, op: Op) -> None:  # noqa: C901, PLR0912 - a flat table of ops
    match op:
        case Orient():
            pass
        case Rotate():
            wanted.rotate = op.angle
        case Flip():
            _take(wanted, op, flip_horizontal="horizontal", flip_vertical="vertical")
        case Trim():
            _take(wanted, op, trim="threshold", trim_color="color")
            _take(wanted, op, trim_equal_horizontal="equal_horizontal", trim_equal_vertical="equal_vertical")
        case Crop():
            wanted.crop, wanted.crop_gravity = (op.width, op.height), op.gravity
        case Resize():
            wanted.zoom = (op.zoom_x, op.zoom_y)
            plain = ("fit", "width", "height", "enlarge", "gravity", "dpr", "min_width", "min_height")
            _take(wanted, op, **{field: field for field in plain})
        case Extend():
            wanted.extend, wanted.extend_gravity = True, op.gravity
        case ExtendAspect():
            wanted.extend_aspect, wanted.extend_aspect_gravity = True, op.gravity
        case Blur():
            wanted.blur = op.sigma
        case Sharpen():
            wanted.sharpen = op.sigma
        case Pixelate():
            wanted.pixelate = op.size
        case Pad():
            wanted.padding = (op.top, op.right, op.bottom, op.left)
        case Background():
            wanted.background = op.color
        case Watermark():
            _take(wanted, op, watermark="opacity", watermark_gravity="gravity", watermark_scale="scale")
