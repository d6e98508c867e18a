"""Specs: a case as one word that a shell leaves alone, and back.

``conv2d:n2c4h5w7o6k3x2s2x1p1x0g2+bias:f32:7`` is a convolution of 2 images of 4 channels of 5 x 7 pixels to 6 channels
in 2 groups, with a kernel of 3 x 2, stride 2 x 1, padding 1 x 0 and a bias, in float32, on lattice data of seed 7. What
is left out has its default: 1 for sizes, 0 for padding, float64, contiguous, lattice, seed 0. Parts come in any order.
Data that is zero but for a few entries is written ``points@x.0.0.2.1@weight.0.0.0.1=-3``; a value of 1 is left out.
``sliced@weight`` is a layout of one array alone, and ``broken@weight.rank`` an array that breaks a rule.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from convgate.cases.case import POINTS, Case, Point, case_rule
from convgate.cases.dtypes import DTYPES
from convgate.cases.fills import FILLS
from convgate.cases.layouts import LAYOUTS
from convgate.cases.rules import ARGUMENTS
from convgate.problems.axis import make_axes
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem

__all__ = ["SpecError", "format_spec", "parse_spec"]


class SpecError(ValueError):
    """A spec that cannot be read."""


@dataclass(frozen=True)
class Letter:
    """One letter of the geometry and the option of `Problem` that it sets, of the axes or not."""

    option: str
    of_axes: bool


LETTERS = {
    "n": Letter("batch", of_axes=False),
    "c": Letter("channels", of_axes=False),
    "o": Letter("out_channels", of_axes=False),
    "k": Letter("kernel_size", of_axes=True),
    "s": Letter("stride", of_axes=True),
    "p": Letter("padding", of_axes=True),
    "d": Letter("dilation", of_axes=True),
    "g": Letter("groups", of_axes=False),
}
FLAGS: dict[str, tuple[str, object]] = {
    "bias": ("bias", True),
    "ceil": ("ceil_mode", True),
    "nopad": ("count_include_pad", False),
}

BROKEN = "broken"
# What is left out of a geometry.
PLAIN = Problem(operator="")

NUMBER = r"-?[0-9]+"
GEOMETRY = re.compile(rf"(?:[a-z]{NUMBER}(?:x{NUMBER})?)*(?:\+[a-z]+(?:{NUMBER})?)*")
GEOMETRY_PART = re.compile(rf"([a-z])({NUMBER})(?:x({NUMBER}))?")
FLAG_PART = re.compile(rf"\+([a-z]+)({NUMBER})?")
POINT = re.compile(r"([a-z_]+)((?:\.[0-9]+)+)(?:=(.+))?")


def format_spec(case: Case) -> str:
    """Write a case as a spec; `parse_spec` reads it back."""
    parts = [case.problem.operator]
    geometry = format_geometry(case.problem)
    if geometry:
        parts.append(geometry)
    defaults = Case(problem=case.problem)
    if case.dtype != defaults.dtype:
        parts.append(case.dtype)
    if case.layout != defaults.layout:
        parts.append(f"{case.layout}@{case.laid_out}" if case.laid_out else case.layout)
    if case.fill == POINTS:
        parts.append("@".join([POINTS, *(format_point(point) for point in case.points)]))
    elif case.fill != defaults.fill:
        parts.append(case.fill)
    if case.seed:
        parts.append(str(case.seed))
    if case.broken:
        parts.append(f"{BROKEN}@{case.broken}")
    return ":".join(parts)


def format_geometry(problem: Problem) -> str:
    """Sizes and flags, in the order of `Problem`'s fields."""
    text = ""
    for letter, each in LETTERS.items():
        value = getattr(problem, each.option)
        if value != getattr(PLAIN, each.option):
            text += letter + (format_numbers(value) if each.of_axes else str(value))
        if letter == "c":
            text += "".join(f"{axis}{length}" for axis, length in zip("hw", problem.size, strict=True) if length != 1)
    for flag, (field, value) in FLAGS.items():
        if getattr(problem, field) == value:
            text += f"+{flag}"
    if problem.divisor_override is not None:
        text += f"+divisor{problem.divisor_override}"
    return text


def format_numbers(numbers: tuple[int, ...]) -> str:
    """``3`` for (3, 3), ``3x2`` for (3, 2)."""
    return "x".join(map(str, numbers if len(set(numbers)) > 1 else numbers[:1]))


def format_point(point: Point) -> str:
    """``x.0.0.2.1=-3``, without the value if that is 1."""
    place = ".".join([point.array, *map(str, point.index)])
    if point.value == 1:
        return place
    value = float(point.value)
    return f"{place}={int(value) if value.is_integer() and repr(value) != '-0.0' else value}"


