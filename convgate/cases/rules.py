"""What every implementation must reject: a table of rules on arrays, and the problems that break a rule of options.

Each rule is stated by the definition (`oracles/definition.py`). PyTorch rejects the same, but for a few that it lets
pass, for which its oracle (`oracles/torch_oracle.py`) and `examples/torch_subject.py` state the rule themselves:

- grad_output of another dtype than x, which its autograd converts;
- an image without a batch axis, which it takes for one image;
- columns without their places, which are no argument of PyTorch's fold.

Integers in all arrays break no rule: to the definition they are exact numbers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convgate.problems.axis import with_options
from convgate.problems.operators import OPERATORS, Call, Shape
from convgate.problems.problem import Problem, replace_axis, with_axes

__all__ = [
    "ARGUMENTS",
    "ArgumentRule",
    "calls_broken_by",
    "invalid_problems_near",
    "invalid_problems_on_both_axes",
    "rules_of",
]

Array = NDArray[Any]


def taking(array: str) -> frozenset[str]:
    """The operators that have an array."""
    return frozenset(each.name for each in OPERATORS.values() if array in each.shapes(Problem(operator=each.name)))


IMAGES, CONVOLUTION, TRAINED, COLUMNS = (taking(array) for array in ("x", "weight", "grad_output", "columns"))


@dataclass(frozen=True, kw_only=True)
class ArgumentRule:
    """A rule that an array must keep, or several.

    Parameters
    ----------
    words : str
        The rule.
    array : str
        The array that breaks it.
    operators : frozenset of str
        The operators that it concerns: in these, every call that takes the array.
    spoil : callable
        The array made to break it.
    among : int
        How many arrays a call must take for it to be broken: a dtype can only differ from another one.
    needs : callable
        Whether a problem is such that it can be broken.
    others : tuple of str
        The arrays that break it together with the first, where the problem has them.
    """

    words: str
    array: str
    operators: frozenset[str]
    spoil: Callable[[Array], Array]
    among: int = 1
    needs: Callable[[Problem], bool] = lambda _: True
    others: tuple[str, ...] = ()

    @property
    def arrays(self) -> tuple[str, ...]:
        """All arrays that break it."""
        return self.array, *self.others


def longer(axis: int) -> Callable[[Array], Array]:
    """One entry more along an axis."""
    return lambda array: np.concatenate([array, array.take([0], axis)], axis)


def shorter(axis: int) -> Callable[[Array], Array]:
    """One entry less along an axis."""
    return lambda array: array.take(range(array.shape[axis] - 1), axis)


def longer_on_both(array: Array) -> Array:
    """One entry more along each of the last two axes."""
    return longer(array.ndim - 2)(longer(array.ndim - 1)(array))


def wider_and_lower(array: Array) -> Array:
    """One entry more along the last axis, and one less along the one before."""
    return longer(array.ndim - 1)(shorter(array.ndim - 2)(array))


def first(array: Array) -> Array:
    """Without the first axis."""
    return np.array(array[0])


def flat(array: Array) -> Array:
    """In one axis."""
    return np.array(array.ravel())


def turned(array: Array) -> Array:
    """With the last two axes exchanged: as many entries, which a reshape does not tell apart."""
    return np.array(array.swapaxes(-1, -2))


def other_dtype(array: Array) -> Array:
    """In the other of the two dtypes."""
    return array.astype(np.float32 if array.dtype == np.float64 else np.float64)


ARGUMENTS = {
    "x.rank": ArgumentRule(words="x must have 4 axes", array="x", operators=IMAGES, spoil=first),
    "x.channels": ArgumentRule(
        words="groups must divide the channels of x",
        array="x",
        operators=CONVOLUTION,
        spoil=longer(1),
        needs=lambda problem: problem.groups > 1,
    ),
    "x.dtype": ArgumentRule(
        words="x must have the dtype of the other arrays", array="x", operators=CONVOLUTION, spoil=other_dtype, among=2
    ),
    "weight.rank": ArgumentRule(words="weight must have 4 axes", array="weight", operators=CONVOLUTION, spoil=first),
    "weight.flat": ArgumentRule(words="weight must have 4 axes", array="weight", operators=CONVOLUTION, spoil=flat),
    "weight.channels": ArgumentRule(
        words="weight must have the channels of x over groups",
        array="weight",
        operators=CONVOLUTION,
        spoil=longer(1),
    ),
    "weight.dtype": ArgumentRule(
        words="weight must have the dtype of the other arrays",
        array="weight",
        operators=CONVOLUTION,
        spoil=other_dtype,
        among=2,
    ),
    "bias.shape": ArgumentRule(
        words="bias must have an entry for each filter",
        array="bias",
        operators=CONVOLUTION,
        spoil=longer(0),
    ),
    "bias.dtype": ArgumentRule(
        words="bias must have the dtype of the other arrays",
        array="bias",
        operators=CONVOLUTION,
        spoil=other_dtype,
        among=2,
    ),
    "grad_output.rank": ArgumentRule(
        words="grad_output must have 4 axes", array="grad_output", operators=TRAINED, spoil=first
    ),
    "grad_output.wide": ArgumentRule(
        words="grad_output must have no more columns than the output",
        array="grad_output",
        operators=TRAINED,
        spoil=longer(3),
    ),
    # of two columns this leaves one, which NumPy would repeat
    "grad_output.narrow": ArgumentRule(
        words="grad_output must have no fewer columns than the output",
        array="grad_output",
        operators=TRAINED,
        spoil=shorter(3),
    ),
    "grad_output.channels": ArgumentRule(
        words="grad_output must have the channels of the output",
        array="grad_output",
        operators=TRAINED,
        spoil=longer(1),
    ),
    "grad_output.turned": ArgumentRule(
        words="grad_output must have the height of the output, then its width",
        array="grad_output",
        operators=TRAINED,
        spoil=turned,
        needs=lambda problem: problem.output_size[-1] != problem.output_size[-2],
    ),
    "grad_output.dtype": ArgumentRule(
        words="grad_output must have the dtype of the other arrays",
        array="grad_output",
        operators=TRAINED,
        spoil=other_dtype,
        among=2,
    ),
    "columns.rank": ArgumentRule(words="columns must have 2 axes", array="columns", operators=COLUMNS, spoil=first),
    "columns.wide": ArgumentRule(
        words="columns must have no more columns than places",
        array="columns",
        operators=COLUMNS,
        spoil=longer(1),
    ),
    "columns.narrow": ArgumentRule(
        words="columns must have no fewer columns than places",
        array="columns",
        operators=COLUMNS,
        spoil=shorter(1),
    ),
    "columns.turned": ArgumentRule(
        words="columns must have a row for each channel and tap, and a column for each place",
        array="columns",
        operators=COLUMNS,
        spoil=turned,
        needs=lambda problem: problem.channels * problem.taps != problem.batch * problem.places,
    ),
    "columns.rows": ArgumentRule(
        words="columns must have a row for each channel and tap",
        array="columns",
        operators=COLUMNS,
        spoil=longer(0),
    ),
    # of several arrays, or on both axes: what is wrong twice must not be right
    "images.rank": ArgumentRule(
        words="x and grad_output must have 4 axes",
        array="x",
        others=("grad_output",),
        operators=TRAINED,
        spoil=first,
        among=2,
    ),
    "all.rank": ArgumentRule(
        words="x, weight and grad_output must have 4 axes",
        array="x",
        others=("weight", "grad_output"),
        operators=CONVOLUTION,
        spoil=first,
    ),
    "x.weight.dtype": ArgumentRule(
        words="x and weight must have the dtype of the other arrays",
        array="x",
        others=("weight",),
        operators=CONVOLUTION,
        spoil=other_dtype,
        among=2,
        needs=lambda problem: problem.bias,
    ),
    "x.bias.dtype": ArgumentRule(
        words="x and bias must have the dtype of the other arrays",
        array="x",
        others=("bias",),
        operators=CONVOLUTION,
        spoil=other_dtype,
        among=2,
        needs=lambda problem: problem.bias,
    ),
    "x.grad_output.dtype": ArgumentRule(
        words="x and grad_output must have the dtype of the other arrays",
        array="x",
        others=("grad_output",),
        operators=CONVOLUTION,
        spoil=other_dtype,
        among=2,
        needs=lambda problem: problem.bias,
    ),
    "grad_output.both": ArgumentRule(
        words="grad_output must have the height and the width of the output",
        array="grad_output",
        operators=TRAINED,
        spoil=longer_on_both,
    ),
    "grad_output.reshaped": ArgumentRule(
        words="grad_output must have the height of the output as well as its width",
        array="grad_output",
        operators=TRAINED,
        spoil=wider_and_lower,
    ),
    "columns.both": ArgumentRule(
        words="columns must have as many rows and columns as there are taps and places",
        array="columns",
        operators=COLUMNS,
        spoil=longer_on_both,
    ),
}


def calls_of(problem: Problem) -> Iterator[Call]:
    """The calls of a problem's operator."""
    operator = OPERATORS[problem.operator]
    yield operator.forward(problem)
    if operator.backward is not None:
        yield operator.backward(problem)


