"""Coverage of the shape classes, as plain data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from convgate.results.record import WayCount

__all__ = ["STATES", "STRENGTHS", "CoverageMap", "Difference", "Gap", "Row", "Square", "percent"]

STRENGTHS = (1, 2, 3)

# The states of a pair of classes, the worst first. The style sheet uses the names too.
STATES = {
    "broken": "every case of it fails, and not by chance",
    "failing": "some of its cases fail",
    "missing": "no judged case has it",
    "covered": "all its cases pass",
    "infeasible": "no problem can have it",
}


@dataclass(frozen=True)
class Gap:
    """A feasible combination of classes that no judged case has.

    Parameters
    ----------
    conditions : tuple of str
        The classes in words.
    spec : str
        A case that has them.
    """

    conditions: tuple[str, ...]
    spec: str


def percent(covered: int, feasible: int) -> str:
    """Coverage in percent, rounded down so that 100 % means complete; "none" if nothing is feasible."""
    if not feasible:
        return "none"
    hundredths = 10_000 * covered // feasible
    return f"{hundredths / 100:.2f}".rstrip("0").rstrip(".") + " %"


@dataclass(frozen=True)
class Square:
    """The state of all pairs of classes of two features.

    Parameters
    ----------
    state : str
        The worst state of its pairs of classes: a key of `STATES`.
    weight : float
        From 0 to 1: if cases fail, the rate of failing cases in the worst pair of classes; otherwise the share of the
        feasible pairs of classes with this state.
    words : str
        The number of pairs of classes of each state, in words.
    """

    state: str
    weight: float
    words: str


@dataclass(frozen=True)
class Row:
    """A feature, with one square for each feature before it."""

    feature: str
    squares: list[Square]


@dataclass(frozen=True)
class CoverageMap:
    """The coverage of one operator, as the page shows it.

    Parameters
    ----------
    operator : str
        Name of the operator.
    counts : list of WayCount
        Coverage of single classes, pairs and triples.
    rows : list of Row
        The squares.
    gaps : list of Gap
        The first missing combinations, the smallest first.
    missing : int
        Number of missing combinations.
    details : dict
        For the script: the features' classes, the state of each pair of classes, and cases for the missing ones.
    """

    operator: str
    counts: list[WayCount]
    rows: list[Row]
    gaps: list[Gap]
    missing: int
    details: dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """The difference in coverage between an earlier run and a later one.

    Parameters
    ----------
    lost, gained : dict
        (operator, strength) to the number of combinations that only the earlier run covers, or only the later one.
    gaps : iterator of Gap
        The lost combinations.
    """

    lost: Mapping[tuple[str, int], int]
    gained: Mapping[tuple[str, int], int]
    gaps: Iterator[Gap]
