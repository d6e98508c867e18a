"""What a subject leaves to chance is reported once for each of its functions, apart from what it does every time.

Where repeated calls on the same data differ, each failing case shows something else: no smallest one comes of it, nor
does it say anything of earlier calls. So before failures are minimised, some of each group are called again and again.
Of a function that is random the cases on which it is so, and those that do not fail again, are taken out; cases that
fail every time, and the same way, are not explained by that and stay.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from convgate.cases.case import Case
from convgate.cases.spec import format_spec, parse_spec
from convgate.diagnosis.explain import picture
from convgate.diagnosis.minimize import complexity, minimize
from convgate.diagnosis.reduce import Found
from convgate.diagnosis.repeats import CALLS, MORE_CALLS, REPEATABLE, repeated_calls
from convgate.judging.checks import judge
from convgate.judging.subjects.loader import load_subject, wants
from convgate.results.record import operator_of
from convgate.results.verdicts import NOT_DETERMINISTIC, Result
from convgate.run.workers import Dead, Workers

__all__ = ["Random", "random_functions", "without_random"]

# Failing cases of each group that are called again, the simplest ones.
MOST_CASES = 3
# A case of a random function must fail this often for its failure to count as a separate one.
TIMES = 3

Failing = tuple[str, Result]


@dataclass(frozen=True)
class Random:
    """A function whose results differ from call to call.

    Parameters
    ----------
    function : str
        Its name.
    found : Found
        A small case on which they do.
    """

    function: str
    found: Found


def concerned(case: Case, result: Result) -> list[str]:
    """The functions that a failing check calls."""
    calls = [make(case.problem) for make in (case.operator.forward, case.operator.backward) if make is not None]
    named = [call.function for call in calls if result.relation.startswith(f"{call.function} ")]
    if result.output:
        return [call.function for call in calls if result.output in call.outputs]
    return named if result.check == "purity" and named else [call.function for call in calls]


def is_random(case: Case, subject: Any, function: str, calls: int = CALLS) -> bool:
    """Whether repeated calls of a function on the data of a case differ."""
    result = repeated_calls(case, subject, f"{function} {REPEATABLE}", calls)
    return result is not None and result.symptom == NOT_DETERMINISTIC


def fails_again(case: Case, subject: Any, result: Result) -> bool:
    """Whether a case fails in the same check, and in the same way."""
    found = judge(case, subject, [result.check])
    return any((each.symptom, each.message) == (result.symptom, result.message) for each in found)


def find_random(subject_name: str, failing: Sequence[Failing]) -> list[tuple[str, str]]:
    """Functions that are random on failing cases, each with the spec of one."""
    subject = load_subject(subject_name)
    found: dict[str, str] = {}
    for spec, result in failing:
        case = parse_spec(spec)
        calls = CALLS if fails_again(case, subject, result) else MORE_CALLS
        for function in concerned(case, result):
            if function not in found and is_random(case, subject, function, calls):
                found[function] = spec
    return list(found.items())


def steady(subject_name: str, failing: Sequence[Failing], functions: frozenset[str]) -> list[Failing]:
    """The failing cases that have nothing to do with functions that are random, or fail every time in spite of them."""
    subject = load_subject(subject_name)
    kept = []
    for spec, result in failing:
        case = parse_spec(spec)
        random = [function for function in concerned(case, result) if function in functions]
        if not random or (
            all(fails_again(case, subject, result) for _ in range(TIMES))
            and not any(is_random(case, subject, function) for function in random)
        ):
            kept.append((spec, result))
    return kept


def smallest_random(subject_name: str, spec: str, function: str) -> Found | None:
    """The smallest case on which a function is random, from one on which it was; None if it was rarely so."""
    subject = load_subject(subject_name)

    def still_random(candidate: Case) -> bool:
        return wants(subject, candidate.problem, candidate.dtype) and is_random(candidate, subject, function)

    least = minimize(parse_spec(spec), still_random, data=False).case
    result = repeated_calls(least, subject, f"{function} {REPEATABLE}", MORE_CALLS)
    if result is None or result.symptom != NOT_DETERMINISTIC:
        return None
    return Found(spec, format_spec(least), result, picture(least, subject, result))


def random_functions(workers: Workers, subject: str, groups: Iterable[Sequence[Failing]]) -> list[Random]:
    """The functions of a subject that are random, each with the smallest case found on which it is so.

    Parameters
    ----------
    workers : Workers
        Processes that stay.
    subject : str
        The code under test.
    groups : sequence of sequences of (str, Result)
        Failing cases by operator and check.
    """
    asked = [
        workers.submit(find_random, subject, simplest(group), seconds=workers.limits.random_seconds)
        for group in groups
        if is_asked(group)
    ]
    found: dict[str, list[str]] = {}
    for future in asked:
        answer = workers.answer(future)
        for function, spec in [] if isinstance(answer, Dead) else answer:
            found.setdefault(function, []).append(spec)
    chosen = {function: min(specs, key=lambda spec: complexity(parse_spec(spec))) for function, specs in found.items()}
    small = {
        function: workers.submit(smallest_random, subject, spec, function, seconds=workers.limits.random_seconds)
        for function, spec in chosen.items()
    }
    least = []
    for function, asked_for in small.items():
        smallest = workers.answer(asked_for)
        if isinstance(smallest, Found):
            least.append(Random(function, smallest))
    return least


def without_random(
    workers: Workers, subject: str, groups: Iterable[Sequence[Failing]], random: Sequence[Random]
) -> list[list[Failing]]:
    """Failing cases by operator and check, but for those that random functions explain; no group stays empty."""
    functions = {operator_of(each.found.minimal): frozenset[str]() for each in random}
    for each in random:
        functions[operator_of(each.found.minimal)] |= {each.function}
    futures = [
        (group, workers.submit(steady, subject, group, functions[operator], seconds=workers.limits.random_seconds))
        if (operator := operator_of(group[0][0])) in functions and is_asked(group)
        else (group, None)
        for group in groups
    ]
    left = []
    for group, future in futures:
        if future is None:
            left.append(list(group))
            continue
        kept = workers.answer(future)
        left.append(list(group) if isinstance(kept, Dead) else kept)
    return [group for group in left if group]


def is_asked(group: Sequence[Failing]) -> bool:
    """Whether the cases of a group can be called again: they come back, and must not be rejected."""
    result = group[0][1]
    return result.verdict == "failed" and result.check != "invalid_arguments"


def simplest(group: Sequence[Failing]) -> list[Failing]:
    """The few simplest cases of a group."""
    return sorted(group, key=lambda pair: complexity(parse_spec(pair[0])))[:MOST_CASES]
