"""A description of a failure in words and grids that fit on one screen."""

from typing import Any

import numpy as np

from convgate.cases.case import POINTS, Case
from convgate.diagnosis.grids import grid
from convgate.judging.checks import OUTPUTS
from convgate.judging.compare import describe
from convgate.judging.trial import Trial
from convgate.problems.operators import Array, Call, source_of
from convgate.results.picture import Picture
from convgate.results.verdicts import Result

__all__ = ["headline", "picture", "wrong_output"]

# The most points that a headline names.
MOST_NAMED = 4


def headline(case: Case, result: Result) -> str:
    """One sentence with the data, the expected and the actual value; or the message of the check."""
    if result.symptom == "accepted invalid" or not result.place:
        return result.message
    named = [point for point in case.points if matters(point.array, result.output)]
    if case.fill != POINTS or not 0 < len(named) <= MOST_NAMED:
        return result.message
    data = " and ".join(f"{p.array}[{','.join(map(str, p.index))}] = {describe(p.value)}" for p in named)
    return f"{data} must give {result.place} = {result.expected}, got {result.actual}"


def matters(array: str, output: str) -> bool:
    """Whether an output depends on an array; for example, grad_weight does not depend on weight."""
    unused = {
        "y": {"grad_output"},
        "grad_weight": {"weight", "bias"},
        "grad_bias": {"x", "weight", "bias"},
        "grad_input": {"bias"},
    }
    return array not in unused.get(output, set())


def wrong_output(case: Case, subject: Any, result: Result) -> tuple[Array, Array] | None:
    """Expected and actual array of the output that failed; None if there are no two arrays to show."""
    if result.check not in OUTPUTS and result.check != "special_values":
        return None
    trial = Trial(case, subject)
    call = trial.call_producing(result.output)
    if call is None or trial.rule is not None:
        return None
    outcome = trial.outcome(call)
    expected = trial.expected(call).get(result.output)
    actual = outcome.outputs[result.output] if outcome.outputs is not None else None
    if expected is None or type(actual) is not np.ndarray:
        return None
    return np.asarray(expected), actual


def picture(case: Case, subject: Any, result: Result) -> Picture:
    """The call, its data, and the expected and actual output with the wrong entry marked."""
    if result.verdict == "timed_out":
        return Picture("The call did not come back, so there is nothing to show.", [], [])
    trial = Trial(case, subject)
    inside = result.place[result.place.index("[") + 1 : -1] if result.place else ""
    marked = tuple(int(i) for i in inside.split(",")) if inside else None
    # purity is a property of one function, and concerns only the arrays that it takes
    taken = call_in_question(case, result).arguments if result.check == "purity" else tuple(trial.values)
    names = [name for name in trial.values if matters(name, result.output) and name in taken]
    outputs = []
    pair = wrong_output(case, subject, result)
    if pair is not None:
        expected, actual = pair
        fits = marked if expected.shape == actual.shape else None
        outputs = [grid(f"expected {result.output}", expected, fits), grid(f"actual {result.output}", actual, fits)]
    data = [grid(name, trial.values[name], first_point(case, name)) for name in names]
    return Picture(setting(case, result), data, outputs)


def setting(case: Case, result: Result) -> str:
    """The failing call, and anything unusual about its arrays."""
    call = call_in_question(case, result)
    unusual = ["float32"] if case.dtype == "f32" else []
    unusual += [f"{case.layout} {case.laid_out or 'arrays'}"] if case.layout != "contiguous" else []
    return source_of(call).removeprefix("subject.") + "".join(f", {each}" for each in unusual)


def call_in_question(case: Case, result: Result) -> Call:
    """The call that returns the failed output, or that of the function that the relation names, or the forward call."""
    operator = case.operator
    calls = [make(case.problem) for make in (operator.forward, operator.backward) if make is not None]
    if result.output:
        return next((call for call in calls if result.output in call.outputs), calls[0])
    return next((call for call in calls if result.relation.startswith(f"{call.function} ")), calls[0])


def first_point(case: Case, name: str) -> tuple[int, ...] | None:
    """Index of the first point of an array; None if the case has no points in it."""
    return next((point.index for point in case.points if point.array == name), None)
