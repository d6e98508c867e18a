"""Only arrays of NumPy's own are judged: what merely behaves like one is the wrong type, in every check."""

import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import impl
from convgate.cases.case import values_of
from convgate.cases.spec import parse_spec
from convgate.diagnosis.repro import repro_source
from convgate.judging.checks import CHECKS, OUTPUTS, judge
from convgate.judging.compare import compare
from convgate.judging.purity import impure_alone, impure_beside
from convgate.judging.relations import agree
from convgate.judging.trial import Trial
from convgate.problems.operators import OPERATORS
from convgate.problems.plain import NotPlainError, Plain
from convgate.results.verdicts import primary_failure

RELATIONS = {name: check.relations for name, check in CHECKS.items() if check.relations is not None}

Array = NDArray[Any]
Like = Callable[[Array], Any]


class Equal(np.ndarray[Any, Any]):
    """Equals everything and is less than everything, whatever function it is asked by."""

    def __eq__(self, other: object) -> Any:
        return np.ones(self.shape, bool)

    def __ne__(self, other: object) -> Any:
        return np.zeros(self.shape, bool)

    __hash__ = None

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return np.zeros(self.shape, bool)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        return np.zeros(self.shape, bool)


class Only(NamedTuple):
    """One result by name."""

    y: Any


class Gradients(NamedTuple):
    """Several results by name."""

    grad_input: Any
    grad_weight: Any
    grad_bias: Any


class Child(np.ndarray[Any, Any]):
    """A subclass that changes nothing."""


class Offers:
    """Has an array by NumPy's protocols, and no more."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __array__(self, *_: Any, **__: Any) -> Array:
        return self.array

    @property
    def __array_interface__(self) -> Any:
        return self.array.__array_interface__

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


class Pretends(Offers):
    """Says that its class is numpy.ndarray."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return np.ndarray


class Nameless(type):
    """The class of a class that does not tell its name."""

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError


class Unnamed(Child, metaclass=Nameless):
    """An array of a class whose name raises."""


def memory_mapped(array: Array) -> Any:
    """The same bytes, as a class of NumPy's that maps files has them."""
    return array.view(np.memmap)


WRONG_TYPE: dict[str, Like] = {
    "masked": lambda y: np.ma.masked_array(y * 0 + 7, mask=True),
    "not masked": np.ma.masked_array,
    "matrix": lambda y: y.reshape(len(y), -1).view(np.matrix),
    "matrix of any shape": lambda y: y.view(np.matrix) if y.ndim <= 2 else y.view(np.recarray),
    "record array": lambda y: y.view(np.recarray),
    "memory map": memory_mapped,
    "child": lambda y: y.view(Child),
    "equals everything": lambda y: (y * 0 + 7).view(Equal),
    "without a name": lambda y: y.view(Unnamed),
    "offers an array": Offers,
    "pretends to be one": Pretends,
    "list": lambda y: y.tolist(),
    "tuple": lambda y: (y,),
    "named tuple": Only,
    "list of an array": lambda y: [y],
    "generator": lambda y: iter([y]),
    "dict": lambda y: {"y": y},
    "tensor": lambda y: torch.from_numpy(y.copy()),
    "memory": lambda y: np.ascontiguousarray(y).data,
    "number": lambda y: float(y.sum()),
    "NumPy's number": lambda y: y.dtype.type(1),
    "nothing": lambda _: None,
    "NotImplemented": lambda _: NotImplemented,
}
WRONG_DTYPE: dict[str, Like] = {
    "objects": lambda y: y.astype(object),
    "big-endian": lambda y: y.astype(y.dtype.newbyteorder(">")),
    "narrow": lambda y: y.astype(np.float16),
    "complex": lambda y: y.astype(np.complex128),
    "integers": lambda y: y.astype(np.int64),
    "structured": lambda y: y.view([("only", y.dtype)]),
    "long": lambda y: y.astype(np.longdouble),
}
EVERY = WRONG_TYPE | WRONG_DTYPE
SPECS = {
    "conv2d": "conv2d:n2c2h4w5o2k2p1g2+bias:f32:transposed",
    "avg_pool2d": "avg_pool2d:n2c2h4w5k2s1p1:transposed",
    "max_pool2d": "max_pool2d:n2c2h4w5k2s1:transposed",
    "im2col": "im2col:n2h4w3k2p1:transposed",
    "col2im": "col2im:n2h4w3k2p1:transposed",
}


