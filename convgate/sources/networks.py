"""Cases of the layers of real networks: each layer with few channels and small images, and at its full size.

Implementations have fast paths for what networks are made of: 3 x 3 with padding 1, channels that are whole blocks,
depthwise layers. So each layer keeps its kernel, stride, padding, dilation, kind of groups and bias, and is taken with
other counts of channels and pixels, which are those that blocks are made of, and with as many outputs as channels,
twice as many, half as many and one more. A kernel as large as the image stays as large as the image.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, product
from typing import Any

from convgate.cases.case import Case, wide_enough
from convgate.problems.axis import Axis
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem
from convgate.sources.layers import Layer, layers_of
from convgate.sources.profiles import Extent

__all__ = ["CHANNELS", "OWN", "SIZES", "LayerCase", "network_cases"]

# Three channels, as an image has, or what the layer has if these are few.
OWN = 0
CHANNELS = (OWN, 8, 16, 24, 32, 64)
FEW_CHANNELS = (OWN, 8, 16)
SIZES = (7, 8, 14)
# Output channels for a given number of input channels.
OUTPUTS = {"equal": (1, 1, 0), "twice": (2, 1, 0), "half": (1, 2, 0), "one more": (1, 1, 1)}
BATCHES = (1, 2)
# Networks run in float32; one case of so many is in float64.
ONE_IN_F64 = 4
# Products of a forward pass: in the quick profile a layer takes some milliseconds, in the next some tens of them. At
# full size channels are halved until there are no more.
MOST_WORK_EACH = 250_000
MOST_WORK = 4_000_000
MOST_FULL_WORK = 50_000_000
# To make an entry of a column and keep it takes as long as some products.
PRODUCTS_AN_ENTRY = 4


@dataclass(frozen=True)
class LayerCase:
    """A case of a layer, and the layer's name."""

    layer: str
    case: Case


@dataclass(frozen=True)
class Setting:
    """What a layer is varied in."""

    channels: int
    size: int
    outputs: str = "equal"

    def pairs(self) -> Iterator[tuple[tuple[str, Any], ...]]:
        """All pairs of its values."""
        return combinations(vars(self).items(), 2)


