"""The page on the soak holds what its command makes, and its sums are right."""

from pathlib import Path

import soak

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "soak.md"


def test_runs_are_read_from_the_page_as_they_were_written() -> None:
    page = PAGE.read_text(encoding="utf-8")
    runs = [soak.Run("impl", 1, 188_123, 0, 2, 11.5), soak.Run("mine:Net", 2, 999, 3, 0, 0.1)]
    assert soak.runs_of(soak.page_with(runs, page)) == runs


def test_the_page_says_how_many_cases_there_are_and_how_many_fail() -> None:
    runs = [soak.Run("impl", seed, 500_000, seed - 1, 0, 30.0) for seed in (1, 2, 3)]
    page = soak.page_with(runs, PAGE.read_text(encoding="utf-8"))
    assert "**1,500,000 cases on `impl`: 3 failing.**" in page
    assert soak.page_with(runs, page) == page


def test_the_page_as_it_is_was_made_by_the_command() -> None:
    page = PAGE.read_text(encoding="utf-8")
    runs = soak.runs_of(page)
    assert not runs or soak.page_with(runs, page) == page
