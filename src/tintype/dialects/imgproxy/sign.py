"""Signatures: HMAC-SHA256 over salt and path, several keys, truncation, trusted tokens; compared in constant time."""

from __future__ import annotations

import hmac
from hashlib import sha256

from tintype.core.errors import Misconfigured, NotSigned, SignatureLeftOut
from tintype.dialects.imgproxy.arguments import Unreadable, to_base64, unbase64
from tintype.dialects.imgproxy.settings import ImgproxySettings

# What stands in the place of a signature where none is checked; imgproxy's own examples use it.
UNSIGNED = "unsafe"

_BLOCK = sha256().block_size
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


class Signatures:
    """Checks and makes signatures. Without keys nothing is checked, and any word may stand in their place."""

    def __init__(self, settings: ImgproxySettings) -> None:
        keys, salts = _unhex("keys", settings.keys), _unhex("salts", settings.salts)
        if len(keys) != len(salts):
            raise Misconfigured(f"keys and salts must be as many: there are {len(keys)} and {len(salts)}")
        if not 1 <= settings.signature_size <= sha256().digest_size:
            raise Misconfigured(f"signature_size is {settings.signature_size}; it takes 1 to 32")
        names = [name or str(at) for at, name in enumerate(settings.key_ids or [""] * len(keys), 1)]
        self._keys = tuple(_Key(*one) for one in zip(names, keys, salts, strict=True))
        self._trusted = tuple(token.encode() for token in settings.trusted_signatures)
        self._size = settings.signature_size
        self._separator = settings.arguments_separator

    def verify(self, signature: str, path: str) -> str:
        """Return the name of the key that signed a path, which begins with a slash; "" for a token, or if nothing is checked.

        Raises:
            NotSigned: the signature is not right for the path.
        """
        if not self._keys:
            if self._separator in signature:
                raise SignatureLeftOut
            return ""
        if self._trusted and self._is_trusted(signature):
            return ""
        name = self._signer(signature, path)
        if name is None:
            raise NotSigned
        return name

    def sign(self, path: str) -> str:
        """Return the signature of a path by the first key."""
        return to_base64(self._keys[0].digest(path.encode())[: self._size]) if self._keys else UNSIGNED

    def _is_trusted(self, signature: str) -> bool:
        given = signature.encode()
        fitting = [hmac.compare_digest(given, token) for token in self._trusted]
        return any(fitting)

    def _signer(self, signature: str, path: str) -> str | None:
        if signature.endswith("="):  # imgproxy takes no padding here
            return None
        try:
            given = unbase64(signature)
        except Unreadable:
            return None
        data, name = path.encode(), None
        for key in self._keys:  # every key is tried, whichever fits
            if hmac.compare_digest(given, key.digest(data)[: self._size]) and name is None:
                name = key.name
        return name


class _Key:
    """HMAC-SHA256 (RFC 2104) over a salt and a path by hashes that have taken in key and salt, and are copied for each path.

    `hmac` copies three where two do, through four functions; every request that no cache knows is checked.
    """

    def __init__(self, name: str, key: bytes, salt: bytes) -> None:
        self.name = name
        padded = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._inner, self._outer = sha256(padded.translate(_INNER) + salt), sha256(padded.translate(_OUTER))

    def digest(self, path: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(path)
        outer.update(inner.digest())
        return outer.digest()


def _unhex(name: str, values: tuple[str, ...]) -> list[bytes]:
    try:
        decoded = [bytes.fromhex(value) for value in values]
    except ValueError:
        raise Misconfigured(f"{name}: must be hex digits, two a byte") from None
    if not all(decoded):
        raise Misconfigured(f"{name}: one is empty; leave it out, or give hex digits")
    return decoded
