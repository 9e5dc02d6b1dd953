"""What will be done: concrete numbers, no decision left but those that need pixels, and a cost before work starts."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

from msgspec.structs import replace

from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.offer import Offer
from tintype.core.pipeline import Color, Pipeline
from tintype.core.policy import Encoders, Light, Policy
from tintype.core.values import Value, canonical_bytes, fingerprint, fingerprints


class Rung(Value, frozen=True):
    """A smaller master of a source: made from the original, in linear light, in sRGB, not turned, and kept beside it.

    Attributes:
        side: longest side in pixels, nearly: see `ladder.rung_size`.
        format: a form that is quick to read: JPEG, or PNG for what may be transparent or flat.
        quality: of a JPEG.
    """

    side: int
    format: Format
    quality: int


class Load(Value, frozen=True):
    """How the source is decoded, by an explicit loader.

    Attributes:
        shrink: JPEG DCT scaling 1, 2, 4 or 8.
        scale: scaled decoding of WebP (<= 1) and SVG (any).
        width, height: size of one frame as it results, before any turn. The steps rely on it: where a decoder rounds
            otherwise by a pixel (a vector's own size need not be whole), the worker resamples to it; more than that is
            a broken image.
        frames: how many frames to read, stacked by libvips.
        thumbnail: take the embedded thumbnail (HEIC, AVIF).
        rung: decode this instead of the original.
        draft: leave out polish that the reduction to come hides (WebP: smoothing of blocks, of colours).
    """

    format: Format
    width: int
    height: int
    shrink: int = 1
    scale: float = 1.0
    frames: int = 1
    thumbnail: bool = False
    rung: Rung | None = None
    draft: bool = False


# Steps. Boxes are pixels of the image as the step meets it, and of one frame: animations take each step frame by frame.
# Their order in a plan: ToWorking, TrimBorder (then the rest); CropBox or SmartCrop, Scale, Turn, Mirror, CropBox or
# SmartCrop (what cover cuts away), BlurStep, SharpenStep, PixelateStep, Canvas (extend, extend to aspect, pad), Scale
# (the format's own limit), Flatten, Overlay.


class ToWorking(Value, frozen=True):
    """Bring the pixels to sRGB or gray: profile imported, CMYK to RGB, 16 bit kept or not.

    `light` announces what the plan's first Scale works in (GAMMA if it has none), for a worker that can prepare it at
    once; each Scale's own `light` is what counts, and what follows a Scale is back in gamma values.
    """

    light: Light = Light.GAMMA
    keep_depth: bool = False  # 16-bit stays 16-bit
    keep_profile: bool = False  # pixels stay in the embedded profile's space where that is RGB or gray


class TrimBorder(Value, frozen=True):
    """Find and cut the border of the image as stored; `resolve_rest` then resolves what follows on the size left.

    Transparency counts as magenta (255, 0, 255), so `color` FF00FF keys it. `color` None: the top left pixel's.
    `equal_*`: cut as much on both sides as on the side where less is cut. Nothing left: nothing is cut.
    """

    threshold: float
    color: Color | None = None
    equal_horizontal: bool = False
    equal_vertical: bool = False


class CropBox(Value, frozen=True):
    left: int
    top: int
    width: int
    height: int


class SmartCrop(Value, frozen=True):
    """Crop to a size around what draws attention (libvips' smartcrop, attention); the box is found in the pixels."""

    width: int
    height: int


class Scale(Value, frozen=True):
    """Resample to exactly width x height."""

    width: int
    height: int
    light: Light = Light.GAMMA


class Average(Value, frozen=True):
    """Average box x box pixels each in linear light; width x height boxes from the middle, the rest at the edges goes."""

    width: int
    height: int
    box: int


class Turn(Value, frozen=True):
    """EXIF and asked rotation in one: mirror left-right first (`mirror`), then clockwise `angle`."""

    angle: int = 0
    mirror: bool = False


class Mirror(Value, frozen=True):
    horizontal: bool = False
    vertical: bool = False


class BlurStep(Value, frozen=True):
    sigma: float


class SharpenStep(Value, frozen=True):
    sigma: float


class PixelateStep(Value, frozen=True):
    size: int


class Canvas(Value, frozen=True):
    """Place the image, which fits, at (left, top) on a transparent canvas; adds an alpha channel."""

    width: int
    height: int
    left: int
    top: int


class Flatten(Value, frozen=True):
    """Lay the image on a colour and drop its alpha channel; an image without one stays as it is."""

    color: Color


class Overlay(Value, frozen=True):
    """Lay input number `input` over the image, whose alpha channel, or lack of one, stays.

    The overlay is brought upright and first scaled, up or down, to fit fit_width x fit_height (both 0 = own size). Then
    `geometry.place(frame, overlay, Gravity(anchor, x, y), offset_scale, overflow=True)` says where it goes; with `tile`,
    `geometry.offset_px(side, x or y, offset_scale)` are the gaps: it is padded by half of each gap (rounded down) left
    and top, by the rest right and bottom, and repeated around the centre.
    """

    input: int
    opacity: float
    anchor: str
    x: float = 0.0
    y: float = 0.0
    fit_width: int = 0
    fit_height: int = 0
    tile: bool = False
    offset_scale: float = 1.0


Step: TypeAlias = (
    ToWorking
    | TrimBorder
    | CropBox
    | SmartCrop
    | Scale
    | Average
    | Turn
    | Mirror
    | BlurStep
    | SharpenStep
    | PixelateStep
    | Canvas
    | Flatten
    | Overlay
)


FAST = 1
"""The effort of what is written for ourselves: JPEG without a Huffman table of its own, PNG deflated as fast as can be."""


class Save(Value, frozen=True):
    """How the result is written. `effort` in the encoder's own scale (libvips'); `max_bytes` 0 = no bound.

    What a format cannot do is at its default, so that equal results have equal keys.
    """

    format: Format
    quality: int = 80
    max_bytes: int = 0
    strip_metadata: bool = True
    keep_copyright: bool = True
    strip_color_profile: bool = True
    keep_depth: bool = False
    effort: int = 4
    progressive: bool = False
    palette: bool = False
    colors: int = 256
    preset: str = "default"
    encoders: Encoders = Encoders.MEASURED  # of JPEG, PNG, WebP and AVIF
    sanitize: bool = True  # SVG pass-through only
    animated: bool = False


class Cost(Value, frozen=True):
    """What a plan is predicted to take in one worker: CPU milliseconds and peak bytes of memory."""

    cpu_ms: float = 0.0
    peak_bytes: int = 0


_NOTHING = Cost()


class Rest(Value, frozen=True):
    """What is left to resolve once a step has found out how large the image is."""

    pipeline: Pipeline
    info: ImageInfo
    offer: Offer
    policy: Policy


# Results up to this size are finished in memory before they are encoded, which tells decoding from encoding in times
# and errors; larger ones are streamed through the encoder, which keeps memory small.
HELD_RESULT_PIXELS = 8_000_000


class Plan(Value, frozen=True):
    """A load, steps and a save, with the size of the result and what it will cost.

    `passthrough` hands the source's bytes on (an SVG sanitised). `rest` is set exactly when a TrimBorder is the last step;
    the plan that `resolve_rest` makes then also replaces `save`.
    `width`, `height`: of the result (one frame); with `rest`, what they would be if nothing were trimmed.
    `rung`: the result is this rung. In one job, plans after it whose load names it are made from it.
    """

    load: Load
    steps: tuple[Step, ...]
    save: Save
    width: int
    height: int
    passthrough: bool = False
    rest: Rest | None = None
    dpr: float = 1.0  # the effective pixel ratio
    cost: Cost = Cost()
    rung: Rung | None = None

    @property
    def plain(self) -> bool:
        """Whether its load and its steps are all that decides about its pixels, and these are few enough to be held."""
        still = self.rest is None and not self.passthrough and self.load.frames == 1
        return still and self.width * self.height <= HELD_RESULT_PIXELS


def finished_key(tenant: str, digests: tuple[str, ...], plan: Plan) -> str | None:
    """Return the key of the pixels that a plan's steps leave, with which any encoder begins; args as those of `plan_keys`.

    None: its load and its steps are not all that decides about them.
    """
    if not plan.plain:
        return None
    return fingerprint(b"finished", tenant.encode(), *[d.encode() for d in digests], _path(plan.load, plan.steps))


@lru_cache(1024)
def _path(load: Load, steps: tuple[Step, ...]) -> bytes:
    return b"".join(map(canonical_bytes, (load, *steps)))


def plan_key(tenant: str, digests: tuple[str, ...], plan: Plan, epoch: int) -> str:
    """Return the key of the result in one render epoch; see `plan_keys`."""
    return plan_keys(tenant, digests, plan, (epoch,))[0]


def plan_keys(tenant: str, digests: tuple[str, ...], plan: Plan, epochs: tuple[int, ...]) -> list[str]:
    """Return the key of the result in each epoch, which is also its ETag: same key, same bytes.

    Args:
        tenant: the tenant's name; results are never shared between tenants.
        digests: SHA-256 of every input, the source first, then overlays.
        plan: cost and the source's URL count for nothing.
        epochs: render epochs; these change only when pixels change on purpose.
    """
    parts = [b"plan", tenant.encode(), *[d.encode() for d in digests], _shape(plan)]
    return fingerprints(parts, [str(epoch).encode() for epoch in epochs])


@lru_cache(1024)  # equal plans are made of many sources
def _shape(plan: Plan) -> bytes:
    rest = plan.rest
    if rest is not None:
        source = replace(rest.pipeline.source, url="", buster="")
        rest = replace(rest, pipeline=replace(rest.pipeline, source=source))
    return canonical_bytes(replace(plan, cost=_NOTHING, rest=rest))
