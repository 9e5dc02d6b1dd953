"""Which format a result has and how it is written."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.core.strategies import SOURCE
from tintype.core.errors import UnsupportedOutput
from tintype.core.formats import Format
from tintype.core.geometry import Size
from tintype.core.info import ImageInfo
from tintype.core.negotiate import for_size, hinted, is_animation, output_format, passes_through, save_as
from tintype.core.offer import NEGOTIABLE, Offer, offer_of
from tintype.core.pipeline import Background, Color, Extend, Op, Output, Pad, Pipeline, Resize
from tintype.core.policy import Encoders, Policy

JPEG = ImageInfo(format=Format.JPEG, width=800, height=600)
PNG = ImageInfo(format=Format.PNG, width=800, height=600, alpha=True)
GIF = ImageInfo(format=Format.GIF, width=80, height=60, frames=10)
SVG = ImageInfo(format=Format.SVG, width=80, height=60, alpha=True)
BMP = ImageInfo(format=Format.BMP, width=80, height=60)
ALL = offer_of("image/avif,image/webp,image/jxl,*/*")
AUTO = Policy(auto_formats=NEGOTIABLE)


def chosen(
    info: ImageInfo, *ops: Op, out: Format | None = None, offer: Offer | None = None, policy: Policy = AUTO
) -> str:
    pipeline = Pipeline.of(SOURCE, *ops, output=Output(format=out))
    return output_format(pipeline, info, offer or Offer(), policy).value


@pytest.mark.parametrize(
    ("info", "ops", "kind"),
    [
        (JPEG, (), "jpeg"),
        (PNG, (), "png"),
        (GIF, (), "gif"),
        (BMP, (), "jpeg"),
        (SVG, (), "png"),
        (SVG, (Background(color=Color()),), "jpeg"),
        (BMP, (Pad(top=1),), "png"),
        (BMP, (Extend(),), "png"),
        (replace(GIF, format=Format.WEBP), (), "jpeg"),
        (replace(PNG, format=Format.TIFF), (), "png"),
    ],
)
def test_without_a_wish_the_source_or_the_first_preferred(info: ImageInfo, ops: tuple[Op, ...], kind: str) -> None:
    assert chosen(info, *ops, policy=Policy()) == kind


def test_an_animation_prefers_what_can_move() -> None:
    assert chosen(replace(GIF, format=Format.WEBP), policy=Policy(frames=10)) == "gif"


def test_nothing_preferred_fits_then_the_first_is_taken() -> None:
    assert chosen(replace(PNG, format=Format.TIFF), policy=Policy(preferred_formats=(Format.JPEG,))) == "jpeg"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("image/jxl,image/avif,image/webp", "jxl"),
        ("image/avif,image/webp", "avif"),
        ("image/webp,*/*", "webp"),
        ("image/*,*/*", "jpeg"),
        ("", "jpeg"),
    ],
)
def test_the_best_accepted_format_is_taken(accept: str, kind: str) -> None:
    assert chosen(JPEG, offer=offer_of(accept)) == kind


def test_an_animation_takes_only_what_can_move() -> None:
    assert chosen(GIF, offer=ALL, policy=replace(AUTO, frames=10)) == "webp"
    assert chosen(GIF, offer=ALL, policy=AUTO) == "jxl"


def test_a_named_format_gives_way_only_to_an_enforced_one() -> None:
    enforced = Policy(enforce_formats=(Format.WEBP,))
    assert chosen(JPEG, out=Format.PNG, offer=ALL) == "png"
    assert chosen(JPEG, out=Format.PNG, offer=ALL, policy=enforced) == "webp"
    assert chosen(JPEG, offer=ALL, policy=enforced) == "webp"
    assert chosen(JPEG, out=Format.PNG, policy=enforced) == "png"


@pytest.mark.parametrize("kind", [Format.SVG, Format.HEIC, Format.PSD])
def test_what_cannot_be_written_is_refused_by_name(kind: Format) -> None:
    with pytest.raises(UnsupportedOutput, match=kind.value):
        chosen(JPEG, out=kind)


def test_too_small_for_avif() -> None:
    assert for_size(Format.AVIF, Size(15, 400), alpha=False) is Format.JPEG
    assert for_size(Format.AVIF, Size(15, 400), alpha=True) is Format.PNG
    assert for_size(Format.AVIF, Size(16, 16), alpha=True) is Format.AVIF
    assert for_size(Format.WEBP, Size(1, 1), alpha=True) is Format.WEBP


@pytest.mark.parametrize(
    ("info", "out", "policy", "passes"),
    [
        (SVG, None, Policy(), True),
        (SVG, Format.SVG, Policy(rasterize_svg=True), True),
        (SVG, Format.PNG, Policy(), False),
        (SVG, None, Policy(rasterize_svg=True), False),
        (SVG, None, Policy(rasterize_svg=True, passthrough=(Format.SVG,)), True),
        (SVG, Format.PNG, Policy(passthrough=(Format.SVG,)), False),
        (JPEG, None, Policy(), False),
        (JPEG, None, Policy(passthrough=(Format.JPEG,)), True),
        (JPEG, Format.JPEG, Policy(passthrough=(Format.JPEG,)), True),
        (JPEG, Format.PNG, Policy(passthrough=(Format.JPEG,)), False),
    ],
)
def test_what_is_handed_on_untouched(info: ImageInfo, out: Format | None, policy: Policy, passes: bool) -> None:
    assert passes_through(Output(format=out), info, policy) is passes


def test_a_url_can_ask_for_the_source_untouched() -> None:
    assert passes_through(Output(passthrough=(Format.JPEG,)), JPEG, Policy())


def test_one_frame_allowed_means_no_animation() -> None:
    assert not is_animation(GIF, Policy())
    assert is_animation(GIF, Policy(frames=2))
    assert not is_animation(replace(GIF, frames=1), Policy(frames=2))
    assert not is_animation(ImageInfo(format=Format.TIFF, width=9, height=9, frames=4), Policy(frames=2))


@pytest.mark.parametrize(
    ("output", "quality"),
    [
        (Output(quality=31, format_quality=((Format.WEBP, 32),)), 31),
        (Output(format_quality=((Format.WEBP, 32),)), 32),
        (Output(format_quality=((Format.JPEG, 32),)), 79),
        (Output(), 79),
    ],
)
def test_quality_for_webp(output: Output, quality: int) -> None:
    assert save_as(Format.WEBP, output, JPEG, Policy(), animated=False).quality == quality


def test_quality_without_any_word_about_the_format() -> None:
    assert save_as(Format.JPEG, Output(), JPEG, Policy(quality=41), animated=False).quality == 41


def test_each_encoder_gets_its_own_settings_and_no_others() -> None:
    policy = Policy(
        webp_effort=6, webp_preset="photo", avif_speed=7, jxl_effort=3, jpeg_progressive=True, png_quantize=True
    )

    def save(kind: Format) -> tuple[int, str, bool, bool]:
        made = save_as(kind, Output(quality=9), JPEG, policy, animated=False)
        return made.effort, made.preset, made.progressive, made.palette

    assert save(Format.WEBP) == (6, "photo", False, False)
    assert save(Format.AVIF) == (2, "default", False, False)
    assert save(Format.JXL) == (3, "default", False, False)
    assert save(Format.JPEG) == (4, "default", True, False)
    assert save(Format.PNG) == (4, "default", False, True)


@pytest.mark.parametrize("kind", [Format.JPEG, Format.PNG, Format.WEBP, Format.AVIF])
def test_every_encoder_that_has_two_manners_is_told_which(kind: Format) -> None:
    for encoders in Encoders:
        assert save_as(kind, Output(), JPEG, Policy(encoders=encoders), animated=False).encoders is encoders


def test_what_a_format_cannot_do_does_not_tell_results_apart() -> None:
    ask = Output(quality=9, max_bytes=100, strip_color_profile=False)
    assert save_as(Format.GIF, ask, JPEG, Policy(), animated=False) == save_as(
        Format.GIF, Output(), JPEG, Policy(), animated=False
    )


@pytest.mark.parametrize(
    ("kind", "bits", "keep", "kept"),
    [
        (Format.PNG, 16, True, True),
        (Format.PNG, 16, False, False),
        (Format.PNG, 8, True, False),
        (Format.JPEG, 16, True, False),
        (Format.TIFF, 16, True, True),
    ],
)
def test_depth_is_kept_where_it_can_be(kind: Format, bits: int, keep: bool, kept: bool) -> None:
    info = replace(PNG, bits=bits)
    assert save_as(kind, Output(preserve_hdr=keep), info, Policy(), animated=False).keep_depth is kept


HINTS = Policy(client_hints=True)


@pytest.mark.parametrize(
    ("asked", "offer", "width", "dpr"),
    [
        (Resize(), Offer(width=800), 800, 1.0),
        (Resize(), Offer(width=800, dpr=2), 400, 2.0),
        (Resize(width=100), Offer(width=800, dpr=2), 100, 2.0),
        (Resize(width=100, dpr=3), Offer(width=800, dpr=2), 100, 3.0),
        (Resize(height=90), Offer(width=801, dpr=2), 401, 2.0),
        (Resize(width=100), Offer(), 100, 1.0),
    ],
)
def test_hints_fill_what_the_url_leaves_open(asked: Resize, offer: Offer, width: int, dpr: float) -> None:
    resize = hinted(Pipeline.of(SOURCE, asked), offer, HINTS).find(Resize) or Resize()
    assert (resize.width, resize.dpr, resize.height) == (width, dpr, asked.height)


def test_hints_count_only_where_they_are_on() -> None:
    pipeline = Pipeline.of(SOURCE)
    assert hinted(pipeline, Offer(width=800, dpr=2), Policy()) is pipeline
