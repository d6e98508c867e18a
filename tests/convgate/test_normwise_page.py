"""The page on accuracy in norm holds what its command makes, and its figures lie under the bound."""

import re
from fractions import Fraction
from operator import mul
from pathlib import Path

import fft
import normwise
import pytest
import tiles

from convgate.cases.dtypes import DTYPES
from convgate.cases.spec import parse_spec
from convgate.judging.norm_bound import believed
from convgate.judging.trial import Trial
from convgate.problems.operators import ceilings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "normwise.md").read_text(encoding="utf-8")
KEYS = [(name, dtype) for name in normwise.SUBJECTS for dtype in DTYPES]


def written(name: str) -> list[list[str]]:
    """The cells of a table of the page, head and all."""
    found = re.search(f"<!-- {name}: made by benchmarks/normwise.py -->(.*?)<!-- end of {name} -->", PAGE, re.DOTALL)
    assert found is not None
    return cells(found[1])


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()]


def number(cell: str) -> float:
    return float(cell.removesuffix(" %").replace(",", ""))


def looked_at(*specs: str) -> normwise.Found:
    """What the command says of some cases before the FFT."""
    found = normwise.Found()
    for spec in specs:
        normwise.look(Trial(parse_spec(spec), fft), found)
    return found


@pytest.mark.parametrize("name", ["errors", "excused"])
def test_the_page_holds_tables_as_the_command_makes_them_now(name: str) -> None:
    made = cells(getattr(normwise, f"{name}_table")({key: normwise.Found() for key in KEYS}))
    assert [row[:2] for row in written(name)] == [row[:2] for row in made]
    assert written(name)[0] == made[0]


def test_errors_are_a_small_part_of_what_is_claimed_but_not_nothing() -> None:
    rows = written("errors")[2:]
    assert len(rows) == len(KEYS)
    for _, _, error, share in rows:
        assert 0.1 < number(error) < 10
        assert 0 < number(share) < 10


def test_no_case_fails_and_the_claim_excuses_next_to_nothing() -> None:
    """On the lattice it may have a say in float32, whose steps are small; in float64 it hardly ever does."""
    for name, dtype, cases, half_a_step, outputs, relations, failed in written("excused")[2:]:
        assert number(failed) == 0
        assert number(cases) >= 40
        assert number(half_a_step) < 10 or dtype == "f32", name
        for excused, judged in (map(number, each.split(" of ")) for each in (outputs, relations)):
            assert excused <= 0.01 * judged, name


def test_an_error_is_counted_in_units_of_the_norm_and_beside_the_claim() -> None:
    """Of one pixel and one tap: the norm is their product, and the error that of a few roundings."""
    found = looked_at("conv2d:h1w1k1:f32:real:3")
    assert 0 <= found.error <= 6
    assert found.share == found.error / fft.error_factor(parse_spec("conv2d").problem)
    assert (found.counts["cases"], found.entries) == (1, 0)


def test_entries_that_the_claim_excuses_are_those_of_large_images_with_few_terms() -> None:
    """The fewer terms are added up, the larger are the data, and the larger is the image, the larger is its norm."""
    dense, sparse = looked_at("conv2d:h16w16k3p1"), looked_at("conv2d:h16w16s4:f32")
    assert (dense.entries, dense.excused) == (16 * 16 * 2 + 9, 0)
    assert 0 < sparse.excused <= sparse.entries


# The ceiling


def test_the_matrices_of_a_tile_convolve() -> None:
    """In exact arithmetic: the outputs are sums of products of the definition."""
    for outputs, taps in tiles.TILES:
        found = tiles.matrices(outputs, taps)
        pixels, kernel = [n * n - 7 for n in range(outputs + taps - 1)], [3 - 2 * n for n in range(taps)]
        products = [
            sum(map(mul, b, pixels), Fraction(0)) * sum(map(mul, g, kernel), Fraction(0))
            for b, g in zip(found.b, found.g, strict=True)
        ]
        y = [sum(map(mul, row, products)) for row in found.a]
        assert y == [sum(map(mul, pixels[place:], kernel)) for place in range(outputs)]


@pytest.mark.parametrize(("outputs", "taps"), [(2, 3), (3, 2)])
def test_the_ceiling_holds_the_bound_of_small_tiles(outputs: int, taps: int) -> None:
    factor, roundings = tiles.amplification(outputs, taps) ** 2, 2 * tiles.most_roundings(outputs, taps) + 1
    assert factor == pytest.approx(8)
    for channels in (1, 7, 64):
        problem = parse_spec(f"conv2d:n{channels}c{channels}o{channels}h6w6k{taps}p1").problem
        assert ceilings.of_winograd(problem, channels) >= factor * (roundings + channels - 1)


def test_the_page_s_errors_of_tiles_lie_far_below_the_smallest_ceiling() -> None:
    smallest = believed(parse_spec("conv2d:h1w1k3p1").problem, float("inf"))
    assert f"padding, {smallest:.0f}." in PAGE
    rows = written("tiles")[2:]
    assert [row[0] for row in rows] == [f"F({m} x {m}, {r} x {r})" for m, r in tiles.TILES]
    for _, _, bound, *errors in rows:
        assert 0 < max(map(number, errors)) < smallest / 3
        assert max(map(number, errors)) < number(bound) / 10


def test_the_page_s_table_of_tiles_is_what_the_matrices_give() -> None:
    for (outputs, taps), row in zip(tiles.TILES, written("tiles")[2:], strict=True):
        factor, roundings = tiles.amplification(outputs, taps) ** 2, 2 * tiles.most_roundings(outputs, taps) + 1
        assert row[1:3] == [f"{factor:.0f} gamma(C + {roundings})", f"{factor * (1 + roundings):,.0f}"]
    error = tiles.largest_error(2, 3)
    assert f"{error:.2g}" == written("tiles")[2][3]


def test_a_smaller_tile_of_a_transform_has_a_smaller_ceiling() -> None:
    """A length is rounded up to a power of two."""
    assert ceilings.doublings((8, 8)) == 6
    assert ceilings.doublings((9, 8)) == 7
    assert ceilings.doublings((1, 1)) == 0
