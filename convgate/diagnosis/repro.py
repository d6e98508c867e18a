"""Scripts that reproduce one failure with only NumPy and the subject.

Helper functions are copied into the script from their source, so the tested code is the code that runs.
"""

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convgate.cases.case import POINTS, Case, invalid_calls
from convgate.cases.dtypes import DTYPES
from convgate.cases.layouts import LAYOUTS
from convgate.diagnosis.repeats import MORE_CALLS, REPEATABLE, repeatable
from convgate.judging import relations
from convgate.judging.checks import OUTPUTS, relations_of
from convgate.judging.compare import Bound, Copied
from convgate.judging.subjects.loader import LOCAL
from convgate.judging.subjects.remote import PREFIXES
from convgate.judging.trial import Trial
from convgate.oracle_list import Certified
from convgate.problems.operators import SEVERAL, Array, source_of
from convgate.problems.plain import NotPlainError, Plain
from convgate.results.verdicts import Result

__all__ = ["repro_source"]

HEADER = '''"""Repeats one failure: run it, or give it to pytest, where the subject can be imported.

It needs NumPy and the subject. Exit code 1: it still fails; 0: it passes; 2: the subject could not be loaded.
"""

from __future__ import annotations

import importlib
import os
import sys

import numpy as np

sys.path.insert(0, os.getcwd())
'''

LOADING = """
try:
    subject = importlib.import_module({module!r})
    for part in {attributes!r}:
        subject = getattr(subject, part)
except BaseException as error:
    if __name__ != "__main__":
        raise
    print("the subject", {name!r}, "could not be loaded:", error, file=sys.stderr)
    raise SystemExit(2) from error
"""

MAIN = """
if __name__ == "__main__":
    try:
        {test}()
    except (SystemExit, KeyboardInterrupt) as error:
        raise AssertionError("the subject ended the program") from error
    print("passes: this failure is gone")
"""

ALONE = """
import subprocess


def {test}():
    # in a process of its own, as it may not come back
    code = subprocess.run([sys.executable, __file__, "--alone"], timeout={seconds:g}, check=False).returncode
    assert code == 0, f"the subject's process ended with {{code}}"


if __name__ == "__main__":
    if "--alone" in sys.argv:
        alone()
    else:
        {test}()
        print("passes: this failure is gone")
"""


def require(actual: Any, expected: NDArray[Any], dtype: str, tolerance: Any) -> None:
    """Assert that an array has the expected shape and dtype, and the expected values within the tolerance."""
    assert type(actual) is np.ndarray, f"must be numpy.ndarray itself, got {type(actual).__name__}"  # noqa: S101 - for pytest
    assert actual.shape == expected.shape, f"must have the shape {expected.shape}, got {actual.shape}"  # noqa: S101
    assert actual.dtype == dtype, f"must be of dtype {dtype}, got {actual.dtype}"  # noqa: S101
    found = actual.astype(np.float64)
    with np.errstate(invalid="ignore"):
        near = np.abs(found - expected) < tolerance
    right = near | (found == expected) | (np.isnan(found) & np.isnan(expected))
    for index in np.argwhere(~right)[:10]:
        place = tuple(int(i) for i in index)
        print(f"{list(place)} must be {expected[place]}, got {actual[place]}")  # noqa: T201 - in the script
    assert right.all(), f"{int((~right).sum())} of {right.size} values are wrong"  # noqa: S101


REPLAY = '''"""Repeats one failure of a subject that is no Python module: it needs convgate, which starts the subject.

Exit code 1: it still fails; 0: it passes; 2: it could not be judged.
"""

import subprocess
import sys

# {headline}
COMMAND = [sys.executable, "-m", "convgate", *{words!r}]


def test_{test}():
    assert subprocess.run(COMMAND, check=False).returncode == 0


if __name__ == "__main__":
    raise SystemExit(subprocess.run(COMMAND, check=False).returncode)
'''

EARLIER = """
def call_before():
    # the subject keeps something of these calls
{arrays}
    for call in (
{calls}
    ):
        try:
            call()
        except BaseException:
            pass
"""


