"""How the pictures that the commands in this folder draw look: on white and on black."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["BLUE", "GREEN", "GREY", "ORANGE", "pyplot", "saved"]

GREY, BLUE, ORANGE, GREEN = "#808080", "#3b82c4", "#d9822b", "#2a9d6f"


def pyplot() -> Any:
    """Matplotlib, set to draw SVG in greys, the same each time; imported here, as what is tabled needs none."""
    import matplotlib as mpl  # noqa: PLC0415 - see above

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - see above

    style = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), GREY)
    plt.rcParams.update(style | {"svg.fonttype": "none", "svg.hashsalt": "convgate", "font.size": 10})
    plt.rcParams["font.family"] = ["sans-serif"]
    return plt


def saved(figure: Any, axes: Iterable[Any], path: Path) -> None:
    """Save a figure, with a grid behind each of its axes."""
    for axis in axes:
        axis.set_facecolor("none")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color=GREY, alpha=0.2, linewidth=0.6)
    figure.savefig(path, transparent=True, metadata={"Date": None})
