"""Relations that a subject must keep: a helper that makes both sides, and what it is given.

What a check evaluates and what the script that reproduces a failure contains come from the same relation, so that the
two cannot differ: a script holds the helper's source and calls it with the same arguments, written out as Python. A
helper returns a pair: what is, and what it must be equal to.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from typing import Any

import numpy as np

from convgate.cases.case import Case
from convgate.cases.lattice import step_of
from convgate.judging import purity
from convgate.oracle_list import exact_dot, finite_difference, identities
from convgate.problems.operators import OPERATORS, Array, Arrays, Call, Operator, Shape, perform, source_of
from convgate.problems.plain import Plain
from convgate.problems.problem import Problem, with_axis

__all__ = [
    "SEVERAL",
    "Recall",
    "Relation",
    "Relations",
    "adjoint",
    "agree",
    "all_differences",
    "evaluate",
    "finite_differences",
    "identity",
    "kept_alone",
    "layout",
    "one_identity",
    "one_purity_relation",
    "other_problems",
    "purity_relations",
    "whole_layout",
]

# Jacobians on all basis vectors cost 2 * inputs + outputs images: only where that is little.
MOST_BASIS_VECTORS = 24

# What a subject made of a call on these very arrays, if that is known; None if it is not.
Recall = Callable[[Call, Arrays], Mapping[str, Any] | None]

CALLS = [
    make(Problem(operator=operator.name))
    for operator in OPERATORS.values()
    for make in (operator.forward, operator.backward)
    if make is not None
]
# The functions that return more than one result.
SEVERAL = tuple(call.function for call in CALLS if len(call.outputs) > 1)


@dataclass(frozen=True)
class Data:
    """One of the case's arrays, as an argument of a helper."""

    name: str


@dataclass(frozen=True)
class Function:
    """A call of the subject as a function of some of its arrays, as an argument of a helper.

    Parameters
    ----------
    call : Call
        The call.
    of : tuple of str
        Names of the arrays that it is a function of; the case's own stand for the others.
    output : str or None
        The output that it gives, or None for all that is returned.
    ones : dict
        Shapes of arrays of ones that stand for the case's own.
    """

    call: Call
    of: tuple[str, ...] = ()
    output: str | None = None
    ones: Mapping[str, Shape] = field(default_factory=dict)

    def source(self) -> str:
        """The function in Python."""
        dtype = next(iter(self.ones), "")
        ones = {name: f"np.ones({shape}, {dtype}.dtype)" for name, shape in self.ones.items()}
        return f"lambda {', '.join(self.of)}: {source_of(self.call, self.output, arrays=ones)}".replace(
            "lambda :", "lambda:"
        )

    def bound(self, subject: Any, arrays: Arrays, recall: Recall | None) -> Callable[..., Any]:
        """The function itself."""

        def function(*given: Array) -> Any:
            own = dict(zip(self.of, given, strict=True))
            if self.ones:
                dtype = arrays[next(iter(self.ones))].dtype
                own |= {name: np.ones(shape, dtype) for name, shape in self.ones.items()}
            called = {**arrays, **own}
            known = recall(self.call, called) if recall is not None else None
            outputs = perform(subject, self.call, called) if known is None else known
            if self.output is not None:
                return outputs[self.output]
            return next(iter(outputs.values())) if len(outputs) == 1 else tuple(outputs.values())

        return function


@dataclass(frozen=True, kw_only=True)
class Relation:
    """One relation, applied to one problem.

    Parameters
    ----------
    name : str
        What must hold, in words.
    helper : callable
        Makes what is and what must be.
    given : tuple
        Its arguments: `Function`, `Data`, tuples of these, or values that stand for themselves.
    named : dict
        Its keyword arguments, of the same kinds.
    needs : tuple of callable
        The functions that the helper calls.
    symptom : str
        What it means if the relation does not hold; empty if what is says so itself, in front of a colon.
    rounded : bool
        Whether both sides are integers up to rounding (the lattice), and so compared as integers.
    repeats : bool
        Whether it asks what a call does when it is made again, so that no call may be remembered.
    also : tuple of Problem
        The other problems on which it calls the subject.
    """

    name: str
    helper: Callable[..., tuple[Any, Any]]
    given: tuple[Any, ...]
    named: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[Callable[..., Any], ...] = ()
    symptom: str = "wrong value"
    rounded: bool = True
    repeats: bool = False
    also: tuple[Problem, ...] = ()

    @property
    def source(self) -> str:
        """Expression that gives what is and what must be."""
        arguments = [in_python(each) for each in self.given]
        arguments += [f"{name}={in_python(each)}" for name, each in self.named.items()]
        return f"{self.helper.__name__}({', '.join(arguments)})"

    @property
    def helpers(self) -> tuple[Callable[..., Any], ...]:
        """The functions that `source` calls."""
        return (*self.needs, self.helper)

    @property
    def functions(self) -> frozenset[str]:
        """The subject's functions that the relation calls."""
        return frozenset(each.call.function for each in functions_in(self.given))


