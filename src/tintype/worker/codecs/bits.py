"""Bits of a header, least significant first, as JPEG XL packs them."""

from __future__ import annotations

from typing import TypeAlias

U32: TypeAlias = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]
"""Four distributions (constant, bits): two bits choose one, its value is the constant plus that many bits."""


class Bits:
    """Reads from the front; past the end come zeros, as a header that ends early names a size that will not decode."""

    def __init__(self, data: bytes) -> None:
        self._rest = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        value = self._rest & ((1 << count) - 1)
        self._rest >>= count
        return value

    def flag(self) -> bool:
        return self.take(1) == 1

    def u32(self, of: U32) -> int:
        constant, count = of[self.take(2)]
        return constant + self.take(count)
