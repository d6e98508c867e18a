"""What the engine needs to know of an operator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from convgate.problems.operators.classes import AxisFeature, Block
from convgate.problems.plain import several, type_name
from convgate.problems.problem import Problem, as_options

__all__ = [
    "Array",
    "Arrays",
    "Call",
    "Operator",
    "ResultsError",
    "Shape",
    "common_rule",
    "perform",
    "source_of",
]

Array = NDArray[Any]
Arrays = Mapping[str, Array]
Shape = tuple[int, ...]
Argument = str | tuple[int, ...] | None

# What options are where an operator does not have them, and the least that those of all operators may be.
DEFAULTS = {name: value for name, value in as_options(Problem(operator="")).items() if name != "operator"}
LEAST = {"batch": 0, "channels": 1, "size": 1, "kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1}


@dataclass(frozen=True)
class Call:
    """One call of a subject's function, without data.

    Parameters
    ----------
    function : str
        The function's name in the subject protocol.
    arguments : tuple
        The positional arguments: a string names an array, anything else is passed as it is.
    options : dict
        The keyword arguments.
    outputs : tuple of str
        Names of what the function returns; more than one come as a tuple.
    """

    function: str
    arguments: tuple[Argument, ...]
    options: Mapping[str, object]
    outputs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Operator:
    """An operator: its options, its arrays, its calls and its numerics.

    Parameters
    ----------
    name : str
        As in the subject protocol.
    options : frozenset of str
        The options of `Problem` that mean something to it.
    shapes : callable
        Problem to the shapes of its arrays by name, the data first, then grad_output.
    broken_rule : callable
        Problem to the rule that it breaks, in words, or None if it is valid.
    forward, backward : callable
        Problem to the call; `backward` is None where the operator has none.
    gradients : dict
        Name of each gradient to the name of the array that it belongs to.
    linear_in : frozenset of str
        The arrays in which every output is linear or bilinear: the error bound takes their magnitudes.
    roundings : callable
        Problem to the largest number of roundings on the way to one entry of each output.
    terms : dict
        Output to the arrays of which one entry each is multiplied to make one term of it.
    quantum : callable
        Problem to the integer that every lattice value is a multiple of, so that all results are integers.
    least_divisor : callable
        Problem to the least magnitude that a sum is divided by.
    fills : tuple of str
        The fills that say something about it.
    work : callable
        Problem to the number of terms that a forward pass adds up.
    axis_features : tuple of AxisFeature
        What its coverage counts of either axis.
    axis_mode : str
        The flag that an axis and what can be seen of it depend on; empty if there is none.
    blocks : tuple of Block
        What its coverage counts of the other options, the flag among them.
    padding_shows : callable
        Problem to whether an output is other than zero although all windows lie in padding alone.
    usual_test : tuple of str
        Geometries of specs: what a test of such a layer commonly has.
    weight : int
        How many random cases it gets beside other operators.
    half_padding : bool
        Whether padding is at most half of the kernel.
    joins_images : bool
        Whether entries of results add up numbers of several images or channels.
    chooses : bool
        Whether an output is one of the inputs, the largest, so that it is not linear in them.
    divides : bool
        Whether sums are divided.
    shape_given : bool
        Whether its image is a shape that it is given, and no array.
    adjoint_name : str
        The operator that transposes it, if that is another one.
    norms : callable or None
        Problem, Euclidean norms and sums of magnitudes of each image and channel (of each kernel, of each bias), by
        array, to what a subject's ``error_factor`` is a factor of, by output: one number for each image and channel,
        or kernel. None where no such subject is known.
    ceiling : callable or None
        Problem to the largest ``error_factor`` that is believed, by output; None where `norms` is.
    """

    name: str
    options: frozenset[str]
    shapes: Callable[[Problem], dict[str, Shape]]
    broken_rule: Callable[[Problem], str | None]
    forward: Callable[[Problem], Call]
    backward: Callable[[Problem], Call] | None
    gradients: Mapping[str, str]
    linear_in: frozenset[str]
    roundings: Callable[[Problem], dict[str, int]]
    terms: Mapping[str, tuple[str, ...]]
    quantum: Callable[[Problem], int]
    fills: tuple[str, ...]
    work: Callable[[Problem], int]
    axis_features: tuple[AxisFeature, ...]
    axis_mode: str
    blocks: tuple[Block, ...]
    padding_shows: Callable[[Problem], bool]
    usual_test: tuple[str, ...]
    weight: int
    half_padding: bool = False
    joins_images: bool = False
    chooses: bool = False
    divides: bool = False
    shape_given: bool = False
    adjoint_name: str = ""
    norms: Callable[[Problem, Arrays, Arrays], dict[str, Array]] | None = None
    ceiling: Callable[[Problem], dict[str, float]] | None = None
    least_divisor: Callable[[Problem], int] = lambda _: 1

    @property
    def convolves(self) -> bool:
        """Whether filters of groups of channels make the output."""
        return "groups" in self.options

    @property
    def factors(self) -> int:
        """How many data entries are multiplied to make one term: 2 for a convolution, otherwise 1."""
        return max(map(len, self.terms.values()))


class ResultsError(Exception):
    """A function does not return what the protocol says."""


def perform(subject: Any, call: Call, arrays: Arrays) -> dict[str, Any]:
    """Make a call of a subject and name what it returns.

    Raises
    ------
    AttributeError
        If the subject has no such function.
    ResultsError
        If it does not return as many results as the protocol says.
    """
    function = getattr(subject, call.function)
    arguments = [arrays[each] if isinstance(each, str) else each for each in call.arguments]
    returned = function(*arguments, **call.options)
    if len(call.outputs) == 1:
        return {call.outputs[0]: returned}
    results = several(returned)
    if results is None or len(results) != len(call.outputs):
        what = type_name(returned) if results is None else f"{len(results)} results"
        raise ResultsError(f"wrong type: {call.function} must return ({', '.join(call.outputs)}), got {what}")
    return dict(zip(call.outputs, results, strict=True))


def source_of(call: Call, output: str | None = None, *, arrays: Mapping[str, str] | None = None) -> str:
    """Python source of a call, with arrays as variables: ``subject.conv2d(x, weight, None, stride=(1, 1), ...)``.

    Parameters
    ----------
    call : Call
        The call.
    output : str or None
        Which of several outputs to pick, or None for all that is returned.
    arrays : dict or None
        Source to put in place of arrays, by name.
    """
    arguments = [(arrays or {}).get(each, each) if isinstance(each, str) else repr(each) for each in call.arguments]
    keywords = [f"{name}={value!r}" for name, value in call.options.items()]
    text = f"subject.{call.function}({', '.join(arguments + keywords)})"
    return text if output is None or len(call.outputs) == 1 else f"{text}[{call.outputs.index(output)}]"


def common_rule(problem: Problem, options: frozenset[str]) -> str | None:
    """The first rule of all operators that a problem breaks, in words, or None."""
    for name, default in DEFAULTS.items():
        if name not in options:
            value = getattr(problem, name)
            if value != default and set(numbers(value)) != set(numbers(default)):
                return f"{problem.operator} has no {name}, got {value}"
    for name, minimum in LEAST.items():
        value = getattr(problem, name)
        if (min(value) if isinstance(value, tuple) else value) < minimum:
            return f"{name} must be at least {minimum}, got {value}"
    if min(problem.output_size) < 1:
        return (
            f"kernel_size {problem.kernel_size} with dilation {problem.dilation} does not fit "
            f"size {problem.size} with padding {problem.padding}"
        )
    return None


def numbers(value: Any) -> tuple[Any, ...]:
    """The numbers of an option: one for each axis, or a single one."""
    return value if isinstance(value, tuple) else (value,)
