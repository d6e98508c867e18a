"""Which mutants of our own implementation live through the gate.

Mutants are judged together, case by case in the order of the gate, and each only until a check finds it, so that all
of them take little longer than a few subjects.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from convgate.checks import CHECKS, judge_trial, primary_failure
from convgate.faults.mutants import Mutant, equivalents, mutants_of
from convgate.operators import OPERATORS
from convgate.qualify import Progressed
from convgate.runner import Plan, list_shards
from convgate.spec import format_spec
from convgate.subjects.isolation import Dead, Workers, open_workers
from convgate.subjects.loader import DEFAULT_SUBJECT, SubjectError, load_subject
from convgate.trial import Trial
from convgate.worker import Shard, cases_of, prepare

__all__ = ["Found", "Survey", "survey"]

# Where mutants are found by name.
SUBJECTS = mutants_of.__module__
# The first cases find most mutants: judged one at a time, so that all but a few are judged once or twice.
ALONE = 10
# Mutants of one task.
TOGETHER = 40
TOGETHER_SECONDS = 300.0
ONE_SECONDS = 20.0


@dataclass(frozen=True)
class Found:
    """The case and the check that find a mutant first; without them if it cannot be loaded, or kills its process."""

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
    found: dict[str, Found]
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
    def not_equivalent(self) -> list[Found]:
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
        A key of `convgate.profiles.PROFILES`.
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
    SubjectError
        If `impl` itself fails, so that nothing can be learnt from its mutants.
    """
    mutants, known = dict(mutants_of(DEFAULT_SUBJECT)), dict(equivalents())
    judged = [each for each in mutants.values() if everything or each.id not in known]
    found: dict[str, Found] = {}
    with open_workers(jobs, prepare, DEFAULT_SUBJECT) as workers:
        shards = []
        for operator in OPERATORS:
            plan = Plan(subject=DEFAULT_SUBJECT, operators=(operator,), profile=profile, seed=seed, jobs=jobs)
            shards.append(one_by_one(list_shards(workers, plan, (operator,))))
        # in turn, as what operators share is found by a few cases of one, and maybe by none of another
        in_turn = [shard for each in zip_longest(*shards) for shard in each if shard is not None]
        for done, shard in enumerate(in_turn, 1):
            living = [each.id for each in judged if shard.operator in each.operators and each.id not in found]
            found |= {each.mutant: each for each in judge_shard(workers, living, shard)}
            yield Progressed("judging", done, len(in_turn))
    yield Survey(profile, seed, mutants, found, known)


def one_by_one(shards: Sequence[Shard]) -> Iterator[Shard]:
    """The first cases apart."""
    first, *others = shards
    yield from (Shard(first.operator, specs=(spec,)) for spec in first.specs[:ALONE])
    yield Shard(first.operator, specs=first.specs[ALONE:])
    yield from others


def judge_shard(workers: Workers, names: Sequence[str], shard: Shard) -> Iterator[Found]:
    """Judge mutants on a shard, some at a time."""
    groups = [tuple(names[i : i + TOGETHER]) for i in range(0, len(names), TOGETHER)]
    futures = [workers.submit(first_findings, group, shard, seconds=TOGETHER_SECONDS) for group in groups]
    for group, future in zip(groups, futures, strict=True):
        answer = workers.answer(future)
        yield from judge_apart(workers, group, shard) if isinstance(answer, Dead) else answer


def judge_apart(workers: Workers, names: Sequence[str], shard: Shard) -> Iterator[Found]:
    """Judge mutants one by one, as one of them killed or blocked the process of all."""
    for name in names:
        answer = workers.call(first_findings, (name,), shard, seconds=ONE_SECONDS)
        yield from [Found(name, shard.operator)] if isinstance(answer, Dead) else answer


def first_findings(names: Sequence[str], shard: Shard) -> list[Found]:
    """What finds each of some mutants first among the cases of a shard: a worker's task."""
    found: dict[str, Found] = {}
    correct = load_subject(DEFAULT_SUBJECT)
    for case in cases_of(shard, correct):
        trial = Trial(case, correct)
        failure = primary_failure(judge_trial(trial))
        if failure is not None:
            raise SubjectError(f"{DEFAULT_SUBJECT} fails itself, in {failure.check}: {failure.message}")
        for name in names:
            if name not in found:
                finding = first_finding(name, trial)
                found |= {} if finding is None else {name: finding}
    return list(found.values())


def first_finding(name: str, trial: Trial) -> Found | None:
    """The first check that finds a mutant on the case of a trial."""
    try:
        other = trial.before(load_subject(f"{SUBJECTS}:{name}"))
    except SubjectError:
        return Found(name, trial.operator.name)
    for check in CHECKS:
        if primary_failure(judge_trial(other, [check])) is not None:
            return Found(name, trial.operator.name, check, format_spec(trial.case))
    return None
