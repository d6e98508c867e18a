"""When a case fails: what the failing cases around it have in common and the passing ones have not.

The cases around it are made from it and from those that turn out to fail, by changing one to three things at a time, so
that about half of them fail; and some are drawn at random, so that the conditions hold far away too. Where several
descriptions fit, cases are judged on which they differ. And each condition of the best is tried on cases that meet all
others, as data may have hidden the failure where it does not hold.
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
from convgate.judging.checks import OUTPUTS, judge
from convgate.judging.checks.outputs import judge_whatever_data
from convgate.judging.subjects.loader import wants
from convgate.judging.trial import Trial
from convgate.problems.operators.classes import axis_of, span_of
from convgate.problems.problem import PAIRS, with_axis
from convgate.results.failure import When
from convgate.results.verdicts import Result
from convgate.shapes.features import data_choices, vector_of
from convgate.shapes.space import Bools, Stream
from convgate.sources.fuzz import draw_cases, draw_invalid

__all__ = ["Probe", "around", "describe_when", "explained", "fails_when", "probe", "rule_of", "rules_met"]

# Cases tried beside those around a failure: drawn anywhere, and invalid ones.
DRAWN = 150
INVALID = 150
# Where others describe it nearly as well, so many cases more are looked at for such as tell them apart: for each other
# description a few, for all of them no more than that, and so often. What differs in one condition takes a few more.
DOUBTED, MORE_DOUBTED, TELLING, HIDING, MOST_IN_DOUBT, ROUNDS = 1000, 300, 3, 6, 60, 4
# So many passing cases are enough to say that a condition must hold.
ENOUGH = 20
# Of so many descriptions the thresholds are looked at, and of cases so many where results must be computed to tell.
MOST_RIVALS, MOST_WITH_DATA = 8, 300
# The data of so many cases that pass although they meet the description are tried on so many that fail, the smallest
# ones.
MOST_AT_ODDS, CLOSER = 4, 8
# So many seeds will do on the lattice for what is bilinear in the data, which hides next to nothing (Schwartz and
# Zippel). A maximum can, and so can other data.
LATTICE_SEEDS = 2
# To end in another way is another failure than to be wrong.
ENDINGS = frozenset({"raised", "crashed", "timed out"})
# Products and entries of arrays in a case, at the most: enough for 32 channels in and 32 out with a 5x5 kernel at 8
# places, or for 16 and 16 with a 13x13 kernel at 4. A larger case tells nothing more, and takes long.
MOST_WORK = 200_000
# So much, or so many times what the case to be explained takes, is small; of what is larger some is tried, but in all
# no more than that: it takes about as long as all that is small.
SMALL_WORK, TIMES_ORIGIN, ALL_LARGE = 10_000, 8, 4_000_000

BOTH_AXES = " on both axes"
# How a kernel does not fit where a division that rounds towards zero finds a place for it.
BY_LESS = "by less than the stride"
# What differs from one problem that breaks a rule to the next.
NUMBERS = re.compile(r" \([^)]*\)|, got .*")


@dataclass(frozen=True)
class Probe:
    """A case that was tried.

    Parameters
    ----------
    cases : tuple of Case
        With the data that it failed with, or all the data that it passed with.
    fails : bool
        Whether it failed.
    odd : bool
        Whether it was tried because it is like one at odds with a description: then it is not counted, as such cases
        are more often at odds with it than others.
    """

    cases: tuple[Case, ...]
    fails: bool
    odd: bool = False


def fails_when(case: Case, found: Case, subject: Any, failure: Result) -> When | None:
    """Find the conditions under which a subject fails as it does on a minimal case.

    Parameters
    ----------
    case, found : Case
        The minimal case, and the one that it comes from.
    subject : Any
        The code under test.
    failure : Result
        How it fails there.

    Returns
    -------
    When or None
        None if it does not fail so with any data that have a name.
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
    # Cases are chosen on which descriptions differ, so they are also those in which it hides: they make none longer by
    # more than one condition.
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
    """Which other failing cases a failure explains: those that meet its conditions, where it has any that say when.

    Parameters
    ----------
    when : When
        When it fails.
    case, found : Case
        Its minimal case, and the one that it comes from.
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
    """The conditions that tell failing cases from passing ones; the first one is to be explained.

    `words` are those for failing and passing, if they are others.
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
    """The conditions with how many cases meet them and how many of these fail."""
    return When(
        conditions=conditions,
        having=int(met.sum()),
        failing=int((met & failing).sum()),
        others=int((~met).sum()),
        passing=int((~met & ~failing).sum()),
        **words,
    )


def list_probes(first: Probe, subject: Any, failure: Result, stream: Stream) -> Iterator[Probe]:
    """Cases around one that fails; those that show nothing are left out."""
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
    """Products of a forward pass, and entries of the arrays."""
    return case.operator.work(case.problem) + sum(map(prod, case.operator.shapes(case.problem).values()))


def small_work(origin: Case) -> int:
    """What is small beside a case to be explained."""
    return min(MOST_WORK, max(SMALL_WORK, TIMES_ORIGIN * work_of(origin)))


