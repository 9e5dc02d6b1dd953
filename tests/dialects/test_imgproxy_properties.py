"""Properties of the imgproxy language: both ways, one form for one meaning, and no input that breaks it."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tintype.core.asked import Asked, Delivery
from tintype.core.errors import BadRequest
from tintype.core.formats import Format
from tintype.core.pipeline import (
    Anchor,
    Background,
    Blur,
    Bounds,
    Color,
    Crop,
    Extend,
    ExtendAspect,
    Fit,
    Flip,
    Gravity,
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
from tintype.core.values import canonical_bytes
from tintype.dialects.imgproxy import Imgproxy, ImgproxySettings, build
from tintype.dialects.imgproxy.arguments import CODES, COMMON, CROPPING, EXTENDING, FORMATS, WATERMARKING
from tintype.dialects.imgproxy.options import OPTIONS
from tintype.dialects.imgproxy.wanted import Wanted

NOW = 1_800_000_000.0
KEYS: dict[str, Any] = {"keys": ("736563726574",), "salts": ("68656c6c6f",)}
TRUSTING = Imgproxy(ImgproxySettings(allow_security_options=True, **KEYS))
UNSIGNED = Imgproxy(ImgproxySettings())
PRESETS = (("default", "q:50/bg:fff/g:no:1:2/wm:0.2:soea:1:2/pd:4/t:9:fff:1"), ("p", "w:9"))
PRESET = Imgproxy(ImgproxySettings(presets=PRESETS, **KEYS))
DIALECTS = [TRUSTING, UNSIGNED, PRESET]
FUZZED = [
    UNSIGNED,
    Imgproxy(ImgproxySettings(presets=PRESETS)),
    Imgproxy(ImgproxySettings(allow_security_options=True, arguments_separator=",")),
    Imgproxy(ImgproxySettings(allowed_sources=("local:///", "https://*/"), base64_includes_filename=True)),
]

# Values that a request may have, and that no canonical form leaves out.

letters = st.characters(exclude_categories=["C"])
numbers = st.one_of(st.integers(0, 3000).map(float), st.floats(0, 1e6).map(lambda x: x + 0.0))
factors = st.floats(1e-3, 100)
shares = st.floats(0, 1)
offsets = st.floats(-1e6, 1e6).map(lambda x: x + 0.0)
pixels = st.integers(0, 2**31 - 1)
colors = st.builds(Color, r=st.integers(0, 255), g=st.integers(0, 255), b=st.integers(0, 255))
formats = st.sampled_from(sorted(set(FORMATS.values())))


def gravities(anchors: dict[str, Anchor]) -> st.SearchStrategy[Gravity]:
    free = sorted(set(anchors.values()) - {Anchor.SMART, Anchor.FOCUS})
    choices: list[st.SearchStrategy[Gravity]] = [st.builds(Gravity, anchor=st.sampled_from(free), x=offsets, y=offsets)]
    if "sm" in anchors:
        choices.append(st.just(Gravity(anchor=Anchor.SMART)))
    if "fp" in anchors:
        choices.append(st.builds(Gravity, anchor=st.just(Anchor.FOCUS), x=shares, y=shares))
    return st.one_of(choices)


wanted = st.builds(
    Wanted,
    fit=st.sampled_from(Fit),
    width=pixels,
    height=pixels,
    enlarge=st.booleans(),
    min_width=pixels,
    min_height=pixels,
    zoom=st.tuples(factors, factors),
    dpr=factors,
    gravity=gravities(CROPPING),
    crop=st.tuples(numbers, numbers),
    crop_gravity=st.none() | gravities(CROPPING),
    extend=st.booleans(),
    extend_gravity=gravities(EXTENDING),
    extend_aspect=st.booleans(),
    extend_aspect_gravity=gravities(EXTENDING),
    trim=st.none() | numbers,
    trim_color=st.none() | colors,
    trim_equal_horizontal=st.booleans(),
    trim_equal_vertical=st.booleans(),
    padding=st.tuples(pixels, pixels, pixels, pixels),
    auto_rotate=st.booleans(),
    rotate=st.sampled_from([0, 90, 180, 270]),
    flip_horizontal=st.booleans(),
    flip_vertical=st.booleans(),
    background=st.none() | colors,
    blur=numbers,
    sharpen=numbers,
    pixelate=pixels,
    watermark=shares,
    watermark_gravity=gravities(WATERMARKING),
    watermark_scale=numbers,
    format=st.none() | formats,
    quality=st.integers(0, 100),
    format_quality=st.dictionaries(formats, st.integers(1, 100)).map(lambda pairs: tuple(pairs.items())),
    max_bytes=pixels,
    strip_metadata=st.none() | st.booleans(),
    keep_copyright=st.none() | st.booleans(),
    strip_color_profile=st.none() | st.booleans(),
    preserve_hdr=st.none() | st.booleans(),
    enforce_thumbnail=st.none() | st.booleans(),
    passthrough=st.lists(formats).map(tuple),
    source_pixels=st.none() | st.integers(0, 10**12),
    source_bytes=st.none() | st.integers(0, 2**53),
    frames=st.none() | st.integers(1, 2**31 - 1),
    frame_pixels=st.none() | st.integers(0, 10**12),
    result_side_px=st.none() | pixels,
    buster=st.text(string.ascii_letters + string.digits + "-_.", max_size=20),
    filename=st.text(letters, max_size=20),
    attachment=st.none() | st.booleans(),
    expires_at=st.just(0) | st.integers(int(NOW), 2**53),
    raw=st.booleans(),
    tags=st.lists(st.text("abc-_.~09", min_size=1, max_size=9), max_size=5).map(lambda tags: tuple(sorted(set(tags)))),
)
# Any text, if it is the canonical form of itself.
urls = st.one_of(
    st.text(letters, min_size=1, max_size=60).filter(lambda text: "://" not in text),
    st.text(letters, max_size=60).map(lambda key: f"s3://bucket/{key}"),
    st.text(string.ascii_lowercase, min_size=1).map(lambda path: f"https://example.com/{path}?a=%20@b"),
    st.sampled_from(["http:/merged", "local:/x", "a/plain/b", "local:///a@b.jpg", "x%E9y", "://"]),
)


def read(dialect: Imgproxy, target: str, now: float = NOW) -> Asked:
    """Return what a target asks for, whatever key it was signed with."""
    return replace(dialect.parse(target, now), key="")


def asks(wanted: Wanted, url: str) -> Asked:
    return build.sourced(build.build(wanted), url, key="")


@settings(max_examples=150)
@given(wanted=wanted, url=urls)
def test_what_is_written_comes_back(wanted: Wanted, url: str) -> None:
    asked = asks(wanted, url)
    target = TRUSTING.format(asked)
    assert target.isascii()
    assert read(TRUSTING, target) == asked
    assert TRUSTING.format(TRUSTING.parse(target, NOW)) == target
    assert TRUSTING.parse(target, NOW).pipeline.fingerprint == asked.pipeline.fingerprint


@settings(max_examples=100)
@given(wanted=wanted, url=urls)
def test_equal_values_have_equal_bytes(wanted: Wanted, url: str) -> None:
    one, other = asks(wanted, url), asks(wanted.copy(), "".join(list(url)))
    assert canonical_bytes(one) == canonical_bytes(other)


@settings(max_examples=100)
@given(wanted=wanted, url=urls, dialect=st.sampled_from(DIALECTS))
def test_what_cannot_be_written_is_refused_and_never_written_wrong(wanted: Wanted, url: str, dialect: Imgproxy) -> None:
    asked = asks(wanted, url)
    try:
        target = dialect.format(asked)
    except BadRequest:
        return
    assert read(dialect, target) == asked


any_gravity = st.builds(Gravity, anchor=st.sampled_from(Anchor), x=st.floats(), y=st.floats())
any_op = st.one_of(
    st.builds(Trim, threshold=st.floats(), color=st.none() | colors),
    st.builds(Orient),
    st.builds(Rotate, angle=st.integers()),
    st.builds(Crop, width=st.floats(), height=st.floats(), gravity=any_gravity),
    st.builds(Resize, width=st.integers(), fit=st.sampled_from(Fit), gravity=any_gravity, dpr=st.floats()),
    st.builds(Flip, horizontal=st.booleans()),
    st.builds(Blur, sigma=st.floats()),
    st.builds(Sharpen, sigma=st.floats()),
    st.builds(Pixelate, size=st.integers()),
    st.builds(Extend, gravity=any_gravity),
    st.builds(ExtendAspect, gravity=any_gravity),
    st.builds(Pad, top=st.integers(), left=st.integers()),
    st.builds(Background, color=st.builds(Color, r=st.integers())),
    st.builds(Watermark, opacity=st.floats(), gravity=any_gravity, scale=st.floats()),
)


@settings(max_examples=300)
@given(
    ops=st.lists(any_op, max_size=5, unique_by=type),
    output=st.builds(Output, format=st.none() | st.sampled_from(Format), quality=st.integers()),
    bounds=st.builds(Bounds, source_pixels=st.none() | st.integers()),
    delivery=st.builds(
        Delivery, filename=st.text(max_size=9), expires_at=st.integers(), tags=st.just(("a b",)) | st.just(())
    ),
    url=st.text(max_size=20),
    buster=st.text(max_size=9),
)
def test_requests_of_other_dialects_are_written_right_or_refused(
    ops: list[Any], output: Output, bounds: Bounds, delivery: Delivery, url: str, buster: str
) -> None:
    pipeline = Pipeline.of(SourceRef(url=url, buster=buster), *ops, output=output, bounds=bounds)
    asked = Asked(pipeline=pipeline, delivery=delivery)
    try:
        target = TRUSTING.format(asked)
    except BadRequest:
        return
    assert read(TRUSTING, target, 0) == asked


# Spellings


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, str]:
    """Two ways to say the same: other aliases, meta options taken apart, another order."""
    width, height = draw(st.integers(0, 999)), draw(st.integers(0, 999))
    fit, enlarge = draw(st.sampled_from(["fit", "fill", "fill-down", "force", "auto"])), draw(st.booleans())
    chosen = draw(st.lists(st.sampled_from(OTHERS), unique_by=lambda pair: pair[0].split(":")[0], max_size=6))
    parts = [f"w:{width}", f"height:{height}", f"resizing_type:{fit}", f"el:{'tf'[not enlarge]}"]
    one = [f"rs:{fit}:{width}:{height}:{int(enlarge)}", *(pair[0] for pair in chosen)]
    other = [*draw(st.sampled_from([parts, [f"s:{width}:{height}:{enlarge}", f"rt:{fit}"]])), *(p[1] for p in chosen)]
    shuffle = draw(st.randoms(use_true_random=False))
    return "/".join(one), "/".join(shuffled(other, shuffle))


def shuffled(parts: list[str], shuffle: random.Random) -> list[str]:
    return shuffle.sample(parts, len(parts))


OTHERS = [
    ("g:no", "gravity:no:0:0"),
    ("g:fp:0.5:0.25", "gravity:fp:5e-1:.25"),
    ("c:100:50", "crop:100.0:50"),
    ("t:10", "trim:10::0:0"),
    ("pd:1:2", "padding:1:2:1:2"),
    ("rot:90", "rotate:450"),
    ("fl:1", "flip:true:false"),
    ("bg:f00", "background:255:0:0"),
    ("bl:2", "blur:2.0"),
    ("q:50", "quality:50"),
    ("wm:0.5", "watermark:0.5:ce:0:0:0"),
    ("f:jpg", "ext:jpeg"),
    ("sm:1", "strip_metadata:TRUE"),
    ("dpr:2", "dpr:2.00"),
    ("z:2", "zoom:2:2"),
    ("exar:1", "extend_aspect_ratio:t:ce"),
    ("skp:svg:gif", "skip_processing:gif:svg:gif"),
    ("fq:jpg:5:png:6", "format_quality:png:6:jpeg:5"),
    ("fn:abc", "filename:YWJj:1"),
]


@settings(max_examples=300)
@given(pair=spellings())
def test_spellings_of_one_request_have_one_fingerprint(pair: tuple[str, str]) -> None:
    one, other = (UNSIGNED.parse(f"/_/{options}/plain/local:///a.jpg", NOW) for options in pair)
    assert one == other
    assert one.pipeline.fingerprint == other.pipeline.fingerprint
    assert UNSIGNED.format(one) == UNSIGNED.format(other)


# Nonsense

names = st.sampled_from([name for option in OPTIONS for name in option.names] + ["pr", "ush", "", "plain", "enc"])
arguments = st.one_of(
    st.sampled_from(
        ["", "0", "1", "-1", "t", "ce", "fp", "sm", "re", "jpg", "fit", "fff", "1e309", "nan", "0.5", "default"]
    ),
    st.sampled_from(sorted(CODES.values()) + sorted(COMMON)),
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=5),
)
nonsense_options = st.builds(lambda name, args: ":".join([name, *args]), names, st.lists(arguments, max_size=9))
nonsense_targets = st.one_of(
    st.text(),
    st.text("/:.@%?=plainenc012AZ-_\u00e9\udcff", max_size=60),
    st.builds(
        lambda options, source: "/_/" + "/".join([*options, source]),
        st.lists(nonsense_options, max_size=6),
        st.one_of(st.just("plain/local:///a.jpg"), st.text(max_size=20), st.just("enc/AAAA"), st.just("aHR0cA.png")),
    ),
)


@pytest.mark.parametrize("dialect", FUZZED, ids=["open", "presets", "trusting", "listed"])
@settings(max_examples=400)
@given(target=nonsense_targets)
def test_nothing_breaks_parsing(dialect: Imgproxy, target: str) -> None:
    refused = None
    try:
        asked = dialect.parse(target, NOW)
    except BadRequest as error:
        refused = error
    if refused is not None:
        assert str(refused).isascii()
        assert "\n" not in str(refused)
        assert dialect.refusal(refused)[0] in (403, 404)
        return
    assert canonical_bytes(asked)
    assert read(dialect, dialect.format(asked)) == replace(asked, key="")


@settings(max_examples=200)
@given(options=st.lists(nonsense_options, max_size=6), data=st.binary(max_size=40))
def test_nothing_breaks_the_reading_of_sources(options: list[str], data: bytes) -> None:
    escaped = "".join(f"%{byte:02X}" for byte in data)
    try:
        asked = UNSIGNED.parse("/_/" + "/".join([*options, f"plain/{escaped}"]), NOW)
    except BadRequest:
        return
    assert canonical_bytes(asked)
    assert not any(ord(char) < 32 for char in asked.pipeline.source.url + asked.delivery.filename)
