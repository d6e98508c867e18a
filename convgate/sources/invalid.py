"""Cases that every implementation must reject: each rule on each axis and on both, whatever the seed."""

from collections.abc import Iterator
from dataclasses import replace

from convgate.cases.case import Case, array_shapes
from convgate.cases.dtypes import DTYPES
from convgate.cases.rules import invalid_problems_near, invalid_problems_on_both_axes, rules_of
from convgate.problems.axis import make_axes
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem, with_axes

__all__ = ["invalid_cases"]


def bases(operator: str) -> Iterator[Problem]:
    """Valid problems to break the rules of: a plain one, one with options that could hide that a rule is broken.

    And one with two places a row: of these an array that is one short has one left, which NumPy would repeat. And one
    with a single tap, where no shape depends on the dilation, so that arrays fit whatever it is.
    """
    found = OPERATORS[operator]
    plain = Problem(operator=operator, batch=2, channels=2, axes=make_axes(size=(4, 5), kernel_size=(2, 3)))
    options = with_axes(plain, size=(6, 5), stride=(2, 3), padding=1)
    if "dilation" in found.options:
        options = with_axes(options, dilation=(1, 2))
    if "groups" in found.options:
        plain = replace(plain, out_channels=2)
        options = replace(options, channels=4, out_channels=2, groups=2, bias=True)
    if "ceil_mode" in found.options:
        options = replace(options, ceil_mode=True)
    return iter((plain, options, with_axes(plain, size=(3, 4)), with_axes(plain, kernel_size=1)))


def invalid_cases(operator: str) -> list[Case]:
    """Every rule of an operator broken, on either axis, on both, and by each array, for each of some problems."""
    found: dict[Case, None] = {}
    for problem in bases(operator):
        near = [each for number in range(len(problem.axes)) for each in invalid_problems_near(problem, number)]
        for each in (*near, *invalid_problems_on_both_axes(problem)):
            if OPERATORS[operator].broken_rule(each) is not None:
                found[Case(problem=each)] = None
        for name in rules_of(problem, array_shapes(problem)):
            for dtype in DTYPES:
                found[Case(problem=problem, dtype=dtype, broken=name)] = None
    return list(found)
