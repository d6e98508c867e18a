"""What a run judges, and in which order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from convgate.cases.case import Case
from convgate.cases.spec import parse_spec
from convgate.judging.subjects.loader import SubjectError
from convgate.problems.operators import OPERATORS
from convgate.results.record import MAX_UNSUPPORTED
from convgate.run.limits import Limits
from convgate.run.shards import Shard, as_they_are, shards_of, shards_of_cases
from convgate.run.tasks import covering_specs
from convgate.run.workers import Dead, Workers
from convgate.sources.profiles import PROFILES, SHARD
from convgate.sources.table import SOURCES, Source

__all__ = ["Plan", "list_shards"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run of the gate is asked to do.

    Parameters
    ----------
    subject : str
        ``module`` or ``module:attribute``.
    operators : tuple of str
        To judge; empty for all that the subject has.
    profile : str
        A key of `convgate.sources.profiles.PROFILES`.
    seed : int
        Of the cases.
    jobs : int
        Worker processes.
    reports : Path
        Folder for failures; its corpus is judged too.
    max_unsupported : float
        How many percent of an operator's cases the subject may refuse by NotImplementedError.
    limits : Limits
        Of time and number.
    """

    subject: str
    operators: tuple[str, ...] = ()
    profile: str = "pr"
    seed: int = 0
    jobs: int = 1
    reports: Path = field(default_factory=lambda: Path("reports"))
    max_unsupported: float = MAX_UNSUPPORTED
    limits: Limits = field(default_factory=Limits)


def list_shards(workers: Workers, plan: Plan, operators: Sequence[str], given: Sequence[Case] = ()) -> list[Shard]:
    """All cases of a run, the plain and most telling ones first, and random ones last.

    First those given; then those of every run, what covers all combinations of shape classes, and what the other
    sources have. The covering cases are small and differ most, so that failures are found sooner and by smaller cases.
    """
    # the search for them takes longest, so it is the first thing that workers get
    covered = covering(workers, plan, operators)
    always = [source for source in SOURCES.values() if source.always]
    others = [source for source in SOURCES.values() if not source.always]
    return [
        *as_they_are(shards_of_cases(given, operators)),
        *shards_of_sources(plan, always, operators),
        *covering_shards(workers, plan, covered),
        *shards_of_sources(plan, others, operators),
        *shards_of_profile(plan, operators),
    ]


def shards_of_sources(plan: Plan, sources: Iterable[Source], operators: Sequence[str]) -> Iterator[Shard]:
    """The cases of some sources, source by source, each by operator and without those that come twice."""
    for source in sources:
        for operator in operators:
            cases = source.cases(operator, PROFILES[plan.profile])
            own = ((case, layer) for case, layer in cases if case.problem.operator == operator)
            yield from shards_of(operator, dict.fromkeys(own))


def covering(workers: Workers, plan: Plan, operators: Sequence[str]) -> dict[str, Future[tuple[str, ...]]]:
    """Have workers find cases that cover all feasible pairs or triples of shape classes, as the profile says."""
    strength, seconds = PROFILES[plan.profile].strength, workers.limits.covering_seconds
    return {
        operator: workers.submit(covering_specs, plan.subject, operator, strength, plan.seed, seconds=seconds)
        for operator in operators
    }


def covering_shards(workers: Workers, plan: Plan, found: Mapping[str, Future[tuple[str, ...]]]) -> list[Shard]:
    """The cases that they have found, by operator."""
    shards: list[Shard] = []
    for operator, future in found.items():
        specs = workers.answer(future)
        if isinstance(specs, Dead):
            raise SubjectError(f"subject {plan.subject!r}: its supports() did not come back ({specs.message})")
        shards += shards_of_cases([parse_spec(spec) for spec in specs], [operator])
    return shards


def shards_of_profile(plan: Plan, operators: Sequence[str]) -> Iterator[Shard]:
    """Random cases, as many as the profile says."""
    for operator in operators:
        for part in range(PROFILES[plan.profile].shards(OPERATORS[operator].weight)):
            yield Shard(operator, plan.seed, part, SHARD)
