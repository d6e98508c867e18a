"""Who meets the true trigger of a fault, in the words of failures or in formulas.

A failure has a fixed list of conditions. What somebody got wrong need not be in it, so a trigger may also be written as
a comparison of sizes and options. Where both say the same, qualification sees that they do by the cases that they hold
for.

A formula compares sums and products of sizes and options: ``channels + out_channels >= 256``, ``padding = dilation on
both axes``, ``output_w is a multiple of 8``, ``kernel odd and stride = 2 on the same axis``. ``(A or B)`` is met by
whatever meets either. ``NaN in weight`` asks for the data of one array, and ``layout offset`` for a choice.
"""

import ast
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from convgate.cases.case import Case, values_of
from convgate.diagnosis.conditions import met_by
from convgate.diagnosis.data_conditions import SPECIAL
from convgate.problems.operators.classes import AXIS_NAMES, Axis, axis_of, places_of, span_of
from convgate.problems.problem import Problem
from convgate.shapes.space import Bools

__all__ = ["meets_trigger"]

# What formulas may name: of the height and the width, with their suffix or on whatever axis, and of the problem.
OF_AXES: dict[str, Callable[[Axis], int]] = {
    "input": lambda axis: axis.size,
    "kernel": lambda axis: axis.kernel_size,
    "stride": lambda axis: axis.stride,
    "padding": lambda axis: axis.padding,
    "dilation": lambda axis: axis.dilation,
    "output": places_of,
    "span": span_of,
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
# Words, and what they are in Python.
WORDS = (
    (re.compile(r"^(.*) is a multiple of (\d+)$"), r"(\1) % \2 == 0"),
    (re.compile(r"^(.*) is no multiple of (\d+)$"), r"(\1) % \2 > 0"),
    (re.compile(r"^(.*) even$"), r"(\1) % 2 == 0"),
    (re.compile(r"^(.*) odd$"), r"(\1) % 2 == 1"),
    (re.compile(r" = "), " == "),
)


def meets_trigger(words: Iterable[str], cases: Sequence[Case]) -> Bools | None:
    """Which cases meet a trigger; None if the first one does not, or if it says nothing that is known.

    Parameters
    ----------
    words : iterable of str
        Conditions that must all hold.
    cases : sequence of Case
        Of one operator, with a class for every feature.
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
    """Which cases meet a formula; None if it is none."""
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
            parts = text.removesuffix(ending).split(" and ")
            return together(all(compared(each, numbers_of(case, axis)) for each in parts) for axis in (0, 1))
    return compared(text, numbers_of(case))


def numbers_of(case: Case, axis: int | None = None) -> Mapping[str, int]:
    """What a formula may name, and the numbers of one axis without its suffix."""
    found = {name: count(case.problem) for name, count in NUMBERS.items()}
    for each, suffix in enumerate(AXIS_NAMES):
        options = axis_of(case.problem, each)
        found |= {f"{name}_{suffix}": number(options) for name, number in OF_AXES.items()}
        if each == axis:
            found |= {name: number(options) for name, number in OF_AXES.items()}
    return found


def compared(text: str, numbers: Mapping[str, int]) -> bool:
    """Whether a comparison holds.

    Raises
    ------
    KeyError, SyntaxError
        If it compares nothing, or what has no name here.
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
    """What an expression comes to."""
    if isinstance(tree, ast.BinOp):
        return SIGNS[type(tree.op)](number(tree.left, numbers), number(tree.right, numbers))
    if isinstance(tree, ast.Constant) and isinstance(tree.value, int):
        return tree.value
    return numbers[tree.id if isinstance(tree, ast.Name) else ast.unparse(tree)]
