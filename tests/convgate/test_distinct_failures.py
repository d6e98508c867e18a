"""Failures that are one are told once."""

from typing import TYPE_CHECKING, Any, cast

import pytest

from convgate.diagnosis.reduce import Found
from convgate.results.failure import When
from convgate.results.picture import Picture
from convgate.results.verdicts import NOT_DETERMINISTIC, Result
from convgate.run.distinct_failures import Told, distinct

if TYPE_CHECKING:
    from convgate.run.workers import Workers

NO_WORKERS = cast("Workers", None)  # no failure here is carried, so that none is looked for in a fresh process


def told(minimal: str, *, when: When | None = None, **fields: Any) -> Told:
    result = Result("forward", "failed", **{"symptom": "wrong value", **fields})
    return Told(Found(minimal, minimal, result, Picture("", [], [])), when)


def specs_told(*several: Told) -> list[str]:
    return [each.found.minimal for each in distinct(NO_WORKERS, "impl", several, [])]


def test_what_is_not_deterministic_is_told_once_a_function() -> None:
    """Which case shows it is chance, and so is what its smallest case looks like."""
    several = [
        told(spec, symptom=NOT_DETERMINISTIC, relation=f"{function} keeps its inputs, its results and its answer")
        for spec, function in [
            ("conv2d", "conv2d"),
            ("conv2d:w2", "conv2d_backward"),
            ("conv2d:w3", "conv2d"),
            ("conv2d:w4", "conv2d_backward"),
            ("max_pool2d", "max_pool2d"),
        ]
    ]
    assert specs_told(*several) == ["conv2d", "conv2d:w2", "max_pool2d"]


@pytest.mark.parametrize(
    ("output", "conditions", "expected"),
    [
        ("y", ("stride_h > 1",), ["conv2d"]),
        ("y", ("stride_w > 1",), ["conv2d", "conv2d:w2"]),
        ("grad_input", ("stride_h > 1",), ["conv2d", "conv2d:w2"]),
    ],
    ids=["alike", "under other conditions", "in another output"],
)
def test_what_fails_in_one_output_under_the_same_conditions_is_one_failure(
    output: str, conditions: tuple[str, ...], expected: list[str]
) -> None:
    def when(conditions: tuple[str, ...]) -> When:
        return When(conditions=conditions, having=9, failing=9, others=9, passing=9)

    first = told("conv2d", output="y", when=when(("stride_h > 1",)))
    second = told("conv2d:w2", output=output, symptom="wrong shape", when=when(conditions))
    assert specs_told(first, second) == expected
