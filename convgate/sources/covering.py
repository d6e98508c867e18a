"""A covering source: few problems that have all feasible combinations of shape classes, two or three at a time.

Greedy, one problem after the other: of many that have a combination which is still missing, the one that adds most.
Every candidate is a problem from the start, as it is put together from axes and choices that exist, so nothing has to
be solved for constraints; and what is missing can always be added, as feasible means that there is a case.
"""

from collections.abc import Callable

import numpy as np

from convgate.cases.case import Case, case_rule
from convgate.problems.problem import Problem
from convgate.shapes.space import Bools, Ints, Rows, Space, restricted, space_of

__all__ = ["covering_cases"]

# Candidates for each problem: more make fewer problems, and take longer to find.
CANDIDATES = 32
# For a combination that no candidate has: it takes many of them to say that the subject does not support it, and many
# such combinations to say that it supports next to nothing.
TRIES = 20
MOST_IN_VAIN = 100

Supported = Callable[[Problem], bool]


def covering_cases(operator: str, strength: int, seed: int, supported: Supported | None = None) -> list[Case]:
    """Cases that have every feasible combination of `strength` shape classes.

    Parameters
    ----------
    operator : str
        Name of the operator.
    strength : int
        2 for pairs, 3 for triples.
    seed : int
        Of the choice among problems, and of the data.
    supported : callable or None
        Whether the subject supports a problem, if it does not support all: the cases are among those, and have what
        combinations these have.

    Returns
    -------
    list of Case
    """
    space = space_of(operator) if supported is None else restricted(operator, supported)
    ways = space.ways(strength)
    missing = space.feasible(strength).copy()
    stream = np.random.PCG64(np.random.SeedSequence([seed, strength]))
    found = []
    in_vain = 0
    while missing.any() and in_vain < MOST_IN_VAIN:
        code = int(np.argmax(missing))
        drawn = (space.draw(stream, CANDIDATES, ways.members(code)) for _ in range(TRIES))
        bests = (most_missing(rows, space, strength, missing, supported) for rows in drawn)
        best = next((each for each in bests if each is not None), None)
        if best is None:
            missing[code] = False
            in_vain += 1
            continue
        for rows in space.variations(best, stream, CANDIDATES):
            better = most_missing(rows, space, strength, missing, supported)
            best = best if better is None else better
        vectors = space.rows(best[None]).vectors
        missing[ways.codes(vectors)[space.shown(vectors, strength)]] = False
        found.append(space.case(best, seed=int(stream.random_raw() % 2**16)))
    return found


def most_missing(rows: Rows, space: Space, strength: int, missing: Bools, supported: Supported | None) -> Ints | None:
    """Of some cases the one that has most of what is missing; None if all are unsupported or there are no data."""
    gains = (missing[space.ways(strength).codes(rows.vectors)] & space.shown(rows.vectors, strength)).sum(axis=1)
    for row in np.argsort(-gains, kind="stable"):
        picks: Ints = rows.picks[row]
        case = space.case(picks, seed=0)
        # for a subject that supports little nearly all are in vain, so what is quick to say comes first
        if (supported is None or supported(case.problem)) and case_rule(case) is None:
            return picks
    return None
