"""The picture of columns in docs/im2col.md: ``python benchmarks/columns.py``."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pages import DOCS
from pictures import BLUE, ORANGE, pyplot

import impl

__all__ = ["COLUMNS", "KERNEL", "PIXELS", "WEIGHT", "Y"]

# One image of 3 x 4 pixels, one filter of 2 x 2.
PIXELS = np.arange(1.0, 13.0).reshape(1, 1, 3, 4)
WEIGHT = np.array([[[[1.0, 2.0], [0.0, -1.0]]]])
KERNEL = (2, 2)
COLUMNS = impl.im2col(PIXELS, KERNEL)
Y = impl.conv2d(PIXELS, WEIGHT)


def draw(path: Path) -> None:
    """Draw the image, the columns of its windows, and their product with the filter."""
    figure, axis = pyplot().subplots(figsize=(10.4, 2), layout="constrained")
    axis.set_aspect("equal")
    axis.axis("off")
    cells(axis, PIXELS[0, 0], 0, 4, "x, 3 x 4")
    # the window in row 0, column 1, and the column that it becomes
    frame(axis, 1, 3, 2, 2)
    cells(axis, WEIGHT.reshape(1, -1), 6, 2, "W, one row a filter")
    cells(axis, COLUMNS, 11.5, 4, "X, one column a window", rows=["x[i, j]", "x[i, j+1]", "x[i+1, j]", "x[i+1, j+1]"])
    frame(axis, 12.5, 1, 1, 4)
    cells(axis, Y.reshape(1, -1), 21, 2, "Y = W X, the output row by row")
    axis.text(10.75, 1.5, "·", ha="center", va="center", fontsize=16)
    axis.text(20.4, 1.5, "=", ha="center", va="center", fontsize=14)
    axis.set_xlim(-0.3, 28.3)
    axis.set_ylim(-0.2, 5)
    figure.savefig(path, transparent=True, metadata={"Date": None})


def cells(axis: Any, numbers: NDArray[Any], left: float, top: float, title: str, rows: list[str] | None = None) -> None:
    """A matrix as a grid of numbers, its upper left corner at a place."""
    width = numbers.shape[1]
    axis.text(left, top + 0.35, title, ha="left", va="bottom")
    for (i, j), number in np.ndenumerate(numbers):
        box = {"fill": True, "facecolor": BLUE, "alpha": 0.16, "linewidth": 0}
        axis.add_patch(rectangle(left + j + 0.03, top - i - 0.97, 0.94, 0.94, **box))
        axis.text(left + j + 0.5, top - i - 0.52, f"{number:g}", ha="center", va="center")
    for i, words in enumerate(rows or []):
        axis.text(left + width + 0.15, top - i - 0.52, words, ha="left", va="center", fontsize=8)


def frame(axis: Any, left: float, bottom: float, width: float, height: float) -> None:
    """A frame around some cells."""
    axis.add_patch(rectangle(left, bottom - 1, width, height, fill=False, edgecolor=ORANGE, linewidth=2.2))


def rectangle(left: float, bottom: float, width: float, height: float, **style: Any) -> Any:
    """A rectangle."""
    from matplotlib.patches import Rectangle  # noqa: PLC0415 - the worked example is tested where there is none

    return Rectangle((left, bottom), width, height, **style)


if __name__ == "__main__":
    draw(DOCS / "pictures" / "columns.svg")
