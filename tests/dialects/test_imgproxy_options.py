"""Each option of the imgproxy language: what it makes of a pipeline, and what it says to a bad argument."""

from __future__ import annotations

from typing import Any

import pytest

from tintype.core.asked import Asked, Delivery
from tintype.core.errors import BadRequest, NotAllowed
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
    Op,
    Orient,
    Output,
    Pad,
    Pixelate,
    Resize,
    Rotate,
    Sharpen,
    Trim,
    Watermark,
)
from tintype.dialects.imgproxy import Imgproxy, ImgproxySettings
from tintype.dialects.imgproxy.options import BY_NAME, OPTIONS, PRO

NOW = 1_800_000_000.0
DIALECT = Imgproxy(ImgproxySettings())
TRUSTING = Imgproxy(ImgproxySettings(allow_security_options=True))


def parse(options: str, source: str = "plain/local:///a.jpg") -> Asked:
    path = f"/unsafe/{options}/{source}" if options else f"/unsafe/{source}"
    return TRUSTING.parse(path, NOW)


def ops(options: str) -> tuple[Op, ...]:
    return tuple(op for op in parse(options).pipeline.ops if not isinstance(op, Orient))


OPS: dict[str, tuple[Op, ...]] = {
    "": (),
    "rs:fit:300:200": (Resize(width=300, height=200),),
    "resize:fill:300:200:1:0": (Resize(width=300, height=200, fit=Fit.COVER, enlarge=True),),
    "rs::300": (Resize(width=300),),
    "rs:fill-down:30:20": (Resize(width=30, height=20, fit=Fit.COVER_DOWN),),
    "rs:force:30:20": (Resize(width=30, height=20, fit=Fit.EXACT),),
    "rt:auto/w:30/h:20": (Resize(width=30, height=20, fit=Fit.AUTO),),
    "resizing_type:force/width:30/height:20": (Resize(width=30, height=20, fit=Fit.EXACT),),
    "s:300:200:true": (Resize(width=300, height=200, enlarge=True),),
    "size::200": (Resize(height=200),),
    "w:30/el:t": (Resize(width=30, enlarge=True),),
    "w:30/enlarge:maybe": (Resize(width=30),),
    "s:30:20:0:1:so:0:5": (Resize(width=30, height=20), Extend(gravity=Gravity(anchor=Anchor.SOUTH, y=5))),
    "rs:fit:30:20::1": (Resize(width=30, height=20), Extend()),
    "w:30/ex:1:fp:0.5:0.25": (
        Resize(width=30),
        Extend(gravity=Gravity(anchor=Anchor.FOCUS, x=0.5, y=0.25)),
    ),
    "s:30:20/exar:1:noea": (Resize(width=30, height=20), ExtendAspect(gravity=Gravity(anchor=Anchor.NORTH_EAST))),
    "s:30:20/extend_ar:1": (Resize(width=30, height=20), ExtendAspect()),
    "s:30:20/extend_aspect_ratio:1": (Resize(width=30, height=20), ExtendAspect()),
    "mw:300": (Resize(min_width=300),),
    "min-height:300": (Resize(min_height=300),),
    "z:1.5": (Resize(zoom_x=1.5, zoom_y=1.5),),
    "zoom:1.5:2": (Resize(zoom_x=1.5, zoom_y=2),),
    "dpr:2": (Resize(dpr=2),),
    "rs:fill:9:9/g:sm": (Resize(width=9, height=9, fit=Fit.COVER, gravity=Gravity(anchor=Anchor.SMART)),),
    "rs:fill:9:9/gravity:fp:0.1:1": (
        Resize(width=9, height=9, fit=Fit.COVER, gravity=Gravity(anchor=Anchor.FOCUS, x=0.1, y=1)),
    ),
    "rs:fill:9:9/g:nowe:5:0.1": (
        Resize(width=9, height=9, fit=Fit.COVER, gravity=Gravity(anchor=Anchor.NORTH_WEST, x=5, y=0.1)),
    ),
    # A minimum can make the image larger than its box, and then gravity says what is cut.
    "s:9:9/mw:20/g:we": (Resize(width=9, height=9, min_width=20, gravity=Gravity(anchor=Anchor.WEST)),),
    "c:100": (Crop(width=100),),
    "c:100:0.5:soea:1:2": (Crop(width=100, height=0.5, gravity=Gravity(anchor=Anchor.SOUTH_EAST, x=1, y=2)),),
    "crop:0:50/g:no": (Crop(height=50, gravity=Gravity(anchor=Anchor.NORTH)),),
    "crop:0:50:so/g:no": (Crop(height=50, gravity=Gravity(anchor=Anchor.SOUTH)),),
    "crop:9:9:sm": (Crop(width=9, height=9, gravity=Gravity(anchor=Anchor.SMART)),),
    "t:10": (Trim(threshold=10),),
    "trim:20:ff00ff:1:0": (Trim(threshold=20, color=Color(r=255, b=255), equal_horizontal=True),),
    "t:5::0:1": (Trim(threshold=5, equal_vertical=True),),
    "t:5/t:": (),
    "pd:10": (Pad(top=10, right=10, bottom=10, left=10),),
    "pd:10:20": (Pad(top=10, right=20, bottom=10, left=20),),
    "padding:10:20:30": (Pad(top=10, right=20, bottom=30, left=20),),
    "pd:10:20:30:40": (Pad(top=10, right=20, bottom=30, left=40),),
    "pd::8": (Pad(right=8, left=8),),
    "pd:0": (),
    "rot:90": (Rotate(angle=90),),
    "rotate:-90": (Rotate(angle=270),),
    "rot:720": (),
    "fl:1": (Flip(horizontal=True),),
    "flip::1": (Flip(vertical=True),),
    "bg:255:0:16": (Background(color=Color(r=255, b=16)),),
    "background:f80": (Background(color=Color(r=255, g=136)),),
    "bg:0A0b0C": (Background(color=Color(r=10, g=11, b=12)),),
    "bg:fff/bg:": (),
    "bl:2.5": (Blur(sigma=2.5),),
    "blur:1e1": (Blur(sigma=10),),
    "sh:.5": (Sharpen(sigma=0.5),),
    "sharpen:0": (),
    "pix:8": (Pixelate(size=8),),
    "pixelate:1": (),
    "wm:0.5": (Watermark(opacity=0.5),),
    "watermark:1:soea:10:-5:0.2": (
        Watermark(opacity=1, gravity=Gravity(anchor=Anchor.SOUTH_EAST, x=10, y=-5), scale=0.2),
    ),
    "wm:1:re:3:4": (Watermark(opacity=1, gravity=Gravity(anchor=Anchor.TILE, x=3, y=4)),),
    "wm:1::3": (Watermark(opacity=1, gravity=Gravity(x=3)),),
    "wm:1:ce:0:0:0": (Watermark(opacity=1),),
    "wm:0": (),
}


