"""Presets: order, recursion, what they may do, and URLs that have nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tintype.core.errors import BadRequest, Misconfigured, NotAllowed
from tintype.core.formats import Format
from tintype.core.pipeline import Background, Resize
from tintype.dialects.imgproxy import Imgproxy, ImgproxySettings

NOW = 1_800_000_000.0
PRESETS = (
    ("default", "q:50/bg:fff"),
    ("thumb", "rs:fill:64:64"),
    ("web", "pr:thumb/f:webp"),
    ("big", " pr:thumb/w:200 "),
    ("a", "pr:b/w:50"),
    ("b", "pr:a/h:40"),
    ("self", "pr:self:thumb"),
)

LOUD = (
    "rs:fill:9:8:1:1:so:1:2/g:no:1:2/c:5:5:sm/t:9:fff:1:1/pd:1:2:3:4/rot:90/fl:1:1/bg:fff/bl:1/sh:2/pix:3"
    "/wm:0.5:re:1:2:0.3/q:5/fq:jpg:3/mb:9/cb:x/exp:4102444800/fn:n/z:2/dpr:2/mw:5/mh:6/exar:1/ct:t"
)


def dialect(presets: tuple[tuple[str, str], ...] = PRESETS, **settings: Any) -> Imgproxy:
    return Imgproxy(ImgproxySettings(presets=presets, **settings))


def size_of(target: str, **settings: Any) -> tuple[int, int]:
    resize = dialect(**settings).parse(target, NOW).pipeline.find(Resize)
    return (resize.width, resize.height) if resize else (0, 0)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ("", (0, 0)),
        ("pr:thumb/", (64, 64)),
        ("preset:thumb/w:90/", (90, 64)),
        ("w:90/pr:thumb/", (64, 64)),
        ("pr:big/", (200, 64)),
        ("pr:thumb:big/", (200, 64)),
        ("pr:big:thumb/", (64, 64)),
        ("pr:a/", (50, 40)),
        ("pr:b/", (50, 40)),
        ("pr:self/", (64, 64)),
        ("pr:default/", (0, 0)),
    ],
)
def test_presets_count_where_they_stand(options: str, size: tuple[int, int]) -> None:
    assert size_of(f"/_/{options}plain/a") == size


def test_the_default_preset_comes_first() -> None:
    asked = dialect().parse("/_/plain/a", NOW)
    assert asked.pipeline.output.quality == 50
    assert asked.pipeline.find(Background)
    assert dialect().parse("/_/q:70/bg:/plain/a", NOW).pipeline.output.quality == 70
    assert not dialect().parse("/_/q:70/bg:/plain/a", NOW).pipeline.find(Background)


def test_requests_do_not_leave_traces_in_the_default() -> None:
    one = dialect()
    one.parse("/_/w:9/fq:jpg:10/skp:svg/plain/a", NOW)
    assert one.parse("/_/plain/a", NOW) == dialect().parse("/_/plain/a", NOW)


def test_what_overrides_the_default_preset_can_be_written() -> None:
    loud = dialect((("default", LOUD),))
    quiet = dialect(())
    asked = quiet.parse("/_/c:4:4/q:80/plain/local:///a.jpg", NOW)
    assert loud.parse(loud.format(loud.parse("/_/plain/a", NOW)), NOW) == loud.parse("/_/plain/a", NOW)
    with pytest.raises(BadRequest, match="no imgproxy URL"):
        loud.format(asked)  # tags of a preset cannot be taken back
    tagless = dialect((("default", loud_text(loud)),))
    assert tagless.parse(tagless.format(asked), NOW) == asked


def loud_text(loud: Imgproxy) -> str:
    """Return the options of the default preset without its tags, as the dialect itself writes them."""
    written = dialect(()).format(loud.parse("/_/plain/a", NOW)).split("/")
    return "/".join(part for part in written[2:-2] if not part.startswith("ct:"))


def test_nobody_but_the_operator_is_bound_by_the_list_of_options() -> None:
    listed = dialect(allowed_options=("w", "pr"))
    assert listed.parse("/_/pr:web/plain/a", NOW).pipeline.output.format is Format.WEBP
    assert listed.parse("/_/w:9/plain/a@png", NOW).pipeline.output.format is Format.PNG
    for options in ("q:50", "width:9", "preset:web"):
        with pytest.raises(BadRequest, match="allowed_options"):
            listed.parse(f"/_/{options}/plain/a", NOW)


def test_what_is_allowed_is_what_is_written() -> None:
    listed = dialect(PRESETS[1:], allowed_options=("w", "height", "rt", "pr", "quality"))
    for options in ("w:9", "w:9/height:8/rt:fill", "pr:thumb", "quality:50"):
        asked = listed.parse(f"/_/{options}/plain/a@png", NOW)
        assert listed.parse(listed.format(asked), NOW) == asked
    assert listed.format(listed.parse("/_/pr:thumb/plain/a", NOW)) == "/unsafe/rt:fill/w:64/height:64/plain/a"
    assert dialect(()).format(listed.parse("/_/pr:thumb/plain/a", NOW)) == "/unsafe/rs:fill:64:64/plain/a"
    with pytest.raises(BadRequest, match="no imgproxy URL"):
        listed.format(dialect(()).parse("/_/blur:2/plain/a", NOW))


def test_only_presets() -> None:
    only = dialect((*PRESETS[1:], ("png", "f:png")), only_presets=True)
    thumb = only.parse("/_/thumb/plain/a", NOW)
    assert thumb == dialect(PRESETS[1:]).parse("/_/rs:fill:64:64/plain/a", NOW)
    assert only.parse("/_/thumb:png/plain/a", NOW) == only.parse("/_/thumb/plain/a@png", NOW)
    assert only.parse(only.format(thumb), NOW) == thumb
    assert only.format(thumb) == "/unsafe/thumb/plain/a"
    assert only.format(only.parse("/_/thumb/plain/a@gif", NOW)) == "/unsafe/thumb/plain/a@gif"
    for path in ("w:10/plain/a", "nope/plain/a", "thumb:nope/plain/a", "plain/a", "thumb", "/plain/a"):
        with pytest.raises(BadRequest):
            only.parse(f"/_/{path}", NOW)
    with pytest.raises(BadRequest, match="only presets are allowed"):
        only.format(dialect(()).parse("/_/w:10/plain/a", NOW))


@pytest.mark.parametrize(
    ("presets", "says"),
    [
        ((("x", "w:abc"),), "presets.x: option w: got 'abc'"),
        ((("x", "foo:1"),), "there is no option 'foo'"),
        ((("x", "w"),), "'w' is no option; write name:argument"),
        ((("x", ""),), "is no option"),
        ((("x", "pr:nope"),), "there is no preset 'nope' to call"),
        ((("x", "msr:10"),), "allow_security_options"),
        ((*((f"p{n}", f"pr:p{n + 1}:p{n + 1}") for n in range(40)), ("p40", "w:1")), "more than 1000 options"),
    ],
)
def test_presets_that_cannot_work_are_refused_at_the_start(presets: tuple[tuple[str, str], ...], says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        dialect(presets)
    assert says in str(caught.value)


def test_presets_set_bounds_where_urls_may() -> None:
    trusting = dialect((("big", "msr:100"),), allow_security_options=True)
    assert trusting.parse("/_/pr:big/plain/a", NOW).pipeline.bounds.source_pixels == 100_000_000
    with pytest.raises(NotAllowed):
        dialect(()).parse("/_/msr:100/plain/a", NOW)
