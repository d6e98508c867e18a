"""Relations that a subject must keep, each as one line of Python.

A relation's source is both what a check evaluates and what the script that reproduces a failure contains, so that the
two cannot differ. Its names are ``subject``, ``np``, the case's arrays and the helpers that it lists. It gives a pair:
what is, and what it must be equal to.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from convgate import purity
from convgate.case import Case
from convgate.fills import step_of
from convgate.operators import OPERATORS, Arrays, Call, Operator, source_of
from convgate.oracle_list import exact_dot, finite_difference, identities
from convgate.plain import Plain
from convgate.problem import Problem, with_axis

__all__ = [
    "SEVERAL",
    "Relation",
    "adjoint",
    "agree",
    "evaluate",
    "finite_differences",
    "identity",
    "layout",
    "other_problems",
    "purity_relations",
]

# Jacobians on all basis vectors cost 2 * inputs + outputs images: only where that is little.
MOST_BASIS_VECTORS = 24

ANOTHER = "np.flip({}).copy()"

CALLS = [
    make(Problem(operator=operator.name))
    for operator in OPERATORS.values()
    for make in (operator.forward, operator.backward)
    if make is not None
]
# The functions that return more than one result.
SEVERAL = tuple(call.function for call in CALLS if len(call.outputs) > 1)


@dataclass(frozen=True)
class Relation:
    """One relation, applied to one problem.

    Parameters
    ----------
    name : str
        What must hold, in words.
    source : str
        Expression that gives what is and what must be.
    helpers : tuple of callable
        The functions that `source` names.
    symptom : str
        What it means if the relation does not hold; empty if what is says so itself, in front of a colon.
    rounded : bool
        Whether both sides are integers up to rounding (the lattice), and so compared as integers.
    also : tuple of Problem
        The other problems on which it calls the subject.
    """

    name: str
    source: str
    helpers: tuple[Callable[..., Any], ...]
    symptom: str = "wrong value"
    rounded: bool = True
    also: tuple[Problem, ...] = ()

    @property
    def functions(self) -> frozenset[str]:
        """The subject's functions that the relation calls."""
        return frozenset(re.findall(r"subject\.(\w+)\(", self.source))


def evaluate(relation: Relation, subject: Any, arrays: Arrays) -> tuple[Any, Any]:
    """Work out both sides of a relation; what the subject raises passes through.

    Raises
    ------
    NotPlainError
        If one of its results is no array of NumPy's own, whose arithmetic and comparisons nobody else defines.
    """
    names = {helper.__name__: helper for helper in relation.helpers}
    with np.errstate(all="ignore"):
        actual, expected = eval(relation.source, {"np": np, "subject": Plain(subject, SEVERAL), **names, **arrays})  # noqa: S307 - our own text, see the module's docstring
    return actual, expected


def agree(actual: Any, expected: Any, *, rounded: bool) -> bool:
    """Whether two numbers or arrays are the same, after rounding to integers if `rounded`; NaN is the same as NaN.

    What is neither a number or words of Python's nor exactly an array of NumPy's agrees with nothing.
    """
    if not {type(actual), type(expected)} <= {np.ndarray, int, str}:
        return False
    left, right = np.asarray(actual), np.asarray(expected)
    if left.shape != right.shape:
        return False
    if rounded and left.dtype.kind == right.dtype.kind == "f":
        left, right = np.rint(left), np.rint(right)
    both_nan = (left != left) & (right != right)  # noqa: PLR0124 - isnan has no integers of Python's
    return bool(((left == right) | both_nan).all())


def function_of(name: str, call: Call, output: str | None = None, **options: str) -> str:
    """Source of the call as a function of one or more arrays."""
    return f"lambda {name}: {source_of(call, output, **options)}"


