"""Colour spaces: from whatever the source has to what steps work in, and from there to what a result may have.

While steps run, an image is gray or RGB, of 8 or 16 bits. RGB with a profile stays in that profile's space until something
paints on it or it is written (`settle`): importing costs as much as decoding, and a reduced image is cheaper to import.
"""

from __future__ import annotations

import pyvips

from tintype.core.plan import Save, ToWorking
from tintype.core.policy import Light
from tintype.worker.pixels import ICC, Image, blob, colour_bands, has, with_blob, without

_RGB = frozenset({"srgb", "rgb16"})
_GRAY = frozenset({"b-w", "grey16"})
_DEEP = frozenset({"rgb16", "grey16"})
# Bytes 16..20 of an ICC header: the colour space of the device.
_DEVICE = {b"RGB ": _RGB, b"GRAY": _GRAY, b"CMYK": frozenset({"cmyk"}), b"Lab ": frozenset({"lab", "labs"})}
_HEADER_BYTES = 128
# Header fields of HP's "sRGB IEC61966-2.1", which most cameras and programs embed: (offset, bytes).
_SRGB_SIGNS = ((16, b"RGB "), (48, b"IEC "), (52, b"sRGB"))
# EXIF fields that describe a space the pixels are no longer in.
_STALE = ("exif-ifd0-WhitePoint", "exif-ifd0-PrimaryChromaticities", "exif-ifd2-ColorSpace")


def to_working(image: Image, step: ToWorking) -> Image:
    """Bring to gray or RGB of 8 bits, or 16 if they are kept; a usable profile stays with pixels that are in its space."""
    image = _known(_usable_profile(image))
    if image.interpretation not in _RGB | _GRAY:
        image = _to_rgb(image, deep=step.keep_depth)
    if not step.keep_depth:
        image = _shallow(image)
    if has(image, ICC) and not step.keep_profile and (step.light is Light.LINEAR or image.interpretation in _GRAY):
        image = settle(image)
    return image


def settle(image: Image) -> Image:
    """Return the image in sRGB, as gray or RGB, without a profile."""
    if not has(image, ICC):
        return image
    settled = without(_to_srgb(image), ICC, *_STALE)
    gray = image.interpretation in _GRAY and settled.interpretation in _RGB
    return _gray_of(settled) if gray else settled


def _gray_of(image: Image) -> Image:
    """Return one band of a picture whose three are equal, and its alpha."""
    gray = image[1] if image.bands == 3 else image[1].bandjoin(image[3])
    return gray.copy(interpretation="grey16" if _is_deep(image) else "b-w")


def paintable(image: Image) -> Image:
    """Return the image as sRGB with three colour bands, on which a colour or another image can be laid."""
    image = settle(image)
    return image if image.interpretation in _RGB else _converted(image, "rgb16" if _is_deep(image) else "srgb")


def finish(image: Image, save: Save, *, keep_profile: bool) -> Image:
    """Bring to what the result may be written in."""
    if image.interpretation not in _RGB | _GRAY or (_is_deep(image) and not save.keep_depth):
        image = to_working(image, ToWorking(keep_depth=save.keep_depth, keep_profile=keep_profile))
    return image if keep_profile else settle(image)


def _usable_profile(image: Image) -> Image:
    """Drop a profile that is broken, that is not of the image's space, or that says sRGB, where nothing is to be done."""
    profile = blob(image, ICC)
    if not profile:
        return image
    spaces = _DEVICE.get(profile[16:20], frozenset())
    fits = len(profile) > _HEADER_BYTES and profile[36:40] == b"acsp" and image.interpretation in spaces
    return image if fits and not is_srgb(profile) else without(image, ICC)


def is_srgb(profile: bytes) -> bool:
    """Tell whether a profile is the one of IEC 61966-2.1, from its header."""
    return all(profile[at : at + len(sign)] == sign for at, sign in _SRGB_SIGNS)


def _known(image: Image) -> Image:
    """Give a name to the space of images that have none, and decode packed pixels."""
    if image.coding == "rad":
        image = image.rad2float()
    if image.coding == "labq":
        image = image.LabQ2Lab()
    space = image.interpretation
    if space in ("multiband", "histogram", "matrix", "fourier", "error"):
        deep = image.format == "ushort"
        names = ("grey16", "rgb16") if deep else ("b-w", "srgb")
        image = image.copy(interpretation=names[image.bands > 2])
    elif space == "rgb":
        image = image.copy(interpretation="srgb")
    return _with_few_bands(_with_plain_samples(image))


def _with_plain_samples(image: Image) -> Image:
    """Return gray and RGB in unsigned samples of the size that the space's name says."""
    wanted = "ushort" if image.interpretation in _DEEP else "uchar"
    if image.interpretation not in _RGB | _GRAY or image.format == wanted:
        return image
    if image.format in ("float", "double"):
        return _linear_float(image)
    if image.format == "ushort":
        return image.copy(interpretation="grey16" if image.interpretation == "b-w" else "rgb16")
    return image.cast(wanted, shift=image.format in ("uint", "int"))


def _linear_float(image: Image) -> Image:
    """Read gray or RGB of floating point as linear light, 0 to 1, as TIFF writers mean it."""
    if image.bands < 3:
        alpha = image[1] if image.bands > 1 else None
        image = image[0].bandjoin([image[0], image[0]] + ([alpha] if alpha is not None else []))
    return without(image, ICC).copy(interpretation="scrgb")


def _with_few_bands(image: Image) -> Image:
    """Drop bands beyond colours and one alpha: inks and masks that no result format has."""
    colours = 1 if image.interpretation in _GRAY else 4 if image.interpretation == "cmyk" else 3
    return image[: colours + 1] if image.bands > colours + 1 else image


def _to_rgb(image: Image, *, deep: bool) -> Image:
    """Bring CMYK, Lab and the like to sRGB: through the embedded profile, or libvips' own for the space."""
    if image.interpretation == "scrgb":
        image = without(image, ICC)
    if has(image, ICC):
        return without(_to_srgb(image, deep=deep), ICC, *_STALE)
    return _converted(image, "rgb16" if deep else "srgb")


def _to_srgb(image: Image, *, deep: bool | None = None) -> Image:
    """Run the embedded profile; one that cannot be linked is ignored, as if it were not there."""
    deep = _is_deep(image) if deep is None else deep
    colours, alpha = image, None
    if image.hasalpha():
        count = colour_bands(image)
        colours, alpha = image[:count], image[count:]
    try:
        colours = colours.icc_transform("srgb", embedded=True, depth=16 if deep else 8)
    except pyvips.Error:
        plain = without(image, ICC)
        return plain if plain.interpretation in _RGB | _GRAY else _converted(plain, "rgb16" if deep else "srgb")
    return colours if alpha is None else colours.bandjoin(alpha.cast(colours.format))


def _shallow(image: Image) -> Image:
    """Return 8-bit samples, with the profile that libvips would lose on the way."""
    if not _is_deep(image):
        return image
    return _converted(image, "b-w" if image.interpretation == "grey16" else "srgb")


def _converted(image: Image, space: str) -> Image:
    profile = blob(image, ICC)
    image = image.colourspace(space)
    return with_blob(image, ICC, profile) if profile and not has(image, ICC) else image


def _is_deep(image: Image) -> bool:
    return image.interpretation in _DEEP
