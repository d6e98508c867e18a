"""Arrays as small grids of words."""

import numpy as np

from convgate.judging.compare import describe
from convgate.problems.operators import Array
from convgate.results.picture import Grid

__all__ = ["grid"]

MOST_ROWS = 12
MOST_COLUMNS = 12


def grid(title: str, array: Array, marked: tuple[int, ...] | None = None) -> Grid:
    """The plane of an array with the marked entry, as a grid.

    Parameters
    ----------
    title : str
        Name of the array.
    array : ndarray
        An array of any rank. Of more than two axes, the last two are shown, at the leading index of the marked (or
        first) entry.
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


def first_shown(marked: int, length: int, most: int) -> int:
    """First row or column to show, so that the marked one is visible."""
    return 0 if length <= most else min(max(0, marked - most // 2), length - most)
