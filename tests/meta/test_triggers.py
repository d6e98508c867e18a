"""The triggers of the planted faults are true: outside of its own no fault shows, inside it does in nearly all cases.

A fault shows in a case if what its functions return, or do to their arguments, is not what the correct base returns and
does. Its cases lie around the smallest one that shows it and all over the place, and it is called on one after the
other, so that it carries along whatever it carries from call to call.

Of a fault that carries something along nobody can say on a case alone whether it shows; but outside of its trigger it
never does, whatever was called before. Not asked are faults that kill or block whoever calls them.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, lru_cache
from itertools import islice, product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from convgate.cases.case import Case, broken_rule, case_rule, invalid_calls, lay_out, values_of
from convgate.cases.fills import FILLS
from convgate.cases.lattice import step_of
from convgate.cases.rules import calls_of
from convgate.cases.spec import format_spec, parse_spec
from convgate.diagnosis.when import MOST_WORK, around, rules_met
from convgate.judging.compare import Bound, compare
from convgate.judging.determined import undetermined
from convgate.judging.trial import RAISED
from convgate.problems.operators import Array, Arrays, Call, perform
from convgate.problems.problem import replace_axis
from convgate.selftest import faults
from convgate.selftest.faults import CATALOGUE, Fault, subject_of
from convgate.selftest.qualify import functions_of, with_named_data
from convgate.selftest.triggers import meets_trigger
from convgate.shapes.features import vector_of
from convgate.sources.fuzz import draw_cases, draw_invalid

# Cases around the smallest one, cases drawn anywhere, and invalid ones.
NEAR, FAR, INVALID = 80, 80, 80
RULE = "the problem breaks the rule: "
ASKED = {name: fault for name, fault in CATALOGUE.items() if not fault.dies}
OF_ARGUMENTS = [name for name, fault in ASKED.items() if fault.when and fault.when[0].startswith(RULE)]
# What is carried from call to call, or comes out otherwise now and then: one case is not enough to show it.
STATE = {27, 38}
# In how many of the cases inside of its trigger a fault shows, at the least: nearly all, but for those with an empty
# batch or without a bias, with outputs that are all zero, and with as few places as do not tell. (Measured: 96 % at the
# median, 73 % at the least.) Where it takes certain numbers among the data, not many may have them: in classes 18
# and 33 (values that are not finite, or stand for them), 20 (ties) and 21 (what is tiny).
MOST_CASES, SOME_CASES = 0.7, 0.15
OF_VALUES = {18, 20, 21, 33}


@cache
def far(operator: str) -> list[Case]:
    """Cases all over the place."""
    return list(filter(is_asked, draw_cases(operator, 0, 0, FAR, faults.correct)))


@cache
def invalid(operator: str) -> list[Case]:
    """Cases that break a rule."""
    return draw_invalid(operator, 0, INVALID)


@cache
def sample(first: Case) -> list[Case]:
    """The case and others that have a class for every feature, none of them large."""
    near = filter(is_asked, islice(around([first], np.random.PCG64(0)), NEAR))
    others = (as_laid_out(first, each) for each in (*near, *far(first.problem.operator)))
    return [first, *(each for each in others if case_rule(each) is None)]


def as_laid_out(first: Case, case: Case) -> Case:
    """The layout is always that of the same array, so that its class says all."""
    return replace(case, laid_out=first.laid_out if case.layout != "contiguous" else "")


def is_asked(case: Case) -> bool:
    """Whether a case is not large, and has a class for every feature."""
    return vector_of(case) is not None and case.operator.work(case.problem) <= MOST_WORK


def answer(subject: SimpleNamespace, call: Call, arrays: Arrays) -> dict[str, Any] | str:
    """What a call returns, or the name of what it raises."""
    try:
        with np.errstate(all="ignore"):
            return perform(subject, call, arrays)
    except RAISED as error:
        return type(error).__name__


@lru_cache(maxsize=1024)
def truth(case: Case, function: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """The data, and what the base makes of them: many faults are asked for the same cases."""
    call = next(each for each in calls_of(case.problem) if each.function == function)
    values = values_of(case)
    return values, perform(faults.correct, call, values)


def shows(fault: Fault, subject: SimpleNamespace, case: Case) -> bool:
    """Whether one of the functions that a fault changes returns or does something else than the base."""
    return any(wrong(subject, case, call) for call in calls_of(case.problem) if call.function in functions_of(fault))


def wrong(subject: SimpleNamespace, case: Case, call: Call) -> bool:
    """Whether one call returns or does something else than that of the base."""
    with np.errstate(all="ignore"):
        values, right = truth(case, call.function)
    arrays = lay_out(values, case.layout, case.laid_out)
    found = answer(subject, call, arrays)
    if isinstance(found, str) or any(differ(case, call, name, found[name], right[name]) for name in call.outputs):
        return True
    returned = [each for each in found.values() if each is not None]
    kept = all(same(arrays[name], values[name]) for name in values)
    own = all(each.flags.writeable for each in returned)
    return not (kept and own) or any(np.shares_memory(a, b) for a in returned for b in arrays.values())


def finite(case: Case) -> bool:
    """Whether all data are."""
    return case.fill != "special" or all(np.isfinite(array).all() for array in values_of(case).values())


def same(left: Array, right: Array) -> bool:
    """Whether two arrays have the same shape, dtype and numbers: NaN for NaN, zeros of either sign."""
    return left.dtype == right.dtype and np.array_equal(left, right, equal_nan=True)


def differ(case: Case, call: Call, output: str, found: Any, right: Any) -> bool:
    """Whether an output is another: by half a step where results are multiples of a step, or by more than rounding.

    Both are off by gamma(n + 1) times the magnitude at most (docs/numerics.md), and so by gamma(2 n + 2) times it from
    each other (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., lemma 3.3); one rounding more makes up
    for those of the magnitude.
    """
    if right is None or type(found) is not np.ndarray:
        return found is not right
    either = None if finite(case) else undetermined(case.problem, values_of(case), output)
    if either is not None and found.shape == right.shape:
        # a number that is not finite meets padding there, so NaN is as right
        found, right = (np.where(either & (np.isnan(found) | np.isnan(right)), np.nan, each) for each in (found, right))
    if same(found, right):
        return False
    roundings = case.operator.roundings(case.problem)[output]
    if not roundings:
        return True
    if FILLS[case.fill].on_lattice:
        step = step_of(case.operator, case.dtype, case.fill, output)
        return compare(found, right, case.dtype, step=step) is not None
    magnitudes = {name: abs(array).astype(np.float64) for name, array in values_of(case).items()}
    bound = Bound(abs(perform(faults.correct, call, magnitudes)[output]), 2 * roundings + 2, case.dtype)
    return compare(found, right.astype(np.float64), case.dtype, bound) is not None


def told(fault: Fault) -> tuple[list[Case], Array]:
    """The smallest case that shows a fault, with data that have a name, and others; and who meets its trigger."""
    named = with_named_data(parse_spec(fault.spec))
    first = next((each for each in named if meets_trigger(fault.when, [each]) is not None), None)
    assert first is not None, f"no case like {fault.spec} meets {fault.when}: are these the words of conditions?"
    cases = sample(first)
    met = meets_trigger(fault.when, cases)
    assert met is not None
    return cases, met


def neighbours(case: Case) -> Iterator[Case]:
    """Cases that differ in the data, or in a size and an option: what is kept of one may be taken for the other's."""
    yield replace(case, seed=case.seed + 1)
    for more, side in product((-1, 0, 1), range(len(case.problem.axes))):
        axis = case.problem.axes[side]
        resized = replace(axis, size=axis.size + more)
        problem = replace_axis(case.problem, side, resized)
        for other in (
            problem,
            replace_axis(problem, side, replace(resized, dilation=axis.dilation + 1)),
            replace(problem, ceil_mode=not problem.ceil_mode),
            replace(problem, count_include_pad=not problem.count_include_pad),
        ):
            found = replace(case, problem=other)
            if min(other.size) > 0 and broken_rule(found) is case_rule(found) is None:
                yield found


