"""Build signed URLs in templates, with the standard library alone.

Copy this file into a project, or import it: it needs nothing else of tintype.

>>> signer = Signer(key="736563726574", salt="68656c6c6f", base_url="https://img.example.com")
>>> signer.url("https://example.com/cat.jpg", width=300, height=200, fit="cover", format="webp", plain=True)
'https://img.example.com/N7l90XAn19mcvpzcGASr7EGOyJJLDJG5oANRg_bHPFk/rs:fill:300:200/plain/https://example.com/cat.jpg@webp'
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from hashlib import sha256
from typing import TypeAlias
from urllib.parse import quote

Argument: TypeAlias = str | int | float | bool | None

# The words of tintype for how an image meets its box, and those of the URL.
FITS = {"contain": "fit", "cover": "fill", "cover-down": "fill-down", "exact": "force", "auto": "auto"}

# Characters that would end an argument, an option or the path.
_RESERVED = frozenset(":/?#@%")


class Signer:
    """Builds URLs for one tenant.

    Args:
        key: hex; empty leaves URLs unsigned, which a server takes only if it has no keys.
        salt: hex; belongs to the key.
        base_url: put before the path, without a slash at its end; empty gives paths.
        signature_size: bytes of the signature, as configured at the server.

    Raises:
        ValueError: key or salt is no hex, only one of them is given, or the size is not 1 to 32.
    """

    def __init__(self, key: str = "", salt: str = "", base_url: str = "", *, signature_size: int = 32) -> None:
        if bool(key) != bool(salt):
            raise ValueError("key and salt belong together: give both, or neither for unsigned URLs")
        if not 1 <= signature_size <= 32:
            raise ValueError(f"signature_size is {signature_size}; it takes 1 to 32 bytes")
        self._key, self._salt = bytes.fromhex(key), bytes.fromhex(salt)
        self._base_url = base_url.rstrip("/")
        self._size = signature_size

    def __repr__(self) -> str:
        return f"Signer(base_url={self._base_url!r})"

    def url(
        self,
        source: str,
        *,
        width: int = 0,
        height: int = 0,
        fit: str = "contain",
        format: str = "",
        plain: bool = False,
        **options: Argument | tuple[Argument, ...],
    ) -> str:
        """Return the URL of a variant of a source image.

        Args:
            source: the URL of the image: https://..., local:///..., s3://...
            width: of the box, in CSS pixels; 0 = follows from the height.
            height: of the box; 0 = follows from the width.
            fit: contain, cover, cover-down, exact or auto.
            format: jpg, png, webp, avif ...; empty = negotiated, or the source's.
            plain: show the source readably in the URL instead of in base64.
            **options: any other option by its name, with its arguments as a value or a tuple; None leaves it out.

        Raises:
            ValueError: an unknown fit, or an argument with a reserved character.

        >>> signer = Signer()
        >>> signer.url("local:///a.jpg", width=100, quality=70, crop=(0.5, 0.5, "no"), plain=True)
        '/unsafe/rs:fit:100/quality:70/crop:0.5:0.5:no/plain/local:///a.jpg'
        >>> signer.url("local:///a.jpg", min_width=80, enlarge=True, filename="été", format="png")
        '/unsafe/min-width:80/enlarge:1/filename:w6l0w6k:1/bG9jYWw6Ly8vYS5qcGc.png'
        >>> signer.url("local:///a.jpg", background="")
        '/unsafe/background:/bG9jYWw6Ly8vYS5qcGc'
        """
        parts = [*_box(width, height, fit)]
        parts += [_option(name, value) for name, value in options.items() if value is not None]
        path = "/" + "/".join([*parts, _source(source, format, plain=plain)])
        return f"{self._base_url}/{self._sign(path)}{path}"

    def srcset(self, source: str, widths: Iterable[int], **options: str | float | bool) -> str:
        """Return the value of a srcset attribute: the same variant at several widths.

        >>> Signer().srcset("local:///a.jpg", [320, 640], plain=True)
        '/unsafe/rs:fit:320/plain/local:///a.jpg 320w, /unsafe/rs:fit:640/plain/local:///a.jpg 640w'
        """
        return ", ".join(f"{self.url(source, width=width, **options)} {width}w" for width in widths)  # type: ignore[arg-type]

    def _sign(self, path: str) -> str:
        if not self._key:
            return "unsafe"
        digest = hmac.new(self._key, self._salt + path.encode(), sha256).digest()
        return _base64(digest[: self._size])


def _box(width: int, height: int, fit: str) -> Iterable[str]:
    if fit not in FITS:
        raise ValueError(f"fit is {fit!r}; it takes {', '.join(FITS)}")
    if width or height:
        yield f"rs:{FITS[fit]}:{int(width)}" + (f":{int(height)}" if height else "")


def _option(name: str, value: Argument | tuple[Argument, ...]) -> str:
    if name == "filename":
        return f"filename:{_base64(str(value).encode())}:1"
    spelled = name.replace("_", "-") if name in {"min_width", "min_height"} else name
    values = value if isinstance(value, tuple) else (value,)
    return ":".join([spelled, *(_argument(name, each) for each in values)])


def _argument(name: str, value: Argument) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    text = "" if value is None else str(value)
    if _RESERVED & set(text):
        raise ValueError(
            f"{name} is {text!r}; arguments take none of {' '.join(sorted(_RESERVED))}; give several as a tuple"
        )
    return text


def _source(source: str, format: str, *, plain: bool) -> str:
    if not source:
        raise ValueError("source is empty; give the URL of an image")
    if plain:
        return f"plain/{quote(source, safe='/:~')}" + (f"@{format}" if format else "")
    return _base64(source.encode()) + (f".{format}" if format else "")


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")
