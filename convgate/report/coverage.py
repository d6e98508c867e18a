"""Coverage on a terminal: covered, missing, lost and gained combinations of shape classes."""

from collections.abc import Iterable, Iterator
from itertools import islice

from rich.console import Console
from rich.table import Table
from rich.text import Text

from convgate.results.coverage import STRENGTHS, Difference, Gap, percent
from convgate.results.record import RunRecord, differing_versions

__all__ = ["show_coverage", "show_difference", "show_shortfalls"]


def show_coverage(record: RunRecord, gaps: Iterator[Gap], console: Console, *, missing: int) -> None:
    """Show the coverage of a record by operator and strength, and the first gaps.

    Parameters
    ----------
    record : RunRecord
        The record of one run, or a merged one.
    gaps : iterator of Gap
        The missing combinations of all operators.
    console : Console
        Where to show it.
    missing : int
        How many gaps to show.
    """
    different = len({each.spec for each in record.judged})
    repeated = "" if different == record.cases else f", {different:,} of them different"
    line = f"{record.subject}: {record.cases:,} cases judged{repeated}; {record.verdict}: {record.reason}"
    console.print(Text(line), soft_wrap=True)
    for name, versions in differing_versions(record).items():
        console.print(Text(f"the runs had different versions of {name}: {', '.join(versions)}", "yellow"))
    table = headed("operator", *(f"{t}-way" for t in STRENGTHS))
    counts = {(each.operator, each.t): each for each in record.coverage}
    for operator in record.operators:
        row = [counts[operator, t] for t in STRENGTHS]
        cells = [f"{each.covered:,}/{each.feasible:,}  {percent(each.covered, each.feasible)}" for each in row]
        table.add_row(operator, *cells)
    console.print(table)
    total = sum(each.feasible - each.covered for each in record.coverage)
    show_gaps(f"{total:,} feasible combinations are missing", total, gaps, console, most=missing)


def show_difference(difference: Difference, console: Console, *, missing: int) -> None:
    """Show the combinations lost and gained since an earlier run, by operator and strength.

    Parameters
    ----------
    difference : Difference
        The difference between two runs.
    console : Console
        Where to show it.
    missing : int
        How many of the lost combinations to show.
    """
    table = headed("operator", *(f"{t}-way" for t in STRENGTHS))
    for operator in dict.fromkeys(operator for operator, _ in difference.lost):
        both = ((difference.lost[operator, t], difference.gained[operator, t]) for t in STRENGTHS)
        table.add_row(operator, *(f"{lost:,} lost, {gained:,} gained" for lost, gained in both))
    console.print(table)
    total = sum(difference.lost.values())
    words = f"{total:,} combinations were covered earlier and are not now"
    show_gaps(words, total, difference.gaps, console, most=missing)


def show_gaps(words: str, total: int, gaps: Iterator[Gap], console: Console, *, most: int) -> None:
    """Show the number of gaps and the first ones, each with a spec that would cover it."""
    shown = list(islice(gaps, most)) if total else []
    console.print(Text(words + ("" if not shown else ":" if len(shown) == total else f"; the first {len(shown)}:")))
    for gap in shown:
        console.print(Text.assemble("  ", " and ".join(gap.conditions), "  → ", (gap.spec, "bold")), soft_wrap=True)


def show_shortfalls(complaints: Iterable[str], console: Console) -> None:
    """Show each shortfall from the required coverage on a line."""
    for complaint in complaints:
        console.print(Text(f"too little covered: {complaint}", "bold yellow"), soft_wrap=True)


def headed(first: str, *others: str) -> Table:
    """A plain table of numbers with operators in the first column."""
    table = Table(title=None, box=None, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table
