"""The demo page: a person sees a picture, changes options and watches the URL, the bytes and the time change.

It signs URLs of the demo photo and of nothing else, and answers on loopback only.
"""

from __future__ import annotations

import json
from importlib.resources import files
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import parse_qsl

from tintype.core.asked import Asked
from tintype.core.errors import TintypeError
from tintype.core.formats import SAVABLE, Format
from tintype.core.pipeline import (
    Background,
    Blur,
    Color,
    Fit,
    Flip,
    Gravity,
    Op,
    Orient,
    Output,
    Pad,
    Pipeline,
    Resize,
    Rotate,
    SourceRef,
)
from tintype.ports import Dialect
from tintype.web.memo import Headers
from tintype.web.reply import Receive, Scope, Send

# What the page may ask for: nothing that takes a laptop more than a moment.
_MOST_PX = 2000

ChoiceT = TypeVar("ChoiceT", Fit, Format)


class Demo:
    """An ASGI application for `/` and `/demo/sign`."""

    def __init__(self, dialect: Dialect, photo: str, prefix: str = "") -> None:
        self._dialect = dialect
        self._prefix = prefix
        self._photo = photo
        self._page = files("tintype.web").joinpath("demo.html").read_bytes()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Serve the page, or a signed URL as JSON."""
        client = scope.get("client")
        if not client or not ip_address(client[0]).is_loopback:
            await _send(send, 404, b"text/plain", b"the demo answers on loopback only")
        elif scope["path"].endswith("/demo/sign"):
            await self._sign(scope, send)
        else:
            await _send(send, 200, b"text/html; charset=utf-8", self._page)

    async def _sign(self, scope: Scope, send: Send) -> None:
        try:
            asked = self.asked(dict(parse_qsl(scope["query_string"].decode("latin-1"))))
            answer: dict[str, str] = {"url": self._prefix + self._dialect.format(asked)}
            status = 200
        except (ValueError, TintypeError) as error:
            answer, status = {"error": str(error)}, 400
        await _send(send, status, b"application/json", json.dumps(answer).encode())

    def asked(self, form: dict[str, str]) -> Asked:
        """Read the page's form.

        Raises:
            ValueError: naming the field and what it takes.
        """
        width, height = _number(form, "width", _MOST_PX), _number(form, "height", _MOST_PX)
        ops: list[Op] = [Orient(), Resize(width=width, height=height, fit=_choice(form, "fit", Fit), gravity=Gravity())]
        angle = _number(form, "rotate", 270)
        if angle not in (0, 90, 180, 270):
            raise ValueError(f"rotate: {angle} is not 0, 90, 180 or 270")
        ops += [Rotate(angle=angle)] if angle else []
        ops += [Flip(horizontal=True)] if form.get("flip") == "1" else []
        ops += [Blur(sigma=float(blur))] if (blur := _number(form, "blur", 20)) else []
        padding = _number(form, "pad", 100)
        ops += (
            [
                Pad(top=padding, right=padding, bottom=padding, left=padding),
                Background(color=Color(r=232, g=226, b=214)),
            ]
            if padding
            else []
        )
        output = Output(
            format=_choice(form, "format", Format) if form.get("format") else None,
            quality=_number(form, "quality", 100),
        )
        if output.format is not None and output.format not in SAVABLE:
            raise ValueError(f"format: {output.format} cannot be written; allowed are {', '.join(sorted(SAVABLE))}")
        return Asked(pipeline=Pipeline.of(SourceRef(url=self._photo), *ops, output=output))


def _number(form: dict[str, str], name: str, most: int) -> int:
    text = form.get(name) or "0"
    if not text.isdigit() or int(text) > most:
        raise ValueError(f"{name}: {text[:20]!r} is not a whole number from 0 to {most}")
    return int(text)


def _choice(form: dict[str, str], name: str, kind: type[ChoiceT]) -> ChoiceT:
    try:
        return kind(form.get(name, ""))
    except ValueError:
        allowed = ", ".join(sorted(kind))
        raise ValueError(f"{name}: {form.get(name, '')[:20]!r} is not one of {allowed}") from None


async def _send(send: Send, status: int, mime: bytes, body: bytes) -> None:
    headers: Headers = [
        (b"content-type", mime),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (
            b"content-security-policy",
            b"default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
        ),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
