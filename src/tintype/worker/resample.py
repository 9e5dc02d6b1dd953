"""Reduction in linear light, a strip at a time: 8-bit rows in, 8-bit rows out, nothing in between held whole.

Each strip is looked up into linear light, averaged over whole boxes as far as that cannot be seen (OpenCV, cheaper than
what follows), and then weighed by Lanczos 3, across and down. Weighing is a product with a banded matrix, block by
block, which BLAS does at several times the speed of a loop over taps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from math import ceil, floor
from typing import NamedTuple, TypeVar, cast

import cv2
import numpy as np
import numpy.typing as npt

from tintype.worker import transfer
from tintype.worker.boxes import Bytes, Light, Rows, boxed, looked_up
from tintype.worker.pixels import Image

T = TypeVar("T", np.uint16, np.uint8)
Floats = npt.NDArray[np.float32]

# What boxes leave to Lanczos: twice the result's size, or from a reduction by 3 on, where the work is, one and a half times.
# Measured: 1.5 costs a point of SSIMULACRA2, a tenth of one after JPEG encoding; 1.25 costs five, and half a one.
_LEFT, _LEFT_NEAR, _NEAR = 2.0, 1.5, 4.0
_LOBES = 3
_FULL = 65535
_DOWN, _ACROSS = 8, 16  # rows and columns of the result that are made in one product; more of them weigh more zeros
_TOGETHER = 4  # blocks of rows that are made at once
_STRIP_BYTES = 1_000_000  # of the source, looked up at once; no row of boxes has more
# BLAS takes a third of the time for products of up to so many multiplications: it packs nothing.
_SMALL = 1_000_000


class Block(NamedTuple):
    """Samples of the result, begin to end, as sums of samples of the source, first to last, by weights."""

    begin: int
    end: int
    first: int
    last: int
    weights: Floats
    turned: Floats  # and laid out so, which the product along rows is faster with


class Axis(NamedTuple):
    """One side: boxes of so many pixels, how many of them (the last is completed), and what is made of them."""

    box: int
    boxes: int
    blocks: tuple[Block, ...]


def reduced(image: Image, width: int, height: int) -> Bytes:
    """Return rows x columns x bands of an 8-bit image, gray or RGB with or without alpha, reduced in linear light."""
    source = Rows(image)
    bands = source.bands
    down = _axis(source.height, height, _DOWN, max(1, _STRIP_BYTES // (source.width * bands)))
    across = _axis(source.width, width, _ACROSS, source.width)
    out = np.empty((height, width, bands), np.uint8)
    held = np.empty((0, bands * across.boxes), np.float32)  # rows of boxes that blocks to come need, band by band
    at = 0  # and the number of the first
    for i in range(0, len(down.blocks), _TOGETHER):
        blocks = down.blocks[i : i + _TOGETHER]
        old, at = held[blocks[0].first - at :], blocks[0].first
        held = np.empty((blocks[-1].last - at, held.shape[1]), np.float32)
        held[: len(old)] = old
        _read(source, held[len(old) :], at + len(old), (down.box, across.box))
        rows = _down(held, blocks).reshape(-1, across.boxes)
        light = _across(rows, across).reshape(-1, bands, width)
        _store(light, out[blocks[0].begin : blocks[-1].end])
    return out


def _read(source: Rows, out: Floats, first: int, box: tuple[int, int]) -> None:
    """Fill rows of boxes, the bands beside each other, a few at a time."""
    down, boxes = box[0], out.shape[1] // source.bands
    some = max(1, _STRIP_BYTES // (down * source.width * source.bands))
    for row in range(0, len(out), some):
        part = out[row : row + some]
        top, bottom = (first + row) * down, min((first + row + len(part)) * down, source.height)
        bands = [part[:, band * boxes : (band + 1) * boxes] for band in range(source.bands)]
        _light(source.read(top, bottom), bands, box)


def _down(held: Floats, blocks: Sequence[Block]) -> Floats:
    """Weigh along columns, a few of them at a time."""
    origin, top = blocks[0].begin, blocks[0].first
    out = np.empty((blocks[-1].end - origin, held.shape[1]), np.float32)
    for block in blocks:
        rows, made = held[block.first - top : block.last - top], out[block.begin - origin : block.end - origin]
        most = max(1, _SMALL // block.weights.size)
        for left in range(0, held.shape[1], most):
            np.matmul(block.weights, rows[:, left : left + most], out=made[:, left : left + most])
    return out


def _across(rows: Floats, axis: Axis) -> Floats:
    """Weigh along rows."""
    out = np.empty((len(rows), axis.blocks[-1].end), np.float32)
    for block in axis.blocks:
        np.matmul(rows[:, block.first : block.last], block.turned, out=out[:, block.begin : block.end])
    return out


def _light(strip: Bytes, bands: Sequence[Floats], box: tuple[int, int]) -> None:
    """Fill bands with premultiplied linear light, averaged over boxes: of so many pixels down and across."""
    if len(bands) in (1, 3) and box == (1, 1):
        for band, stored in zip(bands, _split(strip), strict=True):
            cv2.LUT(stored, _light_as_floats(), band)
        return
    shape = bands[0].shape
    strip = _completed(strip, (shape[0] * box[0], shape[1] * box[1]))
    if len(bands) in (1, 3):
        averaged = _split(boxed(looked_up(strip, transfer.to_light()), shape))
    else:
        averaged = [boxed(light, shape) for light in _premultiplied(_split(strip))]
    for band, light in zip(bands, averaged, strict=True):
        band[:] = light


def _completed(strip: Bytes, shape: tuple[int, int]) -> Bytes:
    """Repeat the last row and column until the last boxes are full."""
    below, beside = shape[0] - strip.shape[0], shape[1] - strip.shape[1]
    if not (below or beside):
        return strip
    strip = np.asarray(cv2.copyMakeBorder(strip, 0, below, 0, beside, cv2.BORDER_REPLICATE), np.uint8)
    return strip.reshape(*shape, -1)


@cache
def _light_as_floats() -> Floats:
    return transfer.to_light().astype(np.float32)


def _split(pixels: npt.NDArray[T]) -> Sequence[npt.NDArray[T]]:
    return cast("Sequence[npt.NDArray[T]]", cv2.split(pixels))


def _premultiplied(bands: Sequence[Bytes]) -> Iterator[Light]:
    """Yield light, and alpha last. Band by band, as mixed they take twice the time."""
    alpha = np.multiply(bands[-1], 257, dtype=np.uint16)
    for band in bands[:-1]:
        yield np.asarray(cv2.multiply(looked_up(band, transfer.to_light()), alpha, scale=1 / _FULL), np.uint16)
    yield alpha


def _store(light: Floats, out: Bytes) -> None:
    """Write 8-bit values of premultiplied light, rows x bands x columns; what Lanczos overshoots is cut off."""
    rows, bands, _ = light.shape
    alpha = np.clip(light[:, -1], 0, _FULL) if bands in (2, 4) else None
    if alpha is not None:
        light[:, :-1] *= (_FULL / np.maximum(alpha, _FULL / 512))[:, np.newaxis]
    stored = looked_up(_levels(light.reshape(rows, -1)), transfer.to_stored()).reshape(light.shape)
    if alpha is not None:
        stored[:, -1] = np.rint(alpha * (255 / _FULL))
    cv2.merge([stored[:, band] for band in range(bands)], out)


def _levels(light: Floats) -> npt.NDArray[np.uint16]:
    """Round to 16 bits, in which every 8-bit value has one of its own."""
    return np.asarray(cv2.add(light, np.zeros(1), dtype=cv2.CV_16U), np.uint16).reshape(light.shape)


@lru_cache(maxsize=32)  # 0.5 ms and 100 KB each; photos come in few sizes
def _axis(side: int, target: int, step: int, most: int) -> Axis:
    reduction = side / target
    box = min(most, max(1, floor(reduction / (_LEFT if reduction >= _NEAR else _LEFT_NEAR))))
    boxes = ceil(side / box)
    return Axis(box, boxes, tuple(_blocks(side / box / target, boxes, target, step)))


def _blocks(factor: float, boxes: int, target: int, step: int) -> Iterator[Block]:
    """Yield Lanczos weights: sinc(x) sinc(x / 3), stretched by the factor, adding up to one."""
    stretch = max(factor, 1.0)
    centres = (np.arange(target) + 0.5) * factor
    starts = np.clip(np.ceil(centres - _LOBES * stretch - 0.5), 0, boxes - 1).astype(int)
    taps = np.arange(ceil(2 * _LOBES * stretch))
    x = (starts[:, np.newaxis] + taps + 0.5 - centres[:, np.newaxis]) / stretch
    weights = np.where(np.abs(x) < _LOBES, np.sinc(x) * np.sinc(x / _LOBES), 0) * (starts[:, np.newaxis] + taps < boxes)
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    for begin in range(0, target, step):
        end = min(target, begin + step)
        first, last = int(starts[begin]), min(boxes, int(starts[end - 1]) + len(taps))
        banded = np.zeros((end - begin, starts[end - 1] - first + len(taps)), np.float32)
        columns = (starts[begin:end] - first)[:, np.newaxis] + taps
        banded[np.arange(end - begin)[:, np.newaxis], columns] = weights[begin:end]
        banded = np.ascontiguousarray(banded[:, : last - first])
        yield Block(begin, end, first, last, banded, np.ascontiguousarray(banded.T))
