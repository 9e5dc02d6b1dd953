"""What format a result has and how it is written: the URL, the client's offer and the tenant's policy, weighed once."""

from __future__ import annotations

from msgspec.structs import replace

from tintype.core.errors import UnsupportedOutput
from tintype.core.formats import AVIF_MIN_SIDE_PX, FACTS, SAVABLE, Format
from tintype.core.geometry import Size, shrunk
from tintype.core.info import ImageInfo
from tintype.core.offer import NEGOTIABLE, Offer
from tintype.core.pipeline import Background, Extend, Output, Pad, Pipeline, Resize
from tintype.core.plan import Save
from tintype.core.policy import Policy

# Formats that can hold an ICC profile as written here, and those that can hold 16 bit a channel.
WITH_PROFILE = frozenset((Format.JPEG, Format.PNG, Format.WEBP, Format.AVIF))  # not JXL: its encoder here takes none
WITH_DEPTH = frozenset((Format.PNG, Format.TIFF, Format.AVIF, Format.JXL))


def hinted(pipeline: Pipeline, offer: Offer, policy: Policy) -> Pipeline:
    """Return the pipeline with the client's hints where the URL leaves width and pixel ratio open."""
    if not policy.client_hints or not (offer.dpr or offer.width):
        return pipeline
    asked = pipeline.find(Resize) or Resize()
    # The width hint counts physical pixels.
    width = shrunk(offer.width, offer.dpr or 1.0)
    resize = replace(
        asked,
        width=asked.width or width,
        dpr=offer.dpr if offer.dpr and asked.dpr == 1 else asked.dpr,
    )
    others = (op for op in pipeline.ops if not isinstance(op, Resize))
    return Pipeline.of(pipeline.source, *others, resize, output=pipeline.output, bounds=pipeline.bounds)


def passes_through(output: Output, info: ImageInfo, policy: Policy) -> bool:
    """Tell whether the source is handed on as it is. A vector is, unless pixels are asked for."""
    listed = info.format in policy.passthrough or info.format in output.passthrough
    if info.vector:
        return output.format is info.format or (output.format is None and (listed or not policy.rasterize_svg))
    return listed and output.format in (None, info.format)


def is_animation(info: ImageInfo, policy: Policy) -> bool:
    """Tell whether the source would be taken as an animation, if the output can be one."""
    return policy.frames > 1 and info.frames > 1 and FACTS[info.format].animation


def output_format(pipeline: Pipeline, info: ImageInfo, offer: Offer, policy: Policy) -> Format:
    """Return the format of the result.

    Raises:
        UnsupportedOutput: it is one that cannot be written.
    """
    animated = is_animation(info, policy)
    named = pipeline.output.format
    if named is None:
        modern = _accepted(offer, policy.auto_formats + policy.enforce_formats, animated=animated)
        chosen = modern or _preferred(pipeline, info, policy, animated=animated)
    elif named is Format.SVG:
        chosen = named
    else:
        chosen = _accepted(offer, policy.enforce_formats, animated=animated) or named
    if chosen not in SAVABLE:
        writable = ", ".join(sorted(SAVABLE))
        raise UnsupportedOutput(f"cannot write {chosen.value} from {info.format.value}; ask for one of {writable}")
    return chosen


def _accepted(offer: Offer, allowed: tuple[Format, ...], *, animated: bool) -> Format | None:
    if not allowed or not offer.accepts:
        return None
    fitting = (f for f in NEGOTIABLE if f in allowed and f in offer.accepts)
    return next((f for f in fitting if FACTS[f].animation or not animated), None)


def _preferred(pipeline: Pipeline, info: ImageInfo, policy: Policy, *, animated: bool) -> Format:
    preferred = policy.preferred_formats
    if info.format in preferred:
        return info.format
    alpha = expects_alpha(pipeline, info)
    fitting = (f for f in preferred if (FACTS[f].animation or not animated) and (FACTS[f].alpha or not alpha))
    return next(fitting, preferred[0] if preferred else Format.PNG)


def expects_alpha(pipeline: Pipeline, info: ImageInfo) -> bool:
    """Tell whether the result may be transparent, as far as the format is concerned."""
    if pipeline.find(Background):
        return False
    return info.alpha or pipeline.find(Pad) is not None or pipeline.find(Extend) is not None


def for_size(format: Format, size: Size, *, alpha: bool) -> Format:
    """Return the format, or the one written instead where the result is too small for it."""
    if format is Format.AVIF and min(size) < AVIF_MIN_SIDE_PX:
        return Format.PNG if alpha else Format.JPEG
    return format


def save_as(format: Format, output: Output, info: ImageInfo, policy: Policy, *, animated: bool) -> Save:
    """Return how a result of this format is written. What a format cannot do is left at its default."""
    has_quality = FACTS[format].quality
    strip_profile = _or(output.strip_color_profile, policy.strip_color_profile)
    save = Save(
        format=format,
        max_bytes=output.max_bytes if has_quality else 0,
        strip_metadata=_or(output.strip_metadata, policy.strip_metadata),
        keep_copyright=_or(output.keep_copyright, policy.keep_copyright),
        strip_color_profile=strip_profile or format not in WITH_PROFILE,
        keep_depth=keeps_depth(format, output, info, policy),
        animated=animated,
    )
    if has_quality:
        save = replace(save, quality=_quality(format, output, policy))
    return _encoder(save, policy)


def keeps_depth(format: Format, output: Output, info: ImageInfo, policy: Policy) -> bool:
    """Tell whether more than 8 bits a channel are kept from source to result."""
    return info.bits > 8 and format in WITH_DEPTH and _or(output.preserve_hdr, policy.preserve_hdr)


def _quality(format: Format, output: Output, policy: Policy) -> int:
    """Return the first that is set of: asked, asked for this format, the policy's for this format, the policy's."""
    asked = output.quality or dict(output.format_quality).get(format, 0)
    return asked or dict(policy.format_quality).get(format, 0) or policy.quality


def _encoder(save: Save, policy: Policy) -> Save:
    match save.format:
        case Format.JPEG:
            return replace(save, encoders=policy.encoders, progressive=policy.jpeg_progressive)
        case Format.PNG:
            save = replace(
                save, encoders=policy.encoders, progressive=policy.png_interlaced, palette=policy.png_quantize
            )
            return replace(save, colors=policy.png_colors) if policy.png_quantize else save
        case Format.WEBP:
            return replace(save, encoders=policy.encoders, effort=policy.webp_effort, preset=policy.webp_preset)
        case Format.AVIF:
            # libvips' effort is libaom's speed, upside down
            return replace(save, encoders=policy.encoders, effort=9 - policy.avif_speed)
        case Format.JXL:
            return replace(save, effort=policy.jxl_effort)
        case _:
            return save


def _or(asked: bool | None, policy: bool) -> bool:
    return policy if asked is None else asked
