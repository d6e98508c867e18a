"""Shards: the cases of one task, as few words or numbers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from convgate.cases.case import Case, broken_rule, case_rule
from convgate.cases.dtypes import DTYPES
from convgate.cases.spec import format_spec, parse_spec
from convgate.judging.subjects.loader import takes, wants
from convgate.sources.fuzz import draw_cases
from convgate.sources.profiles import SHARD

__all__ = [
    "Shard",
    "as_they_are",
    "cases_of",
    "held_by",
    "planned_cases",
    "shards_of",
    "shards_of_cases",
]

# Terms of the forward passes of a task: of larger cases fewer go into one, so that tasks take about as long.
MOST_SHARD_WORK = 5_000_000


@dataclass(frozen=True)
class Shard:
    """Cases of one operator: `count` drawn ones, or those of the given specs.

    Parameters
    ----------
    operator : str
        Name of the operator.
    seed, part, count : int
        Of random cases.
    specs : tuple of str
        The others.
    layers : tuple of str
        The layer of a network that each of these is of, if they are of some.
    work : int
        Terms that their forward passes add up together, where that is no small matter.
    any_dtype : bool
        Whether those that are in a dtype that the subject does not take are judged in one that it does.
    done : int
        How many of the cases have been judged.
    """

    operator: str
    seed: int = 0
    part: int = 0
    count: int = 0
    specs: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    work: int = 0
    any_dtype: bool = False
    done: int = 0

    @property
    def layer_of(self) -> dict[str, str]:
        """The layer of a network by spec, in every dtype, where the cases are of some."""
        return {
            format_spec(replace(parse_spec(spec), dtype=dtype)): layer
            for spec, layer in zip(self.specs, self.layers, strict=bool(self.layers))
            for dtype in DTYPES
        }


def cases_of(shard: Shard, subject: Any) -> list[Case]:
    """The cases of a shard that have not been judged."""
    return all_cases_of(shard, subject)[shard.done :]


def all_cases_of(shard: Shard, subject: Any) -> list[Case]:
    """The cases of a shard."""
    if shard.specs:
        given = [parse_spec(spec) for spec in shard.specs]
        if shard.any_dtype:
            held = (held_by(case, subject) for case in given)
            given = [case for case in held if case_rule(case) is None]
        return [case for case in given if wants(subject, case.problem, case.dtype)]
    return draw_cases(shard.operator, shard.seed, shard.part, shard.count, subject)


def held_by(case: Case, subject: Any) -> Case:
    """The case, or the same in a dtype that the subject takes, whose lattice it need not fit."""
    if takes(subject, case.dtype):
        return case
    return replace(case, dtype=next((dtype for dtype in DTYPES if takes(subject, dtype)), case.dtype))


def planned_cases(shard: Shard) -> int:
    """How many cases a shard is expected to have left."""
    return (len(shard.specs) or shard.count) - shard.done


def shards_of_cases(cases: Sequence[Case], operators: Sequence[str]) -> Iterator[Shard]:
    """Cases by operator, without those that come twice."""
    for operator in operators:
        yield from shards_of(operator, dict.fromkeys((case, "") for case in cases if case.problem.operator == operator))


def as_they_are(shards: Iterable[Shard]) -> Iterator[Shard]:
    """Cases that somebody gave: where the subject does not take the dtype, nothing else is judged in their place."""
    return (replace(shard, any_dtype=False) for shard in shards)


def shards_of(operator: str, cases: Iterable[tuple[Case, str]]) -> Iterator[Shard]:
    """Cases of one operator with the layers that they are of: so many a shard, or fewer where they are large."""
    some: list[tuple[str, str]] = []
    work = 0
    for case, layer in cases:
        each = case.operator.work(case.problem) if broken_rule(case) is None else 0
        if some and (len(some) == SHARD or work + each > MOST_SHARD_WORK):
            yield shard_of(operator, some, work)
            some, work = [], 0
        some.append((format_spec(case), layer))
        work += each
    if some:
        yield shard_of(operator, some, work)


def shard_of(operator: str, cases: Sequence[tuple[str, str]], work: int) -> Shard:
    """A shard of specs and the layers that they are of, with the work that they come to."""
    specs, layers = zip(*cases, strict=True)
    return Shard(operator, specs=specs, layers=layers if any(layers) else (), work=work, any_dtype=True)
