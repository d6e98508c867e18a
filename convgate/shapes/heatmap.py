"""Coverage of one operator as a map: a square for each pair of features, and in it each pair of their classes."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import numpy as np

from convgate.results.coverage import STATES, CoverageMap, Row, Square
from convgate.results.record import WayCount
from convgate.shapes.coverage import Coverage

__all__ = ["coverage_map"]

LETTERS = {name[0]: name for name in STATES}
# So many gaps are worth reading; closing these closes others too.
MOST_GAPS = 50


def coverage_map(coverage: Coverage, counts: list[WayCount]) -> CoverageMap:
    """Draw up one operator's coverage.

    Parameters
    ----------
    coverage : Coverage
        Of its cases.
    counts : list of WayCount
        What the record has of the operator.
    """
    features = coverage.space.features
    pairs = coverage.space.ways(2).features.tolist()
    rows = [Row(feature.name, []) for feature in features]
    gaps = coverage.gaps(2)  # in the order of the pairs
    details: dict[str, Any] = {}
    for (a, b), (letters, rate) in zip(pairs, pair_states(coverage), strict=True):
        rows[b].squares.append(square(f"{features[a].name} and {features[b].name}", letters, rate))
        specs = [gap.spec for gap in islice(gaps, letters.count("m"))]
        details[f"{a} {b}"] = {"states": letters, "specs": specs}
    # with classes three at a time it takes a while to see that nothing is missing
    open_ = [count.t for count in counts if count.covered < count.feasible]
    return CoverageMap(
        operator=coverage.operator,
        counts=counts,
        rows=rows,
        gaps=list(islice(chain.from_iterable(coverage.gaps(t) for t in open_), MOST_GAPS)),
        missing=sum(count.feasible - count.covered for count in counts),
        details={
            "features": [feature.name for feature in features],
            "classes": [feature.classes for feature in features],
            "pairs": details,
        },
    )


def pair_states(coverage: Coverage) -> Iterator[tuple[str, float]]:
    """For each pair of features the states of its pairs of classes, row by row, a letter each; and the worst rate.

    The rate is how many of the cases of a pair of classes fail: high where these classes are what matters. It is
    estimated by Laplace's rule of succession, so that a single case does not weigh much. A pair of classes is broken if
    all its n cases fail, and n so many that at the rate r of the whole run chance would not do that to any of the P
    pairs: r**n < 1 / P.
    """
    ways, feasible = coverage.space.ways(2), coverage.space.feasible(2)
    passing, failing = coverage.passing(2) * feasible, coverage.failing(2) * feasible
    letters = np.full(ways.total, "i")
    letters[feasible] = "m"
    letters[passing > 0] = "c"
    letters[failing > 0] = "f"
    overall = coverage.failing_rate
    by_chance = overall ** np.where(passing == 0, failing, 0)
    letters[(failing > 0) & ((by_chance < 1 / ways.total) | (overall == 1))] = "b"
    rates = np.where(failing > 0, (failing + 1) / (passing + failing + 2), 0)
    for start, end in zip(ways.offsets[:-1], ways.offsets[1:], strict=True):
        yield "".join(letters[start:end]), float(rates[start:end].max())


def square(name: str, letters: str, rate: float) -> Square:
    """Sum up the pairs of classes of two features."""
    numbers = Counter(letters)
    states = [state for letter, state in LETTERS.items() if numbers[letter]]
    counts = ", ".join(f"{numbers[state[0]]} {state}" for state in states)
    feasible = len(letters) - numbers["i"]
    if numbers["f"] or numbers["b"]:
        return Square(states[0], rate, f"{name}: {counts}")
    return Square(states[0], numbers[states[0][0]] / feasible if feasible else 1.0, f"{name}: {counts}")
