"""Reduction of the failing cases of one operator and check to the smallest ones that fail in the same ways."""

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from convgate.cases.case import Case, case_rule
from convgate.cases.fills import FILLS, fills_of
from convgate.cases.spec import format_spec, parse_spec
from convgate.diagnosis.explain import picture
from convgate.diagnosis.minimize import complexity, minimize
from convgate.diagnosis.store import fingerprint
from convgate.diagnosis.when import rule_of
from convgate.judging.checks import CHECKS, OUTPUTS, judge, relations_of
from convgate.judging.subjects.loader import load_subject, takes, wants
from convgate.judging.subjects.remote import hurried
from convgate.results.failure import When
from convgate.results.picture import Picture
from convgate.results.verdicts import DEATHS, Result, primary_failure

__all__ = ["Explored", "Found", "minimize_group", "plainest", "smallest"]

# Symptoms that depend on the values of the data and not only on the shapes.
ABOUT_VALUES = {"wrong value", "inaccurate", "NaN mismatch"}

# Number of other seeds tried to find a case on which an oracle shows what a relation has found.
OTHER_SEEDS = 8

# Most crashes and hangs while minimising a case: each costs a process, or the time limit of a call.
MOST_DEATHS = {"crashed": 300, "timed_out": 20}
# While minimising a case that hangs, a call counts as hanging after this share of the usual time.
HURRY = 0.2

# A group of failing cases is explored until this many in a row give no new failure.
NOTHING_NEW = 3


@dataclass(frozen=True)
class Found:
    """A minimised failure.

    Parameters
    ----------
    found, minimal : str
        Specs of the case as found and of the smallest one.
    result : Result
        The result of the check on the smallest case.
    picture : Picture
        The picture of the smallest case.
    when : When or None
        The conditions under which it fails, if they are known already.
    root : str
        Fingerprint of the smallest case if minimising may change the symptom.
    carried : bool
        Whether the smallest case passes in a fresh process, so that earlier calls make it fail.
    after : str
        If so, the spec of a case after whose calls it fails, if one is known.
    tried : tuple of (str, bool)
        Specs of the cases tried while minimising, and whether they failed too.
    """

    found: str
    minimal: str
    result: Result
    picture: Picture
    when: When | None = None
    root: str = ""
    carried: bool = False
    after: str = ""
    tried: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True)
class Explored:
    """The result of exploring a group of failing cases: the failures found, and the specs of the minimised cases."""

    found: tuple[Found, ...]
    looked_at: tuple[str, ...]


def plain_fills(operator: str) -> list[str]:
    """The plain fills of an operator, the plainest first, without sparse data, on which little can show."""
    return [
        fill.name for fill in FILLS.values() if fill.exact and fill.name != "sparse" and fill.name in fills_of(operator)
    ]


def plainest(case: Case, subject: Any, failure: Result) -> tuple[Case, Result]:
    """The same problem on plainer data and its failure, if it fails there in any way; otherwise the case itself.

    A wrong index appears as a wrong value on integers, as a misplaced NaN on special values, as an inaccuracy on real
    data, or as a violated identity on data that do not show it directly. These are one failure, which is clearest on
    integers, in the checks that compare with the oracles.
    """
    plain = [replace(case, fill=fill, points=()) for fill in plain_fills(case.problem.operator)]
    rowwise = [replace(each, layout="contiguous", laid_out="") for each in plain]
    for twin in (*(replace(each, dtype="f64") for each in rowwise), *rowwise, *plain):
        usable = twin != case and case_rule(twin) is None and takes(subject, twin.dtype)
        primary = primary_failure(judge(twin, subject)) if usable else None
        if primary is not None:
            return with_direct_failure(twin, subject, primary)
    return with_direct_failure(case, subject, failure)


def with_direct_failure(case: Case, subject: Any, failure: Result) -> tuple[Case, Result]:
    """A case on which an oracle shows the failure, if only a relation shows it on this one.

    A relation calls the subject on other data and on other problems too: without padding, with a single image or
    group. If the fault lies there, it is best shown there.
    """
    relations = relations_of(failure.check)
    if relations is not None and not relations.any_step:
        also = [problem for relation in relations.each(case) for problem in relation.also]
        for problem in dict.fromkeys([case.problem, *also]):
            for seed in range(OTHER_SEEDS):
                candidate = replace(case, problem=problem, seed=seed, fill="lattice", points=())
                usable = case_rule(candidate) is None and wants(subject, problem, candidate.dtype)
                primary = primary_failure(judge(candidate, subject, OUTPUTS)) if usable else None
                if primary is not None:
                    return candidate, primary
    return case, failure


