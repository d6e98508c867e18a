"""Few choices that have all pairs of values of their factors: what joint sources are put together from.

Greedy, one choice after the other: of some candidates that have a pair which is still missing, the one that adds most.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Choice", "pairwise"]

# Candidates for each choice: more make fewer choices, and take longer to find.
CANDIDATES = 32
# A pair that so many candidates cannot have together with usable values of the other factors is given up.
TRIES = 6

Choice = dict[str, Any]
Ints = NDArray[np.int64]


def pairwise(factors: Mapping[str, Sequence[Any]], usable: Callable[[Choice], bool], entropy: int) -> list[Choice]:
    """Usable choices of a value for each factor that have every pair of values which some usable choice has.

    A pair counts as one that no usable choice has after `TRIES * CANDIDATES` random ones that have it were not usable.

    Parameters
    ----------
    factors : dict
        The values of each factor, at least one each. The first is to be the one that goes with most of the others.
    usable : callable
        Whether the values of a choice go together.
    entropy : int
        Of the choice among equals; the same gives the same list.
    """
    names = list(factors)
    sizes = np.array([len(values) for values in factors.values()], np.int64)
    pairs = list(combinations(range(len(names)), 2))
    missing = [np.ones((sizes[i], sizes[j]), bool) for i, j in pairs]
    stream = np.random.PCG64(np.random.SeedSequence([entropy, len(names)]))

    def values_of(row: Ints) -> Choice:
        return {name: factors[name][int(number)] for name, number in zip(names, row, strict=True)}

    found = []
    for number, (first, second) in enumerate(pairs):
        while missing[number].any():
            values = divmod(int(np.argmax(missing[number])), int(sizes[second]))
            best = None
            for tried in range(TRIES):
                words = stream.random_raw(CANDIDATES * len(names)).reshape(CANDIDATES, len(names))
                rows = (words % sizes.astype(np.uint64)).astype(np.int64)
                # where little goes with a pair, others take their first value more and more often
                rows[(words >> np.uint64(32)) % np.uint64(TRIES) < tried] = 0
                rows[:, [first, second]] = values
                gains = np.sum([missing[k][rows[:, i], rows[:, j]] for k, (i, j) in enumerate(pairs)], axis=0)
                fitting = (row for row in rows[np.argsort(-gains, kind="stable")] if usable(values_of(row)))
                best = next(fitting, None)
                if best is not None:
                    break
            if best is None:
                missing[number][values] = False
                continue
            for k, (i, j) in enumerate(pairs):
                missing[k][best[i], best[j]] = False
            found.append(values_of(best))
    return found
