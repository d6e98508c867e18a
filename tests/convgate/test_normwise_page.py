"""The page on accuracy in norm holds what its command makes, and its figures lie under the bound."""

import re
from pathlib import Path

import fft
import normwise
import pytest

from convgate.fills import DTYPES
from convgate.spec import parse_spec
from convgate.trial import Trial

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
        assert 0.5 < number(error) < 10
        assert 0 < number(share) < 10


def test_no_case_fails_and_the_claim_excuses_next_to_nothing() -> None:
    """On the lattice it may have a say in float32, whose steps are small; in float64 it hardly ever does."""
    for name, dtype, cases, half_a_step, outputs, relations, failed in written("excused")[2:]:
        assert number(failed) == 0
        assert number(cases) >= 40
        assert number(half_a_step) < (10 if dtype == "f64" else 90), name
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
    dense, sparse = looked_at("conv2d:h16w16k3p1:f32"), looked_at("conv2d:h16w16s4:f32")
    assert (dense.entries, dense.excused) == (16 * 16 * 2 + 9, 0)
    assert 0 < sparse.excused <= sparse.entries