def repro_source(
    subject_name: str,
    case: Case,
    result: Result,
    headline: str,
    spec: str,
    seconds: float,
    *,
    earlier: Case | None = None,
) -> str:
    """Source of the script.

    Parameters
    ----------
    subject_name : str
        ``module`` or ``module:attribute``.
    case : Case
        The minimal case.
    result : Result
        The result of its check.
    headline, spec : str
        Text of the comment at the top.
    seconds : float
        Time limit for a subject that hangs.
    earlier : Case or None
        A case whose calls must come first, if there is one.

    Returns
    -------
    str
    """
    if subject_name.startswith(PREFIXES):
        return REPLAY.format(
            headline=headline, words=["replay", spec, "--subject", subject_name], test=case.problem.operator
        )
    module, _, attribute = subject_name.removeprefix(LOCAL).partition(":")
    attributes = tuple(attribute.split(".")) if attribute else ()
    test = f"test_{case.problem.operator}"
    dead = result.symptom in {"crashed", "timed out"}
    body, helpers = body_of(case, result, dead=dead)
    if earlier is not None:
        body = ["call_before()", *body]
    helpers = [*helpers, *(LAYOUTS[each.layout] for each in (case, earlier) if each and each.layout != "contiguous")]
    parts = [
        HEADER,
        *(f"# {line}" for line in [*textwrap.wrap(headline, 100), spec]),
        LOADING.format(module=module, attributes=attributes, name=subject_name),
    ]
    parts += array_lines(case)
    parts += ["", *unique_sources(helpers)]
    if case.layout != "contiguous":
        parts += [*layout_lines(case), "", ""]
    if earlier is not None:
        parts.append(earlier_source(earlier))
    parts.append(f"def {'alone' if dead else test}():\n" + textwrap.indent("\n".join(body), "    ") + "\n")
    parts.append((ALONE if dead else MAIN).format(test=test, seconds=seconds))
    return "\n".join(parts)


def earlier_source(case: Case) -> str:
    """Source of a function that makes the calls of another case on its own arrays."""
    arrays = [*array_lines(case), *(layout_lines(case) if case.layout != "contiguous" else [])]
    makes = (case.operator.forward, case.operator.backward)
    calls = [f"        lambda: {source_of(make(case.problem))}," for make in makes if make is not None]
    return EARLIER.format(arrays=textwrap.indent("\n".join(arrays), "    "), calls="\n".join(calls))


def layout_lines(case: Case) -> Iterator[str]:
    """Assignments that give the arrays the memory layout of the case."""
    function = LAYOUTS[case.layout].__name__
    names = [case.laid_out] if case.laid_out else list(Trial(case, None).values)
    yield from (f"{name} = {function}({name})" for name in names)


def body_of(case: Case, result: Result, *, dead: bool) -> tuple[list[str], list[Callable[..., Any]]]:
    """Lines of the test, and the helper functions that they need."""
    trial = Trial(case, None)
    forward = trial.operator.forward(case.problem)
    if result.check == "invalid_arguments" and not dead:
        rejecting = trial.call_producing(result.output) or forward
        rejected = ["try:", f"    {source_of(rejecting)}", "except (ValueError, TypeError):", "    return"]
        return [*rejected, f"raise AssertionError({f'must be rejected: {trial.rule}'!r})"], []
    asked = relations_of(result.check)
    if asked is not None:
        return relation_body(case, result, asked)
    if dead and trial.rule is not None:
        lines = []
        for call in invalid_calls(case):
            lines += ["try:", f"    {source_of(call)}", "except (ValueError, TypeError):", "    pass"]
        return lines, []
    if dead:
        calls = [forward] + ([trial.operator.backward(case.problem)] if trial.operator.backward is not None else [])
        return [source_of(call) for call in calls], []
    return value_body(trial, result)


