"""Coverage: which feasible combinations of shape classes the judged cases have, and which are missing."""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cached_property
from itertools import chain
from math import ceil

import numpy as np

from convgate.cases.spec import format_spec, parse_spec
from convgate.results.coverage import STRENGTHS, Difference, Gap, percent
from convgate.results.record import JudgedCase, WayCount, operator_of
from convgate.results.verdicts import FAILING
from convgate.shapes.features import Vector, vector_of
from convgate.shapes.space import Bools, Ints, Space, space_of

__all__ = ["Coverage", "coverage_of", "difference", "gaps_of", "shortfalls"]

# Vectors whose combinations are numbered at once: some megabytes.
AT_ONCE = 500


class Coverage:
    """The combinations of shape classes that some cases of one operator have.

    A case counts if the subject was seen to be right or wrong on it. One that passed but shows nothing, as all that it
    should give is zero, does not; an empty batch, which can show no more than its shape, counts for what it is: for
    the combinations that say that the batch is empty, and for no others.

    Parameters
    ----------
    operator : str
        Name of the operator.
    passing, failing : set of Vector
        Classes of the cases that count, by whether the subject was right.
    """

    def __init__(self, operator: str, passing: Iterable[Vector], failing: Iterable[Vector]) -> None:
        self.operator = operator
        self._passing = np.array(sorted(set(passing)), np.int64)
        self._failing = np.array(sorted(set(failing)), np.int64)
        self._covered: dict[int, Bools] = {}

    @cached_property
    def space(self) -> Space:
        """All combinations."""
        return space_of(self.operator)

    def covered(self, t: int) -> Bools:
        """Which combinations of `t` features some case has, by their numbers in ``space.ways(t)``."""
        if t not in self._covered:
            self._covered[t] = self.passing(t) + self.failing(t) > 0
        return self._covered[t]

    def passing(self, t: int) -> Ints:
        """How many vectors of passing cases have each combination of `t` features."""
        return self.having(self._passing, t)

    def failing(self, t: int) -> Ints:
        """How many vectors of failing cases have each combination of `t` features."""
        return self.having(self._failing, t)

    @property
    def failing_rate(self) -> float:
        """The share of the vectors of failing cases among all."""
        return len(self._failing) / max(1, len(self._failing) + len(self._passing))

    def having(self, vectors: Ints, t: int) -> Ints:
        """How many of some vectors have each combination of `t` features."""
        ways = self.space.ways(t)
        found = np.zeros(ways.total, np.int64)
        for start in range(0, len(vectors), AT_ONCE):
            some = vectors[start : start + AT_ONCE]
            found += np.bincount(ways.codes(some)[self.space.shown(some, t)], minlength=ways.total)
        return found

    def count(self, t: int) -> WayCount:
        """How many of the feasible combinations of `t` features are covered."""
        feasible = self.space.feasible(t)
        covered = int((self.covered(t) & feasible).sum())
        return WayCount(operator=self.operator, t=t, covered=covered, feasible=int(feasible.sum()))

    def missing(self, t: int) -> Ints:
        """Numbers of the feasible combinations of `t` features that no case has."""
        return np.flatnonzero(self.space.feasible(t) & ~self.covered(t))

    def gaps(self, t: int) -> Iterator[Gap]:
        """The same in words, each with a case that would cover it."""
        return self.described(t, self.missing(t))

    def lost(self, earlier: "Coverage", t: int) -> Ints:
        """Numbers of the feasible combinations of `t` features that an earlier run covers and this one does not."""
        return np.flatnonzero(self.space.feasible(t) & earlier.covered(t) & ~self.covered(t))

    def described(self, t: int, codes: Ints) -> Iterator[Gap]:
        """Combinations of `t` features, given by their numbers, in words, each with a case that would cover it."""
        for code in codes:
            members = self.space.ways(t).members(int(code))
            case = self.space.witness(members)
            yield Gap(self.space.words(members), format_spec(case) if case is not None else "")


def coverage_of(judged: Iterable[JudgedCase], operators: Iterable[str]) -> Mapping[str, Coverage]:
    """The coverage of each operator.

    Parameters
    ----------
    judged : iterable of JudgedCase
        What was judged.
    operators : iterable of str
        The operators to look at.
    """
    passing: dict[str, set[Vector]] = {operator: set() for operator in operators}
    failing: dict[str, set[Vector]] = {operator: set() for operator in passing}
    for each in judged:
        operator = operator_of(each.spec)
        if operator not in passing or each.verdict not in {"passed", "vacuous", *FAILING}:
            continue
        case = parse_spec(each.spec)
        vector = vector_of(case)
        if vector is None or (each.verdict == "vacuous" and case.problem.batch > 0):
            continue
        (failing if each.verdict in FAILING else passing)[operator].add(vector)
    return {operator: Coverage(operator, passing[operator], failing[operator]) for operator in passing}


def gaps_of(coverage: Mapping[str, Coverage]) -> Iterator[Gap]:
    """What is missing of all operators, fewer features first."""
    return chain.from_iterable(coverage[operator].gaps(t) for t in STRENGTHS for operator in coverage)


def difference(earlier: Mapping[str, Coverage], now: Mapping[str, Coverage]) -> Difference:
    """What was covered earlier and is not now, and the other way round, of the same operators."""
    lost = {(operator, t): now[operator].lost(earlier[operator], t) for t in STRENGTHS for operator in now}
    gained = {(operator, t): len(earlier[operator].lost(now[operator], t)) for operator, t in lost}
    gaps = chain.from_iterable(now[operator].described(t, codes) for (operator, t), codes in lost.items())
    return Difference({key: len(codes) for key, codes in lost.items()}, gained, gaps)


def shortfalls(counts: Iterable[WayCount], required: Mapping[int, Fraction]) -> list[str]:
    """What coverage lacks, a sentence for each operator and strength.

    Parameters
    ----------
    counts : iterable of WayCount
        Of every operator, at every strength.
    required : dict
        Strength to the least percentage of the feasible combinations, compared exactly.
    """
    found = []
    counts = list(counts)
    if not counts and required:
        return ["no operator was judged, so nothing is covered"]
    for each in counts:
        asked = required.get(each.t, Fraction(0))
        least = ceil(asked * each.feasible / 100)
        if each.covered < least:
            found.append(
                f"{each.operator} {each.t}-way: {each.covered:,} of {each.feasible:,} covered "
                f"({percent(each.covered, each.feasible)}), "
                f"{float(asked):.12g} % required: {least - each.covered:,} more needed"
            )
    return found