def shows_after_another(fault: Fault, case: Case) -> bool:
    """Whether a fault shows in a case after the calls of a neighbour, and of nothing else."""
    for other in neighbours(case):
        subject = subject_of(fault)
        shows(fault, subject, other)
        if shows(fault, subject, case):
            return True
    return False


def shown(fault: Fault) -> tuple[list[str], float]:
    """The cases outside of its trigger in which a fault shows, and the share of those inside in which it does."""
    subject = subject_of(fault)
    cases, met = told(fault)
    outside, inside = [], []
    for case, meets_it in zip(cases, met, strict=True):
        it_shows = shows_after_another(fault, case) if fault.after else shows(fault, subject, case)
        if meets_it:
            inside.append(it_shows)
        elif it_shows:
            outside.append(format_spec(case))
    return outside, sum(inside) / len(inside)


@pytest.mark.parametrize("name", [name for name in ASKED if name not in OF_ARGUMENTS])
def test_a_fault_shows_inside_its_trigger_and_nowhere_else(name: str) -> None:
    fault = ASKED[name]
    outside, inside = shown(fault)
    assert outside == []
    least = SOME_CASES if fault.bug_class in OF_VALUES else MOST_CASES
    assert inside >= least or fault.bug_class in STATE
    assert inside > 0 or not fault.after


