"""Hostile inputs by number: images of the corpus, or our own, as they are and damaged; the same number is the same input."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from bench.photos import CORPUS, picture

FORMATS = ("", "", "jpg", "jpg", "png", "webp", "gif", "tiff", "bmp", "ico", "jxl", "avif")
OPTIONS: tuple[dict[str, str | int | float | bool], ...] = (
    {"width": 60},
    {"width": 100, "height": 80},
    {"width": 64, "height": 64, "fit": "cover"},
    {"width": 90, "height": 40, "fit": "exact"},
    {"height": 50},
    {"width": 80, "rotate": 90},
    {"width": 80, "blur": 2},
    {"width": 80, "trim": 10},
    {"width": 300, "enlarge": True, "height": 300},
)


class Input(NamedTuple):
    """A hostile input, where it comes from, and what it is to be made into."""

    number: int
    name: str
    body: bytes
    format: str
    options: dict[str, str | int | float | bool]


class Mutants:
    """The inputs of one seed: first the pictures as they are, then damaged ones without end."""

    def __init__(self, seed: int, pictures: Sequence[tuple[str, bytes]]) -> None:
        self._seed = seed
        self._pictures = pictures

    def input(self, number: int) -> Input:
        rng = random.Random(f"{self._seed}/{number}")
        if number < len(self._pictures):
            name, body = self._pictures[number]
        else:
            name, body = self._damaged(rng)
        return Input(number, name, body, rng.choice(FORMATS), rng.choice(OPTIONS))

    def _damaged(self, rng: random.Random) -> tuple[str, bytes]:
        name, body = rng.choice(self._pictures)
        kind = rng.choice(list(DAMAGE))
        return f"{kind} {name}", DAMAGE[kind](bytearray(body), rng, self._pictures)


Damage = Callable[[bytearray, random.Random, Sequence[tuple[str, bytes]]], bytes]


def _truncation(body: bytearray, rng: random.Random, _: object) -> bytes:
    return bytes(body[: rng.randrange(len(body) + 1)])


def _flips(body: bytearray, rng: random.Random, _: object) -> bytes:
    for _try in range(rng.choice((1, 2, 5, 20, 100)) if body else 0):
        body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    return bytes(body)


def _head_flips(body: bytearray, rng: random.Random, _: object) -> bytes:
    """Change bytes where headers are: sizes, counts, offsets."""
    for _try in range(rng.choice((1, 2, 5)) if body else 0):
        body[rng.randrange(min(256, len(body)))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(body)


def _splice(body: bytearray, rng: random.Random, pictures: Sequence[tuple[str, bytes]]) -> bytes:
    """Put a piece of one picture into another, or its end in place of the other's."""
    other = rng.choice(pictures)[1]
    start = rng.randrange(len(other) + 1)
    piece = other[start : start + rng.choice((16, 256, 4096, len(other)))]
    at = rng.randrange(len(body) + 1)
    return bytes(body[:at]) + piece + (bytes(body[at:]) if rng.random() < 0.5 else b"")


def _cut(body: bytearray, rng: random.Random, _: object) -> bytes:
    at = rng.randrange(len(body) + 1)
    del body[at : at + rng.choice((1, 4, 64, 1024))]
    return bytes(body)


def _filled(body: bytearray, rng: random.Random, _: object) -> bytes:
    at = rng.randrange(len(body) + 1)
    length = min(len(body) - at, rng.choice((4, 64, 1024)))
    body[at : at + length] = bytes([rng.choice((0, 0xFF, 0x20))]) * length
    return bytes(body)


DAMAGE: dict[str, Damage] = {
    "truncation": _truncation,
    "flips": _flips,
    "head flips": _head_flips,
    "splice": _splice,
    "cut": _cut,
    "filled": _filled,
}


def pictures(corpus: Path = CORPUS) -> list[tuple[str, bytes]]:
    """Return the files that are damaged: of the corpus, or small ones of every format we can write."""
    files = [file for folder in ("hostile", "odd") for file in sorted((corpus / folder).glob("*")) if file.is_file()]
    return [(file.name, file.read_bytes()) for file in files] or own_pictures()


def own_pictures() -> list[tuple[str, bytes]]:
    """Return small pictures in every format that can be made here."""
    found = []
    for bands in (1, 3, 4):
        image = picture(160, 120, bands)
        image = image[0] if bands == 1 else image.bandjoin(image[1]) if bands == 4 else image
        found += [(f"own{bands}{suffix}", image.write_to_buffer(suffix)) for suffix in _SUFFIXES]
    rgb = Image.effect_noise((64, 48), 60).convert("RGB")
    for kind in ("BMP", "ICO"):
        written = io.BytesIO()
        rgb.save(written, kind)
        found.append((f"own.{kind.lower()}", written.getvalue()))
    found.append(("animated.gif", _animation("GIF")))
    found.append(("animated.webp", _animation("WEBP")))
    found.append(("own.svg", _SVG.encode()))
    return found


_SUFFIXES = (".jpg", ".png", ".webp", ".gif", ".tif", ".avif", ".jpg[interlace]", ".png[interlace]")


def _animation(kind: str) -> bytes:
    frames = [Image.effect_noise((48, 32), 20 + 10 * n).convert("RGB") for n in range(5)]
    written = io.BytesIO()
    frames[0].save(written, kind, save_all=True, append_images=frames[1:], duration=50, loop=0)
    return written.getvalue()


_SVG = """<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="120" height="80" viewBox="0 0 120 80">
<defs><linearGradient id="g"><stop offset="0" stop-color="red"/><stop offset="1" stop-color="#00f"/></linearGradient>
<filter id="f"><feGaussianBlur stdDeviation="3"/></filter></defs><style>.a{fill:url(#g)}</style>
<rect class="a" width="120" height="80"/><text x="9" y="40" filter="url(#f)">tintype</text><path d="M0 0C9 9 40 2 99 70z"/>
</svg>"""
