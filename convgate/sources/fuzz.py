"""Random cases: drawn by Hypothesis from the strategies, the same for the same seed."""

import hashlib
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed

from convgate.case import Case
from convgate.strategies import cases
from convgate.subjects.loader import supports

__all__ = ["draw_cases"]


def draw_cases(operator: str, seed: int, part: int, count: int, subject: Any) -> list[Case]:
    """Draw distinct cases of one operator that a subject supports.

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
    digest = hashlib.sha256(f"{operator} {seed} {part}".encode()).digest()

    # Hypothesis repeats and varies what it has drawn, so it takes more draws than cases.
    @hypothesis_seed(int.from_bytes(digest[:8]))
    @settings(
        max_examples=3 * count,
        phases=(Phase.generate,),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(operator))
    def collect(case: Case) -> None:
        if len(found) < count and supports(subject, case.problem):
            found[case] = None

    collect()
    return list(found)
