"""Large work: few cases, past the sizes at which algorithms change."""

from collections.abc import Callable
from math import prod

import pytest

import impl
from convgate.cases.case import Case, array_shapes, broken_rule, case_rule
from convgate.cases.spec import format_spec, parse_spec
from convgate.judging.checks import CHECKS, checks_for, judge
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem
from convgate.sources.large_work import large_work_cases
from convgate.sources.profiles import PROFILES, Extent

MOST = [case for operator in OPERATORS for case in large_work_cases(operator, Extent.MOST)]
ALL = [case for operator in OPERATORS for case in large_work_cases(operator, Extent.ALL)]


def test_the_quick_profile_has_none_and_that_of_pull_requests_six() -> None:
    assert PROFILES["smoke"].large_work is Extent.NONE
    assert all(large_work_cases(operator, Extent.NONE) == [] for operator in OPERATORS)
    assert PROFILES["pr"].large_work is Extent.MOST
    assert len(MOST) == 6
    assert set(MOST) < set(ALL)


@pytest.mark.parametrize("case", ALL, ids=format_spec)
def test_a_case_is_valid_and_fits_into_memory(case: Case) -> None:
    assert case_rule(case) is None
    assert broken_rule(case) is None
    assert parse_spec(format_spec(case)) == case
    assert case.operator.work(case.problem) <= 2 * 10**7
    assert max(map(prod, array_shapes(case.problem).values())) <= 2**23


def column_entries(problem: Problem) -> int:
    return problem.batch * problem.channels * problem.taps * problem.places


THRESHOLDS: dict[str, Callable[[Problem], bool]] = {
    "columns of 10**6 entries": lambda p: column_entries(p) >= 10**6,
    "256 channels in and out": lambda p: p.channels + p.out_channels >= 256,
    "2**16 images": lambda p: p.batch == 2**16,
    "70,000 images": lambda p: p.batch == 70_000,
    "more than 2**16 rows of an image": lambda p: p.size[0] > 2**16,
    "more than 2**16 rows of columns": lambda p: p.channels * p.taps > 2**16,
}


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_every_threshold_is_passed_by_one_of_the_six(threshold: str) -> None:
    assert any(THRESHOLDS[threshold](case.problem) for case in MOST)


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_has_many_images_and_large_columns_at_night(operator: str) -> None:
    problems = [case.problem for case in large_work_cases(operator, Extent.ALL)]
    assert max(problem.batch for problem in problems) >= 2**16
    assert max(map(column_entries, problems)) >= 10**6


def test_a_large_case_is_judged_by_the_checks_that_make_few_calls() -> None:
    few = {name for name, check in CHECKS.items() if check.few_calls}
    assert {"forward", "grad_input", "grad_weight", "grad_bias", "special_values", "adjoint"} <= few < set(CHECKS)
    large = parse_spec("conv2d:c64h14w14o64k3p1")
    assert checks_for(large) == few
    assert checks_for(parse_spec("conv2d:c4h7w7o4k3p1")) == frozenset(CHECKS)
    # what must be rejected is never large
    assert checks_for(parse_spec("conv2d:c64h14w14o64k3p1:broken@weight.rank")) == frozenset(CHECKS)


def test_the_checks_that_a_case_is_not_worth_are_not_made() -> None:
    case = parse_spec("im2col:c2048h12w12:f32")
    assert case.operator.work(case.problem) > 250_000

    class Counting:
        """Counts its calls."""

        calls = 0

        def im2col(self, x: object, kernel_size: object, **options: object) -> object:
            self.calls += 1
            return impl.im2col(x, kernel_size, **options)  # type: ignore[arg-type]

    subject = Counting()
    results = judge(case, subject, ["forward", "purity", "identity"])
    assert [result.check for result in results] == ["forward"]
    assert subject.calls == 1