def in_python(argument: Any) -> str:
    """An argument of a helper in Python."""
    if isinstance(argument, Data):
        return argument.name
    if isinstance(argument, Function):
        return argument.source()
    if isinstance(argument, tuple):
        return f"({', '.join(map(in_python, argument))}{',' if len(argument) == 1 else ''})"
    return repr(argument)


def functions_in(arguments: tuple[Any, ...]) -> Iterator[Function]:
    """The functions among some arguments."""
    for each in arguments:
        if isinstance(each, Function):
            yield each
        elif isinstance(each, tuple):
            yield from functions_in(each)


def evaluate(relation: Relation, subject: Any, arrays: Arrays, recall: Recall | None = None) -> tuple[Any, Any]:
    """Work out both sides of a relation; what the subject raises passes through.

    Raises
    ------
    NotPlainError
        If one of its results is no array of NumPy's own, whose arithmetic and comparisons nobody else defines.
    """
    plain = Plain(subject, SEVERAL)

    def value(argument: Any) -> Any:
        if isinstance(argument, Data):
            return arrays[argument.name]
        if isinstance(argument, Function):
            return argument.bound(plain, arrays, None if relation.repeats else recall)
        return tuple(map(value, argument)) if isinstance(argument, tuple) else argument

    with np.errstate(all="ignore"):
        given, named = map(value, relation.given), {name: value(each) for name, each in relation.named.items()}
        actual, expected = relation.helper(*given, **named)
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


@dataclass(frozen=True)
class Relations:
    """The relations of one check.

    Parameters
    ----------
    each : callable
        Case to the relations that must hold, one by one.
    together : callable
        Case to fewer relations that hold if all of these do, and that cost less to ask for; the same where none are
        known. What fails is looked for among `each`.
    sample : callable
        Case to a part of the relations: over the cases of a run all come up.
    """

    each: Callable[[Case], Iterator[Relation]]
    together: Callable[[Case], Iterator[Relation]]
    sample: Callable[[Case], Iterator[Relation]]


def finite_differences(case: Case) -> Iterator[Relation]:
    """Each gradient against central differences of the forward pass: exact on the lattice, with step one quantum."""
    for name in differentiated(case):
        yield central_difference(case, (name,))
    yield from jacobians(case)


def all_differences(case: Case) -> Iterator[Relation]:
    """All gradients at once, as a convolution is bilinear: with data and weights moved together only even terms go."""
    names = differentiated(case)
    if names:
        yield central_difference(case, names)
    yield from jacobians(case)


def differentiated(case: Case) -> tuple[str, ...]:
    """The arrays by which there are gradients."""
    if case.operator.backward is None:
        return ()
    arrays = case.operator.shapes(case.problem)
    return tuple(name for name in case.operator.gradients.values() if name in arrays)


def central_difference(case: Case, names: tuple[str, ...]) -> Relation:
    """The gradients by some arrays, along a random direction of each."""
    problem, operator = case.problem, case.operator
    forward, backward = operator.forward(problem), backward_of(operator, problem)
    outputs = tuple(backward.outputs.index(output) for output, name in operator.gradients.items() if name in names)
    gradients = [output for output, name in operator.gradients.items() if name in names]
    along = f"along {names[0]} = 2 * step * <{gradients[0]}, direction>"
    return Relation(
        name="central difference of <y, grad_output> "
        + (along if len(names) == 1 else "= 2 * step * <gradients, directions>"),
        helper=finite_difference.central_difference,
        given=(
            Function(forward, names, "y"),
            Function(backward),
            tuple(map(Data, names)),
            Data("grad_output"),
            outputs,
            operator.quantum(problem),
            case.seed,
        ),
        needs=(exact_dot, finite_difference.random_direction),
    )


