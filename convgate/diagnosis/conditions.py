"""Conditions on cases, and the shortest conjunction of them that separates failing cases from passing ones.

A condition is one class of a shape feature, or several of them, or a statement about a quantity: a value, a threshold,
a whole multiple of a block, a remainder. For an axis it refers to the height, the width, either or both, and two
conditions can refer to the same axis.

The minimum description length principle weighs brevity against accuracy (Rissanen, Modeling by shortest data
description, 1978): a conjunction costs the bits that select its conditions among all conditions, and the bits that
select its exceptions among the cases. So a condition is added only if it saves more bits of exceptions than it costs,
and no limit on exceptions is needed. Excluding a failing case costs more than including a passing one, because data can
hide a failure.

A threshold is one of many for the same quantity, as many as the tried values distinguish. Selecting it takes the bits
for its kind and those for the threshold within the kind: a condition that is one of m of its kind counts as 1/m of a
kind. With K the sum of these, log2(K) + log2(m) bits each are the lengths of a code (Kraft's inequality: the sum of
2**-bits is 1).
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, combinations, pairwise
from math import gcd, log2

import numpy as np
from numpy.typing import NDArray

from convgate.cases.case import Case
from convgate.diagnosis.data_conditions import SEEDS, data_conditions, is_of_data
from convgate.diagnosis.quantities import (
    COMPARISONS,
    PARITY_ONLY,
    SIDES,
    Quantities,
    above,
    alternatives,
    axis_quantities,
    below,
    compared_options,
    counts_together,
    divisibility,
    evaluate,
    quantities_of,
    threshold,
    used_taps,
    whole_quantities,
)
from convgate.problems.axis import AXIS_OPTIONS, Axis, output_size
from convgate.problems.block_sizes import BLOCKS
from convgate.problems.operators import OPERATORS
from convgate.problems.operators.classes import AXIS_NAMES
from convgate.shapes.features import axis_classes, equal_pairs, features_of, short_name, vector_of
from convgate.shapes.space import Bools

__all__ = [
    "MOST_CONDITIONS",
    "Condition",
    "Conjunction",
    "costs_of",
    "distinct",
    "exceptions",
    "list_conditions",
    "meets",
    "met_by",
    "opposite",
    "ranked",
    "same_so_far",
    "shortest",
]

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Counts = NDArray[np.int64]

# Number of conjunctions kept at each length, and the greatest length.
BEAM = 64
MOST_CONDITIONS = 7
# Additional bits for less plain conditions, so that of equally good ones the plainer one wins.
UNION, VALUE, BOTH, MADE_UP = 1.0, 1.5, 1.0, 2.0
# A description with this many more bits is a thousand times less likely, so it is not a rival.
RIVAL = 10.0
# What it costs to leave out a case that fails, however many others are left out with it. Data can hide a fault where a
# description says that it shows, but nothing can make it show where it is not.
LEFT_OUT = 45.0
# Bits by which a description must be better to replace another one.
LEAST_GAIN = 1e-6
# A threshold at or next to these numbers is at the edge of a block.
BLOCK_EDGES = frozenset(BLOCKS)


@dataclass(frozen=True)
class Condition:
    """A condition and the cases that meet it.

    Parameters
    ----------
    text : str
        The condition in words.
    met : ndarray of bool
        Which cases meet it.
    parts : int
        Number of simple conditions in it.
    bits : float
        Additional bits that it costs.
    among : int
        Number of conditions of its kind, such as thresholds of one quantity.
    """

    text: str
    met: Bools
    parts: int = 1
    bits: float = 0.0
    among: int = 1


@dataclass(frozen=True)
class Conjunction:
    """Conditions in words, and the cases that meet all of them.

    Parameters
    ----------
    conditions : tuple of str
        In words.
    met : ndarray of bool
        By which cases all are met.
    alike : tuple of tuples of str
        The same in other words: with another condition in place of one of them, that the same cases meet by itself.
    """

    conditions: tuple[str, ...]
    met: Bools
    alike: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Draft:
    """A conjunction under construction: the numbers of its conditions, the cases that meet them, and its bits."""

    numbers: tuple[int, ...]
    met: Bools
    bits: float


def shortest(tried: Sequence[Sequence[Case]], failing: Bools, most: int = MOST_CONDITIONS) -> Conjunction:
    """The conjunction that best describes which cases fail.

    Parameters
    ----------
    tried : sequence of sequences of Case
        Cases of one operator, with a class for every feature, each with all data with which it was tried. The first
        one must meet all conditions.
    failing : ndarray of bool
        Which of them fail.
    most : int
        Most conditions of the conjunction.
    """
    return ranked(tried, failing, most)[0]


def ranked(tried: Sequence[Sequence[Case]], failing: Bools, most: int = MOST_CONDITIONS) -> list[Conjunction]:
    """The conjunction that best describes which cases fail, and its rivals, which are nearly as good.

    The parameters are those of `shortest`. A description with b more bits than another is 2**b times less likely.
    """
    groups = grouped(list_conditions(tried))
    found = [min(group, key=length) for group in groups]
    if not found:
        return [Conjunction((), np.ones(len(tried), bool))]
    all_met, all_costs = np.array([condition.met for condition in found]), costs_of(found)
    kept = np.flatnonzero(undominated(all_met, all_costs, failing))
    met, costs = all_met[kept].astype(np.float32), all_costs[kept]
    beam = [Draft((), np.ones(len(tried), bool), 0.0)]
    seen = [(float(exceptions(beam[0].met[None], failing)[0]), beam[0])]
    # bits to state that there are no exceptions, neither inside nor outside
    least = log2(len(failing) + 1)
    for _ in range(most):
        # no longer conjunction can be better than this
        best = min(bits for bits, _ in seen)
        beam = longer([draft for draft in beam if draft.bits + least <= best + RIVAL], met, costs, failing)
        if not beam:
            break
        seen += weighed(beam, failing)
    seen += polished(min(seen, key=lambda pair: round(pair[0], 6)), met, costs, failing)
    # sorting is stable: of equally good ones the shorter one wins, then the one that is first in the beam
    seen.sort(key=lambda pair: round(pair[0], 6))
    return [
        conjunction(draft, [found[number] for number in kept], [groups[number] for number in kept])
        for bits, draft in seen
        if bits <= seen[0][0] + RIVAL
    ]


def conjunction(draft: Draft, found: Sequence[Condition], groups: Sequence[Sequence[Condition]]) -> Conjunction:
    """A draft in words, and in others that the same cases meet."""
    numbers = sorted(draft.numbers)
    words = tuple(found[number].text for number in numbers)
    alike = (
        (*words[:place], each.text, *words[place + 1 :])
        for place, number in enumerate(numbers)
        for each in groups[number]
        if each is not found[number]
    )
    return Conjunction(words, draft.met, tuple(alike))


def undominated(met: Bools, costs: Floats, failing: Bools) -> Bools:
    """Which conditions no neighbour in the list is better than, whatever else is asked for.

    Of a threshold and the next one of the same quantity one is met by the same cases and some more. Where all of these
    fail that one is better; where all pass the other is.
    """
    fewer, more = met[:-1], met[1:]
    nested, further = ~(fewer & ~more).any(axis=1), more & ~fewer
    all_fail, all_pass = ~(further & ~failing).any(axis=1), ~(further & failing).any(axis=1)
    kept = np.ones(len(met), bool)
    kept[:-1] &= ~(nested & all_fail & (costs[1:] <= costs[:-1]))
    kept[1:] &= ~(nested & all_pass & (costs[:-1] <= costs[1:]))
    return kept


def weighed(drafts: Sequence[Draft], failing: Bools) -> list[tuple[float, Draft]]:
    """Drafts with their total bits, including those of their exceptions."""
    left = exceptions(np.array([draft.met for draft in drafts]), failing)
    return [(draft.bits + float(bits), draft) for draft, bits in zip(drafts, left, strict=True)]


def polished(best: tuple[float, Draft], met: Floats32, costs: Floats, failing: Bools) -> Iterator[tuple[float, Draft]]:
    """Successively better drafts, each with one or two conditions removed or replaced.

    The best single condition need not be the best one together with others.
    """
    while best[1].numbers:
        numbers = best[1].numbers
        without = [
            [drafted(tuple(each for each in numbers if each not in left_out), met, costs) for left_out in several]
            for several in (combinations(numbers, 1), combinations(numbers, 2))
        ]
        one, two = (longer(drafts, met, costs, failing) for drafts in without)
        others = [*without[0], *one, *longer(two, met, costs, failing)]
        found = min(weighed(others, failing), key=lambda pair: pair[0])
        if found[0] > best[0] - LEAST_GAIN:
            return
        best = found
        yield best


def drafted(numbers: tuple[int, ...], met: Floats32, costs: Floats) -> Draft:
    """The draft with the conditions of these numbers."""
    everyone: Bools = np.logical_and.reduce(met[list(numbers)] > 0)
    return Draft(numbers, everyone, float(costs[list(numbers)].sum()))


def costs_of(conditions: Sequence[Condition]) -> Floats:
    """Bits that select each condition among all of them."""
    kinds = log2(max(1.0, sum(1 / each.among for each in conditions)))
    return np.array([each.parts * kinds + log2(each.among) + each.bits for each in conditions])


def same_so_far(words: Sequence[str], cases: Iterable[Case]) -> list[tuple[str, ...]]:
    """The conditions with one statement replaced by another one that the cases do not distinguish from it."""
    quantities = quantities_of(cases)
    return [
        (*words[:number], other, *words[number + 1 :])
        for number, text in enumerate(words)
        for other in alternatives(text, quantities)
    ]


def longer(beam: Sequence[Draft], met: Floats32, costs: Floats, failing: Bools) -> list[Draft]:
    """The best conjunctions with one condition more."""
    if not beam:
        return []
    found: dict[frozenset[int], tuple[float, Draft]] = {}
    drafts = np.array([draft.met for draft in beam])
    # counts as matrix products: exact, because they stay far below 2**24
    inside = (drafts.astype(np.float32) @ met.T).astype(np.int64)
    caught = ((drafts & failing).astype(np.float32) @ met.T).astype(np.int64)
    named = np.array([draft.bits for draft in beam])[:, None] + costs
    totals = named + exceptions_of(inside, caught, len(failing), int(failing.sum()))
    for number, draft in enumerate(beam):
        totals[number, list(draft.numbers)] = np.inf
    totals = np.round(totals, 6)
    # each conjunction occurs at most once for each of its conditions
    wanted = min(totals.size, BEAM * (1 + len(beam[0].numbers))) - 1
    for number, chosen in np.argwhere(totals <= np.partition(totals, wanted, axis=None)[wanted]).tolist():
        draft, numbers = beam[number], (*beam[number].numbers, chosen)
        if len(set(numbers)) == len(numbers):
            both = Draft(numbers, draft.met & (met[chosen] > 0), float(named[number, chosen]))
            found.setdefault(frozenset(numbers), (float(totals[number, chosen]), both))
    # of equally good ones prefer conditions listed first, in whatever order they were added
    ranked = sorted(found.values(), key=lambda pair: (pair[0], sorted(pair[1].numbers)))
    return [draft for _, draft in ranked[:BEAM]]


def exceptions(met: Bools, failing: Bools) -> Floats:
    """Bits to select the passing cases among those that meet a conjunction, and the failing ones among the others.

    Parameters
    ----------
    met : ndarray of bool, conjunctions x cases
        Which cases meet which conjunction.
    failing : ndarray of bool, cases
        Which cases fail.
    """
    return exceptions_of(met.sum(axis=1), (met & failing).sum(axis=1), met.shape[1], int(failing.sum()))


def exceptions_of(inside: Counts, caught: Counts, total: int, failing: int) -> Floats:
    """The bits of `exceptions`, from the number of cases that meet each conjunction and of failing ones among them."""
    left_out = LEFT_OUT * (caught < failing)
    return choice(inside, inside - caught) + choice(total - inside, failing - caught) + left_out


def choice(count: Counts, chosen: Counts) -> Floats:
    """Bits to state how many of `count` things are chosen, and which."""
    factorials = np.concatenate([[0.0], np.cumsum(np.log2(np.arange(1, count.max(initial=0) + 1)))])
    which: Floats = factorials[count] - factorials[chosen] - factorials[count - chosen]
    return which + np.log2(count + 1)


def distinct(conditions: Iterator[Condition]) -> list[Condition]:
    """Conditions that the first case meets and some case does not; of those met by the same cases, the shortest.

    Conditions that are one of many of their kind, such as thresholds, are the last choice.
    """
    return [min(group, key=length) for group in grouped(conditions)]


def grouped(conditions: Iterable[Condition]) -> list[list[Condition]]:
    """Conditions that the first case meets and not all do, those together that the same cases meet."""
    found: dict[bytes, list[Condition]] = defaultdict(list)
    for condition in conditions:
        if condition.met[0] and not condition.met.all():
            found[condition.met.tobytes()].append(condition)
    return list(found.values())


# How one option of an axis is compared with another.
ORDERS = ("<", "<=", ">", ">=")
# What is made up of several options, or of the data: what can be said of one option is plainer.
MADE_UP_OF = re.compile(r" [*+] |span|padded_input|used_taps| in y")


def length(condition: Condition) -> tuple[int, bool, bool, int]:
    """A sort key by which a condition is longer than another one that the same cases meet."""
    made_up = MADE_UP_OF.search(condition.text) is not None
    return condition.parts, condition.among > 1, made_up, len(condition.text)


def meets(words: Iterable[str], cases: Sequence[Case]) -> Bools | None:
    """Which cases meet all conditions in words; None if a condition is unknown or the first case does not meet it.

    Parameters
    ----------
    words : iterable of str
        Conditions as in a failure.
    cases : sequence of Case
        Cases of one operator, with a class for every feature.
    """
    return met_by([words], cases)[0]


def met_by(conjunctions: Iterable[Iterable[str]], cases: Sequence[Case]) -> list[Bools | None]:
    """The result of `meets` for each conjunction in words."""
    asked = [tuple(words) for words in conjunctions]
    quantities = quantities_of(cases)
    evaluated = {text: evaluate(text, quantities) for text in dict.fromkeys(chain.from_iterable(asked))}
    known = {text: met for text, met in evaluated.items() if met is not None and met[0]}
    unknown = [text for text, met in evaluated.items() if met is None]
    tried = [(case,) for case in cases]
    if any(map(is_of_data, unknown)):
        known |= {text: met for text, met, _ in data_conditions(tried, seeds=SEEDS)}
    if not known.keys() >= set(unknown):
        known |= {each.text: each.met for each in class_conditions(tried)}
    everyone = np.ones(len(cases), bool)
    return [
        np.logical_and.reduce([everyone, *(known[text] for text in words)]) if known.keys() >= set(words) else None
        for words in asked
    ]


def list_conditions(tried: Sequence[Sequence[Case]]) -> Iterator[Condition]:
    """All conditions, regardless of which cases meet them."""
    yield from class_conditions(tried)
    yield from (Condition(text, met, bits=bits) for text, met, bits in data_conditions(tried))
    yield from statements(quantities_of(each[0] for each in tried))


def statements(quantities: Quantities) -> Iterator[Condition]:
    """Conditions that compare quantities with numbers."""
    for name in axis_quantities(quantities.operator):
        yield from of_axes(name, quantities)
    for name in whole_quantities(quantities.operator):
        yield from of_whole(name, quantities)
    for names in counts_together(quantities.operator):
        yield from of_both_counts(names, quantities)
    yield from squares(quantities)
    yield from longer_sides(quantities)
    yield from of_two_options(quantities)
    yield from same_counts(quantities)


def of_axes(name: str, quantities: Quantities) -> Iterator[Condition]:
    """Statements about a quantity of the height, the width, either and both."""
    height, width = sides = [quantities[f"{name}_{side}"] for side in AXIS_NAMES]
    larger, smaller = np.maximum(height, width), np.minimum(height, width)
    least = 0 if name == "padding" else 1
    bits = MADE_UP if MADE_UP_OF.search(name) else 0.0
    for side, values in zip(AXIS_NAMES, sides, strict=True):
        yield from thresholds(f"{name}_{side}", "", values, values, least, bits)
    yield from thresholds(name, " on either axis", larger, smaller, least, bits)
    yield from thresholds(name, " on both axes", smaller, larger, least, bits + BOTH)
    parity_only = name in PARITY_ONLY
    among = 1 if parity_only else len(BLOCKS)
    for number in dict.fromkeys((int(height[0]), int(width[0]))):
        if name in {"input", "output"}:
            yield from (statement(f"{name}_{side} = {number}", quantities, 1) for side in AXIS_NAMES)
            yield statement(f"{name} = {number} on either axis", quantities, 1)
            yield statement(f"{name} = {number} on both axes", quantities, 1, BOTH)
        for said, _ in divisibility(number, parity_only=parity_only):
            for side in AXIS_NAMES:
                yield statement(f"{name}_{side} {said}", quantities, among, bits)
            yield statement(f"{name} {said} on either axis", quantities, among, bits)
            yield statement(f"{name} {said} on both axes", quantities, among, bits + BOTH)


def of_whole(name: str, quantities: Quantities) -> Iterator[Condition]:
    """Statements about a quantity of the whole problem."""
    values = quantities[name]
    own, least = int(values[0]), 0 if name.startswith("batch") else 1
    bits = MADE_UP if " " in name else 0.0
    # products and sums matter as amounts of work, so a single value of them is not special
    if own > 1 and not bits:
        yield statement(f"{name} = {own}", quantities, 1)
    yield from thresholds(name, "", values, values, least, bits)
    for said, _ in divisibility(own):
        condition = statement(f"{name} {said}", quantities, len(BLOCKS), bits)
        # a remainder of a product costs more, because all kernels of one size share it
        yield replace(condition, parts=2) if bits and said.startswith("mod") else condition


def of_both_counts(names: tuple[str, str], quantities: Quantities) -> Iterator[Condition]:
    """Statements about two counts together."""
    text, values = f"both {' and '.join(names)}", [quantities[name] for name in names]
    yield from thresholds(text, "", np.minimum(*values), np.maximum(*values), 1, BOTH)
    for _, said in divisibility(gcd(*(int(each[0]) for each in values))):
        if said:
            yield statement(f"{text} {said}", quantities, len(BLOCKS), BOTH)


def statement(text: str, quantities: Quantities, among: int, bits: float = 0.0) -> Condition:
    """A statement about a quantity as a condition."""
    return Condition(text, evaluated(text, quantities), bits=VALUE + bits, among=among)


def evaluated(text: str, quantities: Quantities) -> Bools:
    """Which cases meet a statement that is known to be valid."""
    met = evaluate(text, quantities)
    if met is None:
        raise ValueError(f"{text!r} is no statement on a quantity of {quantities.operator}")
    return met


def thresholds(name: str, axes: str, most: Counts, fewest: Counts, least: int, bits: float) -> Iterator[Condition]:
    """Conditions that a quantity is at least, or less than, each number that distinguishes some cases.

    Parameters
    ----------
    name, axes : str
        The quantity, and the axes to which the condition refers.
    most, fewest : ndarray of int
        The values that must be at least the threshold, and those that must be less; for example, the larger and the
        smaller value of two axes.
    least : int
        The least possible value.
    bits : float
        Additional bits of the condition.
    """
    # the largest first: together with "is no multiple of 32", "more than 32" is meant and not "at least 32"
    held = [
        (number, (values >= number) == upwards, above(number) if upwards else below(number, least))
        for values, upwards, own in ((most, True, int(most[0])), (fewest, False, int(fewest[0])))
        for number in reversed([threshold(last, first) for last, first in pairwise(np.unique(values).tolist())])
        if (own >= number) == upwards
    ]
    for number, met, said in held:
        at_block = not BLOCK_EDGES.isdisjoint((number, number - 1))
        among = min(len(BLOCKS), len(held)) if at_block else len(held)
        yield Condition(f"{name} {said}{axes}", met, bits=VALUE + bits, among=among)


def same_counts(quantities: Quantities) -> Iterator[Condition]:
    """Conditions that two counts are equal and greater than 1."""
    for one, other in (("batch", "channels"), ("channels", "out_channels")):
        if one in quantities and other in quantities and quantities[one][0] == quantities[other][0] > 1:
            yield statement(f"{one} = {other}", quantities, 1)


def longer_sides(quantities: Quantities) -> Iterator[Condition]:
    """Conditions that an option or the output is larger on one axis than on the other; of the output, or as large."""
    for name in (*map(short_name, equal_pairs(quantities.operator)), "output"):
        height, width = (int(quantities[f"{name}_{side}"][0]) for side in AXIS_NAMES)
        if height != width:
            yield statement(f"{name}_h {'<' if height < width else '>'} {name}_w", quantities, 1, MADE_UP)
        if name == "output":
            yield statement(f"{name}_h {'!=' if height != width else '='} {name}_w", quantities, 1)


def of_two_options(quantities: Quantities) -> Iterator[Condition]:
    """Conditions that one option of an axis is less than another, or more, or as large at the least or at the most.

    That both are the same number is no condition here: wherever both are 1 it would be said in place of that.
    """
    among = len(compared_options(quantities.operator))
    for one, other in compared_options(quantities.operator):
        first, second = (np.array([quantities[f"{name}_{side}"][0] for side in AXIS_NAMES]) for name in (one, other))
        for sign in (sign for sign in ORDERS if COMPARISONS[sign](first, second).any()):
            for side in SIDES:
                both = BOTH if side == SIDES[-1] else 0.0
                text = f"{one}{side} {sign} {other}{side}" if side.startswith("_") else f"{one} {sign} {other}{side}"
                yield statement(text, quantities, among, MADE_UP + both)


def squares(quantities: Quantities) -> Iterator[Condition]:
    """Conditions that several options are equal on both axes: all, all but one, or image and kernel."""
    names = [short_name(pair) for pair in equal_pairs(quantities.operator)]
    chosen = [names, ["input", "kernel"], *([each for each in names if each != left_out] for left_out in names)]
    for each in chosen:
        text = " and ".join(f"{name}_h = {name}_w" for name in each)
        yield Condition(text, evaluated(text, quantities), bits=VALUE, among=len(chosen))


def class_conditions(tried: Sequence[Sequence[Case]]) -> Iterator[Condition]:
    """Conditions on classes of features, special values and divisor_override."""
    cases = [each[0] for each in tried]
    yield from axis_conditions(cases)
    operator = cases[0].operator
    vectors = np.array([vector_of(case) for case in cases])
    first = len(AXIS_NAMES) * len(operator.axis_features)
    for number, feature in enumerate(features_of(operator.name)[first:], first):
        for text, met, bits in unions(feature.classes, vectors[:, number]):
            yield Condition(text, met, bits=bits)
    override = cases[0].problem.divisor_override
    if override is not None:
        met = np.array([case.problem.divisor_override == override for case in cases])
        yield Condition(f"divisor_override = {override}", met, bits=VALUE)
        if override < 0:
            negative = [(case.problem.divisor_override or 0) < 0 for case in cases]
            yield Condition("divisor_override < 0", np.array(negative))


def axis_conditions(cases: Sequence[Case]) -> Iterator[Condition]:
    """Conditions on the height, the width, either and both, and pairs of conditions on the same axis."""
    axes = [[(case.problem.axes[side], case.problem.ceil_mode) for case in cases] for side in range(len(AXIS_NAMES))]
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


def one_axis(
    operator: str, axes: Sequence[Sequence[tuple[Axis, bool]]]
) -> Iterator[tuple[str, tuple[Bools, Bools], float]]:
    """Conditions on one axis, with ``{a}`` for its name: which cases meet them in height and width, and the bits."""
    classes = [np.array([axis_classes(operator, *axis) for axis in each]) for each in axes]
    for number, feature in enumerate(OPERATORS[operator].axis_features):
        words = tuple(text.replace("_{a}", "{a}") for text in feature.classes)
        both = np.concatenate([classes[0][:, number], classes[1][:, number]])
        for first in dict.fromkeys((classes[0][0, number], classes[1][0, number])):
            for text, met, bits in unions(words, both, int(first)):
                yield text, (met[: len(axes[0])], met[len(axes[0]) :]), bits
    of_dilation = OF_DILATION if "dilation" in OPERATORS[operator].options else {}
    for text, meets in (DERIVED | of_dilation).items():
        height, width = (np.array([meets(*axis) for axis in each]) for each in axes)
        yield text, (height, width), 0.0
    for name in AXIS_OPTIONS[1:]:
        values = [np.array([getattr(axis, name) for axis, _ in each]) for each in axes]
        for value in dict.fromkeys((int(values[0][0]), int(values[1][0]))):
            if value > 1 or (name == "padding" and value == 1):
                yield f"{short_name(name)}{{a}} = {value}", (values[0] == value, values[1] == value), VALUE


def overlaps(axis: Axis, ceil_mode: bool) -> bool:
    """Whether two windows share a pixel of the input."""
    seen: set[int] = set()
    for place in range(output_size(axis, ceil_mode=ceil_mode)):
        start = place * axis.stride - axis.padding_before
        window = {start + tap for tap in range(0, axis.span, axis.dilation) if 0 <= start + tap < axis.size}
        if window & seen:
            return True
        seen |= window
    return False


def last_window_meets_input(axis: Axis, ceil_mode: bool) -> bool:
    """Whether any tap of the kernel is on a pixel of the input at the last output position."""
    start = (output_size(axis, ceil_mode=ceil_mode) - 1) * axis.stride - axis.padding_before
    return any(0 <= start + tap * axis.dilation < axis.size for tap in range(axis.kernel_size))


# Properties of an axis that faults depend on but that are not classes.
DERIVED: dict[str, Callable[[Axis, bool], bool]] = {
    "the last tap{a} meets the input": lambda axis, ceil_mode: used_taps(axis, ceil_mode) == axis.kernel_size,
    "the last window{a} meets the input": cache(last_window_meets_input),
    "input{a} > 1": lambda axis, _: axis.size > 1,
    "input{a} = 1": lambda axis, _: axis.size == 1,
    "windows{a} overlap": overlaps,
}
# Such properties for operators with dilation: padding that keeps the size under a dilated kernel of 3.
OF_DILATION: dict[str, Callable[[Axis, bool], bool]] = {
    "padding{a} = dilation{a}": lambda axis, _: axis.padding == axis.dilation
}


def unions(
    classes: Sequence[str], numbers: NDArray[np.int64], first: int | None = None
) -> Iterator[tuple[str, Bools, float]]:
    """The first case's class of a feature, by itself and united with others: words, which cases have it, and bits."""
    own = int(numbers[0]) if first is None else first
    others = [number for number in range(len(classes)) if number != own]
    yield classes[own], numbers == own, 0.0
    for size in range(1, len(others)):
        # many classes (of the memory layout) are taken together only as two or three, or as all but one or two
        if len(classes) > 4 and size not in {1, 2, len(others) - 2, len(others) - 1}:
            continue
        for more in combinations(others, size):
            chosen = sorted((own, *more))
            left = [classes[number] for number in range(len(classes)) if number not in chosen]
            opposites = [opposite(each) for each in left]
            few = len(left) < len(chosen) and len(left) <= 2 and None not in opposites
            either = " or ".join(classes[number] for number in chosen)
            text = " and ".join(each for each in opposites if each) if few else f"({either})"
            yield text, np.isin(numbers, chosen), UNION * (1 if few else size)


COMPARISON = re.compile(r"([^\s<>=]+) (=|>|<|>=|!=) ([^\s<>=]+)")
OPPOSITES = {">": "<=", "<": ">=", ">=": "<", "!=": "=", "=": "!="}
# Conditions on a choice of layout, fill or dtype.
CHOICE = re.compile(r"(layout|fill|dtype) \w+")


def opposite(text: str) -> str | None:
    """The negation of a condition in words; None if that takes many words.

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