def comparable(candidates: Iterable[Case], origin: Case) -> Iterator[Case]:
    """Those that can be described by their classes beside a case that fails, and are not too large."""
    small = small_work(origin)
    for each in candidates:
        # always of the same array, so that the class of the layout says all
        candidate = replace(each, laid_out=origin.laid_out if each.layout != "contiguous" else "")
        # what is invalid has none, and no work either
        if vector_of(candidate) is None:
            continue
        # beside huge data an error of another size is not seen, and of many numbers only those on the lattice are quick
        # to add up exactly
        if candidate.fill == "huge" != origin.fill or work_of(candidate) > small:
            candidate = replace(candidate, fill="lattice")
        if case_rule(candidate) is None and work_of(candidate) <= MOST_WORK:
            yield candidate


def closer(probes: Sequence[Probe], found: Conjunction, subject: Any, failure: Result) -> Iterator[Probe]:
    """Cases that tell whether it is the data by which some pass although they meet the best description.

    What sets such a case apart may be its layout, its fill or its dtype: these are tried on cases that fail. So are
    those that no case has that meets the description in all else.
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
    """Those of some cases that the subject wants and that show something."""
    for case in cases:
        found = probe(case, subject, failure, of_empty=of_empty) if wants(subject, case.problem, case.dtype) else None
        if found is not None:
            yield found


def parts_of(conditions: Sequence[str]) -> int:
    """How many conditions there are, two that are asked for on the same axis counted as two."""
    return sum(1 + text.endswith(" on the same axis") for text in conditions)


def candidates(probes: Sequence[Probe], found: Sequence[Conjunction], stream: Stream, count: int) -> dict[Case, None]:
    """Cases around those that fail, so many at random, and at the thresholds that descriptions name, by size."""
    origin = probes[0].cases[0]
    known = [each.cases[0] for each in probes if each.fails]
    texts = dict.fromkeys(chain.from_iterable(each.conditions for each in found[:MOST_RIVALS]))
    near = chain(
        chain.from_iterable(at_threshold(known[0], text) for text in texts),
        chain.from_iterable(map(varied, known[:1] + known[-2:])),
        around(known, stream, count),
    )
    # what is small comes first, and so is taken where it tells as much
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
    """The minimal case; with data that have a name in place of a few points; and the case that was found."""
    if case.fill != POINTS:
        yield case
    for fill in fills_of(case.problem.operator):
        for seed in (0, SEEDS):
            yield replace(case, fill=fill, points=(), seed=seed)
    if found.fill != POINTS:
        yield found


def probe(case: Case, subject: Any, failure: Result, *, of_empty: bool = False) -> Probe | None:
    """See whether a case fails in the same check, with whatever data; None if that check shows nothing of it.

    To raise is another failure than to be wrong; a wrong shape here and a wrong value there can well be the same. Where
    a failure without images is to be told (`of_empty`), those without images that do not fail do pass.
    """
    passing = []
    shown = {"passed", "vacuous"} if of_empty and case.problem.batch == 0 else {"passed"}
    bilinear = case.fill == "lattice" and not case.operator.chooses
    for seed in range(case.seed, case.seed + (LATTICE_SEEDS if bilinear else SEEDS)):
        candidate = replace(case, seed=seed)
        results = list(judge_again(candidate, subject, failure))
        failures = [result for result in results if result.verdict == "failed"]
        if any(ending(result) != ending(failure) for result in failures):
            return None
        if failures:
            return Probe((candidate,), fails=True)
        if any(result.verdict in shown for result in results):
            passing.append(candidate)
    return Probe(tuple(passing), fails=False) if passing else None


def ending(result: Result) -> str:
    """How a call ended that brought no result; empty if it brought one."""
    return result.symptom if result.symptom in ENDINGS else ""


def judge_again(case: Case, subject: Any, failure: Result) -> Iterable[Result]:
    """What the check that failed says of another case; what an oracle says of an output, also of special values."""
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
    """The condition that an invalid case breaks the rule that it does."""
    return f"the problem breaks the rule: {rule_of(case)}"


def broken_on_both_axes(case: Case) -> bool:
    """Whether an invalid problem breaks its rule with either axis alone, the other one being plain."""
    plain = with_axis(with_axis(case.problem, 0, **LEAST), 1, **LEAST)
    alone = (with_axis(case.problem, axis, **LEAST) for axis in (0, 1))
    rules = [rule_of(replace(case, problem=problem)) for problem in (*alone, plain)]
    return [rule == rule_of(case) for rule in rules] == [True, True, False]


def does_not_fit_by_less_than_the_stride(case: Case) -> bool:
    """Whether all that is wrong is that the kernel is larger than the padded input, nowhere by as much as a stride."""
    problem = case.problem
    axes = [axis_of(problem, axis) for axis in (0, 1)]
    if case.broken or min(min(axis.size, axis.kernel_size, axis.stride, axis.dilation) for axis in axes) < 1:
        return False
    rooms = [axis.size + 2 * axis.padding - span_of(axis) for axis in axes]
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
    for axis in (0, 1):
        near.append(with_axis(problem, axis, **LEAST))
        for name in (pair for pair in PAIRS if pair in case.operator.options):
            own = getattr(problem, name)[axis]
            near += [with_axis(problem, axis, **{name: value}) for value in (own + 1, own + 2, own - 1, 2 * own)]
    found = (replace(case, problem=each) for each in dict.fromkeys(near) if each != problem)
    yield from (
        each for each in found if case.operator.broken_rule(each.problem) is not None and case_rule(each) is None
    )


def rule_broken(case: Case, subject: Any, failure: Result) -> When:
    """An invalid problem fails by the rule that it breaks, so the others tried are invalid problems too."""
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