def calls_broken_by(problem: Problem, name: str) -> tuple[Call, ...]:
    """The calls that must be rejected.

    Parameters
    ----------
    problem : Problem
        Whose calls.
    name : str
        A key of `ARGUMENTS`; or empty for a problem that is invalid itself, all of whose calls are.
    """
    if not name:
        return tuple(calls_of(problem))
    return tuple(call for call in calls_of(problem) if is_broken(call, ARGUMENTS[name]))


def is_broken(call: Call, rule: ArgumentRule) -> bool:
    """Whether a call takes an array that breaks a rule, and as many as it takes for it to be broken.

    A dtype that arrays share is only wrong beside others that do not.
    """
    taken = [each for each in call.arguments if isinstance(each, str)]
    wrong = [each for each in taken if each in rule.arrays]
    if rule.spoil is other_dtype:
        # as many beside them, as otherwise these are the ones that differ
        return min(len(wrong), len(taken) - len(wrong)) >= len(rule.arrays)
    return bool(wrong) and len(taken) >= rule.among and (not rule.others or len(wrong) > 1)


def rules_of(problem: Problem, shapes: dict[str, Shape]) -> tuple[str, ...]:
    """The rules on arrays that a problem can be made to break, given the shapes of its arrays: none may be empty."""
    return tuple(
        name
        for name, rule in ARGUMENTS.items()
        if problem.operator in rule.operators
        and rule.array in shapes
        and 0 not in shapes[rule.array]
        and rule.needs(problem)
    )


