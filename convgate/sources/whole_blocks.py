"""Cases in which several counts are whole blocks at once, or one of them leaves a tail.

Implementations take a fast path where channels in and out are multiples of 4, 8 or 16 at once, and another one where
the width, the images or the places are too. So these counts stand together here, and meet each other, every option and
every memory layout in pairs. They are the same for every seed.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from convgate.cases.case import Case
from convgate.problems.block_sizes import BLOCKS, LEAST_BLOCK
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem
from convgate.shapes.features import data_choices
from convgate.sources.pairwise import Choice
from convgate.sources.pieces import counted, numbered, options_of, shaped, usable, varied

__all__ = ["CHANNELS", "FEW_CHANNELS", "FEW_WIDTHS", "WIDTHS", "whole_block_cases"]

WHOLE = tuple(block for block in BLOCKS if block >= LEAST_BLOCK)
# Channels in and out: both the same block, twice as many out, one and a half blocks, and a tail on either side.
CHANNELS = tuple(
    pair
    for block in WHOLE
    for pair in (
        (block, block),
        (block, 2 * block),
        (block + block // 2, block + block // 2),
        (block, block + 1),
        (block + 1, block),
    )
)
FEW_CHANNELS = (
    *((block, block) for block in WHOLE),
    *((block, block + 1) for block in WHOLE[1:3]),
    (WHOLE[1] + WHOLE[2], WHOLE[1] + WHOLE[2]),
    (WHOLE[3], WHOLE[4]),
)
WIDTHS = tuple(count for block in WHOLE for count in (block, block + 1))
FEW_WIDTHS = (*WHOLE[:3], WHOLE[2] + 1)
# Where more than this would be multiplied or held, some count is too large for the others.
MOST_WORK, MOST_ENTRIES = 600_000, 60_000
MOST_WORK_OF_FEW = 200_000


def whole_block_cases(operator: str, rounds: int) -> list[Case]:
    """The cases of an operator.

    Parameters
    ----------
    operator : str
        Name of the operator.
    rounds : int
        How often all pairs are covered, in other company each time; 0 for those of fewer counts, once.
    """
    most_work = MOST_WORK if rounds else MOST_WORK_OF_FEW

    def fits(problem: Problem) -> bool:
        return usable(problem, most_work, MOST_ENTRIES)

    factors = factors_of(operator, few=rounds == 0)
    return numbered(varied(factors, partial(problem_of, operator), fits, rounds))


def factors_of(operator: str, *, few: bool) -> dict[str, Sequence[Any]]:
    """What is varied, and in which values."""
    options = OPERATORS[operator].options
    found: dict[str, Sequence[Any]] = {
        "channels": FEW_CHANNELS if few else CHANNELS,
        "width": FEW_WIDTHS if few else WIDTHS,
        "height": (1, 2, LEAST_BLOCK),
        "batch": (1, 2, LEAST_BLOCK, 2 * LEAST_BLOCK) if few else (1, 2, 3, *WHOLE[:2], WHOLE[1] + 1),
        "kernel_size": ((1, 1), (3, 3), (2, 2), (1, 3)) if few else ((1, 1), (3, 3), (2, 2), (1, 3), (3, 1), (5, 5)),
        "stride": ((1, 1), (2, 2)) if few else ((1, 1), (2, 2), (1, 2), (2, 1)),
        "padding": ((0, 0), (1, 1)) if few else ((0, 0), (1, 1), (0, 1), (2, 2)),
        "rest": (0, 1),
        "dtype": ("f32", "f64"),
        "layout": data_choices(operator)["layout"],
        # integers show most; the others find what tells them apart
        "fill": ("lattice", "lattice", "real", "special"),
    }
    if "dilation" in options:
        found["dilation"] = ((1, 1), (2, 2)) if few else ((1, 1), (2, 2), (1, 2))
    if "groups" in options:
        found["groups"] = (1, 2, "depthwise") if few else (1, 2, LEAST_BLOCK, "depthwise")
    if "divisor_override" in options:
        found["divisor_override"] = (None, 3)
    for flag in ("bias", "ceil_mode", "count_include_pad"):
        if flag in options:
            found[flag] = (True, False)
    return found


def problem_of(operator: str, choice: Choice) -> Problem:
    """The problem that has the counts and options of a choice."""
    options = options_of(operator, choice)
    channels, outputs = choice["channels"]
    options |= counted(operator, channels, outputs, choice.get("groups", 1))
    problem = Problem(operator=operator, **options)
    rest = [choice["rest"] * (stride - 1) for stride in problem.stride]
    return shaped(problem, (choice["height"], choice["width"]), rest)