@pytest.mark.parametrize(("options", "expected"), OPS.items(), ids=OPS.keys())
def test_options_make_ops(options: str, expected: tuple[Op, ...]) -> None:
    assert ops(options) == expected


OUTPUTS: dict[str, Output] = {
    "q:70": Output(quality=70),
    "quality:0": Output(),
    "fq:webp:70:jpg:80": Output(format_quality=((Format.JPEG, 80), (Format.WEBP, 70))),
    "fq:webp:70/format_quality:webp:0": Output(),
    "q:50/fq:webp:70": Output(quality=50),  # a general quality wins, so the other one is not there
    "mb:6000": Output(max_bytes=6000),
    "max_bytes:0": Output(),
    "f:jpg": Output(format=Format.JPEG),
    "format:jpeg": Output(format=Format.JPEG),
    "ext:jxl": Output(format=Format.JXL),
    "sm:0": Output(strip_metadata=False),
    "strip_metadata:True": Output(strip_metadata=True),
    "kcr:0": Output(keep_copyright=False),
    "scp:F": Output(strip_color_profile=False),
    "ph:1": Output(preserve_hdr=True),
    "eth:T": Output(enforce_thumbnail=True),
    "skp:svg:gif/skip_processing:png": Output(passthrough=(Format.GIF, Format.PNG, Format.SVG)),
}


