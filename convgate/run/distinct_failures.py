"""From failing cases to distinct failures: each minimised, and with what is known of when it fails."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from convgate.cases.spec import parse_spec
from convgate.diagnosis.minimize import complexity
from convgate.diagnosis.reduce import Explored, Found, minimize_group
from convgate.diagnosis.store import fingerprint, make_failure
from convgate.diagnosis.when import explained
from convgate.problems.operators import OPERATORS
from convgate.results.failure import Failure, When
from convgate.results.picture import Picture
from convgate.results.record import JudgedCase, operator_of
from convgate.results.verdicts import DEATHS, NOT_DETERMINISTIC, Result
from convgate.run.chance import random_functions, without_random
from convgate.run.state_leaks import confirmed, paired
from convgate.run.tally import Tally
from convgate.run.tasks import when_known, when_of
from convgate.run.workers import Dead, Workers

__all__ = ["crash_of", "distinct_failures", "ends_like", "groups_of", "is_valid_crash"]

# For so many carried failures of one output a case is looked for that brings them about.
MOST_PAIRED = 2


def groups_of(tally: Tally) -> list[list[tuple[str, Result]]]:
    """Failing cases by operator and check, those whose worker died apart, in the order in which they were found."""
    groups: dict[tuple[str, str], list[tuple[str, Result]]] = defaultdict(list)
    for spec, result in tally.failing:
        kind = result.check if result.verdict == "failed" else result.verdict
        groups[spec.partition(":")[0], kind].append((spec, result))
    return list(groups.values())


@dataclass
class Group:
    """Failing cases of one operator and check while they are told apart.

    Parameters
    ----------
    failing : sequence of (str, Result)
        Spec and primary failure of each.
    left : sequence of (str, Result)
        Those of them that have not been minimised, and that no failure explains yet.
    told : dict
        The failures that have come of it, by fingerprint.
    """

    failing: Sequence[tuple[str, Result]]
    left: Sequence[tuple[str, Result]]
    told: dict[str, "Told"] = field(default_factory=dict)

    @property
    def hangs(self) -> bool:
        """Whether the calls of its cases do not come back, so that few can be made."""
        return self.failing[0][1].verdict == "timed_out"


@dataclass
class Told:
    """A failure, when it happens, and how many cases were looked at as one with it."""

    found: Found
    when: When | None = None
    cases: int = 0


def distinct_failures(
    workers: Workers,
    subject: str,
    groups: Sequence[Sequence[tuple[str, Result]]],
    judged: Sequence[JudgedCase],
) -> Iterator[tuple[Failure, Found]]:
    """Minimise groups of failing cases, round by round, until their failures explain them or nothing new turns up.

    Groups that come to the same minimum are one failure. What is random is reported first, once a function, and its
    cases are no part of that.

    Parameters
    ----------
    workers : Workers
        The processes.
    subject : str
        The code under test.
    groups : sequence of sequences of (str, Result)
        Failing cases, as `groups_of` gives them.
    judged : sequence of JudgedCase
        All cases of the run.

    Yields
    ------
    (Failure, Found)
        By operator, the simplest first.
    """
    told, steady = told_random(workers, subject, groups, judged)
    under_way = [Group(group, group) for group in steady]
    while under_way:
        new: dict[str, Told] = {}
        for group, several in explored(workers, subject, under_way):
            for found in several:
                key = fingerprint(subject, parse_spec(found.minimal), found.result)
                if key not in told:
                    told[key] = new[key] = Told(found)
                if key not in group.told:
                    group.told[key] = told[key]
                    told[key].cases += len(group.failing)
        confirm(workers, subject, list(new.values()))
        asked = [(each, asked_when(workers, subject, each.found, judged)) for each in new.values()]
        for each, future in asked:
            each.when = each.found.when if future is None else answered_when(workers, future, each.found, judged)
        under_way = [group for group in under_way if goes_on(group, new)]
    for each in distinct(workers, subject, sorted(told.values(), key=lambda each: simplicity(each.found)), judged):
        found = each.found
        failure = make_failure(
            subject,
            found.found,
            parse_spec(found.minimal),
            found.result,
            cases=each.cases,
            when=each.when,
            picture=found.picture,
            carried=found.carried,
            after=found.after,
        )
        yield failure, found


def told_random(
    workers: Workers, subject: str, groups: Sequence[Sequence[tuple[str, Result]]], judged: Sequence[JudgedCase]
) -> tuple[dict[str, Told], Sequence[Sequence[tuple[str, Result]]]]:
    """The failures of functions that are random, by fingerprint, and the groups without the cases that they explain."""
    random = random_functions(workers, subject, groups)
    if not random:
        return {}, groups
    steady = without_random(workers, subject, groups, random)
    asked = [(each.found, asked_when(workers, subject, each.found, judged)) for each in random]
    told = {}
    for found, future in asked:
        operator = operator_of(found.minimal)
        cases = sum(number_of(operator, each) for each in groups) - sum(number_of(operator, each) for each in steady)
        when = None if future is None else answered_when(workers, future, found, judged)
        told[fingerprint(subject, parse_spec(found.minimal), found.result)] = Told(found, when, cases)
    return told, steady


def number_of(operator: str, group: Sequence[tuple[str, Result]]) -> int:
    """How many cases of a group are of an operator."""
    return len(group) if operator_of(group[0][0]) == operator else 0


def explored(workers: Workers, subject: str, groups: Sequence[Group]) -> Iterator[tuple[Group, Sequence[Found]]]:
    """What is found among the cases that groups have left."""
    futures = [minimizing(workers, subject, group) for group in groups]
    for group, future in zip(groups, futures, strict=True):
        answer = workers.answer(future)
        if isinstance(answer, Dead):
            yield group, [] if group.told else [not_minimized(group, answer)]
            group.left = []
        else:
            yield group, answer.found
            group.left = [pair for pair in group.left if pair[0] not in answer.looked_at]


def minimizing(workers: Workers, subject: str, group: Group) -> Future[Explored]:
    """Start to minimise what a group has left."""
    roots = frozenset(each.found.root for each in group.told.values())
    return workers.submit(minimize_group, subject, group.left, roots, seconds=workers.limits.minimizing_seconds)


def not_minimized(group: Group, dead: Dead) -> Found:
    """The first case of a group as it was found, as minimising did not come to an end."""
    spec, result = group.failing[0]
    return Found(spec, spec, result, Picture(f"not minimised: {dead.message}", [], []))


def confirm(workers: Workers, subject: str, new: Sequence[Told]) -> None:
    """Mark the failures that a fresh process does not show; a call that does not come back is not waited for again."""
    asked = [each for each in new if each.found.result.verdict != "timed_out"]
    for each, found in zip(asked, confirmed(workers, subject, [each.found for each in asked]), strict=True):
        each.found = found


def goes_on(group: Group, new: Iterable[str]) -> bool:
    """Whether a group has cases left that none of its failures explains, after a round that brought a new one.

    Where the new ones are there only after other calls, or not always, so may be all others.
    """
    found = [
        each
        for key, each in group.told.items()
        if key in new and not each.found.carried and each.found.result.symptom != NOT_DETERMINISTIC
    ]
    if group.hangs or not found:
        return False
    for each in found:
        if each.when is not None:
            least, origin = parse_spec(each.found.minimal), parse_spec(each.found.found)
            met = explained(each.when, least, origin, [parse_spec(spec) for spec, _ in group.left])
            group.left = [pair for pair, known in zip(group.left, met, strict=True) if not known]
    return bool(group.left)


def distinct(workers: Workers, subject: str, told: Sequence[Told], judged: Sequence[JudgedCase]) -> Iterator[Told]:
    """Each failure once, by the first that shows it.

    What fails in the same output under the same conditions is one failure with several symptoms. So is what fails in
    the same output only after other calls, and what breaks a relation only then: what such a case shrinks to depends
    on these calls. And so is all of a function that is not deterministic, and a crash on invalid arguments that ends
    the process as one on valid ones does.
    """
    crashes = {crash_of(each.found.minimal, each.found.result) for each in told if is_valid_crash(each.found.result)}
    told = [each for each in told if not ends_like(each.found.minimal, each.found.result, crashes)]
    outputs = ((each.found.minimal, each.found.result.output) for each in reversed(told) if each.found.carried)
    carried = {operator_of(minimal): output for minimal, output in outputs if output}
    alike: dict[tuple[Any, ...], list[Told]] = defaultdict(list)
    for number, each in enumerate(told):
        result, operator = each.found.result, operator_of(each.found.minimal)
        what = result.output or (result.check if result.check == "invalid_arguments" else "")
        if each.found.carried:
            key: tuple[Any, ...] = (operator, result.output or carried.get(operator, ""))
        elif result.symptom == NOT_DETERMINISTIC:
            key = (operator, result.symptom, result.relation.partition(" ")[0])
        elif what and each.when is not None and each.when.conditions:
            key = (operator, what, each.when.conditions)
        else:
            key = (number,)
        alike[key].append(each)
    for several in alike.values():
        yield with_pair(workers, subject, several, judged) if several[0].found.carried else several[0]


def is_valid_crash(result: Result) -> bool:
    """Whether a subject crashed or hung on valid arguments."""
    return result.verdict in DEATHS and result.check != "invalid_arguments"


def crash_of(spec: str, result: Result) -> tuple[str, str]:
    """What tells one crash from others where no conditions do: the operator, and how the process ended."""
    return operator_of(spec), result.message


def ends_like(spec: str, result: Result, crashes: Collection[tuple[str, str]]) -> bool:
    """Whether a subject crashed on invalid arguments as it did on valid ones: the same bug will be behind it."""
    return result.verdict in DEATHS and not is_valid_crash(result) and crash_of(spec, result) in crashes


def with_pair(workers: Workers, subject: str, several: Sequence[Told], judged: Sequence[JudgedCase]) -> Told:
    """The first of some carried failures for which a case is found after which it is there; otherwise the first."""
    specs = [each.spec for each in judged if operator_of(each.spec) == operator_of(several[0].found.minimal)]
    pairs = (
        replace(each, found=found)
        for each in several[:MOST_PAIRED]
        if (found := paired(workers, subject, each.found, before(each.found.found, specs))) is not None
    )
    return next(pairs, several[0])


def before(spec: str, specs: Sequence[str]) -> Sequence[str]:
    """The specs before one of them."""
    return specs[: specs.index(spec)] if spec in specs else ()


def simplicity(found: Found) -> tuple[int, ...]:
    """The order in which failures are told: by operator, then by how simple the minimal case is."""
    case = parse_spec(found.minimal)
    return list(OPERATORS).index(case.problem.operator), *complexity(case)


def asked_when(
    workers: Workers, subject: str, found: Found, judged: Sequence[JudgedCase]
) -> Future[When | None] | None:
    """Start to find out when a subject fails; None where it does so only after other calls, as cases do not tell then.

    Where it hangs, what is known already has to do, as each further call could take as long.
    """
    if found.carried:
        return None
    if found.result.verdict == "timed_out":
        return asked_known(workers, found, judged)
    return workers.submit(when_of, subject, found, seconds=workers.limits.when_seconds)


def asked_known(workers: Workers, found: Found, judged: Sequence[JudgedCase]) -> Future[When | None]:
    """Start to find out when a subject crashes or hangs from what is known already."""
    operator = operator_of(found.minimal)
    known = {each.spec: each.verdict for each in judged if operator_of(each.spec) == operator}
    return workers.submit(when_known, found, known, seconds=workers.limits.when_seconds)


def answered_when(
    workers: Workers, future: Future[When | None], found: Found, judged: Sequence[JudgedCase]
) -> When | None:
    """When it fails; None if that was not found out in time.

    Where each crash costs a program's start, that can happen; then what is known already has to do.
    """
    answer = workers.answer(future)
    if isinstance(answer, Dead) and found.result.verdict in DEATHS:
        answer = workers.answer(asked_known(workers, found, judged))
    return None if isinstance(answer, Dead) else answer
