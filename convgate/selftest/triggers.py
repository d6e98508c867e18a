"""Evaluation of the true triggers of faults, written as conditions of failures or as formulas.

Failures use a fixed list of conditions. A trigger need not be in it, so it may also be written as a comparison of sizes
and options. Qualification compares the two by the cases for which they hold.

A formula compares sums and products of sizes and options: ``channels + out_channels >= 256``, ``padding = dilation on
both axes``, ``output_w is a multiple of 8``, ``kernel odd and stride = 2 on the same axis``. ``(A or B)`` holds if
either holds. ``NaN in weight`` refers to the data of one array, and ``layout offset`` to a choice.
"""

import ast
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from convgate.cases.case import Case, values_of
from convgate.diagnosis.conditions import met_by
from convgate.diagnosis.data_conditions import SPECIAL
from convgate.problems.axis import Axis, output_size
from convgate.problems.operators.classes import AXIS_NAMES
from convgate.problems.problem import Problem
from convgate.shapes.space import Bools

__all__ = ["meets_trigger"]

# Names in formulas: numbers of an axis, with the suffix of the axis or for any axis, and numbers of the problem.
OF_AXES: dict[str, Callable[[Axis, bool], int]] = {
    "input": lambda axis, _: axis.size,
    "kernel": lambda axis, _: axis.kernel_size,
    "stride": lambda axis, _: axis.stride,
    "padding": lambda axis, _: axis.padding,
    "dilation": lambda axis, _: axis.dilation,
    "output": lambda axis, ceil_mode: output_size(axis, ceil_mode=ceil_mode),
    "span": lambda axis, _: axis.span,
}
NUMBERS: dict[str, Callable[[Problem], int]] = {
    "batch": lambda problem: problem.batch,
    "channels": lambda problem: problem.channels,
    "out_channels": lambda problem: problem.out_channels,
    "groups": lambda problem: problem.groups,
    "channels_per_group": lambda problem: problem.channels // problem.groups,
    "outputs_per_group": lambda problem: problem.out_channels // problem.groups,
}
CHOICE = re.compile(r"(layout|fill|dtype) (\w+)")
IN_ARRAY = re.compile(rf"({'|'.join(sorted(SPECIAL, key=len, reverse=True))}) in (\w+)")
SIGNS: dict[type[ast.AST], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Mod: operator.mod,
    ast.FloorDiv: operator.floordiv,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
# Wording in formulas, and the Python expression for it.
WORDS = (
    (re.compile(r"^(.*) is a multiple of (\d+)$"), r"(\1) % \2 == 0"),
    (re.compile(r"^(.*) is no multiple of (\d+)$"), r"(\1) % \2 > 0"),
    (re.compile(r"^(.*) even$"), r"(\1) % 2 == 0"),
    (re.compile(r"^(.*) odd$"), r"(\1) % 2 == 1"),
    (re.compile(r" = "), " == "),
)


def meets_trigger(words: Iterable[str], cases: Sequence[Case]) -> Bools | None:
    """Which cases meet a trigger; None if the first one does not, or if a condition is unknown.

    Parameters
    ----------
    words : iterable of str
        Conditions that must all hold.
    cases : sequence of Case
        Cases of one operator, with a class for every feature.
    """
    words = list(words)
    met = met_by([[text] for text in words], cases)
    found = [by_formula(text, cases) if known is None else known for text, known in zip(words, met, strict=True)]
    both = [each for each in found if each is not None]
    if len(both) < len(words) or not all(each[0] for each in both):
        return None
    everything: Bools = np.logical_and.reduce([np.ones(len(cases), bool), *both])
    return everything


def by_formula(text: str, cases: Sequence[Case]) -> Bools | None:
    """Which cases meet a formula; None if the text is not a formula."""
    try:
        return np.array([holds(text, case) for case in cases], bool)
    except (KeyError, SyntaxError):
        return None


def holds(text: str, case: Case) -> bool:
    """Whether a formula holds for a case."""
    if text.startswith("(") and text.endswith(")") and " or " in text:
        return any(holds(each, case) for each in text[1:-1].split(" or "))
    choice = CHOICE.fullmatch(text)
    if choice is not None:
        return bool(getattr(case, choice[1]) == choice[2])
    special = IN_ARRAY.fullmatch(text)
    if special is not None:
        array = values_of(case).get(special[2])
        return array is not None and bool(SPECIAL[special[1]](array).any())
    for ending, together in ((" on either axis", any), (" on both axes", all), (" on the same axis", any)):
        if text.endswith(ending):
            parts, sides = text.removesuffix(ending).split(" and "), range(len(case.problem.axes))
            return together(all(compared(each, numbers_of(case, side)) for each in parts) for side in sides)
    return compared(text, numbers_of(case))


def numbers_of(case: Case, chosen: int | None = None) -> Mapping[str, int]:
    """The numbers that a formula may name; those of `axis` also without its suffix."""
    found = {name: count(case.problem) for name, count in NUMBERS.items()}
    for side, (suffix, axis) in enumerate(zip(AXIS_NAMES, case.problem.axes, strict=True)):
        numbers = {name: number(axis, case.problem.ceil_mode) for name, number in OF_AXES.items()}
        found |= {f"{name}_{suffix}": each for name, each in numbers.items()}
        if side == chosen:
            found |= numbers
    return found


def compared(text: str, numbers: Mapping[str, int]) -> bool:
    """Whether a comparison holds.

    Raises
    ------
    KeyError, SyntaxError
        If the text is not a comparison, or has an unknown name.
    """
    for words, python in WORDS:
        text = words.sub(python, text)
    tree = ast.parse(text.strip(), mode="eval").body
    if not isinstance(tree, ast.Compare):
        raise KeyError(text)
    sides = [number(each, numbers) for each in (tree.left, *tree.comparators)]
    signs = (SIGNS[type(sign)] for sign in tree.ops)
    return all(sign(left, right) for sign, left, right in zip(signs, sides, sides[1:], strict=False))


def number(tree: ast.expr, numbers: Mapping[str, int]) -> int:
    """The value of an expression."""
    if isinstance(tree, ast.BinOp):
        return SIGNS[type(tree.op)](number(tree.left, numbers), number(tree.right, numbers))
    if isinstance(tree, ast.Constant) and isinstance(tree.value, int):
        return tree.value
    return numbers[tree.id if isinstance(tree, ast.Name) else ast.unparse(tree)]