def backward_of(operator: Operator, problem: Problem) -> Call:
    """The backward call of an operator that has one."""
    if operator.backward is None:
        raise ValueError(f"{operator.name} has no backward function")
    return operator.backward(problem)


def jacobians(case: Case) -> Iterator[Relation]:
    """All of the gradient by x, where that takes few basis vectors."""
    problem, operator = case.problem, case.operator
    if operator.backward is None or not problem.batch:
        return
    arrays = operator.shapes(problem)
    inputs, outputs = prod(arrays["x"][1:]), prod(arrays["grad_output"][1:])
    if max(inputs, outputs) <= MOST_BASIS_VECTORS:
        yield Relation(
            name="Jacobian by central differences = Jacobian by the backward pass",
            helper=finite_difference.jacobians,
            given=(
                Function(operator.forward(problem), ("x",), "y"),
                Function(operator.backward(problem), ("grad_output", "x"), "grad_input"),
                Data("x"),
                Data("grad_output"),
                operator.quantum(problem),
            ),
            needs=(finite_difference.forward_jacobian, finite_difference.backward_jacobian),
            also=tuple(replace(problem, batch=batch) for batch in (2 * inputs, outputs)),
        )


def adjoint(case: Case) -> Iterator[Relation]:
    """<forward(x), g> = <x, backward(g)>, in every array in which the forward pass is linear (max: homogeneous)."""
    problem, operator = case.problem, case.operator
    forward = operator.forward(problem)
    if operator.name == "im2col":
        yield Relation(
            name="<im2col(x), columns> = <x, col2im(columns)>",
            helper=identities.adjoint_of_columns,
            given=(Function(forward), Function(adjoint_of_im2col(problem), ("columns",)), Data("x")),
            needs=(exact_dot,),
        )
    if operator.backward is None:
        return
    backward = operator.backward(problem)
    bias = {"bias": Data("bias")} if problem.bias else {}
    for gradient, name in operator.gradients.items():
        if name in operator.shapes(problem) and name != "bias":
            yield Relation(
                name=f"<y, grad_output> = <{name}, {gradient}>" + (" + <bias, grad_bias>" if bias else ""),
                helper=identities.adjoint_of_gradient,
                given=(
                    Function(forward),
                    Function(backward),
                    Data("grad_output"),
                    Data(name),
                    backward.outputs.index(gradient),
                ),
                named=bias,
                needs=(exact_dot,),
            )


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
        yield Relation(
            name=f"linearity in {data}",
            helper=identities.linearity,
            given=(Function(forward, (data,), "y"), Data(data)),
            named={"bias": Data("bias")} if problem.bias else {},
        )
    if operator.name in {"conv2d", "avg_pool2d", "max_pool2d"}:
        yield from of_images(case, forward)
    if operator.name == "conv2d":
        yield from of_convolution(case, forward)
    if operator.name.endswith("pool2d"):
        yield from of_pools(problem, forward)
    summed = problem.count_include_pad and problem.divisor_override is None and not problem.ceil_mode
    if operator.name in {"conv2d", "im2col"} or (operator.name == "avg_pool2d" and summed):
        yield from padding_by_hand(case)


def one_identity(case: Case) -> Iterator[Relation]:
    """One of these, which the case's seed and sizes choose."""
    listed = list(identity(case))
    if listed:
        yield listed[turn(case) % len(listed)]


def turn(case: Case) -> int:
    """A number by which one case after the other takes another of some relations."""
    problem = case.problem
    return case.seed + problem.batch + problem.channels + sum(problem.size)


