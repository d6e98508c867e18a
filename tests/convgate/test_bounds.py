"""The bounds: no search for bad data makes a correct subject cross one, and an accumulator that is too narrow does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import frexp, isfinite, ldexp
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings, target
from hypothesis import strategies as st
from numpy.typing import NDArray

import impl
from convgate.cases.case import POINTS, Case, Point, array_shapes
from convgate.cases.dtypes import DTYPES
from convgate.cases.spec import format_spec, parse_spec
from convgate.judging.checks import judge
from convgate.judging.compare import Bound, compare
from convgate.judging.trial import Trial
from convgate.problems.operators import OPERATORS, perform
from convgate.sources.fuzz import draw_cases
from convgate.sources.large_options import large_option_cases
from convgate.sources.profiles import PROFILES, SHARD
from convgate.sources.whole_blocks import whole_block_cases
from oracles import definition, torch_oracle

Array = NDArray[Any]


class Terms:
    """A sum that is not yet added up: it takes the definition's loops through unchanged and keeps what they add.

    Each term is the tuple of its factors.
    """

    def __init__(self, *terms: tuple[float, ...]) -> None:
        self.terms = terms

    def __add__(self, other: object) -> "Terms":
        return Terms(*self.terms, *(other.terms if isinstance(other, Terms) else ()))

    __radd__ = __add__

    def __mul__(self, other: "Terms") -> "Terms":
        return Terms(*(p + q for p in self.terms for q in other.terms))


def lifted(array: Array) -> Array:
    """Each entry as a sum of one term."""
    found = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        found[index] = Terms((float(array[index]),))
    return found


def single(value: float) -> float:
    """Round to float32; of sums, products and quotients of its numbers in float64 that is the correct rounding."""
    return float(np.float32(value))


def half(value: float) -> float:
    """Round to float16."""
    return float(np.float16(value))


def bfloat(value: float) -> float:
    """Round to the 8 bits of bfloat16."""
    if value == 0 or not isfinite(value):
        return value
    mantissa, exponent = frexp(value)
    return ldexp(round(ldexp(mantissa, 8)), exponent - 8)


def as_it_is(value: float) -> float:
    """Keep float64."""
    return value


ROUNDING: dict[str, Callable[[float], float]] = {"f32": single, "f64": as_it_is}


def forwards(terms: list[float], add: Callable[[float, float], float]) -> float:
    """One after the other."""
    total = terms[0]
    for term in terms[1:]:
        total = add(total, term)
    return total


def backwards(terms: list[float], add: Callable[[float, float], float]) -> float:
    """The last one first."""
    return forwards(terms[::-1], add)


def in_pairs(terms: list[float], add: Callable[[float, float], float]) -> float:
    """The sums of both halves."""
    if len(terms) == 1:
        return terms[0]
    middle = len(terms) // 2
    return add(in_pairs(terms[:middle], add), in_pairs(terms[middle:], add))


@dataclass(frozen=True)
class Adder:
    """A correct subject, made of the definition's terms: how they are rounded and in what order they are added.

    Parameters
    ----------
    rounding : callable
        Of each result, and to the accumulator.
    order : callable
        Adds up terms.
    least : float
        Data and results below it are taken as zero.
    reciprocal : bool
        Whether an average is a product with the reciprocal.
    """

    rounding: Callable[[float], float]
    order: Callable[[list[float], Callable[[float, float], float]], float] = forwards
    least: float = 0.0
    reciprocal: bool = False

    def number(self, value: float) -> float:
        """What the accumulator makes of a result."""
        found = self.rounding(value)
        return 0.0 if abs(found) < self.least else found

    def flushed(self, value: float) -> float:
        """What it makes of a datum."""
        return 0.0 if abs(value) < self.least else value

    def product(self, factors: tuple[float, ...]) -> float:
        """One term."""
        if len(factors) == 1:
            return self.flushed(factors[0])
        return self.number(self.flushed(factors[0]) * self.flushed(factors[1]))

    def over(self, value: float, divisor: int) -> float:
        """One division."""
        return self.number(value * self.number(1 / divisor)) if self.reciprocal else self.number(value / divisor)

    def totals(self, sums: Array, like: Array, divisor: int | None = None) -> Array:
        """Every entry added up and then divided, in the dtype of `like`."""
        found = np.zeros(sums.shape, like.dtype)
        for index in np.ndindex(sums.shape):
            entry = sums[index]
            if isinstance(entry, Terms):
                products = [self.product(term) for term in entry.terms] or [0.0]
                total = self.order(products, lambda p, q: self.number(p + q))
                found[index] = total if divisor is None else self.over(total, divisor)
        return found

    def conv2d(self, x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Array:
        """As the protocol says, like all that follow."""
        offset = None if bias is None else lifted(bias)
        return self.totals(definition.conv2d(lifted(x), lifted(weight), offset, **options), x)

    def conv2d_backward(
        self, grad_output: Array, x: Array, weight: Array, bias: Array | None = None, **options: Any
    ) -> tuple[Array | None, ...]:
        """As the protocol says."""
        offset = None if bias is None else lifted(bias)
        found = definition.conv2d_backward(lifted(grad_output), lifted(x), lifted(weight), offset, **options)
        return tuple(None if sums is None else self.totals(sums, x) for sums in found)

    def avg_pool2d(self, x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
        """Of problems in which all divisors are the same; as a depthwise convolution with ones."""
        ones, plain = ones_of(x, kernel_size, options)
        sums = definition.conv2d(lifted(x), ones, **plain)
        return self.totals(sums, x, options["divisor_override"] or kernel_size[0] * kernel_size[1])

    def avg_pool2d_backward(self, grad_output: Array, x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
        """Of the same problems."""
        divisor = options["divisor_override"] or kernel_size[0] * kernel_size[1]
        shares = np.vectorize(lambda g: self.over(self.flushed(float(g)), divisor), otypes=[float])(grad_output)
        ones, plain = ones_of(x, kernel_size, options)
        return self.totals(definition.conv2d_backward(lifted(shares), lifted(x), ones, **plain)[0], x)

    def max_pool2d_backward(self, grad_output: Array, x: Array, kernel_size: tuple[int, int], **options: Any) -> Array:
        """As the protocol says."""
        return self.totals(
            definition.max_pool2d_backward(lifted(grad_output), x.astype(object), kernel_size, **options), x
        )

    def col2im(self, columns: Array, input_shape: Any, kernel_size: tuple[int, int], **options: Any) -> Array:
        """As the protocol says."""
        return self.totals(definition.col2im(lifted(columns), input_shape, kernel_size, **options), columns)


def ones_of(x: Array, kernel_size: tuple[int, int], options: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
    """Weight and options of the depthwise convolution that adds up windows."""
    groups = x.shape[1]
    plain = {"stride": options["stride"], "padding": options["padding"], "groups": groups}
    return lifted(np.ones((groups, 1, *kernel_size))), plain


def correct_subjects(dtype: str) -> Iterator[Any]:
    """Subjects that add up the products of the definition, each in its way."""
    yield impl
    yield torch_oracle
    for order in (forwards, backwards, in_pairs):
        yield Adder(ROUNDING[dtype], order)
    yield Adder(ROUNDING[dtype], least=DTYPES[dtype].smallest_normal, reciprocal=True)
    yield Adder(as_it_is, reciprocal=True)  # float64 to the end


# Each output that is rounded, on a problem with as many terms an entry as a few numbers allow.
PROBLEMS = {
    "y": "conv2d:c2h2w4k2x3p1x0+bias",
    "grad_input": "conv2d:h2w3o3k2",
    "grad_weight": "conv2d:n2h4w4k2x1",
    "grad_bias": "conv2d:n3h3w3+bias",
    "avg y": "avg_pool2d:h4w5k3x4p1",
    "avg y, divided by less than zero": "avg_pool2d:h3w3k3+divisor-7",
    "avg grad_input": "avg_pool2d:h4w5k3s1p1",
    "max grad_input": "max_pool2d:h5w5k3s1",
    "col2im y": "col2im:h3w4k3x2p1",
}


# Binary exponents around which the data of an array may lie: subnormal, with products that underflow, ordinary, with
# products that overflow, and with sums that do.
CENTRES = {"f32": (-128, -63, 0, 0, 63, 126), "f64": (-1030, -511, 0, 0, 511, 1022)}


@st.composite
def bad_data(draw: st.DrawFn, spec: str, dtype: str) -> Case:
    """A case of a problem with data that are hard on rounding.

    Numbers of few and of all bits, next to a tie; of one size and of many binades; small enough to underflow as they
    are, multiplied or added, and large enough to overflow; of one sign, and with sums that cancel.
    """
    problem = parse_spec(spec).problem
    bits = {"f32": 24, "f64": 53}[dtype]
    least, most = 2 ** (bits - 1), 2**bits - 1
    mantissas = st.one_of(st.sampled_from([least, least + 1, most]), st.integers(least, most))
    points = []
    for name, shape in array_shapes(problem).items():
        size = int(np.prod(shape))
        centre, spread = draw(st.sampled_from(CENTRES[dtype])), draw(st.sampled_from([0, 2, bits]))
        signs = draw(st.sampled_from([[1], [1, -1], [-1]]))
        numbers = st.tuples(st.sampled_from(signs), mantissas, st.integers(-spread, 0))
        drawn = draw(st.lists(numbers, min_size=size, max_size=size))
        values = [ldexp(sign * mantissa, exponent + centre - bits) for sign, mantissa, exponent in drawn]
        if draw(st.booleans()):
            values[size // 2 :] = [-value for value in values[: size - size // 2]]
        indices = [tuple(int(i) for i in index) for index in np.ndindex(shape)]
        points += [Point(name, index, float(DTYPES[dtype].type(v))) for index, v in zip(indices, values, strict=True)]
    return Case(problem=problem, dtype=dtype, fill=POINTS, points=tuple(point for point in points if point.value))


def tied_data(spec: str, dtype: str) -> Iterator[Case]:
    """Cases of a problem of which one array has a 1 and otherwise u, which a sum loses that comes to the 1 first.

    The others are ones; but where a maximum decides who gets the gradients, one pixel gets them all.
    """
    problem = parse_spec(spec).problem
    shapes = array_shapes(problem)
    ones = {name: np.ones(shape) for name, shape in shapes.items()}
    if problem.operator == "max_pool2d":
        ones["x"][..., problem.size[0] // 2, problem.size[1] // 2] = 2
    for name, shape in shapes.items():
        for place in np.ndindex(shape):
            tied = np.full(shape, DTYPES[dtype].unit_roundoff)
            tied[place] = 1
            points = [
                Point(each, tuple(map(int, index)), float(value))
                for each, array in (ones | {name: tied}).items()
                for index, value in np.ndenumerate(array)
            ]
            yield Case(problem=problem, dtype=dtype, fill=POINTS, points=tuple(points))


def shares_of_the_bound(case: Case) -> Iterator[float]:
    """Of each output of each correct subject: the largest error over its bound; all must pass the gate."""
    trial = Trial(case, definition)
    calls = [trial.operator.forward(case.problem)]
    calls += [trial.operator.backward(case.problem)] if trial.operator.backward is not None else []
    for call in calls:
        truths = trial.expected(call)
        bounds = {}
        for name in truths:
            bound = trial.bound(call, name, case.dtype)
            if isinstance(bound, Bound) and bound.roundings:
                bounds[name] = bound
        lines = {name: {i: bound.at(i) for i in np.ndindex(truths[name].shape)} for name, bound in bounds.items()}
        for subject in correct_subjects(case.dtype):
            if not lines or not hasattr(subject, call.function):
                continue
            outputs = perform(subject, call, trial.arrays())
            for name, line in lines.items():
                mismatch = compare(outputs[name], truths[name], case.dtype, bounds[name])
                assert mismatch is None, (mismatch, subject, name, format_spec(case))
                yield max(share(outputs[name][index], truths[name][index], most) for index, most in line.items())


def share(actual: Any, expected: Any, line: Fraction) -> float:
    """Error over bound; 0 where the sum overflows."""
    if not isfinite(actual) or not line:
        return 0.0
    return float(abs(Fraction(float(actual)) - Fraction(expected)) / line)


searching = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.target],  # what fails is a list of numbers, which becomes no clearer if shrunk
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("output", PROBLEMS)
def test_no_data_make_a_correct_subject_cross_its_bound(output: str, dtype: str) -> None:
    @searching
    @given(bad_data(PROBLEMS[output], dtype) | st.sampled_from(list(tied_data(PROBLEMS[output], dtype))))
    def search(case: Case) -> None:
        with np.errstate(all="ignore"):
            target(max(shares_of_the_bound(case), default=0.0))

    search()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("output", PROBLEMS)
def test_some_data_take_a_correct_subject_over_half_of_its_bound(output: str, dtype: str) -> None:
    """So a bound half as large would blame somebody wrongly, and this search would find whom."""
    assert any(max(shares_of_the_bound(case)) > 1 / 2 for case in tied_data(PROBLEMS[output], dtype))


def worst_terms(count: int, dtype: str) -> Array:
    """1, and then what each addition to it loses: u is half of the last place of 1, and the tie goes to 1."""
    return np.array([1.0] + [DTYPES[dtype].unit_roundoff] * (count - 1), DTYPES[dtype].type)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [2, 9, 100])
def test_a_sum_in_order_can_lose_all_of_the_bound_but_two_roundings(count: int, dtype: str) -> None:
    """So no bound that is much smaller would hold."""
    terms = worst_terms(count, dtype)
    exact = np.array([sum(map(Fraction, terms.tolist()))], object)
    actual = np.add.accumulate(terms)[-1:]
    assert compare(actual, exact, dtype, Bound(exact, count, dtype)) is None
    assert compare(actual, exact, dtype, Bound(exact, count - 3, dtype)) is not None


# Too narrow an accumulator

# Products of a case that is added up term by term.
MOST_WORK = 5_000

NARROW = {
    "float16 for float32": ("f32", half),
    "bfloat16 for float32": ("f32", bfloat),
    "float16 for float64": ("f64", half),
    "bfloat16 for float64": ("f64", bfloat),
    "float32 for float64": ("f64", single),
}


def real_cases(operator: str, dtype: str) -> list[Case]:
    """The cases of profile smoke with real data, but for the larger ones."""
    shards = range(PROFILES["smoke"].shards(OPERATORS[operator].weight))
    found = [case for shard in shards for case in draw_cases(operator, 0, shard, SHARD, impl)]
    jointly = [*whole_block_cases(operator, 0), *large_option_cases(operator, 0)]
    found += [case for case in jointly if case.operator.work(case.problem) <= MOST_WORK]
    valid = [case for case in found if case.operator.broken_rule(case.problem) is None]
    return [case for case in valid if (case.dtype, case.fill) == (dtype, "real")]


@pytest.mark.parametrize("operator", ["conv2d", "col2im"])
@pytest.mark.parametrize("accumulator", NARROW)
def test_an_accumulator_that_is_too_narrow_is_found_on_the_real_data_of_profile_smoke(
    accumulator: str, operator: str
) -> None:
    dtype, rounding = NARROW[accumulator]
    cases = real_cases(operator, dtype)
    results = [result for case in cases for result in judge(case, Adder(rounding), ["forward"])]
    failed = [result for result in results if result.verdict == "failed"]
    assert failed
    assert {result.symptom for result in failed} == {"inaccurate"}
    exact = [result for case in cases for result in judge(case, Adder(ROUNDING[dtype]), ["forward"])]
    assert not [result for result in exact if result.verdict == "failed"]
