"""The sources whose cases do not depend on the subject, in the order in which a run takes them.

A further one is a file here and one line below, or an entry point of another package in the group ``convgate.sources``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from convgate.cases.case import Case
from convgate.plugins import Table
from convgate.problems.problem import Problem
from convgate.sources.blocks import block_cases
from convgate.sources.invalid import invalid_cases
from convgate.sources.large_options import large_option_cases
from convgate.sources.large_work import large_work_cases
from convgate.sources.networks import network_cases
from convgate.sources.profiles import PROFILES, Profile
from convgate.sources.whole_blocks import whole_block_cases

__all__ = ["SOURCES", "Source", "cases_of_every_run"]


@dataclass(frozen=True)
class Source:
    """Where cases come from.

    Parameters
    ----------
    name : str
        What it is called by.
    cases : callable
        Operator's name and profile to cases, each with the name of the layer of a network that it is of, or nothing.
    always : bool
        Whether they are judged whatever the profile, before those that cover combinations of shape classes.
    """

    name: str
    cases: Callable[[str, Profile], Iterable[tuple[Case, str]]]
    always: bool = False


def unnamed(cases: Iterable[Case]) -> Iterable[tuple[Case, str]]:
    """Cases that are no layers of networks."""
    return ((case, "") for case in cases)


def plain_case(operator: str) -> list[Case]:
    """One pixel and one tap, where an implementation may find that there is nothing to do."""
    return [Case(problem=Problem(operator=operator))]


SOURCES = Table(
    "convgate.sources",
    Source,
    (
        Source("plain", lambda operator, _: unnamed(plain_case(operator)), always=True),
        Source("invalid", lambda operator, _: unnamed(invalid_cases(operator)), always=True),
        Source("blocks", lambda operator, _: unnamed(block_cases(operator)), always=True),
        Source("networks", lambda name, profile: ((e.case, e.layer) for e in network_cases(name, profile.networks))),
        Source("whole blocks", lambda operator, profile: unnamed(whole_block_cases(operator, profile.rounds))),
        Source("large options", lambda operator, profile: unnamed(large_option_cases(operator, profile.rounds))),
        Source("large work", lambda operator, profile: unnamed(large_work_cases(operator, profile.large_work))),
    ),
)


def cases_of_every_run(operator: str) -> list[Case]:
    """What is judged whatever the seed and the profile."""
    smallest = PROFILES["smoke"]
    return [case for source in SOURCES.values() if source.always for case, _ in source.cases(operator, smallest)]
