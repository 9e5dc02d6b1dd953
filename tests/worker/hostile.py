"""A program that shows hostile pictures in a locked-down process and prints, as JSON, what became of each.

hostile.py files CORPUS     everything in the corpus
hostile.py damage COUNT     seeded damage done to pictures in every format
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.worker.pictures import encoded, gradient, svg, translucent
from tintype.core.errors import TintypeError, UnsupportedImage
from tintype.core.formats import LOADABLE, Format
from tintype.core.offer import Offer
from tintype.core.pipeline import Orient, Output, Pipeline, Resize, SourceRef
from tintype.core.policy import Policy
from tintype.core.resolve import resolve
from tintype.core.sniff import sniff
from tintype.worker import codecs
from tintype.worker.execute import execute
from tintype.worker.probe import probe

ASKED = Pipeline.of(SourceRef(url="x"), Orient(), Resize(width=60, height=60), output=Output(format=Format.JPEG))
POLICY = Policy()
SEED = 20_240


def show(data: bytes) -> None:
    found = sniff(data[: 32 * 1024])
    if found is None:
        raise UnsupportedImage
    plan = resolve(ASKED, probe(found, data, POLICY.source_pixels), Offer(), POLICY)
    assert execute(plan, [(found, data)]).body.startswith(b"\xff\xd8")


def damaged(count: int) -> Iterator[tuple[str, bytes]]:
    rng = random.Random(SEED)
    pictures = [
        encoded(f, p)
        for f in sorted(LOADABLE - {Format.HEIC, Format.SVG})
        for p in (gradient(), translucent())
        if f is not Format.JPEG or p.shape[2] == 3
    ]
    pictures.append(svg("<g><text>x</text><path d='M0 0L9 9'/></g>").encode())
    for i in range(count):
        data = bytearray(rng.choice(pictures))
        match rng.randrange(4):
            case 0:
                del data[rng.randrange(len(data)) :]
            case 1:
                for _ in range(rng.randrange(1, 20)):
                    data[rng.randrange(len(data))] = rng.randrange(256)
            case 2:
                at = rng.randrange(len(data))
                data[at:at] = rng.randbytes(rng.randrange(1, 100))
            case _:
                other = rng.choice(pictures)
                data[rng.randrange(len(data)) :] = other[rng.randrange(len(other)) :]
        yield f"damage {i}", bytes(data)


def files(corpus: Path) -> Iterator[tuple[str, bytes]]:
    for folder in ("hostile", "odd", "orientation", "photos"):
        for path in sorted((corpus / folder).iterdir()):
            yield path.name, path.read_bytes()


def main() -> None:
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    codecs.lock_down()
    codecs.prove()
    report: dict[str, object] = {"untyped": []}
    shown = refused = 0
    for name, data in damaged(int(sys.argv[2])) if sys.argv[1] == "damage" else files(Path(sys.argv[2])):
        sys.stdout.write(name + "\n")  # the last one printed is the one that crashed
        try:
            show(data)
            shown += 1
        except TintypeError:
            refused += 1
        except Exception as error:  # noqa: BLE001 - it is what is being counted
            report["untyped"].append(f"{name}: {error!r}")  # type: ignore[attr-defined]
    sys.stdout.write(json.dumps({**report, "shown": shown, "refused": refused, "files": shown + refused}))


if __name__ == "__main__":
    main()
