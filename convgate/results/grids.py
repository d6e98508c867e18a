"""Arrays as small grids of words, to be shown as text or otherwise."""

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from convgate.judging.compare import describe
from convgate.problems.operators import Array

__all__ = ["Grid", "grid", "lines_of", "side_by_side"]

MOST_ROWS = 12
MOST_COLUMNS = 12


@dataclass(frozen=True)
class Grid:
    """One plane of an array.

    Parameters
    ----------
    title : str
        Name of the array, and which part of it is shown.
    rows : list of list of str
        The entries in words; none if the array is empty.
    marked : (int, int) or None
        Row and column of the entry to mark.
    """

    title: str
    rows: list[list[str]]
    marked: tuple[int, int] | None = None


def grid(title: str, array: Array, marked: tuple[int, ...] | None = None) -> Grid:
    """The plane of an array that the marked entry is in.

    Parameters
    ----------
    title : str
        Name of the array.
    array : ndarray
        Of any rank; of more than two, the last two axes are shown, at the marked entry's (or the first) leading index.
    marked : tuple of int or None
        The entry to mark.
    """
    if not array.size:
        return Grid(f"{title} (empty, {' x '.join(map(str, array.shape))})", [])
    leading = marked[:-2] if marked is not None else (0,) * max(0, array.ndim - 2)
    plane = np.atleast_2d(array[leading]) if array.ndim else np.array([[array[()]]], object)
    place = (0, 0, *marked)[-2:] if marked is not None else (-1, -1)
    name = title + (f"[{','.join(map(str, leading))}]" if leading else "")
    top, left = first_shown(place[0], plane.shape[0], MOST_ROWS), first_shown(place[1], plane.shape[1], MOST_COLUMNS)
    shown = plane[top : top + MOST_ROWS, left : left + MOST_COLUMNS]
    if shown.shape != plane.shape:
        name += f", rows {top}-{top + shown.shape[0] - 1}, columns {left}-{left + shown.shape[1] - 1}"
    words = [[describe(value) for value in row] for row in shown]
    return Grid(name, words, (place[0] - top, place[1] - left) if marked is not None else None)


def lines_of(shown: Grid) -> list[str]:
    """A grid as lines of text, the marked entry in brackets."""
    width = max((len(word) for row in shown.rows for word in row), default=0)
    lines = [shown.title]
    for i, row in enumerate(shown.rows):
        cells = [f"[{word:>{width}}]" if (i, j) == shown.marked else f" {word:>{width}} " for j, word in enumerate(row)]
        lines.append("".join(cells).rstrip())
    return lines


def first_shown(marked: int, length: int, most: int) -> int:
    """First row or column to show, so that the marked one is among them."""
    return 0 if length <= most else min(max(0, marked - most // 2), length - most)


def side_by_side(*grids: Grid) -> str:
    """Grids as text next to each other."""
    blocks = [lines_of(each) for each in grids]
    widths = [max(map(len, block)) for block in blocks]
    rows = zip_longest(*blocks, fillvalue="")
    return "\n".join(
        "   ".join(f"{line:<{width}}" for line, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