def finite_differences(case: Case) -> Iterator[Relation]:
    """Each gradient against central differences of the forward pass: exact on the lattice, with step one quantum."""
    problem, operator = case.problem, case.operator
    if operator.backward is None:
        return
    forward, backward = operator.forward(problem), operator.backward(problem)
    step = operator.quantum(problem)
    arrays = operator.shapes(problem)
    for gradient, name in operator.gradients.items():
        if name not in arrays:
            continue
        direction = f"random_direction({name}.shape, {case.seed})"
        difference = f"projection({function_of(name, forward)}, {name}, {direction}, grad_output, {step})"
        slope = f"2 * {step} * exact_dot({source_of(backward, gradient)}, {direction})"
        helpers = (exact_dot, finite_difference.random_direction, finite_difference.projection)
        yield Relation(
            f"central difference of <y, grad_output> along {name} = 2 * step * <{gradient}, direction>",
            f"({slope}, {difference})",
            helpers,
        )
    inputs, outputs = prod(arrays["x"][1:]), prod(arrays["grad_output"][1:])
    if problem.batch and max(inputs, outputs) <= MOST_BASIS_VECTORS:
        by_basis = f"forward_jacobian({function_of('x', forward)}, x[:1], {step})"
        shape = (1, *arrays["grad_output"][1:])
        gradients = function_of("grad_output, x", backward, "grad_input")
        yield Relation(
            "Jacobian by central differences = Jacobian by the backward pass",
            f"(2 * backward_jacobian({gradients}, x[:1], {shape}, {step}).T, {by_basis})",
            (exact_dot, finite_difference.forward_jacobian, finite_difference.backward_jacobian),
            also=tuple(replace(problem, batch=batch) for batch in (2 * inputs, outputs)),
        )


def adjoint(case: Case) -> Iterator[Relation]:
    """<forward(x), g> = <x, backward(g)>, in every array in which the forward pass is linear (max: homogeneous)."""
    problem, operator = replace(case.problem, bias=False), case.operator
    forward = operator.forward(problem)
    helpers = (exact_dot, identities.adjoint)
    if operator.name == "im2col":
        transpose = source_of(adjoint_of_im2col(problem))
        columns = "(np.arange(y.size).reshape(y.shape) % 7 - 3).astype(x.dtype)"
        yield Relation(
            "<im2col(x), columns> = <x, col2im(columns)>",
            f"[adjoint({function_of('x', forward)}, lambda columns: {transpose}, x, {columns})"
            f" for y in [{source_of(forward)}]][0]",
            helpers,
        )
    if operator.backward is None:
        return
    backward = operator.backward(problem)
    for gradient, name in operator.gradients.items():
        if name in operator.shapes(problem):
            there, back = function_of(name, forward), function_of("grad_output", backward, gradient)
            yield Relation(
                f"<y, grad_output> = <{name}, {gradient}>",
                f"adjoint({there}, {back}, {name}, grad_output)",
                helpers,
                also=without_bias(case.problem),
            )


def without_bias(problem: Problem) -> tuple[Problem, ...]:
    """The problem without its bias, if it has one."""
    return (replace(problem, bias=False),) if problem.bias else ()


def adjoint_of_im2col(problem: Problem) -> Call:
    """The call of col2im that transposes im2col."""
    shape = (problem.batch, problem.channels, *problem.size)
    options = {name: getattr(problem, name) for name in ("stride", "padding", "dilation")}
    return Call("col2im", ("columns", shape, problem.kernel_size), options, ("y",))


def identity(case: Case) -> Iterator[Relation]:
    """The metamorphic relations that hold for a problem."""
    problem, operator = case.problem, case.operator
    forward = operator.forward(problem)
    data = next(iter(operator.shapes(problem)))
    if operator.name != "max_pool2d":
        bare = operator.forward(replace(problem, bias=False))
        yield Relation(
            f"linearity in {data}",
            f"linearity({function_of(data, bare)}, {data}, {ANOTHER.format(data)})",
            (identities.linearity,),
            also=without_bias(problem),
        )
    if operator.name in {"conv2d", "avg_pool2d", "max_pool2d"}:
        yield from of_images(case, forward)
    if operator.name == "conv2d":
        yield from of_convolution(problem, forward)
    if operator.name.endswith("pool2d"):
        yield from of_pools(problem, forward)
    summed = problem.count_include_pad and problem.divisor_override is None and not problem.ceil_mode
    if operator.name in {"conv2d", "im2col"} or (operator.name == "avg_pool2d" and summed):
        yield from padding_by_hand(problem, forward)


