"""The page on numerics holds what its command makes: tables of the current form, and the picture."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

from convgate.fills import DTYPES
from convgate.operators import OPERATORS

ROOT = Path(__file__).resolve().parents[2]


def command() -> ModuleType:
    """The script that makes the page."""
    spec = importlib.util.spec_from_file_location("numerics", ROOT / "benchmarks" / "numerics.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def form(table: str) -> list[str]:
    """The head of a table and the first cells of its rows."""
    head, _, *rows = table.strip().splitlines()
    return [head, *(row.split("|")[1].strip() for row in rows)]


def test_the_page_holds_tables_as_the_command_makes_them_now() -> None:
    made = command()
    sizes = made.SHOWN
    tables = {
        "shares": made.shares_table({(name, d, n): 0.5 for name in made.NAMES for d in DTYPES for n in sizes}),
        "widths": made.widths_table({(kind, d, n): 8 for kind in made.DATA for d in DTYPES for n in sizes}),
        "lattices": made.lattice_table({f"{name} {d}": (1, 1, 1, 1) for name in OPERATORS for d in DTYPES}),
    }
    page = (ROOT / "docs" / "numerics.md").read_text(encoding="utf-8")
    for name, table in tables.items():
        found = re.search(f"<!-- {name}: .*? -->(.*?)<!-- end of {name} -->", page, re.DOTALL)
        assert found is not None
        assert form(found[1]) == form(table)


def test_a_page_without_a_marker_is_not_written() -> None:
    with pytest.raises(ValueError, match="must have the lines"):
        command().filled("no marker", {"shares": "| a |"})


def test_tables_are_put_between_their_markers_again_and_again() -> None:
    filled = command().filled
    page = "before <!-- shares: made by benchmarks/numerics.py --><!-- end of shares --> after"
    once = filled(page, {"shares": "| a |"})
    assert once == filled(once, {"shares": "| a |"})
    assert re.sub(r"\s+", " ", once).endswith("--> | a | <!-- end of shares --> after")


def test_the_picture_of_the_page_names_its_axes() -> None:
    picture = ET.parse(ROOT / "docs" / "pictures" / "numerics.svg")  # noqa: S314 - our own file
    text = " ".join("".join(each.itertext()) for each in picture.iter("{http://www.w3.org/2000/svg}text"))
    for label in ("terms of a sum, n", "error / bound", "bits that an accumulator lacks"):
        assert label in text
