"""Shape features: the classes that a case belongs to, one of each feature of its operator."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from convgate.cases.case import POINTS, Case, broken_rule
from convgate.cases.dtypes import DTYPES
from convgate.cases.fills import fills_of
from convgate.cases.layouts import LAYOUTS
from convgate.problems.axis import AXIS_OPTIONS, Axis
from convgate.problems.operators import OPERATORS
from convgate.problems.operators.classes import AXIS_NAMES

__all__ = ["Vector", "Words", "axis_classes", "data_choices", "equal_pairs", "features_of", "short_name", "vector_of"]

# Cases whose classes are kept: those around one failure are asked for several times.
KEPT = 8192
# The number of the class of each feature, in the order of `features_of`.
Vector = tuple[int, ...]


@dataclass(frozen=True)
class Words:
    """A feature's name and, each as a condition, its classes."""

    name: str
    classes: tuple[str, ...]


@cache
def features_of(operator: str) -> tuple[Words, ...]:
    """The features of an operator: those of each axis, of all axes, of the other options, of the data."""
    return tuple(list_features(operator))


def list_features(operator: str) -> Iterator[Words]:
    """The same, one by one."""
    found = OPERATORS[operator]
    for a in AXIS_NAMES:
        for each in found.axis_features:
            yield Words(f"{each.name}_{a}", tuple(words.format(a=a) for words in each.classes))
    for pair in equal_pairs(operator):
        name = short_name(pair)
        yield Words(f"equal_{name}", (f"{name}_h = {name}_w", f"{name}_h != {name}_w"))
    for block in found.blocks:
        for feature in block.features:
            yield Words(feature.name, feature.classes)
    for name, choices in data_choices(operator).items():
        yield Words(name, tuple(f"{name} {choice}" for choice in choices))


def short_name(pair: str) -> str:
    """What a pair of options is called in conditions."""
    return {"size": "input", "kernel_size": "kernel"}.get(pair, pair)


@cache
def equal_pairs(operator: str) -> tuple[str, ...]:
    """The options of axes that an operator has, each of which may be equal on all axes or not."""
    return tuple(name for name in AXIS_OPTIONS if name in OPERATORS[operator].options)


@cache
def data_choices(operator: str) -> dict[str, tuple[str, ...]]:
    """What a case has beside its problem, the plainest choice first."""
    return {"dtype": tuple(sorted(DTYPES, reverse=True)), "layout": tuple(LAYOUTS), "fill": fills_of(operator)}


@cache
def axis_classes(operator: str, axis: Axis, ceil_mode: bool) -> Vector:
    """The classes of one axis."""
    return tuple(feature.of(axis, ceil_mode) for feature in OPERATORS[operator].axis_features)


@lru_cache(maxsize=KEPT)
def vector_of(case: Case) -> Vector | None:
    """The classes of a case; None where there is no such thing.

    That is so for an invalid case, and for data that are zero but for a few points: they see a few places only.
    """
    problem, operator = case.problem, case.operator
    if case.fill == POINTS or broken_rule(case) is not None:
        return None
    data = data_choices(operator.name).items()
    return (
        *(number for axis in problem.axes for number in axis_classes(operator.name, axis, problem.ceil_mode)),
        *(int(len(set(getattr(problem, name))) > 1) for name in equal_pairs(operator.name)),
        *(feature.of(problem) for block in operator.blocks for feature in block.features),
        *(choices.index(getattr(case, name)) for name, choices in data),
    )
