"""Weigh encoders: CPU ms, bytes and SSIMULACRA2 of every candidate setting, by content and size of the result.

    python -m bench.encoders                      measure all, print, keep in bench/out/encoders.json
    python -m bench.encoders --formats webp,avif  some of them; the others stay as they were kept
    python -m bench.encoders --write-docs         also write the tables of docs/encoders.md
    python -m bench.encoders --quick              one small picture of each content: does it work here?

One thread, the least time of several interleaved rounds. Scores compare a result with the pixels that were encoded (not with
the source), alpha laid on gray; PNG and GIF are lossless or have few colours, and have none.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ |= {"VIPS_CONCURRENCY": "1", "OPENBLAS_NUM_THREADS": "1"}  # before the libraries are loaded

import numpy as np
import pyvips

from bench.candidates import CANDIDATES, Candidate
from bench.graphics import cut_out, logo, screenshot
from bench.page import markdown, origin
from bench.photos import photos, picture
from bench.quality import pixels, ssimulacra2
from bench.report import machine, table
from tintype.core.formats import Format

OUT = Path(__file__).resolve().parent / "out" / "encoders.json"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "encoders.md"
SIDES = (160, 512, 1280)
_SOURCE_SIDE = 2048
_PART = re.compile(r"(<!-- encoders -->\n).*?(<!-- /encoders -->)", re.DOTALL)
_SCORED = frozenset({Format.JPEG, Format.WEBP, Format.AVIF, Format.JXL})

Pictures = Mapping[str, Sequence[pyvips.Image]]


def contents(count: int, side: int = _SOURCE_SIDE) -> Pictures:
    """Return up to `count` large pictures of each kind of content."""
    files = photos(OUT.parent / "made") if count > 1 else []
    shot = [
        pyvips.Image.thumbnail(str(file), side, height=side, export_profile="srgb") for file in files[1::4][: count - 1]
    ]
    return {
        "photo": [bare(image) for image in (*shot, picture(side, side * 3 // 4, 1))],
        "flat": [screenshot(side, seed) for seed in range(1, max(2, count))],
        "alpha": [bare(cut_out(side, 1)), logo(side, 1)][: max(1, count - 1)],
    }


def bare(image: pyvips.Image) -> pyvips.Image:
    """Return the pixels of an image in memory, without metadata."""
    image = image.cast("uchar")
    return pyvips.Image.new_from_memory(image.write_to_memory(), image.width, image.height, image.bands, "uchar").copy(
        interpretation="srgb"
    )


def reduced(images: Sequence[pyvips.Image], side: int) -> list[pyvips.Image]:
    return [bare(image.thumbnail_image(side, height=side, linear=True)) for image in images]


def measure(format: Format, images: Sequence[pyvips.Image], rounds: int) -> list[dict[str, Any]]:
    """Return a row for each candidate: CPU ms, KB and score of an image, the means of all images."""
    able = [each for each in CANDIDATES[format] if each.alpha or not images[0].hasalpha()]
    least = dict.fromkeys(able, float("inf"))
    bodies: dict[Candidate, list[bytes]] = {}
    for _ in range(rounds):
        for candidate in able:
            bodies[candidate], spent = _timed(candidate.encode, images)
            least[candidate] = min(least[candidate], spent)
    return [
        {
            "format": format.value,
            "settings": candidate.name,
            "ms": least[candidate] / len(images),
            "KB": float(np.mean([len(body) for body in bodies[candidate]])) / 1024,
            "score": _score(images, bodies[candidate]) if format in _SCORED else None,
        }
        for candidate in able
    ]


def _timed(encode: Callable[[pyvips.Image], bytes], images: Sequence[pyvips.Image]) -> tuple[list[bytes], float]:
    started = time.process_time()
    bodies = [encode(image) for image in images]
    return bodies, (time.process_time() - started) * 1000


def _score(images: Sequence[pyvips.Image], bodies: Sequence[bytes]) -> float:
    shown = [pixels(pyvips.Image.new_from_buffer(body, "")) for body in bodies]
    return float(np.mean([ssimulacra2(pixels(image), body) for image, body in zip(images, shown, strict=True)]))


def run(formats: Sequence[Format], sides: Sequence[int], rounds: int, pictures: Pictures) -> list[dict[str, Any]]:
    rows = []
    for side in sides:
        for content, images in pictures.items():
            small = reduced(images, side)
            for kind in formats:
                if CANDIDATES[kind][0].alpha or content != "alpha":
                    rows += [{"content": content, "px": side, **row} for row in measure(kind, small, rounds)]
    return rows


def page(saved: Mapping[str, Any], text: str) -> str:
    """Return the document with its tables made anew: one for each format and content, a column for each size."""
    parts = [origin(saved)]
    groups: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in saved["rows"]:
        line = groups.setdefault((row["format"], row["content"]), {}).setdefault(row["settings"], {})
        score = f", {row['score']:.1f}" if row["score"] is not None else ""
        line[f"{row['px']} px"] = f"{row['ms']:.1f} ms, {row['KB']:.1f} KB{score}"
    for (kind, content), lines in sorted(groups.items()):
        parts.append(f"**{kind.upper()}, {content}**")
        parts.append(markdown([{"settings": name, **sizes} for name, sizes in lines.items()]))
    tables = "\n\n".join(parts)
    return _PART.sub(lambda match: f"{match[1]}{tables}\n{match[2]}", text)


def keep(rows: Sequence[Mapping[str, Any]], file: Path) -> dict[str, Any]:
    """Write figures to a file, beside those of the formats that were not measured now; return what it holds."""
    known = json.loads(file.read_text())["rows"] if file.exists() else []
    formats = {row["format"] for row in rows}
    rows = [row for row in known if row["format"] not in formats] + list(rows)
    saved = {"time": int(time.time()), "machine": machine(), "facts": {"quiet": _idle()}, "rows": rows}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(saved, indent=1) + "\n")
    return saved


def _idle() -> bool:
    """Tell whether nothing but this ran on the machine lately."""
    return os.getloadavg()[1] < 1.3


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--formats", default=",".join(CANDIDATES), help="divided by commas")
    parser.add_argument("--sides", default=",".join(map(str, SIDES)), help="of results, in px, divided by commas")
    parser.add_argument("--pictures", type=int, default=3, help="of each content, at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    formats = [Format(name) for name in given.formats.split(",")]
    quick = given.quick
    pictures = contents(1, 320) if quick else contents(given.pictures)
    sides = (64,) if quick else tuple(map(int, given.sides.split(",")))
    rows = run(formats, sides, 1 if quick else given.rounds, pictures)
    print(table(rows))
    saved = keep(rows, given.out)
    if given.write_docs:
        PAGE.write_text(page(saved, PAGE.read_text()))
        print(f"wrote {PAGE.name}")


if __name__ == "__main__":
    main()
