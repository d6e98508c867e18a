"""Tables that the commands in this folder put into the pages of docs/."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from convgate.results.files import write_text

__all__ = ["DOCS", "fill_in", "filled", "table"]

DOCS = Path(__file__).resolve().parent.parent / "docs"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def filled(page: str, tables: Mapping[str, str], command: str) -> str:
    """The page with the tables between their markers.

    Raises
    ------
    ValueError
        If the page lacks a marker.
    """
    for name, text in tables.items():
        start, end = f"<!-- {name}: made by {command} -->", f"<!-- end of {name} -->"
        if start not in page or end not in page:
            raise ValueError(f"the page must have the lines {start} and {end}; put them where the table goes")
        before, rest = page.split(start)
        page = f"{before}{start}\n\n{text}\n\n{end}{rest.split(end)[1]}"
    return page


def fill_in(page: str, tables: Mapping[str, str], command: str) -> None:
    """Put tables into a page of docs/, and show them."""
    path = DOCS / page
    write_text(path, filled(path.read_text(encoding="utf-8"), tables, command))
    for name, text in tables.items():
        print(f"{name}\n\n{text}\n")  # noqa: T201 - what the commands are for
