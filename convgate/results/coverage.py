"""What of the shape classes is covered, as rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from convgate.results.record import WayCount

__all__ = ["STATES", "STRENGTHS", "CoverageMap", "Difference", "Gap", "Row", "Square", "percent"]

STRENGTHS = (1, 2, 3)

# What can be said of a pair of classes, the gravest first. The names are also those of the style sheet's classes.
STATES = {
    "broken": "every case of it fails, and not by chance",
    "failing": "some of its cases fail",
    "missing": "no judged case has it",
    "covered": "all its cases pass",
    "infeasible": "no problem can show it",
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
    """A share in percent, rounded down: 100 % is said only of what is complete; of nothing there is no share."""
    if not feasible:
        return "none"
    hundredths = 10_000 * covered // feasible
    return f"{hundredths / 100:.2f}".rstrip("0").rstrip(".") + " %"


@dataclass(frozen=True)
class Square:
    """What became of all pairs of classes of two features.

    Parameters
    ----------
    state : str
        The gravest of its pairs of classes: a key of `STATES`.
    weight : float
        From 0 to 1: where cases fail, the rate at which those of the worst pair of classes do; otherwise how many of
        the feasible pairs of classes have the state.
    words : str
        How many pairs of classes there are of each state.
    """

    state: str
    weight: float
    words: str


@dataclass(frozen=True)
class Row:
    """A feature, and its squares with each of the features before it."""

    feature: str
    squares: list[Square]


@dataclass(frozen=True)
class CoverageMap:
    """What the page shows of one operator's coverage.

    Parameters
    ----------
    operator : str
        Its name.
    counts : list of WayCount
        What is covered of the classes alone, in pairs and in triples.
    rows : list of Row
        The squares.
    gaps : list of Gap
        The first missing combinations, the smallest first.
    missing : int
        How many there are.
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
    """Between the coverage of an earlier run and that of a later one.

    Parameters
    ----------
    lost, gained : dict
        (operator, strength) to how many combinations were covered earlier and are not now, and the other way round.
    gaps : iterator of Gap
        Those lost.
    """

    lost: Mapping[tuple[str, int], int]
    gained: Mapping[tuple[str, int], int]
    gaps: Iterator[Gap]
