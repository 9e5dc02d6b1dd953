"""What is no photo: a screenshot of text and boxes, and a product cut out with a soft edge. Drawn, so that anyone has them."""

from __future__ import annotations

import random

import pyvips

from bench.photos import picture

_WORDS = ("image", "server", "cache", "purge", "source", "worker", "plan", "rung", "decode", "light", "quality")

_COLOURS = ("#1f6feb", "#2da44e", "#cf222e", "#8250df", "#bf8700", "#57606a")


def screenshot(side: int, seed: int) -> pyvips.Image:
    """Return a page of boxes, lines and text, `side` px square, in RGB."""
    rng = random.Random(seed)
    shapes = [f'<rect width="{side}" height="{side}" fill="#ffffff"/>', _bar(side)]
    rows = 40
    for row in range(3, rows):
        y, size = side * row / rows, side / rows * rng.choice((0.5, 0.6, 0.8))
        words = " ".join(rng.choices(_WORDS, k=rng.randrange(4, 13)))
        shapes.append(f'<text x="{side * 0.26:.0f}" y="{y:.0f}" font-size="{size:.0f}" fill="#24292f">{words}</text>')
        if rng.random() < 0.3:
            colour, width = rng.choice(_COLOURS), side * rng.uniform(0.05, 0.2)
            shapes.append(
                f'<rect x="{side * 0.03:.0f}" y="{y:.0f}" rx="8" width="{width:.0f}" height="{size:.0f}" fill="{colour}"/>'
            )
    return _drawn(side, "".join(shapes)).flatten(background=255)


def cut_out(side: int, seed: int) -> pyvips.Image:
    """Return a picture inside a soft ellipse, nothing around it, `side` px square, in RGBA."""
    alpha = ellipse(side, side)
    whole = picture(side, side, seed).bandjoin(alpha).copy(interpretation="srgb")
    return (alpha > 0).ifthenelse(whole, 0).copy(interpretation="srgb")


def ellipse(width: int, height: int) -> pyvips.Image:
    """Return an alpha band: opaque inside, with a soft edge."""
    xy = pyvips.Image.xyz(width, height)
    inside = (1 - ((xy[0] / width * 2 - 1) ** 2 + (xy[1] / height * 2 - 1) ** 2)) * 800
    return (inside > 255).ifthenelse(255, (inside < 0).ifthenelse(0, inside)).cast("uchar")


def logo(side: int, seed: int) -> pyvips.Image:
    """Return a few flat shapes on nothing, `side` px square, in RGBA."""
    rng = random.Random(seed)
    shapes = []
    for _ in range(9):
        x, y, r = (rng.uniform(*ends) * side for ends in ((0.2, 0.8), (0.2, 0.8), (0.05, 0.2)))
        shapes.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{r:.0f}" fill="{rng.choice(_COLOURS)}" opacity="0.9"/>')
    text = f'<text x="{side * 0.1:.0f}" y="{side * 0.9:.0f}" font-size="{side / 6:.0f}" fill="#24292f">tintype</text>'
    return _drawn(side, "".join(shapes) + text)


def _bar(side: int) -> str:
    top = side // 20
    aside = f'<rect y="{top}" width="{side // 4}" height="{side}" fill="#f6f8fa"/>'
    return f'<rect width="{side}" height="{top}" fill="#24292f"/>{aside}'


def _drawn(side: int, shapes: str) -> pyvips.Image:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}" font-family="sans-serif">{shapes}</svg>'
    return pyvips.Image.new_from_buffer(svg.encode(), "").copy_memory()
