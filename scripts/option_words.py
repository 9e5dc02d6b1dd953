"""What each imgproxy option means, by its first name, for docs/reference/imgproxy-options.md. A test keeps it complete."""

from __future__ import annotations

MEANINGS: dict[str, str] = {
    "rs": "Resizing type, size and what surrounds it, in one.",
    "s": "Size and what surrounds it, in one.",
    "rt": (
        "How the image meets the box: `fit` inside it, `fill` covers it, `fill-down` covers it without enlarging, "
        "`force` ignores the aspect, `auto` fills when the orientations agree."
    ),
    "w": "Width in CSS pixels; 0 follows from the height.",
    "h": "Height in CSS pixels; 0 follows from the width.",
    "el": "Enlarge an image that is smaller than the box.",
    "mw": "Least width; wins over the box.",
    "mh": "Least height; wins over the box.",
    "z": "Multiplies the result's size, not offsets or padding.",
    "dpr": "Device pixel ratio: multiplies size, offsets, padding.",
    "ex": "Enlarge the canvas to the box where the image is smaller.",
    "exar": "Enlarge the canvas to the aspect of the box.",
    "g": (
        "What is kept when something is cut away: `ce no so ea we noea nowe soea sowe`, `sm` (by content), "
        "`fp:x:y` (a point, 0 to 1)."
    ),
    "c": "Cut out a part before resizing: pixels, or a share of the source below 1.",
    "t": "Cut away a border of one colour.",
    "pd": "Border around the image, as in CSS.",
    "ar": "Bring upright by EXIF orientation.",
    "rot": "Turn clockwise, after EXIF.",
    "fl": "Mirror, after turning.",
    "bg": "Flatten onto a colour.",
    "bl": "Gaussian blur, sigma in result pixels.",
    "sh": "Sharpen, sigma in result pixels.",
    "pix": "Blocks of so many result pixels.",
    "wm": "Lay the tenant's watermark over the result; `re` repeats it.",
    "sm": "Remove metadata.",
    "kcr": "Keep copyright when metadata is removed.",
    "scp": "Convert to sRGB and leave out the profile.",
    "ph": "Keep 16 bits a channel where the format can.",
    "eth": "Use the embedded thumbnail of HEIC and AVIF.",
    "q": "Quality of lossy formats.",
    "fq": "Quality by format.",
    "mb": "Lower the quality until the result has at most so many bytes.",
    "f": "Format of the result; the extension after the source wins.",
    "skp": "Hand sources of these formats on unprocessed when the result would have the same format.",
    "raw": "Hand the source on, untouched and unchecked.",
    "cb": "Names another binding of the source, so that it is fetched anew.",
    "exp": "The URL is void from then on, and its answers are not kept longer.",
    "fn": "Name in Content-Disposition, without extension.",
    "att": "Content-Disposition: attachment.",
    "ct": "Tags of the result, for `tintype purge --tag`.",
    "msr": "Most pixels of the source.",
    "msfs": "Most bytes of the source.",
    "maf": "Most frames of an animation.",
    "mafr": "Most pixels of one frame.",
    "mrd": "Longest side of the result.",
}