def minimize_group(
    subject_name: str, group: Sequence[tuple[str, Result]], known: frozenset[str] = frozenset()
) -> Explored:
    """Minimise failing cases of one operator and check until no new failures appear.

    One fault can cause a wrong shape in one case and a wrong value in another. So minimal cases are grouped by their
    root, the smallest case if minimising may change the symptom, and the simplest case of each group is reported.

    Parameters
    ----------
    subject_name : str
        The code under test.
    group : sequence of (str, Result)
        Spec and primary failure of each case.
    known : set of str
        Roots of known failures, which are not reported again.
    """
    subject = load_subject(subject_name)
    failing = [(parse_spec(spec), result) for spec, result in group]
    by_simplicity = sorted(failing, key=lambda pair: complexity(pair[0]))
    hangs = failing[0][1].verdict == "timed_out"
    # the simplest case of each symptom, so that none is missed, then all others
    first = list({result.symptom: (case, result) for case, result in reversed(by_simplicity)}.values())
    others = [pair for pair in failing if pair not in first]
    found: dict[str, list[Found]] = {}
    seen: set[str] = set()
    looked_at = []
    in_vain = 0
    for number, (case, failure) in enumerate(by_simplicity[:1] if hangs else [*first, *others]):
        looked_at.append(format_spec(case))
        tried: dict[Case, bool] = {}
        least, result = smallest(*plainest(case, subject, failure), subject, tried=tried)
        key = fingerprint(subject_name, least, result)
        old = key in seen
        if not old:
            seen.add(key)
            dies = result.verdict in DEATHS
            root = key if dies else fingerprint(subject_name, *smallest(least, result, subject, any_symptom=True))
            old = root in known or root in found
            if root not in known:
                shown = picture(least, subject, result)
                known_cases = tuple((format_spec(each), fails) for each, fails in tried.items()) if dies else ()
                minimal = format_spec(least)
                each = Found(looked_at[-1], minimal, result, shown, root=root, tried=known_cases)
                found.setdefault(root, []).append(each)
        in_vain = in_vain + 1 if old else 0
        if in_vain >= NOTHING_NEW and number >= len(first):
            break
    simplest = (min(several, key=lambda each: complexity(parse_spec(each.minimal))) for several in found.values())
    return Explored(tuple(simplest), tuple(looked_at))


def smallest(
    case: Case, failure: Result, subject: Any, *, any_symptom: bool = False, tried: dict[Case, bool] | None = None
) -> tuple[Case, Result]:
    """The minimal case that fails like this one, and its failure.

    Parameters
    ----------
    case, failure : Case, Result
        The failing case and its failure.
    subject : Any
        The code under test.
    any_symptom : bool
        Whether the symptom may change within the same check.
    tried : dict or None
        If given, it is filled with the cases tried and whether they fail.
    """
    deaths = Counter[str]()
    upto = list(CHECKS)[: list(CHECKS).index(failure.check) + 1]
    data = failure.symptom in ABOUT_VALUES

    def still_fails(candidate: Case) -> bool:
        if not wants(subject, candidate.problem, candidate.dtype):
            return False
        if any(deaths[verdict] >= most for verdict, most in MOST_DEATHS.items()):
            return False
        primary = primary_failure(judge(candidate, subject, upto))
        deaths[primary.verdict if primary is not None else "passed"] += 1
        fails = (
            primary is not None
            and primary.check == failure.check
            # an invalid problem must keep breaking the same rule
            and rule_of(candidate) == rule_of(case)
            and (any_symptom or primary.symptom == failure.symptom)
        )
        if tried is not None:
            tried[candidate] = fails
        return fails

    hangs = failure.verdict == "timed_out"
    with hurried(subject, HURRY) if hangs else nullcontext():
        least = minimize(case, still_fails, data=data and not hangs).case
    if hangs and primary_failure(judge(least, subject, upto)) is None:
        # it was slow for another reason
        return case, failure
    return least, primary_failure(judge(least, subject, upto)) or failure
