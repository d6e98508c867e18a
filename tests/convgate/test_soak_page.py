"""The page on the soak holds what its command makes, and its sums are right."""

from dataclasses import replace
from pathlib import Path

import soak

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "soak.md"


def test_runs_are_read_from_the_page_as_they_were_written() -> None:
    page = PAGE.read_text(encoding="utf-8")
    runs = [soak.Run("impl", "pr", 1, 9, 188_123, 0, 2, 11.5), soak.Run("mine:Net", "nightly", 2, 2, 999, 3, 0, 0.1)]
    assert soak.runs_of(soak.page_with(runs, page)) == runs


def test_a_seed_is_added_to_the_row_that_it_follows() -> None:
    one, nightly = soak.Run("impl", "pr", 3, 3, 10, 0, 1, 0.5), soak.Run("impl", "nightly", 1, 2, 20, 0, 0, 2.0)
    runs = soak.joined(soak.joined([nightly], one), replace(one, first=4, last=4, failing=2))
    assert runs == [nightly, soak.Run("impl", "pr", 3, 4, 20, 2, 2, 1.0)]
    elsewhere = replace(one, first=6, last=6)
    assert soak.joined(runs, elsewhere) == [*runs, elsewhere]


def test_the_page_says_how_many_cases_there_are_and_how_many_fail() -> None:
    runs = [soak.Run("impl", "pr", seed, seed, 500_000, seed - 1, 0, 30.0) for seed in (1, 3, 5)]
    page = soak.page_with(runs, PAGE.read_text(encoding="utf-8"))
    assert "**1,500,000 cases on `impl`, 1,500,000 in all: 6 failing.**" in page
    assert soak.page_with(runs, page) == page


def test_the_page_as_it_is_was_made_by_the_command() -> None:
    page = PAGE.read_text(encoding="utf-8")
    runs = soak.runs_of(page)
    assert not runs or soak.page_with(runs, page) == page