def network_cases(operator: str, extent: Extent) -> list[LayerCase]:
    """The cases of an operator's layers: the same for every seed, and those of each layer together.

    Parameters
    ----------
    operator : str
        Name of the operator.
    extent : Extent
        ``EACH`` is each layer once, channels, sizes and outputs pairwise over the layers. ``MOST`` is each with all
        channels up to 16 and all sizes, and with more channels pairwise over the layers. ``ALL`` is each with all
        channels, sizes and outputs, but for what would be too large, and at its full size.
    """
    found = []
    for number, (layer, problem) in enumerate(problems_of(operator, extent)):
        varied = replace(problem, batch=BATCHES[number // len(SIZES) % len(BATCHES)])
        dtype = "f64" if number % ONE_IN_F64 == ONE_IN_F64 - 1 else "f32"
        case = Case(problem=varied, dtype=dtype, seed=number)
        found.append(LayerCase(layer.name, wide_enough(case)))
    return found


def problems_of(operator: str, extent: Extent) -> Iterator[tuple[Layer, Problem]]:
    """The layers with the problems that they are taken at, of one image each."""
    choose = Chooser()
    for layer in layers_of(operator):
        if extent is Extent.EACH:
            yield layer, choose.best(layer, product(CHANNELS, SIZES), MOST_WORK_EACH)
        if extent is Extent.MOST:
            few = [choose.best(layer, [(channels, size)], MOST_WORK) for channels, size in product(FEW_CHANNELS, SIZES)]
            more = [
                choose.best(layer, [(channels, size) for size in SIZES], MOST_WORK)
                for channels in CHANNELS
                if channels not in FEW_CHANNELS
            ]
            yield from ((layer, problem) for problem in dict.fromkeys(few + more))
        if extent is Extent.ALL:
            settings = (Setting(*each) for each in product(CHANNELS, SIZES, outputs_of(layer)))
            every = (problem for problem in (at(layer, each) for each in settings) if cost(problem) <= MOST_FULL_WORK)
            yield from ((layer, problem) for problem in dict.fromkeys([*every, at_full_size(layer)]))


class Chooser:
    """Chooses settings for one layer after the other, such that over all layers of a kind pairs of values are even."""

    def __init__(self) -> None:
        self._met: Counter[Any] = Counter()
        self._chosen: Counter[Problem] = Counter()

    def best(self, layer: Layer, among: Iterable[tuple[int, int]], most_work: int) -> Problem:
        """The problem of a layer at that of some channels and sizes, and number of outputs, that was met least."""
        settings = [Setting(*each, outputs) for each, outputs in product(among, outputs_of(layer))]
        found = {setting: at(layer, setting) for setting in settings}
        usable = [setting for setting, problem in found.items() if cost(problem) <= most_work]
        kind = kind_of(layer)
        chosen = min(
            usable or [min(found, key=lambda setting: cost(found[setting]))],
            # layers that differ in their full size alone are not to be the same case twice
            key=lambda setting: (self._chosen[found[setting]], sum(self._met[kind, pair] for pair in setting.pairs())),
        )
        self._chosen[found[chosen]] += 1
        self._met.update((kind, pair) for pair in chosen.pairs())
        return found[chosen]


def cost(problem: Problem) -> int:
    """Products of a forward pass, or of as long as it takes to make the columns."""
    entries = problem.batch * problem.channels * problem.taps * problem.places
    return max(OPERATORS[problem.operator].work(problem), PRODUCTS_AN_ENTRY * entries)


def kind_of(layer: Layer) -> tuple[bool, ...]:
    """The kinds of layer among which settings are spread evenly: 1x1, groups, depthwise, and the others."""
    problem = layer.problem
    return problem.taps == 1, problem.groups > 1, is_depthwise(problem)


def is_depthwise(problem: Problem) -> bool:
    """Whether a convolution has a group for each channel."""
    return 1 < problem.groups == problem.channels


def outputs_of(layer: Layer) -> tuple[str, ...]:
    """How the number of outputs of a layer is varied."""
    if "out_channels" not in OPERATORS[layer.problem.operator].options:
        return ("equal",)
    return ("equal", "twice") if is_depthwise(layer.problem) else tuple(OUTPUTS)


@cache
def at(layer: Layer, setting: Setting) -> Problem:
    """A layer with other channels and another size."""
    full = layer.problem
    channels = setting.channels or few_channels(full)
    problem = replace(full, channels=channels, axes=tuple(axis_at(setting.size, axis) for axis in full.axes))
    if "groups" not in OPERATORS[full.operator].options:
        return problem
    groups = groups_at(full, channels)
    times, by, more = OUTPUTS[setting.outputs]
    outputs = max(1, (channels // groups) * times // by + more)
    return replace(problem, groups=groups, out_channels=groups * outputs)


def few_channels(full: Problem) -> int:
    """Three channels, or what the layer has if that is less; twice as many where there are groups of several."""
    few = min(3, full.channels)
    return 2 * few if 1 < full.groups < full.channels else few


def groups_at(full: Problem, channels: int) -> int:
    """As many groups as the layer has, or of as many channels each: what leaves the fewest that divide the channels."""
    if is_depthwise(full):
        return channels
    most = min(full.groups, max(2, channels * full.groups // full.channels))
    return next(groups for groups in range(most, 0, -1) if channels % groups == 0)


def axis_at(size: int, full: Axis) -> Axis:
    """An axis at another size; where the kernel does not fit, as many pixels are left as one tap would leave."""
    if full.size == 1:
        return full
    if full.kernel_size == full.padded_size == full.size:
        return replace(full, size=size, kernel_size=size)
    least = full.size_for(1)
    return replace(full, size=size if size >= least else least + size - 1)


def at_full_size(layer: Layer) -> Problem:
    """The layer as it is; with half the channels, and so on, where it would take too long."""
    problem = layer.problem
    while cost(problem) > MOST_FULL_WORK:
        halved = halved_channels(problem)
        if halved == problem:
            break
        problem = halved
    return problem


def halved_channels(problem: Problem) -> Problem:
    """Half the channels in and out of each group, of depthwise layers half the groups; the same if none can be halved.

    So it stays of its kind: the products of a layer become at most half as many.
    """
    groups = problem.groups
    if is_depthwise(problem):
        groups = -(-groups // 2)
        outputs = problem.out_channels // problem.groups
        return replace(problem, groups=groups, channels=groups, out_channels=groups * outputs)
    channels, outputs = (max(1, count // groups // 2) for count in (problem.channels, problem.out_channels))
    return replace(problem, channels=groups * channels, out_channels=groups * outputs)
