"""Conditions on the numbers among the data of a case, and on those that a maximum chooses of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import combinations

import numpy as np

from convgate.cases.case import Case, values_of
from convgate.oracle_list import vectorized
from convgate.problems.operators import Array, perform
from convgate.shapes.space import Bools

__all__ = ["SEEDS", "SPECIAL", "data_conditions", "is_of_data"]

# Data can hide a fault: a case passes only if it passes with so many seeds.
SEEDS = 5
# What it costs to name one array, and a kind of value that is put together or another array, in bits.
NAMED, TOGETHER = 1.5, 1.0
# Cases of which it is kept what values they have: those around one failure, each with a few seeds.
KEPT = 8192
# Values among the data of an array that a fault may depend on, by their names in conditions.
SPECIAL: dict[str, Callable[[Array], Bools]] = {
    "NaN": np.isnan,
    "infinity": np.isinf,
    "NaN or infinity": lambda array: ~np.isfinite(array),
    "zero": lambda array: array == 0,
}
# Values that a maximum is only if all that the window sees are no larger; a zero can be negative too.
CHOSEN: dict[str, Callable[[Array], Bools]] = {
    "negative number": lambda array: np.signbit(array) & ~np.isnan(array),
    "negative number or NaN": lambda array: np.signbit(array) | np.isnan(array),
    "-infinity": lambda array: array == -np.inf,
}


def is_of_data(text: str) -> bool:
    """Whether a condition, in words, is one on data."""
    return text.startswith(tuple(f"{name} {word} " for name in (*SPECIAL, *CHOSEN) for word in ("in", "among")))


def data_conditions(tried: Sequence[Sequence[Case]], seeds: int = 1) -> Iterator[tuple[str, Bools, float]]:
    """The conditions in words, who meets each, and the bits.

    Parameters
    ----------
    tried : sequence of sequences of Case
        Cases, each with all the data that it was tried with, of which any may meet a condition.
    seeds : int
        Seeds, from that of each case, with any of which it may have a maximum: all with which it would be tried.
    """
    first = tried[0][0]
    if first.fill == "special":
        yield from special_conditions(tried)
    if first.operator.chooses:
        met = np.array([np.logical_or.reduce([chosen_by(case, seeds) for case in cases]) for cases in tried])
        yield from ((f"{name} in y", met[:, number], NAMED) for number, name in enumerate(CHOSEN))


def chosen_by(case: Case, seeds: int) -> Bools:
    """Which kinds of maxima a case has with any of so many seeds."""
    found: Bools = np.logical_or.reduce(
        [chosen_values(replace(case, seed=seed)) for seed in range(case.seed, case.seed + seeds)]
    )
    return found


def special_conditions(tried: Sequence[Sequence[Case]]) -> Iterator[tuple[str, Bools, float]]:
    """Conditions on the special values among the data: anywhere, in one array, or in one of two."""
    values = [[special_values(case) for case in cases] for cases in tried]
    arrays = list(values[0][0])
    for number, name in enumerate(SPECIAL):
        found = {
            array: np.array([any(array in each and each[array][number] for each in several) for several in values])
            for array in arrays
        }
        plain = name in {"NaN", "infinity"}
        if plain:
            yield f"{name} among the data", np.logical_or.reduce(list(found.values())), 0.0
        if len(arrays) > 1:
            for array, met in found.items():
                yield f"{name} in {array}", met, NAMED if plain else NAMED + TOGETHER
        if len(arrays) > 1 and plain:
            for one, other in combinations(arrays, 2):
                yield f"{name} in ({one} or {other})", found[one] | found[other], NAMED + TOGETHER


@lru_cache(maxsize=KEPT)
def special_values(case: Case) -> dict[str, tuple[bool, ...]]:
    """Of each array of a case whether it has values of each kind that is special."""
    return {
        name: tuple(bool(test(array).any()) for test in SPECIAL.values()) for name, array in values_of(case).items()
    }


@lru_cache(maxsize=KEPT)
def chosen_values(case: Case) -> tuple[bool, ...]:
    """Whether a case has maxima of each kind that is in the table of these."""
    (y,) = perform(vectorized, case.operator.forward(case.problem), values_of(case)).values()
    return tuple(bool(test(y).any()) for test in CHOSEN.values())