def value_body(trial: Trial, result: Result) -> tuple[list[str], list[Callable[..., Any]]]:
    """Lines that assert the values of one output, and the helper functions that they need."""
    call = trial.call_producing(result.output or OUTPUTS["forward"])
    if call is None:
        raise ValueError(f"{trial.operator.name} has no output {result.output!r}")
    actual = f"actual = {source_of(call, result.output)}"
    expected = trial.expected(call).get(result.output)
    if expected is None:
        return [actual, "assert actual is None, 'must be None without a bias'"], []
    bound = trial.bound(call, result.output, trial.case.dtype)
    step = trial.step(result.output)
    tolerance = f"2.0**{step - 1}" if step else "0.5"
    signs = []
    if isinstance(bound, Copied):
        tolerance = "0"
        zeros = np.asarray(expected == 0) & (True if bound.either_sign is None else ~bound.either_sign)
        if zeros.any():
            signs = [
                f"zeros = {tuple(index.tolist() for index in np.nonzero(zeros))}",
                "assert (np.signbit(actual) == np.signbit(expected))[zeros].all(), 'a zero has the wrong sign'",
            ]
    elif bound is not None:
        tolerance = literal(bounds_of(bound, expected))
    claimed = trial.norm_bound(result.output, result.factor)
    if claimed is not None:
        tolerance = f"np.maximum({tolerance}, {literal(bounds_of(claimed, expected))})"
    dtype = np.dtype(DTYPES[trial.case.dtype].type).name
    either = trial.undetermined(result.output)
    holes = []
    if either is not None:
        holes = [
            f"holes = np.zeros({expected.shape}, bool)",
            f"holes[{tuple(index.tolist() for index in np.nonzero(np.broadcast_to(either, expected.shape)))}] = True",
            "# a number that is not finite meets padding there, so NaN is as right",
            "expected[holes & np.isnan(actual)] = np.nan",
        ]
    return [
        actual,
        f"expected = {literal(np.asarray(expected, np.float64))}",
        *holes,
        f"require(actual, expected, {dtype!r}, {tolerance})",
        *signs,
    ], [require]


def bounds_of(bound: Bound, expected: Certified | Array) -> Array:
    """The bound of each entry."""
    return np.array([float(bound.at(index)) for index in np.ndindex(expected.shape)]).reshape(expected.shape)


def relation_body(case: Case, result: Result, asked: relations.Relations) -> tuple[list[str], list[Callable[..., Any]]]:
    """Lines that assert one relation, or all relations of its check if the relation is unknown."""
    lines: list[str] = [f"plain = Plain(subject, {SEVERAL})"]
    helpers: list[Callable[..., Any]] = [NotPlainError, Plain, relations.agree]
    listed = {relation.name: relation for make in (asked.each, asked.together) for relation in make(case)}
    if result.relation.endswith(REPEATABLE):
        listed = {relation.name: relation for relation in repeatable(case, MORE_CALLS)}
    for relation in listed.values():
        if result.relation in {"", relation.name}:
            lines += [
                f"# {relation.name}",
                f"actual, expected = {relation.source.replace('subject.', 'plain.')}",
                f"assert agree(actual, expected, rounded={relation.rounded}), f'{{actual}} must be {{expected}}'",
            ]
            helpers += relation.helpers
    return lines, helpers


def array_lines(case: Case) -> Iterator[str]:
    """Assignments of the case's arrays."""
    values = Trial(case, None).values
    for name, array in values.items():
        if case.fill == POINTS:
            yield f"{name} = np.zeros({array.shape}, np.{array.dtype.name})"
            for point in case.points:
                if point.array == name:
                    yield f"{name}[{', '.join(map(str, point.index))}] = {number(point.value)}"
        else:
            yield f"{name} = {literal(array)}"


def literal(array: Array) -> str:
    """Source of an array."""
    dtype = f"np.{array.dtype.name}"
    if not array.size:
        return f"np.zeros({array.shape}, {dtype})"
    return f"np.array({nested(array.tolist())}, {dtype})"


def nested(values: Any) -> str:
    """Source of nested lists of numbers."""
    if isinstance(values, list):
        return f"[{', '.join(nested(value) for value in values)}]"
    return number(values)


def number(value: float) -> str:
    """Source of a number; integers without a decimal point."""
    if not np.isfinite(value):
        return f"float('{value}')"
    return str(int(value)) if value == int(value) and abs(value) < 2**53 and str(value) != "-0.0" else repr(value)


def unique_sources(functions: Iterable[Callable[..., Any]]) -> list[str]:
    """Sources of functions, each once, without lint comments."""
    sources = (inspect.getsource(function) + "\n" for function in dict.fromkeys(functions))
    return [re.sub(r"  # noqa:.*", "", source) for source in sources]
