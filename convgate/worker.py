"""What worker processes do: judge shards of cases and minimise failures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from convgate.case import Case
from convgate.checks import CHECKS, Result, judge, primary_failure
from convgate.explain import picture
from convgate.failures import fingerprint
from convgate.minimize import complexity, minimize
from convgate.record import Tally
from convgate.sources.fuzz import draw_cases
from convgate.spec import format_spec, parse_spec
from convgate.subjects.loader import functions_of, load_subject, supports

__all__ = ["Found", "Shard", "cases_of", "fails_like", "judge_shard", "judge_spec", "minimize_group", "probe"]

# A group of failing cases is explored until so many in a row bring no failure that was not known.
NOTHING_NEW = 3


@dataclass(frozen=True)
class Shard:
    """Cases of one operator: `count` drawn ones, or those of the given specs."""

    operator: str
    seed: int = 0
    part: int = 0
    count: int = 0
    specs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """A minimised failure.

    Parameters
    ----------
    found, minimal : str
        Specs of the case as found and of the smallest one.
    result : Result
        What the check says of the smallest one.
    picture : str
        Its data, and what is expected and what came, as grids.
    """

    found: str
    minimal: str
    result: Result
    picture: str


def probe(subject_name: str) -> tuple[str, ...]:
    """Load a subject and tell which operators it has."""
    return functions_of(load_subject(subject_name))


def cases_of(shard: Shard, subject: Any) -> list[Case]:
    """The cases of a shard."""
    if shard.specs:
        given = [parse_spec(spec) for spec in shard.specs]
        return [case for case in given if supports(subject, case.problem)]
    return draw_cases(shard.operator, shard.seed, shard.part, shard.count, subject)


def judge_shard(subject_name: str, shard: Shard) -> Tally:
    """Judge the cases of a shard."""
    subject = load_subject(subject_name)
    tally = Tally()
    for case in cases_of(shard, subject):
        results = judge(case, subject)
        tally.add(shard.operator, format_spec(case), results, primary_failure(results))
    return tally


def specs_of(subject_name: str, shard: Shard) -> list[str]:
    """The specs of a shard's cases."""
    return [format_spec(case) for case in cases_of(shard, load_subject(subject_name))]


def judge_spec(subject_name: str, spec: str, checks: Sequence[str] = tuple(CHECKS)) -> tuple[Result, ...]:
    """Judge one case."""
    return judge(parse_spec(spec), load_subject(subject_name), checks)


def fails_like(case: Case, subject: Any, failure: Result) -> bool:
    """Whether a case fails first in the same check with the same symptom."""
    order = list(CHECKS)
    upto = order[: order.index(failure.check) + 1]
    primary = primary_failure(judge(case, subject, upto))
    return primary is not None and (primary.check, primary.symptom) == (failure.check, failure.symptom)


def plainest(case: Case, subject: Any, failure: Result) -> tuple[Case, Result]:
    """The same problem on plainer data, if it fails there in whatever way, and how; otherwise the case itself.

    A wrong index turns up as a wrong value on integers, as NaN in the wrong place on special values and as an
    inaccuracy on real data. It is one failure, and shows itself best on integers.
    """
    plain = replace(case, fill="lattice", points=())
    for twin in (replace(plain, layout="contiguous", dtype="f64"), replace(plain, layout="contiguous"), plain):
        if twin != case:
            primary = primary_failure(judge(twin, subject))
            if primary is not None:
                return twin, primary
    return case, failure


def minimize_group(subject_name: str, group: Sequence[tuple[str, Result]]) -> list[Found]:
    """Minimise failing cases that look alike until nothing new turns up."""
    subject = load_subject(subject_name)
    failing = [(parse_spec(spec), result) for spec, result in group]
    simplest = min(failing, key=lambda pair: complexity(pair[0]))
    found: dict[str, Found] = {}
    in_vain = 0
    for case, failure in [simplest, *(pair for pair in failing if pair is not simplest)]:
        start, result = plainest(case, subject, failure)
        least = minimize(start, lambda candidate, like=result: fails_like(candidate, subject, like)).case  # type: ignore[misc]
        primary = primary_failure(judge(least, subject)) or result
        known = fingerprint(subject_name, least, primary)
        in_vain = in_vain + 1 if known in found else 0
        if known not in found:
            found[known] = Found(format_spec(case), format_spec(least), primary, picture(least, subject, primary))
        if in_vain == NOTHING_NEW:
            break
    return list(found.values())
