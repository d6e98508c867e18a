"""When a case fails: what the failing cases around it have in common and the passing ones have not.

The cases around it are made from it and from those that turn out to fail, by changing one to three things at a time, so
that about half of them fail; and some are drawn at random, so that the conditions hold far away too. Where several
descriptions fit, cases are judged on which they differ.
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

# Cases tried beside those around a failure: drawn anywhere, and invalid ones.
DRAWN = 150
INVALID = 150
# Where others describe it nearly as well, so many cases more are looked at for such as tell them apart: for each other
# description a few, for all of them no more than that, and so often.
DOUBTED, TELLING, MOST_IN_DOUBT, ROUNDS = 1500, 3, 60, 3
# The data of so many cases that pass although they meet the description are tried on so many that fail, the smallest
# ones.
MOST_AT_ODDS, CLOSER = 4, 8
# Data can hide a fault: a case passes only if it passes with so many seeds. On the lattice what is bilinear in the data
# hides next to nothing (Schwartz and Zippel); a maximum can, and so can other data.
SEEDS, LATTICE_SEEDS = 5, 2
# To end in another way is another failure than to be wrong.
ENDINGS = frozenset({"raised", "crashed", "timed out"})
# Products and entries of arrays in a case, at the most: enough for 32 channels in and 32 out with a 5x5 kernel at 8
# places, or for 16 and 16 with a 13x13 kernel at 4. A larger case tells nothing more, and takes long.
MOST_WORK = 200_000
# So much, or so many times what the case to be explained takes, is small; of what is larger some is tried, but in all
# no more than that: it takes about as long as all that is small.
SMALL_WORK, TIMES_ORIGIN, ALL_LARGE = 10_000, 8, 4_000_000

BOTH_AXES = " on both axes"
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
    probes += closer(probes, subject, failure)
    # Cases are chosen on which descriptions differ, so they are also those in which it hides: they make none longer by
    # more than one condition.
    most = len(describe_when(probes).conditions) + 1
    for _ in range(ROUNDS):
        told = list(probed(cases_in_doubt(probes, most, stream), subject, failure, of_empty=case.problem.batch == 0))
        if not told:
            break
        probes += told
    return describe_when(probes, most)


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


def describe_when(probes: Sequence[Probe], most: int = MOST_CONDITIONS, /, **words: str) -> When:
    """The conditions, so many at most, that tell failing cases from passing ones; the first one is to be explained.

    `words` are those for failing and passing, if they are others.
    """
    failing = np.array([probe.fails for probe in probes])
    found = shortest([probe.cases for probe in probes], failing, most)
    counts = np.array([not probe.odd for probe in probes])
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


def closer(probes: Sequence[Probe], subject: Any, failure: Result) -> Iterator[Probe]:
    """Cases that tell whether it is the data by which some pass although they meet the best description.

    What sets such a case apart may be its layout, its fill or its dtype: these are tried on cases that fail.
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
    """Those of some cases that the subject wants and that show something."""
    for case in cases:
        found = probe(case, subject, failure, of_empty=of_empty) if wants(subject, case.problem, case.dtype) else None
        if found is not None:
            yield found


def cases_in_doubt(probes: Sequence[Probe], most: int, stream: Stream) -> list[Case]:
    """Cases on which the best description, of so many conditions at most, is at odds with others nearly as good."""
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
    # what is small comes first, and so is taken where it tells as much
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
        failures = [result for result in results if result.verdict in FAILING]
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
    axes = case.problem.axes
    plain = replace(case.problem, axes=(LEAST,) * len(axes))
    alone = (replace_axis(plain, side, axis) for side, axis in enumerate(axes))
    broken = [rule_of(replace(case, problem=problem)) == rule_of(case) for problem in (plain, *alone)]
    return not broken[0] and all(broken[1:])


def rules_met(case: Case) -> tuple[str, ...]:
    """The conditions that an invalid case meets: that it breaks its rule, and that it does so on both axes."""
    return (by_rule(case), by_rule(case) + BOTH_AXES)[: 1 + broken_on_both_axes(case)]


def rule_broken(case: Case, subject: Any, failure: Result) -> When:
    """An invalid problem fails by the rule that it breaks, so the others tried are invalid problems too."""
    drawn = [
        each for each in draw_invalid(case.problem.operator, 0, INVALID) if wants(subject, each.problem, each.dtype)
    ]
    probes = [found for each in [case, *drawn] if (found := probe(each, subject, failure)) is not None]
    rules = [rules_met(each.cases[0]) for each in probes]
    failing = np.array([each.fails for each in probes])
    # what names no rule costs nothing to say, and on both axes a bit more than the rule alone
    words = [(), *((text,) for text in rules_met(case))]
    met = np.array([[set(each) <= set(known) for known in rules] for each in words])
    bits = exceptions(met, failing) + np.array([0.0, log2(len(set(rules))), log2(len(set(rules))) + 1])[: len(words)]
    best = int(np.argmin(bits))
    return counted(words[best], met[best], failing)
