"""Encrypted source URLs: AES-CBC, 16 bytes of IV first, PKCS#7 padding.

Only signed URLs come here, so nobody without a signing key can ask about padding at all.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from tintype.core.errors import Misconfigured
from tintype.dialects.imgproxy.arguments import to_base64, unbase64

_BLOCK = 16
_KEY_BYTES = (16, 24, 32)


class Decrypter:
    """Decrypts, and for tools that write URLs encrypts, with one key."""

    def __init__(self, key: str) -> None:
        try:
            self._key = AES(bytes.fromhex(key))
        except ValueError:
            raise Misconfigured(f"source_key must be hex of {_KEY_BYTES} bytes") from None

    def decrypt(self, encoded: str) -> bytes:
        """Return the URL's bytes.

        Raises:
            ValueError: for whatever reason it cannot be decrypted.
        """
        data = unbase64(encoded)
        cipher = Cipher(self._key, CBC(data[:_BLOCK])).decryptor()
        padded = cipher.update(data[_BLOCK:]) + cipher.finalize()
        unpadder = PKCS7(_BLOCK * 8).unpadder()
        return unpadder.update(padded) + unpadder.finalize()

    def encrypt(self, url: str, iv: bytes) -> str:
        """Return what stands after `enc/`. The IV, 16 bytes, must differ from URL to URL."""
        padder = PKCS7(_BLOCK * 8).padder()
        cipher = Cipher(self._key, CBC(iv)).encryptor()
        padded = padder.update(url.encode()) + padder.finalize()
        return to_base64(iv + cipher.update(padded) + cipher.finalize())
