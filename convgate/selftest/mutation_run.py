"""Which mutants of our own implementation live through the gate.

Mutants are judged together, case by case in the order of the gate, and each only until a check finds it, so that all
of them take little longer than a few subjects.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from convgate.judging.subjects.loader import DEFAULT_SUBJECT, LOCAL
from convgate.problems.operators import OPERATORS
from convgate.results.events import Progressed
from convgate.run.plan import Plan, list_shards
from convgate.run.shards import Shard
from convgate.run.tasks import prepare
from convgate.run.workers import Workers, open_workers
from convgate.selftest.batch import Asked, answered, in_groups, submit
from convgate.selftest.faults.mutants import Mutant, equivalents, functions_of_protocol, mutants_of

__all__ = ["FoundBy", "Survey", "survey"]

# Where mutants are found by name, and what they are made of; in the judge's own process, to share the oracles' work.
SUBJECTS = f"{LOCAL}{mutants_of.__module__}"
ORIGINAL = f"{LOCAL}{DEFAULT_SUBJECT}"
# The first cases find most mutants: judged one at a time, so that all but a few are judged once or twice.
ALONE = 10


@dataclass(frozen=True)
class FoundBy:
    """The case and the check that find a mutant first; without them if it cannot be loaded, or its process dies."""

    mutant: str
    operator: str
    check: str = ""
    spec: str = ""


@dataclass(frozen=True)
class Survey:
    """What became of the mutants.

    Parameters
    ----------
    profile, seed
        Of the gate.
    mutants : dict
        All by their id.
    found : dict
        What finds each of those that do not survive, by their id.
    equivalents : dict
        Reasons of those that are known to be equivalent, by their id.
    """

    profile: str
    seed: int
    mutants: dict[str, Mutant]
    found: dict[str, FoundBy]
    equivalents: dict[str, str]

    @property
    def as_known(self) -> bool:
        """Whether all is as it is written down: equivalent mutants survive, and no others."""
        return not (self.survivors or self.not_equivalent or self.stale)

    @property
    def survivors(self) -> list[Mutant]:
        """Mutants that no check finds, and of which nobody has said why."""
        return [each for each in self.mutants.values() if each.id not in self.found and each.id not in self.equivalents]

    @property
    def not_equivalent(self) -> list[FoundBy]:
        """Mutants that are said to be equivalent, and are found all the same."""
        return [found for name, found in self.found.items() if name in self.equivalents]

    @property
    def stale(self) -> list[str]:
        """Ids that are said to be equivalent, and are no mutants any more."""
        return [name for name in self.equivalents if name not in self.mutants]


def survey(*, profile: str, seed: int, jobs: int, everything: bool = False) -> Iterator[Progressed | Survey]:
    """Judge the mutants of `impl`.

    Parameters
    ----------
    profile : str
        A key of `convgate.sources.profiles.PROFILES`.
    seed : int
        Of the cases.
    jobs : int
        Worker processes.
    everything : bool
        Whether to judge those too that are known to be equivalent; each takes as long as a subject that passes.

    Yields
    ------
    Progressed or Survey
        How far it is, and at the end what became of them.

    Raises
    ------
    CorrectFailsError
        If `impl` itself fails, so that nothing can be learnt from its mutants.
    """
    mutants, known = dict(mutants_of(DEFAULT_SUBJECT)), dict(equivalents())
    judged = [each for each in mutants.values() if everything or each.id not in known]
    found: dict[str, FoundBy] = {}
    with open_workers(jobs, prepare, ORIGINAL) as workers:
        shards = []
        for operator in OPERATORS:
            plan = Plan(subject=ORIGINAL, operators=(operator,), profile=profile, seed=seed, jobs=jobs)
            shards.append(one_by_one(list_shards(workers, plan, (operator,))))
        # in turn, as what operators share is found by a few cases of one, and maybe by none of another
        in_turn = [shard for each in zip_longest(*shards) for shard in each if shard is not None]
        for done, shard in enumerate(in_turn, 1):
            living = [each.id for each in judged if shard.operator in each.operators and each.id not in found]
            found |= {each.mutant: each for each in judge_mutants(workers, living, shard)}
            yield Progressed("judging", done, len(in_turn))
    yield Survey(profile, seed, mutants, found, known)


def one_by_one(shards: Sequence[Shard]) -> Iterator[Shard]:
    """The first cases apart."""
    first, *others = shards
    yield from (Shard(first.operator, specs=(spec,)) for spec in first.specs[:ALONE])
    yield Shard(first.operator, specs=first.specs[ALONE:])
    yield from others


def judge_mutants(workers: Workers, mutants: Sequence[str], shard: Shard) -> Iterator[FoundBy]:
    """What finds each of some mutants first among the cases of a shard."""
    functions = frozenset(functions_of_protocol(shard.operator))
    groups = in_groups([Asked(f"{SUBJECTS}:{mutant}", functions, quick=True) for mutant in mutants])
    futures = [submit(workers, ORIGINAL, group, shard) for group in groups]
    for group, future in zip(groups, futures, strict=True):
        part = answered(workers, future, ORIGINAL, group, shard)
        yield from (FoundBy(mutant_of(subject), shard.operator) for subject in sorted(part.dead))
        for subject, findings in part.findings.items():
            yield from (FoundBy(mutant_of(subject), shard.operator, each.checks[0], each.spec) for each in findings)


def mutant_of(subject: str) -> str:
    """The id of the mutant that is a subject."""
    return subject.rpartition(":")[2]