@pytest.mark.parametrize(("options", "expected"), OUTPUTS.items(), ids=OUTPUTS.keys())
def test_options_make_output(options: str, expected: Output) -> None:
    assert parse(options).pipeline.output == expected


DELIVERIES: dict[str, Delivery] = {
    "fn:holiday": Delivery(filename="holiday"),
    "filename:w6l0w6k:1": Delivery(filename="été"),
    "fn:w6l0w6k:0": Delivery(filename="w6l0w6k"),
    "fn:": Delivery(),
    "att:1": Delivery(attachment=True),
    "return_attachment:0": Delivery(attachment=False),
    "exp:4102444800": Delivery(expires_at=4102444800),
    "expires:0": Delivery(),
    "raw:1": Delivery(raw=True),
    "raw:0": Delivery(),
    "ct:b:a:b": Delivery(tags=("a", "b")),
}


@pytest.mark.parametrize(("options", "expected"), DELIVERIES.items(), ids=DELIVERIES.keys())
def test_options_make_delivery(options: str, expected: Delivery) -> None:
    assert parse(options).delivery == expected


BOUNDS: dict[str, Bounds] = {
    "msr:1.5": Bounds(source_pixels=1_500_000),
    "max_src_resolution:50": Bounds(source_pixels=50_000_000),
    "msfs:1000": Bounds(source_bytes=1000),
    "maf:3": Bounds(frames=3),
    "mafr:0.25": Bounds(frame_pixels=250_000),
    "mrd:0": Bounds(result_side_px=0),
}


@pytest.mark.parametrize(("options", "expected"), BOUNDS.items(), ids=BOUNDS.keys())
def test_options_make_bounds_where_they_may(options: str, expected: Bounds) -> None:
    assert parse(options).pipeline.bounds == expected
    with pytest.raises(NotAllowed, match=r"option \w+: .*allow_security_options"):
        DIALECT.parse(f"/unsafe/{options}/plain/local:///a.jpg", NOW)


def test_cachebuster_is_another_binding_of_the_source() -> None:
    asked = parse("cb:v7")
    assert asked.pipeline.source.buster == "v7"
    assert parse("cb:v7/cb:") == parse("")


def test_auto_rotate_is_configured_and_can_be_asked() -> None:
    off = Imgproxy(ImgproxySettings(auto_rotate=False))
    assert DIALECT.parse("/unsafe/plain/a", NOW).pipeline.find(Orient)
    assert not DIALECT.parse("/unsafe/ar:0/plain/a", NOW).pipeline.find(Orient)
    assert not off.parse("/unsafe/plain/a", NOW).pipeline.find(Orient)
    assert off.parse("/unsafe/auto_rotate:1/plain/a", NOW).pipeline.find(Orient)


def test_raw_leaves_nothing_that_shapes_an_image() -> None:
    assert parse("raw:1/w:30/q:50", "plain/local:///a.jpg@png").pipeline == parse("raw:1").pipeline


