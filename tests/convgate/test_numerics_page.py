"""The page on numerics holds what its command makes, and its figures are as its text says."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numerics
import pytest
from pages import filled, table

from convgate.cases.case import Case
from convgate.cases.dtypes import DTYPES
from convgate.cases.lattice import LEAST_MAGNITUDE
from convgate.problems.axis import make_axes
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem, with_axes

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "numerics.md").read_text(encoding="utf-8")
NAMES = [(dtype, name) for dtype in DTYPES for name in numerics.NAMES]
DATA = [(dtype, kind) for dtype in DTYPES for kind in numerics.DATA]


def written(name: str) -> str:
    """A table of the page."""
    found = re.search(f"<!-- {name}: made by benchmarks/numerics.py -->(.*?)<!-- end of {name} -->", PAGE, re.DOTALL)
    assert found is not None
    return found[1].strip()


def rows_of(text: str) -> list[list[str]]:
    """The cells of a table, without its head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def numbers(name: str, labels: int) -> dict[tuple[str, ...], list[float]]:
    """The numbers of each row of a table of the page, by the cells that stand before them."""
    rows = rows_of(written(name))
    return {tuple(row[:labels]): [float(cell.replace(",", "")) for cell in row[labels:]] for row in rows}


SHARES, WIDTHS = numbers("shares", 2), numbers("widths", 2)
LATTICES = {name: row for (name,), row in numbers("lattices", 1).items()}


def form(text: str) -> list[Any]:
    """The head of a table and the first cells of its rows."""
    return [text.splitlines()[0], *(row[0] for row in rows_of(text))]


def test_the_page_holds_tables_as_the_command_makes_them_now() -> None:
    sizes = numerics.SHOWN
    tables = {
        "shares": numerics.shares_table({(name, dtype, n): 0.5 for dtype, name in NAMES for n in sizes}),
        "widths": numerics.widths_table({(kind, dtype, n): 8 for dtype, kind in DATA for n in sizes}),
        "lattices": numerics.lattice_table({f"{name} {d}": (1, 1, 1, 1, 0) for name in OPERATORS for d in DTYPES}),
    }
    for name, made in tables.items():
        assert form(written(name)) == form(made)


# The figures


def test_no_error_that_was_measured_reaches_the_bound() -> None:
    assert len(SHARES) == len(NAMES)
    assert max(max(shares) for shares in SHARES.values()) < 1


@pytest.mark.parametrize(("dtype", "name"), NAMES)
def test_errors_of_random_data_fall_with_the_terms_and_those_of_the_worst_nearly_reach_the_bound(
    dtype: str, name: str
) -> None:
    shares = SHARES[name, dtype]
    if name == numerics.WORST:
        assert min(shares[1:]) > 0.8
    else:
        assert shares == sorted(shares, reverse=True)
        assert shares[-1] < 0.001


@pytest.mark.parametrize(("dtype", "kind"), DATA)
def test_an_accumulator_crosses_the_bound_where_the_model_says(dtype: str, kind: str) -> None:
    """And none does that has all bits of its dtype."""
    for terms, width in zip(numerics.SHOWN, WIDTHS[kind, dtype], strict=True):
        assert width < numerics.BITS[dtype]
        # the model is of a typical largest error, in whole bits, and of many terms
        assert abs(width - numerics.expected_first_caught(terms, dtype, kind)) <= (2 if terms == 1 else 1.5)


def test_narrow_formats_are_called_inaccurate_as_far_as_the_page_says() -> None:
    assert all(width >= 24 for (_, dtype), widths in WIDTHS.items() for width in widths if dtype == "f64")
    assert min(WIDTHS["both signs", "f32"]) >= 11
    for bits, up_to, beyond in ((8, 65_000, 66_000), (11, 8_000, 8_300)):
        last, next_ = (numerics.expected_first_caught(terms, "f32", "both signs") for terms in (up_to, beyond))
        assert last >= bits > next_


@pytest.mark.parametrize("name", LATTICES)
def test_the_chance_of_a_lattice_follows_from_its_magnitude(name: str) -> None:
    cases, sparse, _, least, chance_of_least, median, chance_of_median = LATTICES[name]
    assert cases >= 50
    assert 0 <= sparse <= cases
    assert LEAST_MAGNITUDE <= least <= median
    degree = OPERATORS[name.partition(" ")[0]].factors
    for magnitude, chance in ((least, chance_of_least), (median, chance_of_median)):
        assert chance == pytest.approx(1 - (1 - 1 / (2 * magnitude)) ** degree, rel=0.06)


def test_where_the_page_says_that_the_lattice_is_weakest_it_is() -> None:
    """In float32 with a magnitude of 2^6, one in 64 for a product of two; in float64 one in 10,000 or less."""
    chances = {name: row[4] for name, row in LATTICES.items()}
    assert max(chances, key=lambda name: chances[name]) == "conv2d f32"
    assert chances["conv2d f32"] <= 0.016
    sparse = {name: row[1] for name, row in LATTICES.items() if name != "conv2d f32"}
    assert LATTICES["conv2d f32"][1] > 10 * max(sparse.values())
    assert max(chance for name, chance in chances.items() if name.endswith("f64")) < 1e-4


def test_what_must_be_rejected_is_no_case_on_the_lattice() -> None:
    valid = Case(problem=Problem(operator="conv2d", channels=2, axes=make_axes(size=(3, 3))))
    invalid = replace(valid, problem=with_axes(valid.problem, stride=(0, 1)))
    spoiled = replace(valid, broken="weight.rank")
    assert numerics.lattices_of([valid, invalid, spoiled, replace(valid, fill="real")])[-2] == 1


# The command


def test_a_page_without_a_marker_is_not_written() -> None:
    with pytest.raises(ValueError, match="must have the lines"):
        filled("no marker", {"shares": "| a |"}, "command.py")


def test_tables_are_put_between_their_markers_again_and_again() -> None:
    page = "before <!-- shares: made by command.py --><!-- end of shares --> after"
    once = filled(page, {"shares": table(("a",), [("1",)])}, "command.py")
    assert once == filled(once, {"shares": table(("a",), [("1",)])}, "command.py")
    assert re.sub(r"\s+", " ", once).endswith("--> | a | | --- | | 1 | <!-- end of shares --> after")


def test_the_picture_of_the_page_names_its_axes() -> None:
    picture = ET.parse(ROOT / "docs" / "pictures" / "numerics.svg")  # noqa: S314 - our own file
    text = " ".join("".join(each.itertext()) for each in picture.iter("{http://www.w3.org/2000/svg}text"))
    for label in ("terms of a sum, n", "error / bound", "bits that an accumulator lacks"):
        assert label in text
