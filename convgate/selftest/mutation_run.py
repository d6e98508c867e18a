"""Judging the mutants of our own implementation with the gate.

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

# Subject names of the mutants and of the original. They run in the judge's process, to share the oracles' work.
SUBJECTS = f"{LOCAL}{mutants_of.__module__}"
ORIGINAL = f"{LOCAL}{DEFAULT_SUBJECT}"
# The first cases find most mutants. They are shards of their own, so that most mutants are judged only once or twice.
ALONE = 10


@dataclass(frozen=True)
class FoundBy:
    """The first case and check that find a mutant; both are empty if it cannot be loaded or its process dies."""

    mutant: str
    operator: str
    check: str = ""
    spec: str = ""


@dataclass(frozen=True)
class Survey:
    """The results of judging the mutants.

    Parameters
    ----------
    profile, seed
        Profile and seed of the gate.
    mutants : dict
        Id to mutant.
    found : dict
        Id to the first case and check, for mutants that do not survive.
    equivalents : dict
        Id to the reason, for mutants listed as equivalent.
    """

    profile: str
    seed: int
    mutants: dict[str, Mutant]
    found: dict[str, FoundBy]
    equivalents: dict[str, str]

    @property
    def as_known(self) -> bool:
        """Whether exactly the mutants listed as equivalent survive."""
        return not (self.survivors or self.not_equivalent or self.stale)

    @property
    def survivors(self) -> list[Mutant]:
        """Mutants that no check finds and that are not listed as equivalent."""
        return [each for each in self.mutants.values() if each.id not in self.found and each.id not in self.equivalents]

    @property
    def not_equivalent(self) -> list[FoundBy]:
        """Mutants that are listed as equivalent although a check finds them."""
        return [found for name, found in self.found.items() if name in self.equivalents]

    @property
    def stale(self) -> list[str]:
        """Ids that are listed as equivalent but no longer exist."""
        return [name for name in self.equivalents if name not in self.mutants]


def survey(*, profile: str, seed: int, jobs: int, everything: bool = False) -> Iterator[Progressed | Survey]:
    """Judge the mutants of `impl`.

    Parameters
    ----------
    profile : str
        A key of `convgate.sources.profiles.PROFILES`.
    seed : int
        Seed of the cases.
    jobs : int
        Number of worker processes.
    everything : bool
        Whether to judge mutants listed as equivalent too; each takes as long as a passing subject.

    Yields
    ------
    Progressed or Survey
        Progress, and finally the results.

    Raises
    ------
    CorrectFailsError
        If `impl` itself fails.
    """
    mutants, known = dict(mutants_of(DEFAULT_SUBJECT)), dict(equivalents())
    judged = [each for each in mutants.values() if everything or each.id not in known]
    found: dict[str, FoundBy] = {}
    with open_workers(jobs, prepare, ORIGINAL) as workers:
        shards = []
        for operator in OPERATORS:
            plan = Plan(subject=ORIGINAL, operators=(operator,), profile=profile, seed=seed, jobs=jobs)
            shards.append(one_by_one(list_shards(workers, plan, (operator,))))
        # alternate between operators, because a mutant in shared code may be found with one operator and not another
        in_turn = [shard for each in zip_longest(*shards) for shard in each if shard is not None]
        for done, shard in enumerate(in_turn, 1):
            living = [each.id for each in judged if shard.operator in each.operators and each.id not in found]
            found |= {each.mutant: each for each in judge_mutants(workers, living, shard)}
            yield Progressed("judging", done, len(in_turn))
    yield Survey(profile, seed, mutants, found, known)


def one_by_one(shards: Sequence[Shard]) -> Iterator[Shard]:
    """Split the first cases into shards of one case each."""
    first, *others = shards
    yield from (Shard(first.operator, specs=(spec,)) for spec in first.specs[:ALONE])
    yield Shard(first.operator, specs=first.specs[ALONE:])
    yield from others


def judge_mutants(workers: Workers, mutants: Sequence[str], shard: Shard) -> Iterator[FoundBy]:
    """Judge mutants on a shard; yield the first case and check that find each of them."""
    functions = frozenset(functions_of_protocol(shard.operator))
    groups = in_groups([Asked(f"{SUBJECTS}:{mutant}", functions, quick=True) for mutant in mutants])
    futures = [submit(workers, ORIGINAL, group, shard) for group in groups]
    for group, future in zip(groups, futures, strict=True):
        part = answered(workers, future, ORIGINAL, group, shard)
        yield from (FoundBy(mutant_of(subject), shard.operator) for subject in sorted(part.dead))
        for subject, findings in part.findings.items():
            yield from (FoundBy(mutant_of(subject), shard.operator, each.checks[0], each.spec) for each in findings)


def mutant_of(subject: str) -> str:
    """The id of the mutant with a subject name."""
    return subject.rpartition(":")[2]