def invalid_problems_on_both_axes(problem: Problem) -> Iterator[Problem]:
    """Problems that break a rule on both axes at once, made from a valid one: products of two such can look right."""
    operator = OPERATORS[problem.operator]
    bare = replace(with_axes(problem, dilation=1), ceil_mode=False)
    # -1, -2 and -3 windows an axis, and none: a product of two is a positive number, or nothing
    for fewer in (0, 1, 2, 3):
        sizes = [axis.padded_size + 1 + fewer * axis.stride for axis in problem.axes]
        yield with_axes(bare, kernel_size=sizes)
        if "dilation" in operator.options:
            yield with_axes(bare, kernel_size=2, dilation=[size - 1 for size in sizes])
    for value in (0, -1):
        yield with_axes(problem, stride=value)
        yield with_axes(problem, kernel_size=value)
        if "dilation" in operator.options:
            yield with_axes(problem, dilation=value)
    yield with_axes(problem, padding=-1)
    yield with_axes(problem, size=0)
    # room for the kernel all the same
    roomy = [kernel // 2 if operator.half_padding else kernel for kernel in problem.kernel_size]
    yield with_axes(problem, size=0, padding=roomy)
    yield with_axes(problem, stride=0, padding=-1, kernel_size=0, size=0)
    if operator.half_padding:
        yield with_axes(problem, padding=[kernel // 2 + 1 for kernel in problem.kernel_size])
    if operator.shape_given:
        # its image is no array, but a shape that it is given
        yield with_axes(problem, size=-1)
        yield with_axes(problem, size=[-size for size in problem.size], padding=problem.size)
        yield replace(problem, batch=-1, channels=-1)
        yield replace(problem, batch=-1)
        yield replace_axis(replace(problem, channels=-1), 0, replace(problem.axes[0], size=-1))
    if "groups" in operator.options:
        yield replace(problem, groups=0, channels=0, out_channels=0)
        yield replace(problem, groups=2, channels=3, out_channels=3)


def invalid_problems_near(problem: Problem, number: int) -> Iterator[Problem]:
    """Problems that break one rule of their options, made from a valid one, on one axis where they have one.

    A few of them may happen to be valid, as a kernel beyond the padded input is with ceil_mode.
    """
    operator, axis = OPERATORS[problem.operator], problem.axes[number]

    def put(**options: int) -> Problem:
        return replace_axis(problem, number, with_options(axis, **options))

    yield put(stride=0)
    yield put(stride=-1)
    yield put(padding=-1)
    yield put(kernel_size=0)
    # what is empty can be given back empty without an error, where padding makes room for the kernel
    yield put(size=0)
    if "groups" not in operator.options:
        # PyTorch convolves no channels at all to zeros
        yield replace(problem, channels=0)
    # past the last overhang that ceil_mode allows
    reach = axis.padded_size + axis.stride
    yield with_axes(put(kernel_size=reach), dilation=1)
    # a division that rounds towards zero finds one place for it
    longer_stride = put(kernel_size=axis.padded_size + 1, stride=max(2, axis.stride))
    yield replace(with_axes(longer_stride, dilation=1), ceil_mode=False)
    if "dilation" in operator.options:
        yield put(dilation=0)
        yield put(dilation=-1)
        if axis.kernel_size > 1:
            # as far apart as that the kernel fits, and ceil_mode's overhang, one time too few
            yield put(dilation=-(-(reach - 1) // (axis.kernel_size - 1)))
    if operator.half_padding:
        yield put(padding=axis.kernel_size // 2 + 1)
    if "divisor_override" in operator.options:
        yield replace(problem, divisor_override=0)
    if "groups" in operator.options:
        yield replace(problem, groups=0)
        yield replace(problem, groups=-1)
        yield replace(problem, groups=2, channels=3, out_channels=4)
        yield replace(problem, groups=2, channels=4, out_channels=3)
        yield replace(problem, out_channels=0)
        # without images no product tells that these do not fit
        yield with_axes(replace(problem, batch=0, groups=2, channels=3, out_channels=4), kernel_size=1)
