"""Conditions on cases, and the shortest conjunction of them that tells failing cases from passing ones.

A condition is one class of a shape feature, or several of them, or the very value of an option. Of an axis it is asked
for the height, for the width, for either or for both, and two of them can be asked for on the same axis.

What is short and what is accurate is weighed by the minimum description length principle (Rissanen, Modeling by
shortest data description, 1978): a conjunction costs the bits that name its conditions among all there are, and the
bits that name the exceptions among the cases that it speaks of. So a condition is taken in only if it saves more
exceptions than it costs to say, and there is no threshold to choose.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log2

import numpy as np
from numpy.typing import NDArray

from convgate.case import Case, values_of
from convgate.features import axis_classes, features_of, short_name, vector_of
from convgate.operators import OPERATORS, Array
from convgate.operators.classes import AXIS_NAMES, Axis, axis_of, places_of, span_of
from convgate.problem import PAIRS, Problem
from convgate.space import Bools

__all__ = [
    "MOST_CONDITIONS",
    "Condition",
    "Conjunction",
    "distinct",
    "exceptions",
    "list_conditions",
    "meets",
    "met_by",
    "opposite",
    "ranked",
    "shortest",
]

Floats = NDArray[np.float64]

# Conjunctions kept at each length, and how long they may become.
BEAM = 40
MOST_CONDITIONS = 6
# Widths of vectors and blocks: past one there is a tail.
BLOCKS = (2, 4, 8, 16, 32, 64)
# What saying a condition in a less plain way costs, in bits: between equals the plainer one wins.
UNION, VALUE, BOTH, BLOCK = 1.0, 1.5, 1.0, 4.0
# A description that takes so many bits more is a thousand times less likely, and no rival.
RIVAL = 10.0


@dataclass(frozen=True)
class Condition:
    """A condition and the cases that meet it.

    Parameters
    ----------
    text : str
        In words.
    met : ndarray of bool
        By which cases.
    parts : int
        How many conditions it is made of.
    bits : float
        What saying it costs beyond that.
    """

    text: str
    met: Bools
    parts: int = 1
    bits: float = 0.0


@dataclass(frozen=True)
class Conjunction:
    """Conditions in words, and the cases that meet all of them."""

    conditions: tuple[str, ...]
    met: Bools


def shortest(tried: Sequence[Sequence[Case]], failing: Bools, most: int = MOST_CONDITIONS) -> Conjunction:
    """The conjunction that describes best which cases fail.

    Parameters
    ----------
    tried : sequence of sequences of Case
        Cases of one operator, with a class for every feature, each with all the data that it was tried with. The first
        one is to meet all conditions.
    failing : ndarray of bool
        Which of them fail.
    most : int
        Conditions that it may have.
    """
    return ranked(tried, failing, most)[0]


def ranked(tried: Sequence[Sequence[Case]], failing: Bools, most: int = MOST_CONDITIONS) -> list[Conjunction]:
    """The conjunction that describes best which cases fail, and its rivals: those that do so nearly as well.

    The parameters are those of `shortest`. Of two descriptions one that takes b bits more is 2**b times less likely.
    """
    found = distinct(list_conditions(tried))
    if not found:
        return [Conjunction((), np.ones(len(tried), bool))]
    met = np.array([condition.met for condition in found])
    costs = np.array([condition.parts * log2(len(found)) + condition.bits for condition in found])
    beam = [Draft((), np.ones(len(tried), bool), 0.0)]
    seen = [(float(exceptions(beam[0].met[None], failing)[0]), beam[0])]
    for _ in range(most):
        beam = longer(beam, met, costs, failing)
        if not beam:
            break
        left = exceptions(np.array([draft.met for draft in beam]), failing)
        seen += [(draft.bits + float(bits), draft) for draft, bits in zip(beam, left, strict=True)]
    # sorting is stable: between equals the shorter one wins, and of those as long the one that the beam puts first
    seen.sort(key=lambda pair: round(pair[0], 6))
    return [
        Conjunction(tuple(found[number].text for number in sorted(draft.numbers)), draft.met)
        for bits, draft in seen
        if bits <= seen[0][0] + RIVAL
    ]


@dataclass(frozen=True)
class Draft:
    """A conjunction under construction: the numbers of its conditions, the cases that meet them, and its bits."""

    numbers: tuple[int, ...]
    met: Bools
    bits: float


def longer(beam: Sequence[Draft], met: Bools, costs: Floats, failing: Bools) -> list[Draft]:
    """The best conjunctions with one condition more."""
    found: dict[frozenset[int], tuple[float, Draft]] = {}
    for draft in beam:
        both = met & draft.met
        bits = draft.bits + costs
        totals = bits + exceptions(both, failing)
        for number in np.argsort(totals, kind="stable")[: 2 * BEAM]:
            numbers = (*draft.numbers, int(number))
            if len(set(numbers)) == len(numbers):
                found.setdefault(
                    frozenset(numbers), (float(totals[number]), Draft(numbers, both[number], float(bits[number])))
                )
    # between equals the conditions that are listed first, whatever the order in which they were taken
    ranked = sorted(found.values(), key=lambda pair: (round(pair[0], 6), sorted(pair[1].numbers)))
    return [draft for _, draft in ranked[:BEAM]]


def exceptions(met: Bools, failing: Bools) -> Floats:
    """Bits to name the passing cases among those that meet a conjunction, and the failing ones among the others.

    Parameters
    ----------
    met : ndarray of bool, conjunctions x cases
        Who meets what.
    failing : ndarray of bool, cases
        Who fails.
    """
    inside = met.sum(axis=1)
    caught = (met & failing).sum(axis=1)
    total, all_failing = met.shape[1], int(failing.sum())
    return choice(inside, inside - caught) + choice(total - inside, all_failing - caught)


def choice(count: NDArray[np.int64], chosen: NDArray[np.int64]) -> Floats:
    """Bits to say how many of `count` things are chosen, and which."""
    factorials = np.concatenate([[0.0], np.cumsum(np.log2(np.arange(1, count.max(initial=0) + 1)))])
    which: Floats = factorials[count] - factorials[chosen] - factorials[count - chosen]
    return which + np.log2(count + 1)


def distinct(conditions: Iterator[Condition]) -> list[Condition]:
    """Conditions that the first case meets and not all do; of those that the same cases meet, the shortest."""
    found: dict[bytes, Condition] = {}
    for condition in conditions:
        if condition.met[0] and not condition.met.all():
            key = condition.met.tobytes()
            known = found.get(key)
            if known is None or (condition.parts, len(condition.text)) < (known.parts, len(known.text)):
                found[key] = condition
    return list(found.values())


def meets(words: Iterable[str], cases: Sequence[Case]) -> Bools | None:
    """Which cases meet all conditions, given in words; None if the words say nothing that the first case meets.

    Parameters
    ----------
    words : iterable of str
        Conditions as a failure names them.
    cases : sequence of Case
        Of one operator, with a class for every feature.
    """
    return met_by([words], cases)[0]


def met_by(conjunctions: Iterable[Iterable[str]], cases: Sequence[Case]) -> list[Bools | None]:
    """For each of some conjunctions, given in words, what `meets` says."""
    known = {condition.text: condition.met for condition in list_conditions([(case,) for case in cases])}
    everyone = np.ones(len(cases), bool)
    return [
        np.logical_and.reduce([everyone, *(known[text] for text in words)]) if known.keys() >= set(words) else None
        for words in map(tuple, conjunctions)
    ]


def list_conditions(tried: Sequence[Sequence[Case]]) -> Iterator[Condition]:
    """All conditions, whoever meets them."""
    cases = [each[0] for each in tried]
    yield from axis_conditions(cases)
    operator = cases[0].operator
    vectors = np.array([vector_of(case) for case in cases])
    first = 2 * len(operator.axis_features)
    for number, feature in enumerate(features_of(operator.name)[first:], first):
        for text, met, bits in unions(feature.classes, vectors[:, number]):
            yield Condition(text, met, bits=bits)
    if cases[0].fill == "special":
        yield from special_conditions(tried)
    for name, count in counts_of(operator.name).items():
        values = np.array([count(case.problem) for case in cases])
        own = int(values[0])
        if own > 1:
            yield Condition(f"{name} = {own}", values == own, bits=VALUE)
        for text, met, bits in past_blocks(name, values, own):
            yield Condition(text, met, bits=bits)
    override = cases[0].problem.divisor_override
    if override is not None:
        met = np.array([case.problem.divisor_override == override for case in cases])
        yield Condition(f"divisor_override = {override}", met, bits=VALUE)
        if override < 0:
            negative = [(case.problem.divisor_override or 0) < 0 for case in cases]
            yield Condition("divisor_override < 0", np.array(negative))


def counts_of(operator: str) -> dict[str, Callable[[Problem], int]]:
    """What an operator counts beside the lengths of axes, by the names in conditions."""
    found: dict[str, Callable[[Problem], int]] = {
        "batch": lambda problem: problem.batch,
        "channels": lambda problem: problem.channels,
        "output_h * output_w": lambda problem: problem.places,
    }
    if "groups" in OPERATORS[operator].options:
        found |= {
            "groups": lambda problem: problem.groups,
            "channels_per_group": lambda problem: problem.channels // problem.groups,
            "out_channels": lambda problem: problem.out_channels,
            "outputs_per_group": lambda problem: problem.out_channels // problem.groups,
        }
    return found


def past_blocks(name: str, values: NDArray[np.int64], first: int) -> Iterator[tuple[str, Bools, float]]:
    """Conditions that a count meets which is past a block, or leaves a tail behind steps of some width."""
    for block in BLOCKS:
        if first > block:
            yield f"{name} > {block}", values > block, BLOCK
        if first % block:
            yield f"{name} is no multiple of {block}", values % block > 0, BLOCK


def special_conditions(tried: Sequence[Sequence[Case]]) -> Iterator[Condition]:
    """Conditions on the special values among the data."""
    tests: dict[str, Callable[[Array], Bools]] = {"NaN": np.isnan, "infinity": np.isinf}
    for name, test in tests.items():
        met = [any(test(array).any() for case in cases for array in values_of(case).values()) for cases in tried]
        yield Condition(f"{name} among the data", np.array(met))


def axis_conditions(cases: Sequence[Case]) -> Iterator[Condition]:
    """Conditions on the height, on the width, on either, on both, and two on the same axis."""
    axes = [[axis_of(case.problem, axis) for case in cases] for axis in (0, 1)]
    texts, heights, widths, bits = [], [], [], []
    for text, (height, width), cost in one_axis(cases[0].problem.operator, axes):
        texts.append(text)
        heights.append(height)
        widths.append(width)
        bits.append(cost)
    for text, height, width, cost in zip(texts, heights, widths, bits, strict=True):
        for a, met in zip(AXIS_NAMES, (height, width), strict=True):
            yield Condition(text.format(a=f"_{a}"), met, bits=cost)
        plain = text.format(a="")
        yield Condition(f"{plain} on either axis", height | width, bits=cost)
        yield Condition(f"{plain} on both axes", height & width, bits=cost + BOTH)
    for i, j in combinations(range(len(texts)), 2):
        text = f"{texts[i].format(a='')} and {texts[j].format(a='')} on the same axis"
        met = (heights[i] & heights[j]) | (widths[i] & widths[j])
        yield Condition(text, met, parts=2, bits=bits[i] + bits[j] + BOTH)
    for name, number in LENGTHS.items():
        values = [np.array([number(axis) for axis in each]) for each in axes]
        both = np.array(values)
        for a, own in zip(AXIS_NAMES, values, strict=True):
            for text, met, cost in past_blocks(f"{name}_{a}", own, int(own[0])):
                yield Condition(text, met, bits=cost)
        for text, met, cost in past_blocks(name, both, int(both[:, 0].max())):
            yield Condition(f"{text} on either axis", met[0] | met[1], bits=cost)


def one_axis(operator: str, axes: Sequence[Sequence[Axis]]) -> Iterator[tuple[str, tuple[Bools, Bools], float]]:
    """Conditions on one axis, with ``{a}`` for its name: who meets them in height and in width, and the bits."""
    classes = [np.array([axis_classes(operator, axis) for axis in each]) for each in axes]
    for number, feature in enumerate(OPERATORS[operator].axis_features):
        words = tuple(text.replace("_{a}", "{a}") for text in feature.classes)
        both = np.concatenate([classes[0][:, number], classes[1][:, number]])
        for first in dict.fromkeys((classes[0][0, number], classes[1][0, number])):
            for text, met, bits in unions(words, both, int(first)):
                yield text, (met[: len(axes[0])], met[len(axes[0]) :]), bits
    for text, meets in DERIVED.items():
        height, width = (np.array([meets(axis) for axis in each]) for each in axes)
        yield text, (height, width), 0.0
    for name in PAIRS[1:]:
        values = [np.array([getattr(axis, name) for axis in each]) for each in axes]
        for value in dict.fromkeys((int(values[0][0]), int(values[1][0]))):
            if value > 1 or (name == "padding" and value == 1):
                yield f"{short_name(name)}{{a}} = {value}", (values[0] == value, values[1] == value), VALUE


def overlaps(axis: Axis) -> bool:
    """Whether two windows share a pixel of the input."""
    seen: set[int] = set()
    for place in range(places_of(axis)):
        start = place * axis.stride - axis.padding
        window = {start + tap for tap in range(0, span_of(axis), axis.dilation) if 0 <= start + tap < axis.size}
        if window & seen:
            return True
        seen |= window
    return False


# What is long on an axis, and may be past a block.
LENGTHS: dict[str, Callable[[Axis], int]] = {
    "input": lambda axis: axis.size,
    "output": places_of,
    "kernel": lambda axis: axis.kernel_size,
}

# What the classes do not say, but faults depend on.
DERIVED: dict[str, Callable[[Axis], bool]] = {
    "input{a} > 1": lambda axis: axis.size > 1,
    "windows{a} overlap": overlaps,
}


def unions(
    classes: Sequence[str], numbers: NDArray[np.int64], first: int | None = None
) -> Iterator[tuple[str, Bools, float]]:
    """The first case's class of a feature, alone and together with others: in words, who has it, and the bits."""
    own = int(numbers[0]) if first is None else first
    others = [number for number in range(len(classes)) if number != own]
    yield classes[own], numbers == own, 0.0
    for size in range(1, len(others)):
        # many classes (of the memory layout) are taken together only as two, or as all but one or two
        if len(classes) > 4 and size not in {1, len(others) - 2, len(others) - 1}:
            continue
        for more in combinations(others, size):
            chosen = sorted((own, *more))
            left = [classes[number] for number in range(len(classes)) if number not in chosen]
            opposites = [opposite(each) for each in left]
            few = len(left) < len(chosen) and len(left) <= 2 and None not in opposites
            either = " or ".join(classes[number] for number in chosen)
            text = " and ".join(each for each in opposites if each) if few else f"({either})"
            yield text, np.isin(numbers, chosen), UNION


COMPARISON = re.compile(r"([^\s<>=]+) (=|>|<|>=|!=) ([^\s<>=]+)")
OPPOSITES = {">": "<=", "<": ">=", ">=": "<", "!=": "=", "=": "!="}
# A word for a choice of data.
CHOICE = re.compile(r"(layout|fill|dtype) \w+")


def opposite(text: str) -> str | None:
    """A condition that holds where another does not; None where that takes many words.

    Sizes are at least 1, and counts and paddings at least 0.
    """
    if text.startswith("no "):
        return text.removeprefix("no ")
    if CHOICE.fullmatch(text):
        return f"not {text}"
    match = COMPARISON.fullmatch(text)
    if match is None:
        return None
    left, sign, right = match.groups()
    least = "0" if left.startswith(("padding", "remainder", "batch")) else "1"
    return f"{left} {'>' if sign == '=' and right == least else OPPOSITES[sign]} {right}"