@pytest.mark.parametrize("when", ["stride_w > 1", "input_w > 1", "stride_w = 2", "layout contiguous"])
def test_a_trigger_that_leaves_something_out_is_found(when: str) -> None:
    outside, _ = shown(replace(CATALOGUE["conv2d_swaps_stride"], when=(when,)))
    assert outside


@pytest.mark.parametrize(
    ("name", "when"),
    [
        ("conv2d_swaps_stride", ()),
        ("conv2d_leaves_out_the_last_group", ()),
        ("conv2d_assigns_overlapping_gradients", ("kernel > 1 on either axis",)),
        ("avg_pool2d_ignores_the_override_without_count_include_pad", ()),
        ("max_pool2d_backward_aligns_windows_with_the_end", ()),
    ],
)
def test_a_trigger_that_takes_in_too_much_is_found(name: str, when: tuple[str, ...]) -> None:
    _, inside = shown(replace(CATALOGUE[name], when=when))
    assert inside < MOST_CASES


@pytest.mark.parametrize(
    ("name", "when"),
    [
        (
            "avg_pool2d_keeps_divisors_for_other_sizes",
            ("kernel > 1 and stride > 1 on the same axis", "ceil_mode", "count_include_pad", "no divisor_override"),
        ),
        ("im2col_keeps_output_sizes_for_other_dilations", ("kernel > 1 and dilation > 1 on the same axis",)),
    ],
)
def test_a_trigger_of_what_is_carried_along_is_found_if_it_is_not_true(name: str, when: tuple[str, ...]) -> None:
    outside, _ = shown(replace(CATALOGUE[name], when=when))
    assert outside


@pytest.mark.parametrize("name", OF_ARGUMENTS)
def test_a_fault_accepts_what_breaks_its_rule_and_no_other_and_computes_what_is_right(name: str) -> None:
    fault = ASKED[name]
    subject = subject_of(fault)
    assert [format_spec(case) for case in far(fault.operator) if shows(fault, subject, case)] == []
    broken = [parse_spec(fault.spec), *invalid(fault.operator)]
    accepted = [rules_met(case) for case in broken if not is_rejected(subject, case)]
    assert all(fault.when[0] in met for met in accepted)
    assert len({met[0] for met in accepted}) == 1


def is_rejected(subject: SimpleNamespace, case: Case) -> bool:
    """Whether all calls of an invalid case are rejected."""
    arrays = values_of(case)
    return all(answer(subject, call, arrays) in ("ValueError", "TypeError") for call in invalid_calls(case))


def test_nearly_all_triggers_are_asked() -> None:
    assert len(ASKED) >= 0.98 * len(CATALOGUE)