def parse_spec(text: str) -> Case:
    """Read a spec.

    Raises
    ------
    SpecError
        If a part is not known, comes twice, or does not fit the operator. An invalid problem can be written (a check
        asks that subjects reject it).
    """
    name, *parts = text.strip().split(":")
    if name not in OPERATORS:
        raise SpecError(f"operator {name!r} in {text!r} is not one of {', '.join(OPERATORS)}")
    case = Case(problem=Problem(operator=name))
    seen: set[str] = set()
    for part in parts:
        kind, put = reader_of(part, text)
        if kind in seen:
            raise SpecError(f"{text!r} gives its {kind} twice; leave one of them out")
        seen.add(kind)
        case = put(case)
    rule = case_rule(case)
    if rule is not None:
        raise SpecError(f"{text!r}: {rule}")
    return case


def reader_of(part: str, text: str) -> tuple[str, Callable[[Case], Case]]:
    """What kind of part this is, and the function that puts it into a case."""
    named: dict[str, Collection[str]] = {"dtype": DTYPES, "layout": LAYOUTS, "fill": FILLS}
    kind = next((kind for kind, names in named.items() if part in names), None)
    if kind is not None:
        value: dict[str, Any] = {kind: part}
        return kind, lambda case: replace(case, **value)
    word, at, name = part.partition("@")
    if word in LAYOUTS and at and name:
        return "layout", lambda case: replace(case, layout=word, laid_out=name)
    if word == BROKEN:
        if name not in ARGUMENTS:
            raise SpecError(f"{part!r} in {text!r}: rules to break are {', '.join(ARGUMENTS)}")
        return "broken rule", lambda case: replace(case, broken=name)
    if word == POINTS:
        points = tuple(parse_points(part, text))
        return "fill", lambda case: replace(case, fill=POINTS, points=points)
    if part.isascii() and part.isdigit():
        return "seed", lambda case: replace(case, seed=int(part))
    if part and GEOMETRY.fullmatch(part):
        options = parse_geometry(part, text)
        return "geometry", lambda case: replace(case, problem=replace(case.problem, **options))
    known = ", ".join([*DTYPES, *LAYOUTS, *FILLS, POINTS, BROKEN])
    raise SpecError(f"{part!r} in {text!r} is neither a geometry such as n2h5w7k3+bias, nor a seed, nor one of {known}")


def parse_geometry(part: str, text: str) -> dict[str, Any]:
    """Read sizes and flags into fields of `Problem`."""
    sizes, plus, flags = part.partition("+")
    fields: dict[str, Any] = {}
    size = {"h": 1, "w": 1}
    pairs: dict[str, tuple[int, int]] = {}
    given: list[str] = []
    for letter, first, second in GEOMETRY_PART.findall(sizes):
        given.append(letter)
        if letter in size and not second:
            size[letter] = int(first)
        elif letter not in LETTERS or (second and not LETTERS[letter].of_axes):
            given_as = f"{letter}{first}x{second}" if second else f"{letter}{first}"
            raise SpecError(
                f"{given_as} in {text!r}: sizes are {', '.join(['h', 'w', *LETTERS])}, "
                f"of which k, s, p, d may be pairs; dtypes are {', '.join(DTYPES)}"
            )
        elif LETTERS[letter].of_axes:
            pairs[LETTERS[letter].option] = (int(first), int(second or first))
        else:
            fields[LETTERS[letter].option] = int(first)
    fields["axes"] = make_axes(size=tuple(size.values()), **pairs)
    for flag, number in FLAG_PART.findall(plus + flags):
        given.append(flag)
        if flag == "divisor" and number:
            fields["divisor_override"] = int(number)
        elif flag in FLAGS and not number:
            field, value = FLAGS[flag]
            fields[field] = value
        else:
            raise SpecError(f"+{flag}{number} in {text!r}: flags are +{', +'.join(FLAGS)} and +divisor with a number")
    if len(set(given)) < len(given):
        raise SpecError(f"{part!r} in {text!r} gives a size or a flag twice; leave one of them out")
    return fields


def parse_points(part: str, text: str) -> Iterator[Point]:
    """Read ``points@x.0.0.2.1=-3@...``."""
    for word in part.split("@")[1:]:
        match = POINT.fullmatch(word)
        try:
            value = float(match[3] or 1) if match else None
        except ValueError:
            value = None
        if match is None or value is None:
            raise SpecError(f"{word!r} in {text!r} is not a point such as x.0.0.2.1 or weight.0.0.0.1=-3")
        yield Point(match[1], tuple(int(i) for i in match[2][1:].split(".")), value)