def of_images(case: Case, forward: Call) -> Iterator[Relation]:
    """A batch is its images, and a shifted image has shifted outputs."""
    problem = case.problem
    if problem.batch > 1:
        alone = (replace(problem, batch=1),)
        image = case.seed % problem.batch
        yield Relation(
            name="a batch gives what its images give",
            helper=identities.image_of_batch,
            given=(Function(forward, ("x",), "y"), image, Data("x")),
            also=alone,
        )
        if case.operator.backward is not None:
            backward = Function(case.operator.backward(problem), ("grad_output", "x"), "grad_input")
            yield Relation(
                name="grad_input of a batch is that of its images",
                helper=identities.image_of_batch,
                given=(backward, image, Data("grad_output"), Data("x")),
                also=alone,
            )
    for axis in (0, 1):
        if problem.padding[axis] == 0 and problem.output_size[axis] > 1 and problem.batch:
            yield Relation(
                name=f"shifting x by one stride along {('height', 'width')[axis]} shifts y by one place",
                helper=identities.shift,
                given=(Function(forward, ("x",), "y"), Data("x"), axis + 2, problem.stride[axis]),
                also=(with_axis(problem, axis, size=problem.size[axis] - problem.stride[axis]),),
            )


def of_convolution(case: Case, forward: Call) -> Iterator[Relation]:
    """A 1x1 kernel is a matrix product; groups are a split."""
    problem = case.problem
    bias = Data("bias") if problem.bias else None
    if problem.kernel_size == (1, 1) and problem.padding == (0, 0):
        yield Relation(
            name="a 1x1 convolution is a matrix product",
            helper=identities.pointwise,
            given=(Function(forward), Data("x"), Data("weight"), bias),
            named={"stride": problem.stride, "groups": problem.groups},
        )
    if problem.groups > 1:
        channels, out_channels = (n // problem.groups for n in (problem.channels, problem.out_channels))
        alone = replace(problem, groups=1, channels=channels, out_channels=out_channels)
        names = ("x", "weight", "bias") if problem.bias else ("x", "weight")
        yield Relation(
            name="groups are a split",
            helper=identities.group_of_convolution,
            given=(
                Function(forward),
                Function(case.operator.forward(alone), names, "y"),
                problem.groups,
                case.seed % problem.groups,
                *map(Data, names),
            ),
            also=(alone,),
        )


def of_pools(problem: Problem, forward: Call) -> Iterator[Relation]:
    """Pools of constants, and of data with a constant added."""
    function = Function(forward, ("x",), "y")
    if problem.operator == "max_pool2d":
        yield Relation(
            name="max of x + 8 is max of x, plus 8",
            helper=identities.max_translation,
            given=(function, Data("x"), 8),
        )
        constant = problem.padding == (0, 0) or problem.dilation == (1, 1)
    else:
        real = problem.padding == (0, 0) or not problem.count_include_pad
        constant = real and problem.divisor_override is None
    if constant and problem.batch:
        yield Relation(
            name="a pool of a constant is the constant",
            helper=identities.constant_pool,
            given=(function, Data("x"), -5),
        )


def padding_by_hand(case: Case) -> Iterator[Relation]:
    """Padding is zeros around the image."""
    problem, forward = case.problem, case.operator.forward
    if problem.padding != (0, 0):
        height, width = (n + 2 * p for n, p in zip(problem.size, problem.padding, strict=True))
        bare = replace(problem, size=(height, width), padding=(0, 0))
        yield Relation(
            name="padding is zeros around x",
            helper=identities.padding_is_zeros,
            given=(
                Function(forward(problem), ("x",), "y"),
                Function(forward(bare), ("x",), "y"),
                Data("x"),
                problem.padding,
            ),
            also=(bare,),
        )


def layout(case: Case) -> Iterator[Relation]:
    """The layout of the arrays in memory does not matter."""
    what = case.laid_out or "arrays"
    for call in calls_laid_out(case):
        for output in outputs_of(case, call):
            yield Relation(
                name=f"{output} of {case.layout} {what} = {output} of contiguous {what}",
                helper=identities.row_major,
                given=(Function(call, arrays_of(call), output), (unit(case, output),), *map(Data, arrays_of(call))),
            )


def whole_layout(case: Case) -> Iterator[Relation]:
    """All outputs of a call at once."""
    what = case.laid_out or "arrays"
    for call in calls_laid_out(case):
        units = tuple(unit(case, output) for output in outputs_of(case, call))
        yield Relation(
            name=f"{call.function} of {case.layout} {what} = {call.function} of contiguous {what}",
            helper=identities.row_major,
            given=(Function(call, arrays_of(call)), units, *map(Data, arrays_of(call))),
        )


def calls_laid_out(case: Case) -> Iterator[Call]:
    """The calls that take an array whose layout is not the usual one."""
    if case.layout != "contiguous":
        for make in (case.operator.forward, case.operator.backward):
            if make is not None and (not case.laid_out or case.laid_out in make(case.problem).arguments):
                yield make(case.problem)


def outputs_of(case: Case, call: Call) -> tuple[str, ...]:
    """The outputs of a call; without a bias it has no gradient."""
    return tuple(output for output in call.outputs if output != "grad_bias" or case.problem.bias)


def unit(case: Case, output: str) -> float:
    """The unit of the lattice of an output, inverted: in these units both sides are rounded to integers."""
    return 2.0 ** -step_of(case.operator, case.dtype, case.fill, output)


def arrays_of(call: Call) -> tuple[str, ...]:
    """The names of the arrays that a call takes."""
    return tuple(each for each in call.arguments if isinstance(each, str))


def purity_relations(case: Case) -> Iterator[Relation]:
    """Inputs stay as they are, results belong to the caller, and the same call gives the same result."""
    for make in (case.operator.forward, case.operator.backward):
        if make is not None:
            yield kept_alone(case, make)
            for what in other_problems(case):
                yield kept_beside(case, make, what)


def one_purity_relation(case: Case) -> Iterator[Relation]:
    """One of these, which the case's seed and sizes choose."""
    made: list[Callable[[], Relation]] = []
    for make in (case.operator.forward, case.operator.backward):
        if make is not None:
            made.append(partial(kept_alone, case, make))
            made += [partial(kept_beside, case, make, what) for what in other_problems(case)]
    yield made[turn(case) % len(made)]()


def kept_alone(case: Case, make: Callable[[Problem], Call]) -> Relation:
    """What a call keeps when it is made again."""
    call = make(case.problem)
    return Relation(
        name=f"{call.function} keeps its inputs, its results and its answer",
        helper=purity.impure_alone,
        given=(Function(call, arrays_of(call)),),
        named={name: Data(name) for name in arrays_of(call)},
        symptom="",
        rounded=False,
        repeats=True,
    )


def kept_beside(case: Case, make: Callable[[Problem], Call], what: str) -> Relation:
    """What a call keeps when another problem comes in between."""
    call, others = make(case.problem), other_problems(case)[what]()
    ones = tuple(Function(make(other), ones=ones_of(case.operator, other, make(other))) for other in others)
    return Relation(
        name=f"{call.function} keeps its results and its answer beside a call with {what}",
        helper=purity.impure_beside,
        given=(Function(call, arrays_of(call)), ones),
        named={name: Data(name) for name in arrays_of(call)},
        symptom="",
        rounded=False,
        repeats=True,
        also=others,
    )


def ones_of(operator: Operator, problem: Problem, call: Call) -> dict[str, Shape]:
    """Shapes of the arrays that a call of another problem takes, the data first, whose dtype they have."""
    shapes = operator.shapes(problem)
    return {name: shape for name, shape in shapes.items() if name in call.arguments}


def other_problems(case: Case) -> dict[str, Callable[[], tuple[Problem, ...]]]:
    """Problems that are like a case's but for a few options, by what the last of them has; each made when asked for.

    What a subject keeps from one call to the next it may find again by too few options: so one problem differs in
    sizes, one in the stride, one has a larger kernel but, where ceil_mode lets it, an output of the same shape, and one
    has pixels where this one has padding. The stride is changed after the sizes, as what is kept of a single call,
    and found by its sizes, is this case's until then.
    """
    problem = case.problem
    (height, width), (down, across), (above, left) = problem.size, problem.stride, problem.padding

    def images() -> Problem:
        return replace(problem, batch=problem.batch + 1, size=(height + 2, width + 1))

    def longer() -> Problem:
        return replace(problem, stride=(down + 1, across + 1))

    def larger() -> Problem:
        (rows, columns), (apart, aside) = problem.kernel_size, problem.dilation
        return replace(problem, size=(height + apart, width + aside), kernel_size=(rows + 1, columns + 1))

    found: dict[str, Callable[[], tuple[Problem, ...]]] = {
        "more and larger images": lambda: (images(),),
        "a larger stride": lambda: (images(), longer()),
        "a larger kernel": lambda: (larger(),),
    }
    if above or left:
        padded = (height + 2 * above, width + 2 * left)
        found["pixels in place of padding"] = lambda: (replace(problem, size=padded, padding=(0, 0)),)
    return found
