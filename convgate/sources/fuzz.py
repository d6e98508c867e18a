"""Random cases, drawn from the Hypothesis strategies: a function of the seed alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis.strategies import SearchStrategy

from convgate.case import Case
from convgate.operators import OPERATORS
from convgate.strategies import cases, invalid_cases
from convgate.subjects.loader import supports, takes

__all__ = ["draw_cases", "draw_invalid"]

# A case takes some dozens of choices of a byte or two, and a few more where a choice is drawn again.
BYTES = 512
# Draws for each case that is asked for; some are invalid, some known, some not for the subject.
MOST_DRAWS = 20


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
    entropy = [seed, part, list(OPERATORS).index(operator)]
    return draw(
        cases(operator), entropy, count, lambda case: takes(subject, case.dtype) and supports(subject, case.problem)
    )


def draw_invalid(operator: str, seed: int, count: int) -> list[Case]:
    """Draw distinct cases that break a rule."""
    entropy = [seed, list(OPERATORS).index(operator)]
    return draw(invalid_cases(operator), entropy, count, lambda _: True)


def draw(strategy: SearchStrategy[Case], entropy: list[int], count: int, wanted: Callable[[Case], bool]) -> list[Case]:
    """Draw distinct cases of a strategy, in a way that depends on the entropy alone."""
    found: dict[Case, None] = {}

    @settings(database=None)
    @given(strategy)
    def collect(case: Case) -> None:
        if wanted(case):
            found[case] = None

    stream = np.random.PCG64(np.random.SeedSequence(entropy))
    for _ in range(MOST_DRAWS * count):
        collect.hypothesis.fuzz_one_input(stream.random_raw(BYTES // 8).astype("<u8").tobytes())  # type: ignore[attr-defined] # put there by given
        if len(found) == count:
            break
    return list(found)