SAME = [
    # aliases, meta options, defaults of arguments, order
    ("rs:fill:30:20:1:1:so", "height:20/ex:1:so/width:30/enlarge:T/resizing_type:fill"),
    ("s:30:20", "rs:fit:30:20:0:0:ce:0:0"),
    ("w:30/w:40", "w:40"),
    ("s:30:20/w:40", "rs:fit:40:20"),
    ("c:90:80:ce:0:0", "crop:90:80"),
    ("c:90:80/g:no", "c:90:80:no"),
    ("rot:360", ""),
    ("z:1/dpr:1/mw:0", ""),
    ("wm:0.5:ce:0:0", "wm:0.5"),
    ("q:80/fq:png:30", "q:80"),
    # what has no effect is not there
    ("g:no", ""),
    ("rs:fit:30:20/g:no", "rs:fit:30:20"),
    ("rt:fill/el:1", ""),
    ("ex:1/exar:1", ""),
    ("w:30/exar:1", "w:30"),
    ("crop:0:0:no", ""),
    ("pix:0", "pix:1"),
    ("rs:fill:9:9/g:no:-0:0", "rs:fill:9:9/g:no"),
    ("bl:1.0", "bl:1"),
    ("t:-0", "t:0"),
    ("pd:1:1:1:1", "pd:1"),
    ("wm:0:no:1:2:3", ""),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_equal_requests_are_one_request(one: str, other: str) -> None:
    assert parse(one).pipeline.fingerprint == parse(other).pipeline.fingerprint
    assert parse(one) == parse(other)


CANONICAL = {
    "": "plain/a",
    "width:30/height:20": "rs:fit:30:20/plain/a",
    "rs:fill:30:20:0:0": "rs:fill:30:20/plain/a",
    "el:1/h:9": "rs:fit:0:9:1/plain/a",
    "rs:fill:9:9/g:fp:0.5:0": "rs:fill:9:9/g:fp:0.5:0/plain/a",
    "rs:fill:9:9/gravity:so:0:0.10": "rs:fill:9:9/g:so:0:0.1/plain/a",
    "s:9:9/ex:1:fp:0:0": "rs:fit:9:9/ex:1:fp:0:0/plain/a",
    "crop:90:80": "c:90:80/plain/a",
    "crop:90:80:no": "c:90:80:no:0:0/plain/a",
    "padding:1:1:1:1": "pd:1/plain/a",
    "pd:1:2:1:2": "pd:1:2/plain/a",
    "pd:1:2:3:2": "pd:1:2:3/plain/a",
    "trim:10:FFF": "t:10:ffffff/plain/a",
    "t:10::0:1": "t:10::0:1/plain/a",
    "background:255:0:0": "bg:ff0000/plain/a",
    "wm:0.50:ce:0:0": "wm:0.5/plain/a",
    "wm:1:ce:0:0:0.2": "wm:1:ce:0:0:0.2/plain/a",
    "zoom:2:2": "z:2/plain/a",
    "fl:0:1": "fl:0:1/plain/a",
    "ar:f": "ar:0/plain/a",
    "format:jpeg": "plain/a@jpg",
    "fn:w6l0w6k:1": "fn:w6l0w6k:1/plain/a",
    "fn:YS1i:1": "fn:a-b/plain/a",
    "skp:svg:gif": "skp:gif:svg/plain/a",
    "raw:1/q:3": "raw:1/plain/a",
    "msr:1.50/mrd:9": "msr:1.5/mrd:9/plain/a",
}


@pytest.mark.parametrize(("options", "written"), CANONICAL.items(), ids=CANONICAL.keys())
def test_requests_have_one_canonical_text(options: str, written: str) -> None:
    assert TRUSTING.format(parse(options, "plain/a")) == f"/unsafe/{written}"


DIFFERENT = [
    ("rs:fill:30:20/g:no", "rs:fill:30:20"),
    ("rs:fit:30:20", "rs:fill:30:20"),
    ("w:30/ex:1", "w:30"),
    ("s:9:9/mw:20/g:we", "s:9:9/mw:20"),
    ("ex:1/w:30", "exar:1/s:30:30"),
    ("dpr:2", ""),
    ("cb:1", ""),
    ("ar:0", ""),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_requests_stay_different(one: str, other: str) -> None:
    assert parse(one).pipeline.fingerprint != parse(other).pipeline.fingerprint


def test_arguments_left_out_keep_what_an_earlier_option_set() -> None:
    assert ops("rs:fill:9:9/g:no:5:7/g:so") == ops("rs:fill:9:9/g:so:5:7")
    assert ops("wm:1:soea:10:10:0.2/wm:0.5") == ops("wm:0.5:soea:10:10:0.2")
    assert ops("fl:1:1/fl:0") == ops("fl:0:1")


BAD: dict[str, str] = {
    "w:abc": "option w: got 'abc', allowed is a whole number from 0 to 2147483647",
    "width:-5": "option width: got '-5'",
    "h:1.5": "option h: got '1.5'",
    "h:": "option h: got ''",
    "w:1:2": "option w: got 2 arguments; it takes pixels",
    "w:99999999999999999999999": "option w",
    "w:١": "option w",  # digits of other scripts are no digits here
    "w:1_0": "option w",
    "rs:foo:1": "one of fit, fill, fill-down, force, auto",
    "rs:fit:1:1:0:0:ce:0:0:9": "option rs: got 9 arguments",
    "s:1:1:0:0:ce:0:0:9": "option s: got 8 arguments",
    "rs:fit:1:1:0:1:": "option rs",
    "q:101": "a whole number from 0 to 100",
    "fq:jpeg": "pairs of format and quality",
    "fq:exe:10": "one of jpg, jpeg, png",
    "fq:jpg:200": "from 0 to 100",
    "rot:45": "a multiple of 90",
    "rot:x": "option rot",
    "dpr:0": "a number above 0",
    "dpr:nan": "option dpr: got 'nan'",
    "dpr:inf": "option dpr",
    "dpr:1e999": "option dpr",
    "z:1:0": "option z",
    "z:1:1:1": "option z: got 3 arguments",
    "g:xx": "one of ce, no, so, ea, we, noea, nowe, soea, sowe, fp, sm",
    "g:fp:0.5": "fp:x:y, both from 0 to 1",
    "g:fp:2:0.5": "a number from 0 to 1",
    "g:sm:1:1": "sm without offsets",
    "g:no::5": "option g: got ''",
    "g:re": "option g",
    "ex:1:sm": "option ex",
    "exar:1:sm": "option exar",
    "wm:2": "a number from 0 to 1",
    "wm:0.5:zz": "option wm",
    "wm:0.5:sm": "option wm",
    "wm:0.5:ce:x": "option wm",
    "bg:1:2": "three numbers from 0 to 255",
    "bg:300:0:0": "a whole number from 0 to 255",
    "bg:zzz": "3 or 6 hex digits",
    "bg:ffff": "3 or 6 hex digits",
    "bl:-1": "option bl",
    "pix:a": "option pix",
    "c:-1:10": "option c",
    "c:10:": "option c",
    "t:-1": "option t",
    "t:10:xyz": "a colour as 3 or 6 hex digits",
    "pd:-1": "option pd",
    "mb:x": "option mb",
    "f:exe": "one of jpg",
    "f:tif": "one of jpg",
    "f:": "option f",
    "skp:foo": "option skp",
    "exp:x": "option exp",
    "exp:-1": "option exp",
    "fn:ww:1": "URL-safe base64 of UTF-8",  # one byte of a character of two
    "fn:%:1": "URL-safe base64",
    "fn:DQpY:1": "without control characters",  # CR LF X
    "fn:a:1:1": "option fn: got 3 arguments",
    "ct:a,b": "option ct",
    "ct:": "option ct",
    "foo:1": "there is no option 'foo'",
    "min_width:1": "there is no option 'min_width'",
    "ush:1": "only imgproxy Pro has it",
    "pr:nope": "there is no preset 'nope'",
}


@pytest.mark.parametrize(("options", "says"), BAD.items(), ids=[ascii(key) for key in BAD])
def test_bad_options_say_what_was_given_and_what_is_allowed(options: str, says: str) -> None:
    with pytest.raises(BadRequest) as caught:
        DIALECT.parse(f"/unsafe/{options}/plain/local:///a.jpg", NOW)
    assert says in str(caught.value)
    assert str(caught.value).isascii()
    assert DIALECT.refusal(caught.value) == (404, "Invalid URL")


def test_long_nonsense_is_shortened_in_messages() -> None:
    with pytest.raises(BadRequest) as caught:
        DIALECT.parse(f"/unsafe/w:{'9' * 5000}/plain/a", NOW)
    assert len(str(caught.value)) < 300


def test_the_table_is_complete_and_unambiguous() -> None:
    names = [name for option in OPTIONS for name in option.names]
    assert len(names) == len(set(names)) == len(BY_NAME)
    assert not PRO & BY_NAME.keys()
    assert all(option.takes and option.most >= 1 for option in OPTIONS)


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.guarded], ids=lambda o: o.names[0])
def test_guarded_options_are_refused_before_their_arguments_are_read(option: Any) -> None:
    with pytest.raises(NotAllowed) as caught:
        DIALECT.parse(f"/unsafe/{option.names[-1]}:nonsense/plain/a", NOW)
    assert DIALECT.refusal(caught.value) == (403, "Invalid URL")
