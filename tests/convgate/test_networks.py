"""The layers of networks: each is taken as it is but for channels and sizes, and these in all ways promised."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product

import pytest

from convgate.cases.case import case_rule
from convgate.cases.spec import format_spec, parse_spec
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem
from convgate.sources.layers import Layer, layers_of
from convgate.sources.networks import (
    CHANNELS,
    FEW_CHANNELS,
    MOST_FULL_WORK,
    MOST_WORK_EACH,
    OUTPUTS,
    OWN,
    SIZES,
    LayerCase,
    Setting,
    at,
    cost,
    network_cases,
)
from convgate.sources.profiles import Extent

cached = cache(network_cases)
EXTENTS = list(Extent)


def full(operator: str) -> dict[str, Problem]:
    return {layer.name: layer.problem for layer in layers_of(operator)}


def settings_of(each: LayerCase) -> set[Setting]:
    """The settings at which a layer has this problem."""
    layer = Layer(each.layer, full(each.case.problem.operator)[each.layer])
    single = replace(each.case.problem, batch=1)
    every = (Setting(*values) for values in product(CHANNELS, SIZES, OUTPUTS))
    return {setting for setting in every if at(layer, setting) == single}


@pytest.mark.parametrize("operator", OPERATORS)
def test_layers_have_names_of_their_own_and_are_valid(operator: str) -> None:
    layers = layers_of(operator)
    assert len({layer.name for layer in layers}) == len(layers) > 10
    assert len({layer.problem for layer in layers}) == len(layers)
    for layer in layers:
        assert OPERATORS[operator].broken_rule(layer.problem) is None, layer.name
        assert layer.problem.batch == 1


@pytest.mark.parametrize("extent", EXTENTS)
@pytest.mark.parametrize("operator", OPERATORS)
def test_every_case_is_valid_and_survives_its_spec(operator: str, extent: Extent) -> None:
    found = cached(operator, extent)
    assert len(set(found)) == len(found)
    for each in found[:: 1 + len(found) // 300]:
        assert case_rule(each.case) is None, each
        assert each.case.operator.broken_rule(each.case.problem) is None, each
        assert parse_spec(format_spec(each.case)) == each.case


@pytest.mark.parametrize("extent", EXTENTS)
@pytest.mark.parametrize("operator", OPERATORS)
def test_the_options_of_a_layer_stay_what_they_are(operator: str, extent: Extent) -> None:
    kept = ("stride", "padding", "dilation", "bias", "ceil_mode", "count_include_pad", "divisor_override")
    for each in cached(operator, extent):
        problem, layer = each.case.problem, full(operator)[each.layer]
        assert all(getattr(problem, name) == getattr(layer, name) for name in kept)
        as_large = [kernel == size for kernel, size in zip(layer.kernel_size, layer.size, strict=True)]
        for axis in (0, 1):
            if as_large[axis] and layer.padding[axis] == 0:
                assert problem.kernel_size[axis] == problem.size[axis]
            else:
                assert problem.kernel_size[axis] == layer.kernel_size[axis]


@pytest.mark.parametrize("extent", EXTENTS)
def test_groups_stay_of_their_kind(extent: Extent) -> None:
    for each in cached("conv2d", extent):
        problem, layer = each.case.problem, full("conv2d")[each.layer]
        if 1 < layer.groups == layer.channels:
            assert problem.groups == problem.channels > 1 or problem.channels == 1
        else:
            assert (problem.groups > 1) == (layer.groups > 1)
            assert problem.groups < problem.channels or problem.groups == 1


@pytest.mark.parametrize("operator", OPERATORS)
def test_each_layer_comes_once_where_each_is_asked_for(operator: str) -> None:
    found = cached(operator, Extent.EACH)
    assert [each.layer for each in found] == [layer.name for layer in layers_of(operator)]
    assert sum(cost(replace(each.case.problem, batch=1)) > MOST_WORK_EACH for each in found) < len(found) / 20


@pytest.mark.parametrize("operator", OPERATORS)
def test_over_the_layers_of_the_quick_profile_all_channels_meet_all_sizes(operator: str) -> None:
    """But for 64 channels of 14 x 14 pixels, of which few layers are small enough."""
    expected = set(product(CHANNELS, SIZES))
    met = {(setting.channels, setting.size) for each in cached(operator, Extent.EACH) for setting in settings_of(each)}
    if operator.endswith("pool2d"):
        # there are hardly more layers than pairs
        assert {channels for channels, _ in met} == set(CHANNELS)
        assert {size for _, size in met} == set(SIZES)
        assert len(met) > len(expected) // 2
    else:
        assert met >= expected


def test_over_the_layers_of_the_quick_profile_all_numbers_of_outputs_meet_all_channels() -> None:
    met = {
        (setting.channels, setting.outputs) for each in cached("conv2d", Extent.EACH) for setting in settings_of(each)
    }
    assert met >= set(product(CHANNELS, OUTPUTS))


@pytest.mark.parametrize("operator", OPERATORS)
def test_most_is_all_channels_up_to_16_at_all_sizes_and_each_number_beyond(operator: str) -> None:
    """Where a layer is one pixel, or would be the same at two sizes, it is one case."""
    found = cached(operator, Extent.MOST)
    for layer in layers_of(operator):
        own = [each for each in found if each.layer == layer.name]
        met = {(setting.channels, setting.size) for each in own for setting in settings_of(each)}
        assert met >= set(product(FEW_CHANNELS, SIZES)), layer.name
        assert {channels for channels, _ in met} == set(CHANNELS), layer.name
    for channels in set(CHANNELS) - set(FEW_CHANNELS):
        some = [each for each in found for setting in settings_of(each) if setting.channels == channels]
        assert {size for each in some for size in each.case.problem.size} >= set(SIZES)


@pytest.mark.parametrize("operator", OPERATORS)
def test_all_is_everything_that_is_not_too_large_and_the_full_size(operator: str) -> None:
    found = cached(operator, Extent.ALL)
    problems: dict[str, set[Problem]] = {}
    for each in found:
        problems.setdefault(each.layer, set()).add(replace(each.case.problem, batch=1))
    for layer in layers_of(operator):
        own = problems[layer.name]
        assert any(problem.size == layer.problem.size for problem in own)
        outputs = OUTPUTS if operator == "conv2d" and layer.problem.groups != layer.problem.channels else ["equal"]
        every = {at(layer, Setting(*values)) for values in product(CHANNELS, SIZES, outputs)}
        assert own >= {problem for problem in every if cost(problem) <= MOST_FULL_WORK}
    assert max(cost(problem) for own in problems.values() for problem in own) <= MOST_FULL_WORK


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_layer_that_is_not_too_large_is_taken_as_it_is(operator: str) -> None:
    found = {(each.layer, replace(each.case.problem, batch=1)) for each in cached(operator, Extent.ALL)}
    small = [layer for layer in layers_of(operator) if cost(layer.problem) <= MOST_FULL_WORK]
    assert small
    assert {(layer.name, layer.problem) for layer in small} <= found


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_dtype_is_mostly_that_of_networks(operator: str) -> None:
    dtypes = [each.case.dtype for each in cached(operator, Extent.MOST)]
    assert len(dtypes) / 10 < dtypes.count("f64") < len(dtypes) / 2


# What a fresh count of an earlier gate found nothing or next to nothing of.
LACKED: dict[str, Callable[[Problem], bool]] = {
    "dense 3x3, padding 1": lambda p: (
        (p.groups, p.kernel_size, p.stride, p.padding, p.dilation) == (1, (3, 3), (1, 1), (1, 1), (1, 1))
    ),
    "3x3, stride 2, padding 1": lambda p: (p.kernel_size, p.stride, p.padding) == ((3, 3), (2, 2), (1, 1)),
    "7x7, stride 2, padding 3": lambda p: (p.kernel_size, p.stride, p.padding) == ((7, 7), (2, 2), (3, 3)),
    "3x3, dilation 2, padding 2": lambda p: (p.kernel_size, p.dilation, p.padding) == ((3, 3), (2, 2), (2, 2)),
    "5x5, padding 2": lambda p: (p.kernel_size, p.padding) == ((5, 5), (2, 2)),
    **{
        f"channels in and out multiples of {block}": lambda p, block=block: (  # type: ignore[misc]
            p.channels % block == 0 == p.out_channels % block
        )
        for block in (4, 8, 16)
    },
    "kernel sides of 6 or more": lambda p: min(p.kernel_size) >= 6,
    "dilation of 4 or more": lambda p: max(p.dilation) >= 4,
    "more than 10,000 column entries": lambda p: p.channels * p.taps * p.places * p.batch > 10_000,
}


@pytest.mark.parametrize("name", LACKED)
def test_there_are_hundreds_of_what_the_world_runs(name: str) -> None:
    """Most of them with a problem of their own, all with data of their own."""
    problems = [each.case.problem for each in cached("conv2d", Extent.MOST) if LACKED[name](each.case.problem)]
    assert len(problems) >= 100
    assert len(set(problems)) >= 90


def test_a_layer_of_one_pixel_or_one_row_keeps_it() -> None:
    sizes = {each.layer: each.case.problem.size for each in cached("conv2d", Extent.EACH)}
    assert sizes["EfficientNet-B0 squeeze and excite"] == (1, 1)
    assert sizes["EEGNet separable"][0] == 1


def test_a_kernel_that_does_not_fit_gets_pixels_to_move_over() -> None:
    patches = next(layer for layer in layers_of("conv2d") if layer.name == "ViT-B/16 patches")
    assert at(patches, Setting(OWN, 7)).size == (22, 22)
    assert at(patches, Setting(OWN, 7)).channels == 3


def test_the_same_cases_come_every_time() -> None:
    assert network_cases("conv2d", Extent.EACH) == cached("conv2d", Extent.EACH)
