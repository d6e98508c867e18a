"""A failing case for people: the call, and arrays as grids of words."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

__all__ = ["Block", "Grid", "Picture", "blocks_of", "lines_of", "side_by_side", "text_of"]


@dataclass(frozen=True)
class Grid:
    """One plane of an array.

    Parameters
    ----------
    title : str
        Name of the array, and the part of it that is shown.
    rows : list of list of str
        The entries as text; empty if the array is empty.
    marked : (int, int) or None
        Row and column of the entry to mark.
    """

    title: str
    rows: list[list[str]]
    marked: tuple[int, int] | None = None


def lines_of(shown: Grid) -> list[str]:
    """A grid as lines of text, the marked entry in brackets."""
    width = max((len(word) for row in shown.rows for word in row), default=0)
    lines = [shown.title]
    for i, row in enumerate(shown.rows):
        cells = [f"[{word:>{width}}]" if (i, j) == shown.marked else f" {word:>{width}} " for j, word in enumerate(row)]
        lines.append("".join(cells).rstrip())
    return lines


def side_by_side(*grids: Grid) -> str:
    """Grids as text, side by side."""
    blocks = [lines_of(each) for each in grids]
    widths = [max(map(len, block)) for block in blocks]
    rows = zip_longest(*blocks, fillvalue="")
    return "\n".join(
        "   ".join(f"{line:<{width}}" for line, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


@dataclass(frozen=True)
class Picture:
    """A failing case for people.

    Parameters
    ----------
    call : str
        The call as Python, and anything unusual about its arrays; or why there is nothing to show.
    data : list of Grid
        The arrays that the wrong output depends on.
    outputs : list of Grid
        The expected and the actual output, if both are arrays.
    """

    call: str
    data: list[Grid]
    outputs: list[Grid]


class Block(NamedTuple):
    """A part of a picture as text, and its kind: "call", "data" or "outputs"."""

    kind: str
    text: str


def blocks_of(shown: Picture, width: int | None = None) -> Iterator[Block]:
    """The blocks of a picture for terminals and files: the call, the data, and the expected and actual outputs.

    Parameters
    ----------
    shown : Picture
        The picture.
    width : int or None
        Available columns; if grids do not fit side by side, each is a separate block.
    """
    if shown.call:
        yield Block("call", shown.call)
    for kind, grids in (("data", shown.data), ("outputs", shown.outputs)):
        if grids:
            beside = side_by_side(*grids)
            fits = width is None or max(map(len, beside.split("\n"))) <= width
            yield from (Block(kind, text) for text in ([beside] if fits else map(side_by_side, grids)))


def text_of(shown: Picture) -> str:
    """A picture as text."""
    return "\n\n".join(block.text for block in blocks_of(shown))
