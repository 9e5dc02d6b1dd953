"""Reduction in linear light, a strip at a time: 8-bit rows in, 8-bit rows out, nothing in between held whole.

Each strip is looked up into linear light, averaged over whole boxes as far as that cannot be seen (OpenCV, cheaper than
what follows), and then weighed by Lanczos 3, across and down. Weighing is a product with a banded matrix, block by
block, which BLAS does at several times the speed of a loop over taps.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from math import ceil, floor
from typing import Any, NamedTuple, TypeVar, cast

import cv2
import numpy as np
import numpy.typing as npt
import pyvips

from tintype.worker.pixels import Image

T = TypeVar("T", np.uint16, np.uint8)
Floats = npt.NDArray[np.float32]
Light = npt.NDArray[np.uint16] | Floats  # 0 to 65535; 16 bits are moved in half the time
Bytes = npt.NDArray[np.uint8]

# What boxes leave to Lanczos: twice the result's size, or from a reduction by 3 on, where the work is, one and a half times.
# Measured: 1.5 costs a point of SSIMULACRA2, a tenth of one after JPEG encoding; 1.25 costs five, and half a one.
_LEFT, _LEFT_NEAR, _NEAR = 2.0, 1.5, 4.0
_LOBES = 3
_BLOCK = 24  # rows or columns of the result that are made in one product; more of them weigh more zeros


class Block(NamedTuple):
    """Samples of the result, begin to end, as sums of samples of the source, first to last, by weights."""

    begin: int
    end: int
    first: int
    last: int
    weights: Floats


class Axis(NamedTuple):
    """One side: boxes of so many pixels, how many of them (the last is completed), and what is made of them."""

    box: int
    boxes: int
    blocks: tuple[Block, ...]


def reduced(image: Image, width: int, height: int) -> Bytes:
    """Return rows x columns x bands of an 8-bit image, gray or RGB with or without alpha, reduced in linear light."""
    down, across = _axis(image.height, height), _axis(image.width, width)
    out = np.empty((height, width, image.bands), np.uint8)
    held = np.empty((0, across.boxes * image.bands), np.float32)  # rows of boxes that blocks to come need
    at = 0  # and the number of the first
    for block, strip in zip(down.blocks, _strips(image, down), strict=True):
        fresh = _light(strip, across, down).reshape(-1, held.shape[1])
        held = np.concatenate([held[block.first - at :], fresh], dtype=np.float32)
        at = block.first
        rows = (block.weights @ held).reshape(-1, across.boxes, image.bands)
        out[block.begin : block.end] = _stored(_across(rows, across))
    return out


def _across(rows: Floats, axis: Axis) -> Floats:
    """Weigh along rows, which is done on columns: products go down."""
    count, boxes, bands = rows.shape
    turned = cv2.transpose(rows).reshape(boxes, count * bands)
    out = np.empty((axis.blocks[-1].end, count * bands), np.float32)
    for block in axis.blocks:
        np.matmul(block.weights, turned[block.first : block.last], out=out[block.begin : block.end])
    return np.asarray(cv2.transpose(out.reshape(-1, count, bands)), np.float32).reshape(count, -1, bands)


def _strips(image: Image, down: Axis) -> Iterator[Bytes]:
    """Yield for each block the rows that are new to it, from the top down: decoders cannot go back."""
    region = pyvips.Region.new(image)
    top = 0
    for block in down.blocks:
        end = min(block.last * down.box, image.height)
        rows = region.fetch(0, top, image.width, end - top) if end > top else b""
        yield np.frombuffer(rows, np.uint8).reshape(-1, image.width, image.bands)
        top = end


def _light(strip: Bytes, across: Axis, down: Axis) -> Light:
    """Return premultiplied linear light, averaged over boxes."""
    rows, bands = ceil(len(strip) / down.box), strip.shape[2]
    if not rows:
        return np.empty((0, across.boxes, bands), np.float32)
    below, beside = rows * down.box - len(strip), across.boxes * across.box - strip.shape[1]
    if below or beside:
        strip = np.pad(strip, ((0, below), (0, beside), (0, 0)), mode="edge")
    light: Light = _looked_up(strip, _to_light())
    if bands in (2, 4):
        light = light * (strip[:, :, -1:] * np.float32(1 / 255))
        light[:, :, -1] = strip[:, :, -1]
    if across.box * down.box == 1:
        return light
    boxed = cv2.resize(light, (across.boxes, rows), interpolation=cv2.INTER_AREA)
    return cast("Light", boxed.reshape(rows, -1, bands))


def _stored(light: Floats) -> Bytes:
    """Return 8-bit values of premultiplied light; what Lanczos overshoots is cut off."""
    if light.shape[2] in (1, 3):
        return _looked_up(_levels(light), _to_stored())
    alpha = np.clip(light[:, :, -1:], 0, 255)
    light[:, :, :-1] *= 255 / np.maximum(alpha, 0.5)
    stored = _looked_up(_levels(light), _to_stored())
    stored[:, :, -1:] = np.rint(alpha)
    return stored


def _levels(light: Floats) -> npt.NDArray[np.uint16]:
    """Round to 16 bits, in which every 8-bit value has one of its own."""
    return np.asarray(cv2.add(light, np.zeros(1), dtype=cv2.CV_16U), np.uint16).reshape(light.shape)


def _looked_up(pixels: npt.NDArray[Any], table: npt.NDArray[T]) -> npt.NDArray[T]:
    return np.asarray(cv2.LUT(pixels, table), table.dtype).reshape(pixels.shape)


def _axis(side: int, target: int) -> Axis:
    reduction = side / target
    box = max(1, floor(reduction / (_LEFT if reduction >= _NEAR else _LEFT_NEAR)))
    boxes = ceil(side / box)
    return Axis(box, boxes, tuple(_blocks(side / box / target, boxes, target)))


def _blocks(factor: float, boxes: int, target: int) -> Iterator[Block]:
    """Yield Lanczos weights: sinc(x) sinc(x / 3), stretched by the factor, adding up to one."""
    stretch = max(factor, 1.0)
    centres = (np.arange(target) + 0.5) * factor
    starts = np.clip(np.ceil(centres - _LOBES * stretch - 0.5), 0, boxes - 1).astype(int)
    taps = np.arange(ceil(2 * _LOBES * stretch))
    x = (starts[:, np.newaxis] + taps + 0.5 - centres[:, np.newaxis]) / stretch
    weights = np.where(np.abs(x) < _LOBES, np.sinc(x) * np.sinc(x / _LOBES), 0) * (starts[:, np.newaxis] + taps < boxes)
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    for begin in range(0, target, _BLOCK):
        end = min(target, begin + _BLOCK)
        first, last = int(starts[begin]), min(boxes, int(starts[end - 1]) + len(taps))
        banded = np.zeros((end - begin, starts[end - 1] - first + len(taps)), np.float32)
        columns = (starts[begin:end] - first)[:, np.newaxis] + taps
        banded[np.arange(end - begin)[:, np.newaxis], columns] = weights[begin:end]
        yield Block(begin, end, first, last, np.ascontiguousarray(banded[:, : last - first]))


@cache
def _to_light() -> npt.NDArray[np.uint16]:
    """Return the table of 8-bit stored values to light, by IEC 61966-2-1."""
    stored = np.arange(256) / 255
    light = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.rint(light * 65535), np.uint16)


@cache
def _to_stored() -> Bytes:
    """Return the table of the way back."""
    light = np.arange(65536) / 65535
    stored = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(stored * 255), np.uint8)
