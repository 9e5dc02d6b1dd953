"""What stays in a result beside its pixels: nothing but whose work it is, unless the plan keeps all."""

from __future__ import annotations

from collections.abc import Callable

import pyvips

from tintype.core.plan import Save
from tintype.worker import iptc, xmp
from tintype.worker.pixels import BLOB, ICC, Image, blob

# Fields that steer encoders and say nothing about the picture's making.
_TECHNICAL = frozenset({ICC, "bits-per-sample", "palette", "background", "vips-loader", "vips-sequential"})
_ANIMATION = frozenset({"page-height", "n-pages", "delay", "loop"})
# libvips writes those EXIF entries that are fields too, and drops the rest of the block: GPS, maker notes, thumbnail.
_COPYRIGHT = frozenset({"exif-data", "exif-ifd0-Copyright", "exif-ifd0-Artist"})
_SCREEN_RESOLUTION = 72 / 25.4  # pixels per mm
_MAX_SEGMENT = 65_533  # bytes of a JPEG segment
# What every image has; libvips lists them among its fields, but they are not metadata.
_HEADER = frozenset(
    {
        *("width", "height", "bands", "format", "coding", "interpretation"),
        *("xoffset", "yoffset", "xres", "yres", "filename"),
    }
)


def strip(image: Image, save: Save, *, animated: bool) -> Image:
    """Return the image with the metadata that a result may have.

    Animation fields go when the result has one frame, in any case; orientation is dealt with by the Turn step.
    """
    if not save.strip_metadata:
        return image if animated else _keep(image, lambda field: field not in _ANIMATION)
    kept = _TECHNICAL | (_ANIMATION if animated else frozenset()) | (_COPYRIGHT if save.keep_copyright else frozenset())
    rights = {"iptc-data": iptc.rights(blob(image, "iptc-data")), "xmp-data": xmp.rights(blob(image, "xmp-data"))}
    image = _keep(image, kept.__contains__, xres=_SCREEN_RESOLUTION, yres=_SCREEN_RESOLUTION)
    for field, value in rights.items():
        if value and save.keep_copyright:
            image.set_type(BLOB, field, value)
    return image


def upright(image: Image) -> Image:
    """Return the image without its EXIF orientation: it has been applied."""
    return _keep(image, lambda field: field not in ("orientation", "exif-ifd0-Orientation"))


def with_exif(image: Image, exif: bytes) -> Image:
    """Attach an EXIF block with its entries as fields, as a loader would; a broken one is left out.

    libvips parses EXIF when it loads a JPEG only, so a JPEG of one pixel is made to carry it.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    segment = b"Exif\0\0" + tiff
    if len(segment) > _MAX_SEGMENT:
        return image
    pixel: bytes = pyvips.Image.black(1, 1).jpegsave_buffer(keep="none")
    carrier = pixel[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + pixel[2:]
    try:
        carried = pyvips.Operation.call("jpegload_source", pyvips.Source.new_from_memory(carrier))
    except pyvips.Error:
        return image
    image = image.copy()
    for field in carried.get_fields():
        if field.startswith("exif-"):
            image.set_type(carried.get_typeof(field), field, carried.get(field))
    return image


def _keep(image: Image, wanted: Callable[[str], bool], **changes: float) -> Image:
    """Return the image with the fields that are wanted, and changes of its header."""
    image = image.copy(**changes)
    for field in image.get_fields():
        if field not in _HEADER and not wanted(field):
            image.remove(field)
    return image
