"""What a person reads after `tintype serve`: where it listens, and signed URLs that work."""

from __future__ import annotations

import sys

from tintype.core.asked import Asked
from tintype.core.formats import Format
from tintype.core.pipeline import Background, Color, Fit, Gravity, Op, Orient, Output, Pad, Pipeline, Resize, SourceRef
from tintype.ports import Dialect
from tintype.web.settings import ServerSettings

_SAMPLES: tuple[tuple[str, tuple[Op, ...], Output], ...] = (
    ("600 px wide, as WebP", (Resize(width=600),), Output(format=Format.WEBP)),
    (
        "a square, as AVIF",
        (Resize(width=400, height=400, fit=Fit.COVER, gravity=Gravity()),),
        Output(format=Format.AVIF),
    ),
    (
        "with a border, as JPEG",
        (Resize(width=500), Pad(top=24, right=24, bottom=24, left=24), Background(color=Color(r=232, g=226, b=214))),
        Output(format=Format.JPEG),
    ),
)


def base_url(settings: ServerSettings) -> str:
    """Return the URL under which a browser on this machine finds the server."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://{host}:{settings.port}"


def greet(settings: ServerSettings, dialect: Dialect, photo: str, *, demo: bool) -> None:
    """Print the sample URLs of the demo photo."""
    base = base_url(settings)
    lines = [f"\ntintype is running at {base}{settings.path_prefix}/"]
    lines += ["Open it in a browser to play with a photo. " if demo else "", "Signed URLs that work:"]
    for what, ops, output in _SAMPLES:
        asked = Asked(pipeline=Pipeline.of(SourceRef(url=photo), Orient(), *ops, output=output))
        lines.append(f"  {what}\n    {base}{settings.path_prefix}{dialect.format(asked)}")
    lines += ["", "Sign your own: tintype url SOURCE --width 300. Stop with Ctrl-C.", ""]
    sys.stdout.write("\n".join(line for line in lines if line is not None) + "\n")
    sys.stdout.flush()