def of_images(case: Case, forward: Call) -> Iterator[Relation]:
    """A batch is its images, and a shifted image has shifted outputs."""
    problem = case.problem
    if problem.batch > 1:
        helpers = (identities.batch_independence,)
        yield Relation(
            "a batch gives what its images give",
            f"batch_independence({function_of('x', forward)}, x)",
            helpers,
            also=(replace(problem, batch=1),),
        )
        if case.operator.backward is not None:
            backward = function_of("grad_output, x", case.operator.backward(problem), "grad_input")
            yield Relation(
                "grad_input of a batch is that of its images",
                f"batch_independence({backward}, grad_output, x)",
                helpers,
                also=(replace(problem, batch=1),),
            )
    for axis in (0, 1):
        if problem.padding[axis] == 0 and problem.output_size[axis] > 1 and problem.batch:
            yield Relation(
                f"shifting x by one stride along {('height', 'width')[axis]} shifts y by one place",
                f"shift({function_of('x', forward)}, x, {axis + 2}, {problem.stride[axis]})",
                (identities.shift,),
                also=(with_axis(problem, axis, size=problem.size[axis] - problem.stride[axis]),),
            )


def of_convolution(problem: Problem, forward: Call) -> Iterator[Relation]:
    """A 1x1 kernel is a matrix product; groups are a split."""
    bias = "bias" if problem.bias else "None"
    if problem.kernel_size == (1, 1) and problem.padding == (0, 0):
        function = function_of("x, weight, bias" if problem.bias else "x, weight, _", forward)
        yield Relation(
            "a 1x1 convolution is a matrix product",
            f"pointwise({function}, x, weight, {bias}, stride={problem.stride}, groups={problem.groups})",
            (identities.pointwise,),
        )
    if problem.groups > 1:
        names = "x, weight, bias, groups" if problem.bias else "x, weight, _, groups"
        channels, out_channels = (n // problem.groups for n in (problem.channels, problem.out_channels))
        yield Relation(
            "groups are a split",
            f"group_split({function_of(names, forward, groups='groups')}, x, weight, {bias}, {problem.groups})",
            (identities.group_split,),
            also=(replace(problem, groups=1, channels=channels, out_channels=out_channels),),
        )


def of_pools(problem: Problem, forward: Call) -> Iterator[Relation]:
    """Pools of constants, and of data with a constant added."""
    helpers = (identities.constant_pool,)
    if problem.operator == "max_pool2d":
        yield Relation(
            "max of x + 8 is max of x, plus 8",
            f"max_translation({function_of('x', forward)}, x, 8)",
            (identities.max_translation,),
        )
        constant = problem.padding == (0, 0) or problem.dilation == (1, 1)
    else:
        real = problem.padding == (0, 0) or not problem.count_include_pad
        constant = real and problem.divisor_override is None
    if constant and problem.batch:
        yield Relation(
            "a pool of a constant is the constant",
            f"constant_pool({function_of('x', forward)}, -5, x.shape, x.dtype)",
            helpers,
        )


def padding_by_hand(problem: Problem, forward: Call) -> Iterator[Relation]:
    """Padding is zeros around the image."""
    if problem.padding != (0, 0):
        bare = function_of("x", forward, padding="(0, 0)")
        height, width = (n + 2 * p for n, p in zip(problem.size, problem.padding, strict=True))
        yield Relation(
            "padding is zeros around x",
            f"padding_is_zeros({function_of('x', forward)}, {bare}, x, {problem.padding})",
            (identities.padding_is_zeros,),
            also=(replace(problem, size=(height, width), padding=(0, 0)),),
        )


def layout(case: Case) -> Iterator[Relation]:
    """The layout of the arrays in memory does not matter."""
    if case.layout == "contiguous":
        return
    calls = [case.operator.forward(case.problem)]
    if case.operator.backward is not None:
        calls.append(case.operator.backward(case.problem))
    what = case.laid_out or "arrays"
    for call in calls:
        if case.laid_out and case.laid_out not in call.arguments:
            continue
        for output in call.outputs:
            if output == "grad_bias" and not case.problem.bias:
                continue
            # in units of the lattice, as both sides are rounded to integers
            exponent = step_of(case.operator, case.dtype, case.fill, output)
            unit = f" * 2.0**{-exponent}" if exponent else ""
            rowwise = source_of(call, output, wrap="np.array({}, order='C')")
            yield Relation(
                f"{output} of {case.layout} {what} = {output} of contiguous {what}",
                f"({source_of(call, output)}{unit}, {rowwise}{unit})",
                (),
            )


def purity_relations(case: Case) -> Iterator[Relation]:
    """Inputs stay as they are, results belong to the caller, and the same call gives the same result."""
    alone, beside = purity.impure_alone, purity.impure_beside
    for make in (case.operator.forward, case.operator.backward):
        if make is None:
            continue
        call = make(case.problem)
        names = [each for each in call.arguments if isinstance(each, str)]
        function = function_of(", ".join(names), call)
        given = ", ".join(f"{name}={name}" for name in names)
        yield Relation(
            f"{call.function} keeps its inputs, its results and its answer",
            f"{alone.__name__}({function}, {given})",
            (alone,),
            symptom="",
            rounded=False,
        )
        for what, others in other_problems(case).items():
            calls = ", ".join(f"lambda: {on_ones(case.operator, other, make)}" for other in others)
            yield Relation(
                f"{call.function} keeps its results and its answer beside a call with {what}",
                f"{beside.__name__}({function}, ({calls},), {given})",
                (beside,),
                symptom="",
                rounded=False,
                also=others,
            )


def other_problems(case: Case) -> dict[str, tuple[Problem, ...]]:
    """Problems that are like a case's but for a few options, by what the last of them has.

    What a subject keeps from one call to the next it may find again by too few options: so one problem differs in
    sizes, one in the stride, one has a larger kernel but, where ceil_mode lets it, an output of the same shape, and one
    has pixels where this one has padding. The stride is changed after the sizes, as what is kept of a single call,
    and found by its sizes, is this case's until then.
    """
    problem = case.problem
    (height, width), (down, across), (above, left) = problem.size, problem.stride, problem.padding
    larger = problem
    for axis in (0, 1):
        size, kernel = larger.size[axis] + larger.dilation[axis], larger.kernel_size[axis] + 1
        larger = with_axis(larger, axis, size=size, kernel_size=kernel)
    images = replace(problem, batch=problem.batch + 1, size=(height + 2, width + 1))
    found = {
        "more and larger images": (images,),
        "a larger stride": (images, replace(problem, stride=(down + 1, across + 1))),
        "a larger kernel": (larger,),
    }
    if above or left:
        padded = (height + 2 * above, width + 2 * left)
        found["pixels in place of padding"] = (replace(problem, size=padded, padding=(0, 0)),)
    return found


def on_ones(operator: Operator, problem: Problem, make: Callable[[Problem], Call]) -> str:
    """Source of a call of another problem, all of whose data are ones."""
    call = make(problem)
    shapes = operator.shapes(problem)
    data = next(iter(shapes))
    ones = [
        f"np.ones({shapes[each]}, {data}.dtype)" if isinstance(each, str) else repr(each) for each in call.arguments
    ]
    options = [f"{name}={value!r}" for name, value in call.options.items()]
    return f"subject.{call.function}({', '.join(ones + options)})"