def subject_with(function: str, place: int | None, like: Like) -> Any:
    """Our own functions, one of whose results comes as something else."""

    def returns(*arguments: Any, **options: Any) -> Any:
        found = getattr(impl, function)(*arguments, **options)
        if place is None:
            return like(found)
        return tuple(like(each) if number == place and each is not None else each for number, each in enumerate(found))

    own = {
        name: getattr(impl, name)
        for name in (*OPERATORS, *(f"{each}_backward" for each in SPECS))
        if hasattr(impl, name)
    }
    return SimpleNamespace(**{**own, function: returns})


RESULTS = [
    ("conv2d", None, "y"),
    ("conv2d_backward", 0, "grad_input"),
    ("conv2d_backward", 1, "grad_weight"),
    ("conv2d_backward", 2, "grad_bias"),
    ("avg_pool2d", None, "y"),
    ("avg_pool2d_backward", None, "grad_input"),
    ("max_pool2d", None, "y"),
    ("max_pool2d_backward", None, "grad_input"),
    ("im2col", None, "y"),
    ("col2im", None, "y"),
]


def symptom_of(name: str, y: Array) -> str:
    """What it must be called."""
    like = EVERY[name](y)
    return "wrong type" if type(like) is not np.ndarray else "wrong dtype"


@settings(deadline=None, max_examples=60, database=None)
@given(st.sampled_from(RESULTS), st.sampled_from(sorted(EVERY)))
def test_every_array_like_is_the_wrong_type_in_every_check_that_sees_it(
    result: tuple[str, int | None, str], name: str
) -> None:
    function, place, output = result
    operator = function.removesuffix("_backward")
    case = parse_spec(SPECS[operator])
    subject = subject_with(function, place, EVERY[name])
    found = {each.check: each for each in judge(case, subject)}
    direct = next(check for check, each in OUTPUTS.items() if each == output)
    must_be = symptom_of(name, np.ones((2, 2), np.float64))
    assert (found[direct].verdict, found[direct].symptom) == ("failed", must_be)
    primary = primary_failure(found.values())
    assert primary is not None
    for check, relations in RELATIONS.items():
        asked = [relation for relation in relations.each(case) if function in relation.functions]
        with_bias = check != "adjoint" or output != "grad_bias"
        if asked and check in found and name != "nothing" and with_bias:
            assert found[check].verdict in {"failed", "vacuous"}, (check, found[check])
            assert found[check].verdict == "vacuous" or found[check].symptom == must_be, (check, found[check])


@pytest.fixture
def module() -> Iterator[Any]:
    """A module that scripts can import, and that is forgotten afterwards."""
    stand_in: Any = SimpleNamespace()
    sys.modules["array_like_subject"] = stand_in
    yield stand_in
    del sys.modules["array_like_subject"]


def run(script: str, operator: str) -> None:
    names: dict[str, Any] = {"__name__": "script"}
    exec(script, names)  # noqa: S102 - our own script
    names[f"test_{operator}"]()


@pytest.mark.parametrize("check", ["forward", "purity", "identity", "adjoint", "layout"])
@pytest.mark.parametrize("name", ["masked", "equals everything", "child", "offers an array", "big-endian"])
def test_the_script_of_a_failure_asks_for_the_type_too(name: str, check: str, module: Any) -> None:
    case = parse_spec(SPECS["im2col"])
    broken = subject_with("im2col", None, EVERY[name])
    (result,) = judge(case, broken, [check])
    assert result.verdict == "failed"
    script = repro_source("array_like_subject", case, result, "headline", "spec", 5.0)
    vars(module).update(vars(broken))
    with pytest.raises((AssertionError, NotPlainError, TypeError)):
        run(script, "im2col")
    vars(module).update(im2col=impl.im2col)
    run(script, "im2col")


def test_a_wholly_masked_result_of_im2col_passes_no_check_at_all() -> None:
    subject = subject_with("im2col", None, EVERY["masked"])
    for result in judge(parse_spec("im2col:n2h4w3k2p1:transposed"), subject):
        assert result.verdict == "failed", result


@pytest.mark.parametrize("like", [EVERY["masked"], EVERY["equals everything"], EVERY["child"]])
def test_an_array_like_agrees_with_nothing_not_even_with_itself(like: Like) -> None:
    y = np.arange(6.0).reshape(2, 3)
    assert agree(y, y.copy(), rounded=True)
    assert not agree(like(y), y, rounded=True)
    assert not agree(y, like(y), rounded=False)
    assert not agree(like(y), like(y), rounded=False)


