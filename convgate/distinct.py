"""From failing cases to distinct failures: each minimised, and with what is known of when it fails."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace

from convgate.case import Case, case_rule
from convgate.checks import Result
from convgate.coverage import operator_of
from convgate.explain import Picture
from convgate.failures import Failure, fingerprint, make_failure
from convgate.features import vector_of
from convgate.minimize import complexity, minimize
from convgate.operators import OPERATORS
from convgate.record import JudgedCase, Tally
from convgate.spec import format_spec, parse_spec
from convgate.subjects.isolation import Dead, Workers
from convgate.when import Probe, When, describe_when
from convgate.worker import Found, exercise, minimize_group, when_of

__all__ = ["EXERCISE_SECONDS", "distinct_failures", "groups_of"]

MINIMIZING_SECONDS = 300.0
WHEN_SECONDS = 120.0
# For the calls of one check, without oracles.
EXERCISE_SECONDS = 3.0
# Each candidate that hangs costs EXERCISE_SECONDS, so a minimum found within so many of them must do.
MOST_DEAD_CANDIDATES = 30
# What a subject does that does not come back.
DEATHS = {"crashed": "crashes", "timed_out": "hangs"}


def groups_of(tally: Tally) -> list[list[tuple[str, Result]]]:
    """Failing cases by operator and check, those whose worker died apart, in the order in which they were found."""
    groups: dict[tuple[str, str], list[tuple[str, Result]]] = defaultdict(list)
    for spec, result in tally.failing:
        kind = result.check if result.verdict == "failed" else result.verdict
        groups[spec.partition(":")[0], kind].append((spec, result))
    return list(groups.values())


def distinct_failures(
    workers: Workers, subject: str, groups: Sequence[Sequence[tuple[str, Result]]], judged: Sequence[JudgedCase]
) -> Iterator[tuple[Failure, Found]]:
    """Minimise each group; groups that come to the same minimum are one failure."""
    futures = [
        None if is_dead(group) else workers.submit(minimize_group, subject, group, seconds=MINIMIZING_SECONDS)
        for group in groups
    ]
    collected: dict[str, tuple[Found, int]] = {}
    for group, future in zip(groups, futures, strict=True):
        several = (
            minimize_dead(workers, subject, group, judged) if future is None else minimized(workers, group, future)
        )
        for found in several:
            key = fingerprint(subject, parse_spec(found.minimal), found.result)
            first, cases = collected.get(key, (found, 0))
            collected[key] = (first, cases + len(group))
    simplest_first = sorted(collected.values(), key=lambda pair: simplicity(pair[0]))
    asked = [(found, cases, asked_when(workers, subject, found)) for found, cases in simplest_first]
    known: set[tuple[str, str, tuple[str, ...]]] = set()
    for found, cases, future_when in asked:
        least = parse_spec(found.minimal)
        when = found.when if future_when is None else answered_when(workers, future_when)
        # what fails in the same output under the same conditions is one failure with several symptoms
        what = found.result.output or (found.result.check if found.result.check == "invalid_arguments" else "")
        trigger = (least.problem.operator, what, when.conditions if when else ())
        if trigger[1] and trigger[2] and trigger in known:
            continue
        known.add(trigger)
        failure = make_failure(subject, found.found, least, found.result, cases=cases, when=when, picture=found.picture)
        yield failure, found


def simplicity(found: Found) -> tuple[int, ...]:
    """The order in which failures are told: by operator, then by how simple the minimal case is."""
    case = parse_spec(found.minimal)
    return list(OPERATORS).index(case.problem.operator), *complexity(case)


def asked_when(workers: Workers, subject: str, found: Found) -> Future[When | None] | None:
    """Start to find out when a subject fails; None where it would not come back, so that other cases must tell."""
    if found.result.verdict != "failed":
        return None
    return workers.submit(when_of, subject, found, seconds=WHEN_SECONDS)


def answered_when(workers: Workers, future: Future[When | None]) -> When | None:
    """When it fails; None if that was not found out in time."""
    answer = workers.answer(future)
    return None if isinstance(answer, Dead) else answer


def minimized(workers: Workers, group: Sequence[tuple[str, Result]], future: Future[list[Found]]) -> list[Found]:
    """The failures of a group; its first case as it was found if minimising did not come to an end."""
    answer = workers.answer(future)
    if isinstance(answer, Dead):
        spec, result = group[0]
        return [Found(spec, spec, result, Picture(f"not minimised: {answer.message}", [], []), None)]
    return answer


def is_dead(group: Sequence[tuple[str, Result]]) -> bool:
    """Whether the cases of a group killed or blocked their worker."""
    return group[0][1].verdict != "failed"


def minimize_dead(
    workers: Workers, subject: str, group: Sequence[tuple[str, Result]], judged: Sequence[JudgedCase]
) -> list[Found]:
    """Minimise the simplest case that kills or blocks its worker, each candidate in a task of its own.

    When it does is told from the candidates on the way and from the cases of the run, as each more costs a process.
    """
    found, result = min(group, key=lambda pair: complexity(parse_spec(pair[0])))
    deaths = 0
    tried: dict[Case, bool] = {}

    def still_dead(candidate: Case) -> bool:
        nonlocal deaths
        if deaths >= MOST_DEAD_CANDIDATES or case_rule(candidate) is not None:
            return False
        answer = workers.call(exercise, subject, format_spec(candidate), result.check, seconds=EXERCISE_SECONDS)
        deaths += isinstance(answer, Dead)
        tried[candidate] = isinstance(answer, Dead) and answer.verdict == result.verdict
        return tried[candidate]

    case = parse_spec(found)
    plain = replace(case, fill="lattice", points=(), seed=0, layout="contiguous", dtype="f64")
    least = minimize(plain if still_dead(plain) else case, still_dead, data=False).case
    if result.check == "special_values" and least.fill == "lattice":
        result = replace(result, check="forward", output="y")
    nothing = Picture("The process did not come back, so there is nothing to show.", [], [])
    operator = least.problem.operator
    came_back = {"passed", "failed", "vacuous", "oracles_disagree"}
    tried |= {
        parse_spec(each.spec): each.verdict == result.verdict
        for each in judged
        if operator_of(each.spec) == operator and each.verdict in {result.verdict, *came_back}
    }
    others = [Probe((case,), fails=dead) for case, dead in tried.items() if case != least and vector_of(case)]
    words = {"fails": DEATHS[result.verdict], "passes": "comes back"}
    when = describe_when([Probe((least,), fails=True), *others], **words) if vector_of(least) else None
    return [Found(found, format_spec(least), result, nothing, when)]
