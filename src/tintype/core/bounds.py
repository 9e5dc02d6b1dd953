"""What a request may ask of a source and of a result: the checks that refuse before any pixel is touched."""

from __future__ import annotations

from msgspec.structs import replace

from tintype.core.errors import BadRequest, BrokenImage, ImageTooLarge
from tintype.core.info import ImageInfo
from tintype.core.pipeline import Bounds
from tintype.core.plan import Canvas, Load, Plan, Scale
from tintype.core.policy import Policy

_NONE = Bounds()


def bounded(policy: Policy, bounds: Bounds) -> Policy:
    """Return the policy with the bounds that a trusted URL sets for itself."""
    if bounds == _NONE:
        return policy
    own = {
        "source_pixels": bounds.source_pixels,
        "frames": bounds.frames,
        "frame_pixels": bounds.frame_pixels,
        "result_side_px": bounds.result_side_px,
    }
    return replace(policy, **{name: value for name, value in own.items() if value is not None})


def check_source(info: ImageInfo, frames: int, policy: Policy) -> None:
    """Refuse a source of more pixels than allowed. Vectors have no pixels of their own.

    Args:
        info: header facts.
        frames: how many frames will be decoded.
        policy: `frame_pixels` bounds one frame of an animation; without it `source_pixels` bounds their sum.

    Raises:
        BrokenImage: it has no pixels at all.
        ImageTooLarge: it has too many.
    """
    if info.width <= 0 or info.height <= 0 or info.frames <= 0:
        raise BrokenImage(f"the source says it is {info.width}x{info.height} with {info.frames} frames")
    if info.vector:
        return
    if 0 < policy.side_px < max(info.width, info.height):
        raise ImageTooLarge(
            f"the source has {info.width}x{info.height}; at most {policy.side_px} pixels a side are allowed"
        )
    if frames > 1 and policy.frame_pixels:
        _refuse_over(policy.frame_pixels, info.pixels, f"a frame of the animation has {info.width}x{info.height}")
    else:
        what = f"the source has {info.width}x{info.height}" + (f" in {frames} frames" if frames > 1 else "")
        _refuse_over(policy.source_pixels, info.pixels * frames, what)


def _refuse_over(most: int, pixels: int, what: str) -> None:
    if pixels > most:
        raise ImageTooLarge(f"{what}, {pixels / 1e6:.1f} megapixels; at most {most / 1e6:g} are allowed")


def check_result(plan: Plan, policy: Policy, *, vector: bool = False) -> None:
    """Refuse a plan that makes an image larger than allowed, on its way or in the end.

    What only takes away from a source that is allowed is allowed; a vector is made when it is loaded.

    Raises:
        BadRequest: with the size and the bound.
    """
    largest: Plan | Load | Scale | Canvas = plan
    longest = max(plan.width, plan.height)
    for made in (*plan.steps, *([plan.load] if vector else [])):
        if isinstance(made, _MAKE):
            largest = made if made.width * made.height > largest.width * largest.height else largest
            longest = max(longest, made.width, made.height)
    frames = plan.load.frames
    pixels = largest.width * largest.height * frames
    if policy.result_pixels and pixels > policy.result_pixels:
        raise BadRequest(
            f"this would make an image of {largest.width}x{largest.height}"
            + (f" in {frames} frames" if frames > 1 else "")
            + f", {pixels / 1e6:.1f} megapixels; at most {policy.result_pixels / 1e6:g} are allowed: ask for less"
        )
    if 0 < policy.side_px < longest:
        raise BadRequest(f"this would make an image of {longest} pixels a side; at most {policy.side_px} are allowed")


_MAKE = (Load, Scale, Canvas)
