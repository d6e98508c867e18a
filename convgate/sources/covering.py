"""A covering source: few problems that have all feasible combinations of shape classes, two or three at a time.

Greedy, one problem after the other: of many that have a combination which is still missing, the one that adds most.
Every candidate is a problem from the start, as it is put together from axes and choices that exist, so nothing has to
be solved for constraints; and what is missing can always be added, as feasible means that there is a case.
"""

import numpy as np

from convgate.case import Case, case_rule
from convgate.space import Bools, Ints, Rows, Space, space_of

__all__ = ["covering_cases"]

# Candidates for each problem: more make fewer problems, and take longer to find.
CANDIDATES = 32


def covering_cases(operator: str, strength: int, seed: int) -> list[Case]:
    """Cases that have every feasible combination of `strength` shape classes.

    Parameters
    ----------
    operator : str
        Name of the operator.
    strength : int
        2 for pairs, 3 for triples.
    seed : int
        Of the choice among problems, and of the data.

    Returns
    -------
    list of Case
    """
    space = space_of(operator)
    ways = space.ways(strength)
    missing = space.feasible(strength).copy()
    stream = np.random.PCG64(np.random.SeedSequence([seed, strength]))
    found = []
    while missing.any():
        target = ways.members(int(np.argmax(missing)))
        best = None
        while best is None:
            best = most_missing(space.draw(stream, CANDIDATES, target), space, strength, missing)
        for rows in space.variations(best, stream, CANDIDATES):
            better = most_missing(rows, space, strength, missing)
            best = best if better is None else better
        vectors = space.rows(best[None]).vectors
        missing[ways.codes(vectors)[space.shown(vectors, strength)]] = False
        found.append(space.case(best, seed=int(stream.random_raw() % 2**16)))
    return found


def most_missing(rows: Rows, space: Space, strength: int, missing: Bools) -> Ints | None:
    """Of some cases the one that has most of what is missing; None if there are no data for any of them."""
    gains = (missing[space.ways(strength).codes(rows.vectors)] & space.shown(rows.vectors, strength)).sum(axis=1)
    for row in np.argsort(-gains, kind="stable"):
        picks: Ints = rows.picks[row]
        if case_rule(space.case(picks, seed=0)) is None:
            return picks
    return None
