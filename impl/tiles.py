"""Cutting a batch into tiles: as much at a time as stays in the cache."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Tile", "blocks", "fits", "tiles"]

# Bytes of columns, or of what else is made, at a time: about what a core's own cache holds. Smaller tiles leave BLAS
# too little to do at a time.
TILE = 2**21


class Tile(NamedTuple):
    """Some images, whole; or some groups of channels of one; or some rows of the outputs of one group."""

    images: slice
    groups: slice
    rows: slice


def tiles(images: int, groups: int, rows: int, row_bytes: int) -> list[Tile]:
    """Cut a batch of outputs into tiles.

    Parameters
    ----------
    images, groups, rows : int
        Of the batch.
    row_bytes : int
        What is made for one row of outputs of one group takes in memory.
    """
    group_bytes = rows * row_bytes
    if fits(groups * group_bytes):
        return [Tile(part, slice(0, groups), slice(0, rows)) for part in blocks(images, groups * group_bytes)]
    return [
        Tile(slice(image, image + 1), some, part)
        for image in range(images)
        for some in blocks(groups, group_bytes)
        for part in blocks(rows, row_bytes)
    ]


def fits(size: int) -> bool:
    """Whether so many bytes are a tile at the most."""
    return size <= TILE


def blocks(count: int, each_bytes: int) -> list[slice]:
    """Cut things of so many bytes each into equal parts: one, or an even number, which two threads share evenly."""
    parts = -(-count // max(1, TILE // each_bytes))
    if parts > 1:
        parts = min(count, parts + parts % 2)
    return [slice(count * part // parts, count * (part + 1) // parts) for part in range(parts)]
