"""What a run judges, and in which order."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from convgate.cases.case import Case
from convgate.cases.spec import parse_spec
from convgate.judging.subjects.loader import SubjectError
from convgate.problems.problem import Problem
from convgate.results.record import MAX_UNSUPPORTED
from convgate.run.runner import COVERING_SECONDS
from convgate.run.shards import Shard, as_they_are, shards_of, shards_of_cases
from convgate.run.tasks import covering_specs
from convgate.run.workers import Dead, Workers
from convgate.sources.blocks import block_cases
from convgate.sources.invalid import invalid_cases
from convgate.sources.large_options import large_option_cases
from convgate.sources.large_work import large_work_cases
from convgate.sources.networks import network_cases
from convgate.sources.profiles import PROFILES, SHARD
from convgate.sources.whole_blocks import whole_block_cases

__all__ = ["Plan", "cases_of_every_run", "list_shards"]


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
    """

    subject: str
    operators: tuple[str, ...] = ()
    profile: str = "pr"
    seed: int = 0
    jobs: int = 1
    reports: Path = field(default_factory=lambda: Path("reports"))
    max_unsupported: float = MAX_UNSUPPORTED


def shards_of_networks(plan: Plan, operators: Sequence[str]) -> Iterator[Shard]:
    """The layers of real networks, as many cases of each as the profile says."""
    for operator in operators:
        cases = network_cases(operator, PROFILES[plan.profile].networks)
        yield from shards_of(operator, dict.fromkeys((each.case, each.layer) for each in cases))


def list_shards(workers: Workers, plan: Plan, operators: Sequence[str], given: Sequence[Case] = ()) -> list[Shard]:
    """All cases of a run, the plain and most telling ones first, and random ones last.

    First those given; then those of every run, what covers all combinations of shape classes, the layers of networks,
    whole blocks and large options, and much work. The covering cases are small and differ most: what they show is told
    by a smaller case, and sooner.
    """
    profile = PROFILES[plan.profile]
    # the search for them takes longest, so it is the first thing that workers get
    covered = covering(workers, plan, operators)
    always = [case for name in operators for case in cases_of_every_run(name)]
    jointly = [case for name in operators for case in joint_cases(name, profile.rounds)]
    large = [case for name in operators for case in large_work_cases(name, profile.large_work)]
    return [
        *as_they_are(shards_of_cases(given, operators)),
        *shards_of_cases(always, operators),
        *covering_shards(workers, plan, covered),
        *shards_of_networks(plan, operators),
        *shards_of_cases(jointly, operators),
        *shards_of_cases(large, operators),
        *shards_of_profile(plan, operators),
    ]


def cases_of_every_run(operator: str) -> list[Case]:
    """What is judged whatever the seed and the profile: the plainest case, what must be rejected, the edges of blocks.

    One pixel and one tap are where an implementation may find that there is nothing to do.
    """
    return [Case(problem=Problem(operator=operator)), *invalid_cases(operator), *block_cases(operator)]


def joint_cases(operator: str, rounds: int) -> list[Case]:
    """Whole blocks and tails, and large options, each together with all others."""
    return [*whole_block_cases(operator, rounds), *large_option_cases(operator, rounds)]


def covering(workers: Workers, plan: Plan, operators: Sequence[str]) -> dict[str, Future[tuple[str, ...]]]:
    """Have workers find cases that cover all feasible pairs or triples of shape classes, as the profile says."""
    strength = PROFILES[plan.profile].strength
    return {
        operator: workers.submit(covering_specs, plan.subject, operator, strength, plan.seed, seconds=COVERING_SECONDS)
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
        for part in range(PROFILES[plan.profile].shards.get(operator, 0)):
            yield Shard(operator, plan.seed, part, SHARD)