@pytest.mark.parametrize("like", [EVERY["masked"], EVERY["equals everything"], EVERY["child"]])
def test_purity_is_asked_of_arrays_alone(like: Like) -> None:
    with pytest.raises(TypeError, match=r"numpy\.ndarray itself"):
        impure_alone(lambda x: like(x.copy()), x=np.ones(3))
    with pytest.raises(TypeError, match=r"numpy\.ndarray itself"):
        impure_beside(lambda x: like(x.copy()), (), x=np.ones(3))


def test_a_result_whose_entries_share_memory_does_not_belong_to_the_caller() -> None:
    def shared(x: Array) -> Array:
        strided: Array = np.lib.stride_tricks.as_strided(np.array([x.sum(), 0.0]), (2, 3), (8, 0))
        return strided

    def apart(x: Array) -> Array:
        return np.asarray(np.arange(12.0).reshape(3, 4).T[::-1, ::2] + 0 * x.sum())

    assert impure_alone(shared, x=np.ones(3))[0].startswith("aliased output: entries")
    assert impure_alone(lambda x: apart(x).T[::-1], x=np.ones(3))[0] == "nothing wrong"


def test_results_may_come_in_a_list_or_a_named_tuple_and_are_read_by_place() -> None:
    class Turned(tuple[Any, ...]):
        """Gives its entries backwards when it is walked."""

        __slots__ = ()

        def __iter__(self) -> Iterator[Any]:
            return iter(tuple(self[place] for place in (2, 1, 0)))

    for make in (list, Gradients._make, Turned):
        subject = SimpleNamespace(
            conv2d=impl.conv2d, conv2d_backward=lambda *a, make=make, **o: make(impl.conv2d_backward(*a, **o))
        )
        assert primary_failure(judge(parse_spec(SPECS["conv2d"]), subject)) is None, make


@pytest.mark.parametrize("wrong", [iter, lambda found: {"all": found}, lambda found: found[:2], np.asarray])
def test_several_results_in_anything_else_are_the_wrong_type(wrong: Callable[[Any], Any]) -> None:
    def conv2d_backward(*arguments: Any, **options: Any) -> Any:
        grad_input, _, _ = impl.conv2d_backward(*arguments, **options)
        return wrong((grad_input, grad_input, grad_input))

    subject = SimpleNamespace(conv2d=impl.conv2d, conv2d_backward=conv2d_backward)
    (result,) = judge(parse_spec("conv2d:h3w3k2+bias"), subject, ["grad_input"])
    assert (result.verdict, result.symptom) == ("failed", "wrong type")
    assert "must return (grad_input, grad_weight, grad_bias)" in result.message


def test_a_zero_dimensional_array_is_no_none() -> None:
    def conv2d_backward(*arguments: Any, **options: Any) -> Any:
        return (*impl.conv2d_backward(*arguments, **options)[:2], np.array(None))

    subject = SimpleNamespace(conv2d=impl.conv2d, conv2d_backward=conv2d_backward)
    (result,) = judge(parse_spec("conv2d:h3w3k2"), subject, ["grad_bias"])
    assert (result.verdict, result.symptom) == ("failed", "wrong type")


def test_a_result_is_read_once() -> None:
    """So that a subject that keeps it cannot make it right once it has been found wrong, or the other way round."""
    kept: list[Array] = []

    def conv2d(*arguments: Any, **options: Any) -> Any:
        kept.append(impl.conv2d(*arguments, **options))
        return kept[0]

    case = parse_spec("conv2d:h3w3k2")
    trial_subject = SimpleNamespace(conv2d=conv2d)
    trial = Trial(case, trial_subject)
    call = case.operator.forward(case.problem)
    outputs = trial.outcome(call).outputs
    assert outputs is not None
    before = outputs["y"].copy()
    kept[0] += 7
    assert (outputs["y"] == before).all()
    assert compare(outputs["y"], trial.expected(call)["y"], "f64") is None


def test_functions_of_a_plain_subject_pass_on_what_is_right() -> None:
    arrays = values_of(parse_spec("conv2d:n2c2h4w5o2k2p1g2+bias:f32"))
    x, weight, bias = (arrays[name] for name in ("x", "weight", "bias"))
    options: dict[str, Any] = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 2}
    y = Plain(impl, ()).conv2d(x, weight, bias, **options)
    assert type(y) is np.ndarray
    assert (y == impl.conv2d(x, weight, bias, **options)).all()
