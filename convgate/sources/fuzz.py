"""Random cases, drawn from the Hypothesis strategies: a function of the seed alone."""

from typing import Any

import numpy as np
from hypothesis import given, settings

from convgate.case import Case
from convgate.operators import OPERATORS
from convgate.strategies import cases
from convgate.subjects.loader import supports

__all__ = ["draw_cases"]

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
        Asked for each problem whether it supports it.

    Returns
    -------
    list of Case
    """
    found: dict[Case, None] = {}

    @settings(database=None)
    @given(cases(operator))
    def collect(case: Case) -> None:
        if supports(subject, case.problem):
            found[case] = None

    stream = np.random.PCG64(np.random.SeedSequence([seed, part, list(OPERATORS).index(operator)]))
    for _ in range(MOST_DRAWS * count):
        collect.hypothesis.fuzz_one_input(stream.random_raw(BYTES // 8).astype("<u8").tobytes())  # type: ignore[attr-defined] # put there by given
        if len(found) == count:
            break
    return list(found)
