"""Arrays as small grids of text."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convgate.diagnosis.grids import MOST_COLUMNS, MOST_ROWS, grid
from convgate.results.picture import Grid, lines_of, side_by_side


def text(title: str, array: NDArray[Any], marked: tuple[int, ...] | None = None) -> list[str]:
    return lines_of(grid(title, array, marked))


def test_a_grid_holds_the_words_and_the_marked_place() -> None:
    assert grid("y", np.array([[1.0, -2.5]]), (0, 1)) == Grid("y", [["1", "-2.5"]], (0, 1))
    assert grid("y", np.zeros((0, 3))) == Grid("y (empty, 0 x 3)", [])


def test_a_matrix_is_shown_row_by_row_with_the_marked_entry_in_brackets() -> None:
    assert text("y", np.array([[1.0, -2.0], [30.0, 4.5]]), (1, 0)) == [
        "y",
        "   1   -2",
        "[ 30] 4.5",
    ]


def test_without_a_marked_entry_there_are_no_brackets() -> None:
    assert text("y", np.array([[1, 2], [3, 4]])) == ["y", " 1  2", " 3  4"]


def test_the_plane_of_the_marked_entry_is_shown() -> None:
    array = np.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2)
    assert text("x", array, (1, 2, 0, 1)) == ["x[1,2]", " 20 [21]", " 22  23"]


def test_without_a_marked_entry_the_first_plane_is_shown() -> None:
    array = np.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2)
    assert text("x", array) == ["x[0,0]", " 0  1", " 2  3"]


def test_a_vector_is_a_row() -> None:
    assert text("bias", np.array([5, -6, 7]), (1,)) == ["bias", "  5 [-6]  7"]
    assert text("bias", np.array([5, -6, 7])) == ["bias", "  5  -6   7"]


def test_a_single_number_has_no_axes() -> None:
    assert text("total", np.array(3.0)) == ["total", " 3"]


@pytest.mark.parametrize("shape", [(0, 2, 3, 3), (2, 0), (0,)])
def test_an_empty_array_tells_its_shape(shape: tuple[int, ...]) -> None:
    assert text("x", np.zeros(shape)) == [f"x (empty, {' x '.join(map(str, shape))})"]


def test_values_are_written_as_a_person_would() -> None:
    array = np.array([[Fraction(1, 3), 2, float("nan"), float("-inf")]], object)
    assert text("y", array) == ["y", "  1/3     2   nan  -inf"]


def test_columns_are_as_wide_as_the_widest_word() -> None:
    """Numbers stand flush right, whichever is marked."""
    lines = text("y", np.array([[1, 1000], [-20, 3]]), (0, 0))
    assert lines[1:] == ["[   1] 1000", "  -20     3"]


@pytest.mark.parametrize("place", [(0, 0), (0, 99), (99, 0), (99, 99), (50, 50), (5, 93), (11, 12)])
def test_of_a_large_array_the_part_around_the_marked_entry_is_shown(place: tuple[int, int]) -> None:
    array = np.arange(100 * 100).reshape(100, 100)
    title, *lines = text("y", array, place)
    assert len(lines) == MOST_ROWS
    rows = [line.replace("[", " ").replace("]", " ").split() for line in lines]
    assert all(len(row) == MOST_COLUMNS for row in rows)
    assert sum(f"[{array[place]:>4}]" in line or f"[{array[place]}]" in line for line in lines) == 1
    assert "".join(lines).count("[") == 1
    # the title says which part this is
    top, left = divmod(int(rows[0][0]), 100)
    bottom, right = divmod(int(rows[-1][-1]), 100)
    assert title == f"y, rows {top}-{bottom}, columns {left}-{right}"
    assert bottom - top == MOST_ROWS - 1
    assert right - left == MOST_COLUMNS - 1


def test_of_a_long_vector_the_part_around_the_marked_entry_is_shown() -> None:
    title, line = text("bias", np.arange(40), (30,))
    assert title == "bias, rows 0-0, columns 24-35"
    assert "[30]" in line


def test_a_plane_that_just_fits_is_shown_whole() -> None:
    title, *lines = text("y", np.zeros((1, 1, MOST_ROWS, MOST_COLUMNS)), (0, 0, 11, 11))
    assert title == "y[0,0]"
    assert len(lines) == MOST_ROWS
    assert lines[-1].endswith("[0]")


def test_lines_do_not_end_in_blanks() -> None:
    shown = grid("y", np.array([[1, 2], [3, 4]]), (0, 0))
    assert all(line == line.rstrip() for line in [*lines_of(shown), *side_by_side(shown, shown).splitlines()])


def test_blocks_stand_side_by_side_each_flush_left() -> None:
    expected = grid("expected y", np.array([[1, 2], [3, 4]]), (0, 1))
    actual = grid("actual y", np.array([[1, 70], [3, 4]]), (0, 1))
    assert side_by_side(expected, actual).splitlines() == [
        "expected y   actual y",
        " 1 [2]         1 [70]",
        " 3  4          3   4",
    ]


def test_a_shorter_block_leaves_room_below() -> None:
    left, right = grid("a", np.array([[1]])), grid("b", np.array([[1], [2], [3]]))
    assert side_by_side(left, right).splitlines() == ["a    b", " 1    1", "      2", "      3"]
    assert side_by_side(right, left).splitlines() == ["b    a", " 1    1", " 2", " 3"]


def test_one_block_stands_alone() -> None:
    block = grid("y", np.array([[1, 2], [3, 4]]), (1, 1))
    assert side_by_side(block).splitlines() == lines_of(block)
