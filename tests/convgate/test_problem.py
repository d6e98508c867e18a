"""Problems: their axes, and what follows from them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convgate.problems.axis import AXIS_OPTIONS, Axis, make_axes
from convgate.problems.problem import Problem, as_options, replace_axis, with_axes

numbers = st.integers(-1, 9)


@st.composite
def problems(draw: st.DrawFn, sides: int = 2) -> Problem:
    """Any problem, valid or not, with every option of its own."""
    options = {name: draw(st.tuples(*[numbers] * sides)) for name in AXIS_OPTIONS}
    return Problem(
        operator=draw(st.sampled_from(["conv2d", "max_pool2d"])),
        batch=draw(st.integers(0, 3)),
        channels=draw(st.integers(1, 3)),
        ceil_mode=draw(st.booleans()),
        axes=make_axes(**options),
    )


several = st.integers(1, 3).flatmap(problems)


def test_places_and_taps_are_areas() -> None:
    axes = make_axes(size=(5, 7), kernel_size=(3, 2), stride=(2, 1), padding=(1, 0))
    problem = Problem(operator="conv2d", axes=axes)
    assert problem.output_size == (3, 6)
    assert problem.places == 18
    assert problem.taps == 6


def test_output_size_heeds_ceil_mode_and_each_axis() -> None:
    axes = make_axes(size=(5, 4), kernel_size=(2, 3), stride=(2, 1))
    assert Problem(operator="max_pool2d", axes=axes).output_size == (2, 2)
    assert Problem(operator="max_pool2d", axes=axes, ceil_mode=True).output_size == (3, 2)


@given(several)
def test_options_of_axes_have_a_number_for_each_axis(problem: Problem) -> None:
    for name in AXIS_OPTIONS:
        assert getattr(problem, name) == tuple(getattr(axis, name) for axis in problem.axes)
    assert len(problem.output_size) == len(problem.axes)


@given(several)
def test_reversed_axes_have_everything_reversed(problem: Problem) -> None:
    mirrored = Problem(**{**fields_of(problem), "axes": problem.axes[::-1]})
    for name in (*AXIS_OPTIONS, "output_size"):
        assert getattr(mirrored, name) == getattr(problem, name)[::-1]


def fields_of(problem: Problem) -> dict[str, Any]:
    """Its fields without what has been derived from them."""
    return {name: getattr(problem, name) for name in Problem.__dataclass_fields__}


def test_options_are_those_of_the_protocol_with_pairs_for_axes() -> None:
    problem = Problem(operator="im2col", channels=2, axes=make_axes(size=(5, 7), kernel_size=(3, 3), padding=(1, 0)))
    assert as_options(problem) == {
        "operator": "im2col",
        "batch": 1,
        "channels": 2,
        "size": (5, 7),
        "out_channels": 1,
        "kernel_size": (3, 3),
        "stride": (1, 1),
        "padding": (1, 0),
        "dilation": (1, 1),
        "groups": 1,
        "bias": False,
        "ceil_mode": False,
        "count_include_pad": True,
        "divisor_override": None,
    }


def test_options_are_set_on_all_axes_or_on_each() -> None:
    problem = Problem(operator="conv2d", axes=make_axes(size=(5, 7), kernel_size=(3, 2)))
    changed = with_axes(problem, stride=2, size=(4, 9))
    assert changed == Problem(operator="conv2d", axes=make_axes(size=(4, 9), kernel_size=(3, 2), stride=(2, 2)))
    with pytest.raises(ValueError, match="shorter"):
        with_axes(problem, stride=(2,))


@given(several, st.data())
def test_an_axis_that_is_replaced_leaves_the_others_alone(problem: Problem, data: st.DataObject) -> None:
    number = data.draw(st.integers(-len(problem.axes), len(problem.axes) - 1))
    changed = replace_axis(problem, number, Axis(size=99))
    assert changed.axes[number] == Axis(size=99)
    assert replace_axis(changed, number, problem.axes[number]) == problem


@given(problems(), problems())
def test_what_is_derived_makes_no_difference(one: Problem, other: Problem) -> None:
    plain = Problem(**fields_of(one))
    assert one.size
    assert (one == plain, hash(one) == hash(plain)) == (True, True)
    assert (one == other) == (fields_of(one) == fields_of(other))
