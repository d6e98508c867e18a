"""Cases with large options: kernels of 6 and more, long ones, strides to 7, dilations to 8, padding beyond the kernel.

Fast kernels are written for the options that are common, and what is large takes another way, or the same one beyond
what it was tested for. Every two large options meet, with small and with odd counts of channels and in groups. The
cases are the same for every seed.

Beside them stand those in which all options are the same but one: all are 1, or all are equal on both axes; and images
of one row, one column or one pixel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import product
from typing import Any

from convgate.cases.case import Case
from convgate.problems.axis import AXIS_OPTIONS, Axis, with_options
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem, replace_axis, with_axes
from convgate.shapes.features import data_choices
from convgate.sources.pairwise import Choice
from convgate.sources.pieces import counted, numbered, options_of, usable, varied

__all__ = ["equal_but_one", "large_option_cases", "one_but_one", "thin_images"]

# Common kernels meet the strides and dilations that are not.
KERNELS = (
    *((side, side) for side in (6, 7, 8, 9, 10, 11, 12, 13)),
    *((1, 31), (21, 1), (1, 7), (7, 1), (6, 7), (3, 11), (16, 2)),
    *((side, side) for side in (1, 2, 3, 5)),
)
FEW_KERNELS = ((6, 6), (7, 7), (11, 11), (13, 13), (1, 31), (21, 1), (3, 3), (1, 1))
STRIDES = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7), (1, 7), (5, 2))
FEW_STRIDES = ((1, 1), (2, 2), (4, 4), (7, 7), (5, 1))
DILATIONS = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (8, 8), (1, 8), (4, 1))
FEW_DILATIONS = ((1, 1), (2, 2), (4, 4), (8, 8), (1, 6))
PADDINGS = (
    ("none", "none"),
    ("half", "half"),
    ("one", "one"),
    ("kernel", "kernel"),
    ("beyond", "beyond"),
    ("half", "none"),
    ("none", "beyond"),
)
FEW_PADDINGS = (("none", "none"), ("half", "half"), ("beyond", "beyond"), ("half", "none"))
# Pixels beyond what the kernel needs, or beyond the first one where padding alone has room for the kernel.
ROOMS = ((0, 0), (1, 1), (2, 5), (4, 3), (9, 7), (14, 15))
FEW_ROOMS = ((0, 0), (2, 5), (9, 9))
CHANNELS = ((1, 1), (2, 3), (3, 2), (4, 4), (8, 8), (16, 16))
FEW_CHANNELS = ((1, 1), (2, 3), (4, 4))
FEW_LAYOUTS = 4
MOST_WORK, MOST_ENTRIES = 400_000, 20_000
MOST_WORK_OF_FEW = 150_000
# What an option is where it alone is not 1.
ALONE = (2, 7, 4, 3, 8)


def large_option_cases(operator: str, rounds: int) -> list[Case]:
    """The cases of an operator: those of large options, and those in which all are alike but one.

    Parameters
    ----------
    operator : str
        Name of the operator.
    rounds : int
        How often all pairs are covered, in other company each time; 0 for those of fewer values, once.
    """
    most_work = MOST_WORK if rounds else MOST_WORK_OF_FEW

    def fits(problem: Problem) -> bool:
        return usable(problem, most_work, MOST_ENTRIES)

    factors = factors_of(operator, few=rounds == 0)
    large = varied(factors, partial(problem_of, operator), fits, rounds)
    few_values = 3 if rounds == 0 else max(len(ALONE), len(SQUARES))
    alike = dict.fromkeys(
        [
            *one_but_one(operator, ALONE[:few_values]),
            *equal_but_one(operator, SQUARES[:few_values]),
            *thin_images(operator, SQUARES[:few_values]),
        ]
    )
    turns = [{"dtype": dtype} for dtype in ("f32", "f64")]
    return numbered([*((problem, turns[number % 2]) for number, problem in enumerate(alike)), *large])


def factors_of(operator: str, *, few: bool) -> dict[str, Sequence[Any]]:
    """What is varied, and in which values."""
    options = OPERATORS[operator].options
    found: dict[str, Sequence[Any]] = {
        "kernel_size": FEW_KERNELS if few else KERNELS,
        "stride": FEW_STRIDES if few else STRIDES,
        "padding": FEW_PADDINGS if few else PADDINGS,
        "room": FEW_ROOMS if few else ROOMS,
        "channels": FEW_CHANNELS if few else CHANNELS,
        "batch": (1, 2) if few else (1, 2, 3),
        "dtype": ("f32", "f64"),
        # in the quick profile whole blocks meet them all
        "layout": data_choices(operator)["layout"][: FEW_LAYOUTS if few else None],
        "fill": ("lattice", "lattice", "real", "special"),
    }
    if "dilation" in options:
        found["dilation"] = FEW_DILATIONS if few else DILATIONS
    if "groups" in options:
        found["groups"] = (1, 2, "depthwise")
    if "divisor_override" in options:
        found["divisor_override"] = (None, 3)
    for flag in ("bias", "ceil_mode", "count_include_pad"):
        if flag in options:
            found[flag] = (True, False)
    return found


def problem_of(operator: str, choice: Choice) -> Problem:
    """The problem that has the options of a choice."""
    options = options_of(operator, {name: value for name, value in choice.items() if name != "padding"})
    channels, outputs = choice["channels"]
    options |= counted(operator, channels, outputs, choice.get("groups", 1))
    of_span = not OPERATORS[operator].half_padding
    axes = zip(options["axes"], choice["padding"], choice["room"], strict=True)
    options["axes"] = tuple(axis_with(*each, of_span=of_span) for each in axes)
    return Problem(operator=operator, **options)


@cache
def axis_with(axis: Axis, words: str, room: int, *, of_span: bool) -> Axis:
    """An axis with padding, and a size with so much room beyond what the kernel, or one pixel, needs."""
    padding = padding_of(words, axis.kernel_size, axis.span if of_span else axis.kernel_size)
    padded = with_options(axis, padding=padding)
    return replace(padded, size=max(1, padded.size_for(1)) + room)


def padding_of(words: str, kernel: int, reach: int) -> int:
    """The padding of an axis: ``half`` keeps the size of the image, ``beyond`` reaches further than the kernel does."""
    return {"none": 0, "one": 1, "half": reach // 2, "kernel": kernel, "beyond": reach + 1}[words]


def one_but_one(operator: str, values: Sequence[int] = ALONE) -> Iterator[Problem]:
    """Everything is 1, or 0, but one option; sizes and kernels grow together where they must."""
    plain = Problem(operator=operator)
    options = OPERATORS[operator].options
    numbers = [name for name in ("batch", "channels", "out_channels") if name in options]
    for value in values:
        alone: list[dict[str, Any]] = [{name: value} for name in numbers]
        found = [replace(plain, **each) for each in alone]
        if "groups" in options:
            found.append(replace(plain, channels=value, out_channels=value, groups=value))
        for chosen in one_or_all(plain):
            found += [on_axes(plain, chosen, **{name: value}) for name in ("size", "stride", "padding", "dilation")]
            found.append(on_axes(plain, chosen, size=value, kernel_size=value))
            # one pixel, and as much padding as the kernel needs
            found.append(on_axes(plain, chosen, kernel_size=value, padding=value // 2))
        yield from (problem for problem in found if OPERATORS[operator].broken_rule(problem) is None)


def one_or_all(problem: Problem) -> list[tuple[int, ...]]:
    """Numbers of axes: each alone, and all together."""
    every = tuple(range(len(problem.axes)))
    return [*((number,) for number in every), every]


def on_axes(problem: Problem, chosen: Sequence[int], **options: int) -> Problem:
    """Set options of some axes, given by their numbers."""
    axes = enumerate(problem.axes)
    return replace(
        problem, axes=tuple(with_options(axis, **options) if number in chosen else axis for number, axis in axes)
    )


# Square problems, by the options of their axes; pools and averages leave out what they do not have.
SQUARES: tuple[dict[str, int], ...] = (
    {"size": 7, "kernel_size": 3, "stride": 1, "padding": 1},
    {"size": 9, "kernel_size": 3, "stride": 2, "padding": 1},
    {"size": 8, "kernel_size": 2, "stride": 2, "padding": 0},
    {"size": 9, "kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2},
    {"size": 8, "kernel_size": 4, "stride": 3, "padding": 2},
)


def equal_but_one(operator: str, squares: Sequence[dict[str, int]] = SQUARES) -> Iterator[Problem]:
    """Everything is the same on both axes but one option, which is larger on one of them; and nothing is."""
    options = OPERATORS[operator].options
    for square in squares:
        problem = with_axes(Problem(operator=operator, batch=2, channels=2), **square)
        if "groups" in options:
            problem = replace(problem, out_channels=2)
        unequal = [
            replace_axis(problem, number, with_options(axis, **{name: getattr(axis, name) + more}))
            for name in AXIS_OPTIONS
            for number, axis in enumerate(problem.axes)
            for more in (1, 2)
        ]
        yield from (each for each in (problem, *unequal) if OPERATORS[operator].broken_rule(each) is None)


def thin_images(operator: str, squares: Sequence[dict[str, int]] = SQUARES) -> Iterator[Problem]:
    """The same kernels on images of one row, one column and one pixel: every window has a border on both its sides.

    What is averaged counts this border, or does not.
    """
    options = OPERATORS[operator].options
    counting = (True, False) if "count_include_pad" in options else (True,)
    plain = Problem(operator=operator, batch=2, channels=2)
    for square, chosen, counts in product(squares, one_or_all(plain), counting):
        problem = on_axes(with_axes(replace(plain, count_include_pad=counts), **square), chosen, size=1)
        if "groups" in options:
            problem = replace(problem, out_channels=2)
        if OPERATORS[operator].broken_rule(problem) is None:
            yield problem
