"""The conditions under which a case fails: those that the failing cases around it meet and the passing ones do not.

The cases around it are made from it and from others that fail, by one to three changes, so that about half of them
fail. Others are random, so that the conditions hold for distant cases too. If several descriptions fit, cases are
judged on which they differ.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import log2, prod
from typing import Any

import numpy as np

from convgate.cases.case import POINTS, Case, broken_rule, case_rule
from convgate.cases.fills import fills_of
from convgate.cases.spec import format_spec
from convgate.diagnosis.conditions import MOST_CONDITIONS, exceptions, meets, met_by, ranked, same_so_far, shortest
from convgate.diagnosis.moves import LEAST
from convgate.diagnosis.neighbours import around, varied, whole_blocks
from convgate.diagnosis.repeats import REPEATABLE, repeated_calls
from convgate.judging.checks import OUTPUTS, judge
from convgate.judging.checks.outputs import judge_whatever_data
from convgate.judging.subjects.loader import wants
from convgate.judging.trial import Trial
from convgate.problems.problem import replace_axis
from convgate.results.failure import When
from convgate.results.verdicts import FAILING, Result
from convgate.shapes.features import vector_of
from convgate.shapes.space import Bools, Stream
from convgate.sources.fuzz import draw_cases, draw_invalid

__all__ = ["Probe", "around", "describe_when", "explained", "fails_when", "probe", "rule_of", "rules_met"]

# Number of cases tried in addition to those around a failure: random valid ones, and random invalid ones.
DRAWN = 150
INVALID = 150
# If rival descriptions are nearly as good: candidates among which to look for cases that distinguish them, cases for
# each rival, cases in all, and rounds.
DOUBTED, TELLING, MOST_IN_DOUBT, ROUNDS = 1500, 3, 60, 3
# Number of passing cases that meet the description whose data are tried on failing cases, and number of the latter.
MOST_AT_ODDS, CLOSER = 4, 8
# Data can hide a fault, so a case passes only if it passes with this many seeds. On the lattice, functions that are
# bilinear in the data hide almost nothing (Schwartz and Zippel); a maximum and other data can.
SEEDS, LATTICE_SEEDS = 5, 2
# Symptoms of calls without a result. They are other failures than wrong results.
ENDINGS = frozenset({"raised", "crashed", "timed out"})
# Most products and array entries of a case: enough for 32 input and 32 output channels with a 5x5 kernel at 8 output
# positions, or for 16 and 16 with a 13x13 kernel at 4. Larger cases take long and show no more.
MOST_WORK = 200_000
# Work up to the first number, or up to this many times that of the explained case, is small. The total work of larger
# cases is limited to the last number, which takes about as long as all small cases.
SMALL_WORK, TIMES_ORIGIN, ALL_LARGE = 10_000, 8, 4_000_000

BOTH_AXES = " on both axes"
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
    probes += closer(probes, subject, failure)
    # Cases on which descriptions differ are also more likely to hide the failure, so they may add only one condition.
    most = len(describe_when(probes).conditions) + 1
    for _ in range(ROUNDS):
        told = list(probed(cases_in_doubt(probes, most, stream), subject, failure, of_empty=case.problem.batch == 0))
        if not told:
            break
        probes += told
    return describe_when(probes, most)


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


def describe_when(probes: Sequence[Probe], most: int = MOST_CONDITIONS, /, **words: str) -> When:
    """The conditions, at most `most`, that separate failing from passing cases; the first case must meet them.

    `words` are other verbs for failing and passing.
    """
    failing = np.array([probe.fails for probe in probes])
    found = shortest([probe.cases for probe in probes], failing, most)
    counts = np.array([not probe.odd for probe in probes])
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


def closer(probes: Sequence[Probe], subject: Any, failure: Result) -> Iterator[Probe]:
    """Cases that show whether passing cases that meet the best description pass because of their data.

    The difference may be the layout, the fill or the dtype, so these are tried on failing cases.
    """
    origin = probes[0].cases[0]
    found = shortest([each.cases for each in probes], np.array([each.fails for each in probes]))
    odd = [each.cases[0] for each, met in zip(probes, found.met, strict=True) if met and not each.fails]
    failing = sorted((each.cases[0] for each in probes if each.fails), key=work_of)[:CLOSER]
    tried = {each.cases[0] for each in probes}
    for case in sorted(odd, key=work_of)[:MOST_AT_ODDS]:
        for name in ("layout", "fill", "dtype"):
            choice: dict[str, Any] = {name: getattr(case, name)}
            if choice[name] != getattr(origin, name):
                others = comparable((replace(each, **choice) for each in failing), origin)
                new = [each for each in others if each not in tried]
                tried.update(new)
                for seen in probed(new, subject, failure, of_empty=origin.problem.batch == 0):
                    yield replace(seen, odd=True)


def probed(cases: Iterable[Case], subject: Any, failure: Result, *, of_empty: bool) -> Iterator[Probe]:
    """Try cases, without those that the subject does not support or that show nothing."""
    for case in cases:
        found = probe(case, subject, failure, of_empty=of_empty) if wants(subject, case.problem, case.dtype) else None
        if found is not None:
            yield found


def cases_in_doubt(probes: Sequence[Probe], most: int, stream: Stream) -> list[Case]:
    """Cases on which the best description, with at most `most` conditions, differs from others nearly as good."""
    cases = [each.cases for each in probes]
    best, *rivals = ranked(cases, np.array([each.fails for each in probes]), most)
    origin, tried = cases[0][0], {each[0] for each in cases}
    same = same_so_far(best.conditions, [origin, *tried])
    if not (same or rivals):
        return []
    known = [each.cases[0] for each in probes if each.fails]
    near = dict.fromkeys(
        comparable(chain(*map(varied, known[:1] + known[-2:]), around(known, stream, DOUBTED)), origin)
    )
    # small cases first, so that they are preferred
    small = small_work(origin)
    pool = sorted((each for each in near if each not in tried), key=lambda each: work_of(each) > small)
    says, *others = met_by([best.conditions, *same, *(each.conditions for each in rivals)], [origin, *pool])
    chosen: dict[int, None] = {}
    for other in others:
        apart = np.flatnonzero(says != other)
        if not chosen.keys() & set(apart.tolist()):
            chosen |= dict.fromkeys(apart[:TELLING].tolist())
    return [pool[number - 1] for number in list(chosen)[:MOST_IN_DOUBT]]


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
    for seed in range(case.seed, case.seed + (LATTICE_SEEDS if bilinear else SEEDS)):
        candidate = replace(case, seed=seed)
        results = list(judge_again(candidate, subject, failure))
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


def judge_again(case: Case, subject: Any, failure: Result) -> Iterable[Result]:
    """Results of the failed check on another case; for an output those of the oracles, also with special values."""
    if failure.relation.endswith(REPEATABLE):
        again = repeated_calls(case, subject, failure.relation)
        return [] if again is None else [again]
    if failure.check in OUTPUTS or failure.check == "special_values":
        result = judge_whatever_data(failure.output, Trial(case, subject))
        return [] if result is None else [result]
    return judge(case, subject, [failure.check])


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


def rules_met(case: Case) -> tuple[str, ...]:
    """The conditions that an invalid case meets: it breaks its rule, and possibly does so on both axes."""
    return (by_rule(case), by_rule(case) + BOTH_AXES)[: 1 + broken_on_both_axes(case)]


def rule_broken(case: Case, subject: Any, failure: Result) -> When:
    """The conditions for an invalid case: it fails by the rule that it breaks, so the other cases are invalid too."""
    drawn = [
        each for each in draw_invalid(case.problem.operator, 0, INVALID) if wants(subject, each.problem, each.dtype)
    ]
    probes = [found for each in [case, *drawn] if (found := probe(each, subject, failure)) is not None]
    rules = [rules_met(each.cases[0]) for each in probes]
    failing = np.array([each.fails for each in probes])
    # no condition costs nothing, and "on both axes" costs one bit more than the rule
    words = [(), *((text,) for text in rules_met(case))]
    met = np.array([[set(each) <= set(known) for known in rules] for each in words])
    bits = exceptions(met, failing) + np.array([0.0, log2(len(set(rules))), log2(len(set(rules))) + 1])[: len(words)]
    best = int(np.argmin(bits))
    return counted(words[best], met[best], failing)
