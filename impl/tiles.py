"""Cutting a batch into tiles: as much at a time as stays in the cache."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Tile", "blocks", "tiles"]

# Bytes of columns at a time: about what a core's own cache holds. Smaller tiles leave BLAS too little to do at a time.
TILE = 2**21


class Tile(NamedTuple):
    """Some images, all of their rows, or some rows of the outputs of one."""

    images: slice
    rows: slice


def tiles(images: int, rows: int, row_bytes: int) -> list[Tile]:
    """Cut a batch of outputs into tiles.

    Parameters
    ----------
    images, rows : int
        Of the batch.
    row_bytes : int
        What one row of outputs takes in memory.
    """
    image_bytes = rows * row_bytes
    if image_bytes <= TILE:
        return [Tile(part, slice(0, rows)) for part in blocks(images, image_bytes)]
    parts = blocks(rows, row_bytes)
    return [Tile(slice(image, image + 1), part) for image in range(images) for part in parts]


def blocks(count: int, each_bytes: int) -> list[slice]:
    """Cut things of so many bytes each into equal parts: one, or an even number, which two threads share evenly."""
    parts = -(-count // max(1, TILE // each_bytes))
    if parts > 1:
        parts = min(count, parts + parts % 2)
    return [slice(count * part // parts, count * (part + 1) // parts) for part in range(parts)]
