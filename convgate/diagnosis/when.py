"""The conditions under which a case fails: those that the failing cases around it meet and the passing ones do not.

The cases around it are made from it and from others that fail, by one to three changes, so that about half of them
fail. Others are random, so that the conditions hold for distant cases too. If several descriptions fit, cases are
judged on which they differ. Each condition of the best is also tried on cases that meet all others, because data may
have hidden the failure where it does not hold.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, compress
from math import log2, prod
from typing import Any

import numpy as np

from convgate.cases.case import POINTS, Case, broken_rule, case_rule
from convgate.cases.fills import fills_of
from convgate.cases.spec import format_spec
from convgate.diagnosis.conditions import (
    MOST_CONDITIONS,
    Conjunction,
    exceptions,
    meets,
    met_by,
    ranked,
    same_so_far,
)
from convgate.diagnosis.data_conditions import SEEDS
from convgate.diagnosis.moves import LEAST
from convgate.diagnosis.neighbours import around, at_threshold, varied, whole_blocks
from convgate.diagnosis.repeats import REPEATABLE, repeated_calls
from convgate.judging.checks import OUTPUTS, judge_trial
from convgate.judging.checks.outputs import judge_whatever_data
from convgate.judging.subjects.loader import wants
from convgate.judging.subjects.remote import make_ahead, takes_several
from convgate.judging.trial import Trial
from convgate.problems.axis import with_options
from convgate.problems.problem import replace_axis
from convgate.results.failure import When
from convgate.results.verdicts import FAILING, Result
from convgate.shapes.features import data_choices, equal_pairs, vector_of
from convgate.shapes.space import Bools, Stream
from convgate.sources.fuzz import draw_cases, draw_invalid

__all__ = ["Probe", "around", "describe_when", "explained", "fails_when", "probe", "rule_of", "rules_met"]

# Number of cases tried in addition to those around a failure: random valid ones, and random invalid ones.
DRAWN = 150
INVALID = 150
# If rival descriptions are nearly as good: candidates among which to look for cases that distinguish them, at first and
# later; cases for each rival and for each condition, cases in all, and rounds.
DOUBTED, MORE_DOUBTED, TELLING, HIDING, MOST_IN_DOUBT, ROUNDS = 1000, 300, 3, 6, 60, 4
# So many passing cases are enough to say that a condition must hold.
ENOUGH = 20
# Number of descriptions whose thresholds are tried, and of cases if results must be computed to decide.
MOST_RIVALS, MOST_WITH_DATA = 8, 300
# Number of passing cases that meet the description whose data are tried on failing cases, and number of the latter.
MOST_AT_ODDS, CLOSER = 4, 8
# Number of seeds on the lattice for operators that are bilinear in the data: these almost never hide a fault (Schwartz
# and Zippel). Maxima and other data can.
LATTICE_SEEDS = 2
# Symptoms of calls without a result. They are other failures than wrong results.
ENDINGS = frozenset({"raised", "crashed", "timed out"})
# Most products and array entries of a case: enough for 32 input and 32 output channels with a 5x5 kernel at 8 output
# positions, or for 16 and 16 with a 13x13 kernel at 4. Larger cases take long and show no more.
MOST_WORK = 200_000
# Work up to the first number, or up to this many times that of the explained case, is small. The total work of larger
# cases is limited to the last number, which takes about as long as all small cases.
SMALL_WORK, TIMES_ORIGIN, ALL_LARGE = 10_000, 8, 4_000_000

BOTH_AXES = " on both axes"
# How a kernel does not fit where a division that rounds towards zero finds a place for it.
BY_LESS = "by less than the stride"
# The parts of a broken rule that differ between problems.
NUMBERS = re.compile(r" \([^)]*\)|, got .*")


@dataclass(frozen=True)
class Probe:
    """A case that was tried.

    Parameters
    ----------
    cases : tuple of Case
        The case with the data with which it failed, or with all data with which it passed.
    fails : bool
        Whether it failed.
    odd : bool
        Whether it was chosen because it resembles an exception to a description. It is then not counted, because such
        cases are exceptions more often than others.
    """

    cases: tuple[Case, ...]
    fails: bool
    odd: bool = False


def fails_when(case: Case, found: Case, subject: Any, failure: Result) -> When | None:
    """Find the conditions under which a subject fails as it does on a minimal case.

    Parameters
    ----------
    case, found : Case
        The minimal case, and the case as found.
    subject : Any
        The code under test.
    failure : Result
        The failure of the minimal case.

    Returns
    -------
    When or None
        None if it does not fail in this way with any named fill.
    """
    if broken_rule(case) is not None:
        return rule_broken(case, subject, failure)
    tried = (probe(each, subject, failure) for each in origins(case, found))
    first = next((each for each in tried if each is not None and each.fails), None)
    if first is None:
        return None
    stream = np.random.PCG64(np.random.SeedSequence(list(format_spec(case).encode())))
    probes = list(list_probes(first, subject, failure, stream))
    told = ranked_by(probes)
    more = list(closer(probes, told[0], subject, failure))
    if more:
        probes += more
        told = ranked_by(probes)
    # Cases on which descriptions differ are also more likely to hide the failure, so they may add only one condition.
    most = parts_of(told[0].conditions) + 1
    pool: dict[Case, None] = {}
    for number in range(ROUNDS):
        pool |= candidates(probes, told, stream, MORE_DOUBTED if number else DOUBTED)
        chosen = cases_in_doubt(probes, told, pool)
        more = list(probed(chosen, subject, failure, of_empty=case.problem.batch == 0))
        if not more:
            break
        probes += more
        told = ranked_by(probes, most)
    return described(probes, told[0])


def explained(when: When, case: Case, found: Case, others: Sequence[Case]) -> list[bool]:
    """Which other failing cases a failure explains: those that meet its conditions, if it has any.

    Parameters
    ----------
    when : When
        The conditions of the failure.
    case, found : Case
        Its minimal case, and the case as found.
    others : sequence of Case
        Cases of the same operator that fail in the same check.
    """
    if not when.conditions:
        return [when.failing == when.having] * len(others)
    if broken_rule(case) is not None:
        return [set(when.conditions) <= set(rules_met(other)) for other in others]
    known = [number for number, other in enumerate(others) if vector_of(other) is not None]
    for origin in origins(case, found):
        if vector_of(origin) is not None:
            met = meets(when.conditions, [origin, *(others[number] for number in known)])
            if met is not None:
                meeting = {number for number, holds in zip(known, met[1:], strict=True) if holds}
                return [number in meeting for number in range(len(others))]
    return [False] * len(others)


def describe_when(probes: Sequence[Probe], /, **words: str) -> When:
    """The conditions that separate failing from passing cases; the first case must meet them.

    `words` are other verbs for failing and passing.
    """
    return described(probes, ranked_by(probes)[0], **words)


def ranked_by(probes: Sequence[Probe], most: int = MOST_CONDITIONS) -> list[Conjunction]:
    """What describes best which cases fail, with so many conditions at most, and its rivals."""
    return ranked([each.cases for each in probes], np.array([each.fails for each in probes]), most)


def described(probes: Sequence[Probe], found: Conjunction, **words: str) -> When:
    """A conjunction with how many cases meet it, of those that count."""
    counts = np.array([not each.odd for each in probes])
    failing = np.array([each.fails for each in probes])
    return counted(found.conditions, found.met[counts], failing[counts], **words)


def counted(conditions: tuple[str, ...], met: Bools, failing: Bools, **words: str) -> When:
    """The conditions with the number of cases that meet them, of failing ones among these, and so on."""
    return When(
        conditions=conditions,
        having=int(met.sum()),
        failing=int((met & failing).sum()),
        others=int((~met).sum()),
        passing=int((~met & ~failing).sum()),
        **words,
    )


def list_probes(first: Probe, subject: Any, failure: Result, stream: Stream) -> Iterator[Probe]:
    """Cases around a failing one, without those that show nothing."""
    origin = first.cases[0]
    seen = {origin}
    known = [origin]
    yield first
    candidates = chain(
        whole_blocks(origin, stream), around(known, stream), draw_cases(origin.problem.operator, 0, 0, DRAWN, subject)
    )
    small, left = small_work(origin), ALL_LARGE
    for candidate in comparable(candidates, origin):
        work = work_of(candidate)
        if candidate in seen or work > max(small, left):
            continue
        seen.add(candidate)
        if not wants(subject, candidate.problem, candidate.dtype):
            continue
        left -= work if work > small else 0
        found = probe(candidate, subject, failure, of_empty=origin.problem.batch == 0)
        if found is not None:
            yield found
            if found.fails:
                known.append(candidate)


def work_of(case: Case) -> int:
    """Number of products of a forward pass, plus the number of array entries."""
    return case.operator.work(case.problem) + sum(map(prod, case.operator.shapes(case.problem).values()))


def small_work(origin: Case) -> int:
    """The work up to which a case counts as small, compared with the explained case."""
    return min(MOST_WORK, max(SMALL_WORK, TIMES_ORIGIN * work_of(origin)))


def comparable(candidates: Iterable[Case], origin: Case) -> Iterator[Case]:
    """The candidates that have classes, like the failing case, and are not too large."""
    small = small_work(origin)
    for each in candidates:
        # always lay out the same array, so that the class of the layout is sufficient
        candidate = replace(each, laid_out=origin.laid_out if each.layout != "contiguous" else "")
        # invalid cases have no classes, and no work either
        if vector_of(candidate) is None:
            continue
        # huge data would hide errors of other sizes, and only sums of lattice data are quick to compute exactly
        if candidate.fill == "huge" != origin.fill or work_of(candidate) > small:
            candidate = replace(candidate, fill="lattice")
        if case_rule(candidate) is None and work_of(candidate) <= MOST_WORK:
            yield candidate


def closer(probes: Sequence[Probe], found: Conjunction, subject: Any, failure: Result) -> Iterator[Probe]:
    """Cases that show whether passing cases that meet the best description pass because of their data.

    The difference may be the layout, the fill or the dtype, so these are tried on failing cases. So are those that no
    case has that meets the description in all else.
    """
    cases = [each.cases[0] for each in probes]
    origin = cases[0]
    failing = sorted((case for case, each in zip(cases, probes, strict=True) if each.fails), key=work_of)[:CLOSER]
    odd = [case for case, each, met in zip(cases, probes, found.met, strict=True) if met and not each.fails]
    at_odds = sorted(odd, key=work_of)[:MOST_AT_ODDS]
    tried = set(cases)
    for name, values in data_choices(origin.problem.operator).items():
        else_met = meets([text for text in found.conditions if f"{name} " not in text], cases)
        seen = {getattr(case, name) for case in compress(cases, else_met if else_met is not None else found.met)}
        left = [value for value in values if value not in seen]
        for value in dict.fromkeys([*(getattr(case, name) for case in at_odds), *left]):
            if value != getattr(origin, name):
                choice: dict[str, Any] = {name: value}
                others = comparable((replace(each, **choice) for each in failing), origin)
                new = [each for each in others if each not in tried]
                tried.update(new)
                for told in probed(new, subject, failure, of_empty=origin.problem.batch == 0):
                    yield replace(told, odd=True)


def probed(cases: Iterable[Case], subject: Any, failure: Result, *, of_empty: bool) -> Iterator[Probe]:
    """Try cases, without those that the subject does not support or that show nothing."""
    for case in cases:
        found = probe(case, subject, failure, of_empty=of_empty) if wants(subject, case.problem, case.dtype) else None
        if found is not None:
            yield found


def parts_of(conditions: Sequence[str]) -> int:
    """How many conditions there are, two that are asked for on the same axis counted as two."""
    return sum(1 + text.endswith(" on the same axis") for text in conditions)


def candidates(probes: Sequence[Probe], found: Sequence[Conjunction], stream: Stream, count: int) -> dict[Case, None]:
    """Cases around failing ones: `count` random ones, and those at the thresholds that descriptions name, by size."""
    origin = probes[0].cases[0]
    known = [each.cases[0] for each in probes if each.fails]
    texts = dict.fromkeys(chain.from_iterable(each.conditions for each in found[:MOST_RIVALS]))
    near = chain(
        chain.from_iterable(at_threshold(known[0], text) for text in texts),
        chain.from_iterable(map(varied, known[:1] + known[-2:])),
        around(known, stream, count),
    )
    # small cases first, so that they are preferred
    small = small_work(origin)
    return dict.fromkeys(sorted(comparable(near, origin), key=lambda each: work_of(each) > small))


def cases_in_doubt(probes: Sequence[Probe], found: Sequence[Conjunction], pool: Iterable[Case]) -> list[Case]:
    """Cases on which the best description is at odds with others nearly as good, or with itself but for a condition."""
    best, *rivals = found
    cases = [each.cases[0] for each in probes]
    tried = set(cases)
    same = [*best.alike, *same_so_far(best.conditions, cases)]
    wider = doubtful(best, cases, np.array([each.fails for each in probes]))
    if not (same or rivals or wider):
        return []
    left = [each for each in pool if each not in tried]
    if any(text.endswith(" in y") for each in found for text in each.conditions):
        left = left[:MOST_WITH_DATA]
    others = [*wider, *same, *(each.conditions for each in rivals)]
    says, *others_say = met_by([best.conditions, *others], [cases[0], *left])
    chosen: dict[int, None] = {}
    for number, other in enumerate(others_say):
        apart = np.flatnonzero(says != other)
        if number < len(wider):
            # the nearest and some of all others, as few of them may show it
            chosen |= dict.fromkeys([*apart[:TELLING].tolist(), *apart[:: 1 + len(apart) // HIDING].tolist()])
        elif not chosen.keys() & set(apart.tolist()):
            chosen |= dict.fromkeys(apart[:TELLING].tolist())
    return [left[number - 1] for number in list(chosen)[:MOST_IN_DOUBT]]


def doubtful(found: Conjunction, cases: Sequence[Case], failing: Bools) -> list[tuple[str, ...]]:
    """A description without one of its conditions, for each that may only be there because data hid what fails.

    That is so if few cases have been tried that meet all others, or if some of these fail.
    """
    words = found.conditions
    wider = [words[:place] + words[place + 1 :] for place in range(len(words))]
    left = [None if met is None else met & ~found.met for met in met_by(wider, cases)]
    return [
        each
        for each, out in zip(wider, left, strict=True)
        if out is not None and (out.sum() < ENOUGH or (out & failing).any())
    ]


def origins(case: Case, found: Case) -> Iterator[Case]:
    """The minimal case, the same problem with each named fill instead of points, and the case as found."""
    if case.fill != POINTS:
        yield case
    for fill in fills_of(case.problem.operator):
        for seed in (0, SEEDS):
            yield replace(case, fill=fill, points=(), seed=seed)
    if found.fill != POINTS:
        yield found


def probe(case: Case, subject: Any, failure: Result, *, of_empty: bool = False) -> Probe | None:
    """Try whether a case fails in the same check with any of several seeds; None if that check shows nothing.

    An exception is another failure than a wrong result, but a wrong shape and a wrong value can be the same failure.
    For failures with an empty batch (`of_empty`), cases with an empty batch that do not fail count as passing.
    """
    passing = []
    shown = {"passed", "vacuous"} if of_empty and case.problem.batch == 0 else {"passed"}
    bilinear = case.fill == "lattice" and not case.operator.chooses
    seeds = range(case.seed, case.seed + (LATTICE_SEEDS if bilinear else SEEDS))
    trials = [Trial(replace(case, seed=seed), subject) for seed in seeds]
    if is_of_output(failure) and takes_several(subject):
        make_ahead(subject, list(chain.from_iterable(trial.foreseen(failure.output) for trial in trials)))
    for trial in trials:
        candidate = trial.case
        results = list(judge_again(trial, failure))
        failures = [result for result in results if result.verdict in FAILING]
        if any(ending(result) != ending(failure) for result in failures):
            return None
        if failures:
            return Probe((candidate,), fails=True)
        if any(result.verdict in shown for result in results):
            passing.append(candidate)
    return Probe(tuple(passing), fails=False) if passing else None


def ending(result: Result) -> str:
    """The symptom of a call without a result; empty if it returned one."""
    return result.symptom if result.symptom in ENDINGS else ""


def is_of_output(failure: Result) -> bool:
    """Whether a failure is one of an output compared with an oracle."""
    direct = failure.check in OUTPUTS or failure.check == "special_values"
    return direct and not failure.relation.endswith(REPEATABLE)


def judge_again(trial: Trial, failure: Result) -> Iterable[Result]:
    """Results of the failed check on another case; for an output those of the oracles, also with special values."""
    if failure.relation.endswith(REPEATABLE):
        again = repeated_calls(trial.case, trial.subject, failure.relation)
        return [] if again is None else [again]
    if is_of_output(failure):
        result = judge_whatever_data(failure.output, trial)
        return [] if result is None else [result]
    return judge_trial(trial, [failure.check])


def rule_of(case: Case) -> str:
    """The rule that an invalid case breaks, without its numbers."""
    rule = broken_rule(case) or ""
    return NUMBERS.sub("", rule)


def by_rule(case: Case) -> str:
    """The condition, in words, that a case breaks the same rule as the given one."""
    return f"the problem breaks the rule: {rule_of(case)}"


def broken_on_both_axes(case: Case) -> bool:
    """Whether each axis of an invalid problem by itself breaks the rule, with the simplest options on the other one."""
    axes = case.problem.axes
    plain = replace(case.problem, axes=(LEAST,) * len(axes))
    alone = (replace_axis(plain, side, axis) for side, axis in enumerate(axes))
    broken = [rule_of(replace(case, problem=problem)) == rule_of(case) for problem in (plain, *alone)]
    return not broken[0] and all(broken[1:])


def does_not_fit_by_less_than_the_stride(case: Case) -> bool:
    """Whether all that is wrong is that the kernel is larger than the padded input, nowhere by as much as a stride."""
    axes = case.problem.axes
    if case.broken or min(min(axis.size, axis.kernel_size, axis.stride, axis.dilation) for axis in axes) < 1:
        return False
    rooms = [axis.padded_size - axis.span for axis in axes]
    return min(rooms) < 0 and all(-room < axis.stride for room, axis in zip(rooms, axes, strict=True))


def rules_met(case: Case) -> tuple[str, ...]:
    """The conditions that an invalid case meets: that it breaks its rule, and how."""
    found = [by_rule(case)]
    if broken_on_both_axes(case):
        found.append(by_rule(case) + BOTH_AXES)
    if does_not_fit_by_less_than_the_stride(case):
        found.append(BY_LESS)
    return tuple(found)


def invalid_near(case: Case) -> Iterator[Case]:
    """Invalid problems that differ from one in one option of one axis, in one count, or in being plain on one axis."""
    problem = case.problem
    if case.broken:
        return
    near = [replace(problem, **{name: getattr(problem, name) + 1}) for name in ("batch", "channels")]
    for side, axis in enumerate(problem.axes):
        near.append(replace_axis(problem, side, LEAST))
        for name in equal_pairs(case.operator.name):
            own = getattr(axis, name)
            others = (with_options(axis, **{name: value}) for value in (own + 1, own + 2, own - 1, 2 * own))
            near += [replace_axis(problem, side, other) for other in others]
    found = (replace(case, problem=each) for each in dict.fromkeys(near) if each != problem)
    yield from (
        each for each in found if case.operator.broken_rule(each.problem) is not None and case_rule(each) is None
    )


def rule_broken(case: Case, subject: Any, failure: Result) -> When:
    """The conditions for an invalid case: it fails by the rule that it breaks, so the other cases are invalid too."""
    drawn = draw_invalid(case.problem.operator, 0, INVALID)
    others = [each for each in dict.fromkeys([*invalid_near(case), *drawn]) if wants(subject, each.problem, each.dtype)]
    probes = [found for each in [case, *others] if (found := probe(each, subject, failure)) is not None]
    rules = [rules_met(each.cases[0]) for each in probes]
    failing = np.array([each.fails for each in probes])
    # what names no rule costs nothing to say, and how it is broken a bit more than the rule alone
    own = rules_met(case)
    how = [(text,) if text.startswith(own[0]) else (own[0], text) for text in own[1:]]
    words = [(), own[:1], *how]
    met = np.array([[set(each) <= set(known) for known in rules] for each in words])
    named = log2(len(set(rules)))
    bits = exceptions(met, failing) + np.array([0.0, named, named + 1, named + 1])[: len(words)]
    best = int(np.argmin(bits))
    return counted(words[best], met[best], failing)
