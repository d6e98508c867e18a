"""The calls that relations will make, found by letting them call a subject that only notes what it is asked.

A message to a subject in another process costs much more than a small call. So the calls of all relations of a case
are made in one message, as far as they are known before any of them is answered, which is nearly always.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np

from convgate.judging.relations import Recall, Relation, evaluate
from convgate.judging.subjects.remote import Foreseen
from convgate.judging.trial import Known
from convgate.problems.operators import Arrays

__all__ = ["calls_of"]


class Unforeseen(BaseException):
    """What a call returns is not known, so nor is what follows."""


class Rehearsal:
    """A subject that notes calls, and returns zeros in the shapes of results that are known.

    Parameters
    ----------
    known : dict
        Function to the shapes of its arrays in a call whose results are known, and these results.
    watched : bool
        Whether results are watched for changes by later calls.
    """

    def __init__(self, known: Known, *, watched: bool) -> None:
        self.known, self.watched = known, watched
        self.calls: list[Foreseen] = []

    def __getattr__(self, name: str) -> Any:
        def function(*arguments: Any, **options: Any) -> Any:
            self.calls.append(Foreseen(name, arguments, options, len(self.calls) if self.watched else None))
            arrays = [each for each in arguments if isinstance(each, np.ndarray)]
            shapes, results = self.known.get(name, ([], []))
            if [each.shape for each in arrays] != shapes:
                raise Unforeseen
            made = [None if each is None else np.zeros(each.shape, each.dtype) for each in results]
            return made[0] if len(made) == 1 else tuple(made)

        return function


def calls_of(
    relations: Iterable[tuple[Relation, Arrays, Recall | None]],
    known: Known,
) -> list[Foreseen]:
    """The calls that relations will make on arrays, in their order."""
    found: list[Foreseen] = []
    for relation, arrays, recall in relations:
        rehearsal = Rehearsal(known, watched=relation.repeats)
        # what zeros lead to does not matter
        with suppress(Unforeseen, Exception):
            evaluate(relation, rehearsal, arrays, recall)
        found += rehearsal.calls
    return found
