"""Random requests and images, as wide as the values allow and small enough to be refused now and then."""

from __future__ import annotations

from hypothesis import strategies as st

from tintype.core.formats import FACTS, Format
from tintype.core.info import ImageInfo
from tintype.core.offer import NEGOTIABLE, Offer
from tintype.core.pipeline import (
    Anchor,
    Background,
    Blur,
    Color,
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
from tintype.core.policy import Encoders, Light, Policy, ShrinkTable

SOURCE = SourceRef(url="https://example.com/a.jpg")

sides = st.one_of(st.integers(1, 40), st.integers(1, 9000))
wishes = st.one_of(st.just(0), st.integers(1, 40), st.integers(1, 3000))
parts = st.one_of(st.just(0.0), st.floats(0.001, 0.999), st.integers(1, 4000).map(float), st.floats(1, 4000))
ratios = st.one_of(st.just(1.0), st.floats(0.05, 8))
offsets = st.one_of(st.just(0.0), st.floats(-0.99, 0.99), st.floats(-500, 500))


@st.composite
def gravities(draw: st.DrawFn, *, smart: bool = True) -> Gravity:
    anchors = [anchor for anchor in Anchor if anchor is not Anchor.TILE and (smart or anchor is not Anchor.SMART)]
    anchor = draw(st.sampled_from(anchors))
    if anchor is Anchor.FOCUS:
        return Gravity(anchor=anchor, x=draw(st.floats(0, 1)), y=draw(st.floats(0, 1)))
    return Gravity(anchor=anchor, x=draw(offsets), y=draw(offsets))


resizes = st.builds(
    Resize,
    width=wishes,
    height=wishes,
    fit=st.sampled_from(Fit),
    enlarge=st.booleans(),
    gravity=gravities(),
    zoom_x=ratios,
    zoom_y=ratios,
    dpr=ratios,
    min_width=wishes,
    min_height=wishes,
)
crops = st.builds(Crop, width=parts, height=parts, gravity=gravities())
flips = st.builds(Flip, horizontal=st.booleans(), vertical=st.booleans())
pads = st.builds(Pad, top=st.integers(0, 90), right=st.integers(0, 90), bottom=wishes, left=st.integers(0, 90))
colors = st.builds(Color, r=st.integers(0, 255), g=st.integers(0, 255), b=st.integers(0, 255))

_OPS: tuple[st.SearchStrategy[Op], ...] = (
    st.just(Orient()),
    st.builds(Rotate, angle=st.sampled_from((90, 180, 270))),
    crops,
    resizes,
    flips,
    st.builds(Blur, sigma=st.floats(0.3, 20)),
    st.builds(Sharpen, sigma=st.floats(0.3, 5)),
    st.builds(Pixelate, size=st.integers(1, 50)),
    st.builds(Extend, gravity=gravities(smart=False)),
    st.builds(ExtendAspect, gravity=gravities(smart=False)),
    pads,
    st.builds(Background, color=colors),
    st.builds(Watermark, opacity=st.floats(0, 1), gravity=gravities(smart=False), scale=st.floats(0, 2)),
)
trims = st.builds(Trim, threshold=st.floats(0, 50), color=st.none() | colors)

outputs = st.builds(
    Output,
    format=st.none() | st.sampled_from([f for f, facts in FACTS.items() if facts.save]),
    quality=st.integers(0, 100),
    max_bytes=st.sampled_from((0, 5000)),
    strip_color_profile=st.none() | st.booleans(),
    preserve_hdr=st.none() | st.booleans(),
    enforce_thumbnail=st.none() | st.booleans(),
)


@st.composite
def pipelines(draw: st.DrawFn, *, trimming: bool = False) -> Pipeline:
    ops = [draw(op) for op in _OPS if draw(st.booleans())]
    if trimming:
        ops.append(draw(trims))
    return Pipeline.of(SOURCE, *ops, output=draw(outputs))


@st.composite
def infos(draw: st.DrawFn, *, vectors: bool = True) -> ImageInfo:
    known = [f for f, facts in FACTS.items() if facts.load and (vectors or not facts.vector)]
    kind = draw(st.sampled_from(known))
    width, height = draw(sides), draw(sides)
    small = kind in (Format.HEIC, Format.AVIF) and draw(st.booleans())
    return ImageInfo(
        format=kind,
        width=width,
        height=height,
        frames=draw(st.sampled_from((1, 1, 7))) if FACTS[kind].animation else 1,
        bits=draw(st.sampled_from((8, 16))),
        alpha=FACTS[kind].alpha and draw(st.booleans()),
        orientation=draw(st.integers(1, 8)),
        profile=draw(st.booleans()),
        thumbnail_width=max(1, width // 5) if small else 0,
        thumbnail_height=max(1, height // 5) if small else 0,
    )


offers = st.builds(
    Offer,
    accepts=st.sets(st.sampled_from(NEGOTIABLE)).map(lambda found: tuple(sorted(found))),
    dpr=st.sampled_from((0.0, 1.5, 8.0)),
    width=st.sampled_from((0, 1, 800)),
)
policies = st.builds(
    Policy,
    auto_formats=st.sampled_from(((), NEGOTIABLE, (Format.WEBP,))),
    client_hints=st.booleans(),
    light=st.sampled_from(Light),
    shrink_on_load=st.booleans(),
    shrink_table=st.sampled_from(ShrinkTable),
    encoders=st.sampled_from(Encoders),
    rasterize_svg=st.booleans(),
    watermark=st.booleans(),
    frames=st.sampled_from((1, 3, 100)),
    result_side_px=st.sampled_from((0, 1, 90, 2000)),
    source_pixels=st.sampled_from((50_000_000, 1_000_000)),
    result_pixels=st.sampled_from((0, 200_000_000, 1_000_000)),
)
