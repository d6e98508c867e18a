"""Random cases, drawn from the Hypothesis strategies: a function of the seed alone."""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, TypeAlias

import numpy as np
from hypothesis import given, settings
from hypothesis.strategies import SearchStrategy

from convgate.cases.case import Case
from convgate.judging.subjects.loader import supports, takes
from convgate.problems.operators import OPERATORS
from convgate.sources.strategies import cases, invalid_cases

__all__ = ["draw_cases", "draw_invalid"]

# A case takes some dozens of choices of a byte or two, and a few more where a choice is drawn again.
BYTES = 512
# Draws for each case that is asked for; some are invalid, some known, some not for the subject.
MOST_DRAWS = 20
# Draws that are kept, of the last ones: what explains a failure asks for the same few hundred for each.
KEPT = 2048

Strategy: TypeAlias = Callable[[str], SearchStrategy[Case]]


def draw_cases(operator: str, seed: int, part: int, count: int, subject: Any) -> list[Case]:
    """Draw distinct cases of one operator that a subject supports.

    Hypothesis is given the bytes that its strategies choose by, as a fuzzer gives them. Left to itself it would also
    draw on constants that it finds in the source files of whoever runs it, so that one seed would give different
    cases for different subjects; and it would repeat and vary what it has drawn.

    Parameters
    ----------
    operator : str
        Name of the operator.
    seed, part : int
        The same pair gives the same cases; parts of one seed are drawn one by one, anywhere.
    count : int
        How many to draw; fewer come back where the subject supports few.
    subject : Any
        Asked for each problem whether it supports it, and whether it takes the dtype.

    Returns
    -------
    list of Case
    """
    entropy = (seed, part, list(OPERATORS).index(operator))
    return distinct(
        cases, operator, entropy, count, lambda case: takes(subject, case.dtype) and supports(subject, case.problem)
    )


def draw_invalid(operator: str, seed: int, count: int) -> list[Case]:
    """Draw distinct cases that break a rule."""
    return distinct(invalid_cases, operator, (seed, list(OPERATORS).index(operator)), count, lambda _: True)


def distinct(
    strategy: Strategy, operator: str, entropy: tuple[int, ...], count: int, wanted: Callable[[Case], bool]
) -> list[Case]:
    """Draw distinct cases of a strategy, in a way that depends on the entropy alone."""
    found: dict[Case, None] = {}
    for number in range(MOST_DRAWS * count):
        case = drawn(strategy, operator, entropy, number)
        if case is not None and wanted(case):
            found[case] = None
            if len(found) == count:
                break
    return list(found)


@lru_cache(maxsize=KEPT)
def drawn(strategy: Strategy, operator: str, entropy: tuple[int, ...], number: int) -> Case | None:
    """What the bytes of one number give, if they give a case."""
    stream = np.random.PCG64(np.random.SeedSequence(entropy))
    stream.advance(number * BYTES // 8)
    return collected(strategy, operator)(stream.random_raw(BYTES // 8).astype("<u8").tobytes())


@cache
def collected(strategy: Strategy, operator: str) -> Callable[[bytes], Case | None]:
    """The function that gives the case that some bytes choose, made once, as that takes as long as several draws."""
    found: list[Case] = []

    @settings(database=None)
    @given(strategy(operator))
    def collect(case: Case) -> None:
        found.append(case)

    def case_of(chosen: bytes) -> Case | None:
        found.clear()
        collect.hypothesis.fuzz_one_input(chosen)  # type: ignore[attr-defined] # put there by given
        return found[0] if found else None

    return case_of
