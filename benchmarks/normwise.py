"""How far transforms stay under the error that they claim (docs/normwise.md), and what the claim excuses.

``python benchmarks/normwise.py`` judges the subjects of examples/correct that have an error_factor, and writes the
tables in docs/normwise.md. It takes about a minute. The cases are those of fixed seeds.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from importlib import import_module
from math import inf
from pathlib import Path

import numpy as np
from pages import fill_in, table
from tiles import TILES, amplification, largest_error, most_roundings

from convgate.cases.case import broken_rule
from convgate.cases.dtypes import DTYPES
from convgate.judging.checks import OUTPUTS, judge_trial
from convgate.judging.norm_bound import NormBound
from convgate.judging.subjects.loader import operators_of
from convgate.judging.trial import Trial
from convgate.oracle_list import Certified
from convgate.problems.operators import OPERATORS, Array
from convgate.sources.fuzz import draw_cases
from convgate.sources.profiles import PROFILES, SHARD

SUBJECTS = {"fft": "FFT", "winograd": "Winograd", "integral_image": "integral image"}
REAL = {"real", "wide"}
MOST_SHARDS = 30


@dataclass
class Found:
    """What the cases of one subject and dtype say.

    Parameters
    ----------
    error, share : float
        The largest error of real and wide data in units of u N, and over its bound.
    entries, excused : int
        Entries of outputs on the lattice, and those of them for which the claim reaches half a step.
    counts : Counter
        Cases, outputs judged, those of them for which even zeros would pass, kinds of relations judged, and those that
        the claim makes vacuous.
    """

    error: float = 0.0
    share: float = 0.0
    entries: int = 0
    excused: int = 0
    counts: Counter[str] = field(default_factory=Counter)


def trials(name: str, dtype: str) -> Iterator[Trial]:
    """The random cases of profile pr that a subject supports, up to so many shards."""
    subject = import_module(name)
    for operator in operators_of(name):
        for part in range(min(PROFILES["pr"].shards(OPERATORS[operator].weight), MOST_SHARDS)):
            for case in draw_cases(operator, 0, part, SHARD, subject):
                if case.dtype == dtype and broken_rule(case) is None:
                    yield Trial(case, subject)


def bounded(trial: Trial) -> Iterator[tuple[str, NormBound]]:
    """The outputs that the claim concerns, each with u N as its bound."""
    for output in OUTPUTS.values():
        call, bound = trial.call_producing(output), trial.norm_bound(output, 1.0)
        if bound is not None and call is not None and not trial.lacks(call):
            yield output, bound


def errors_over(bound: NormBound, actual: Array, expected: Certified | Array) -> Iterator[float]:
    """The error of each entry in units of u N: all of them are rational numbers."""
    for index in np.ndindex(expected.shape):
        error, unit = abs(Fraction(float(actual[index])) - expected[index]), bound.at(index)
        # without images there is nothing to be off by
        yield float(error / unit) if unit else inf if error else 0.0


def look(trial: Trial, found: Found) -> None:
    """Count what one case says."""
    factor = trial.error_factor
    if factor is None or not trial.finite:
        return
    for output, bound in bounded(trial):
        call = trial.call_producing(output)
        outputs = trial.outcome(call).outputs if call is not None else None
        if call is None or outputs is None:
            continue
        if trial.case.fill in REAL:
            error = max(errors_over(bound, outputs[output], trial.expected(call)[output]), default=0.0)
            found.error, found.share = max(found.error, error), max(found.share, error / factor)
        elif trial.on_lattice:
            half = Fraction(2) ** trial.step(output) / 2
            reaches = [Fraction(factor) * bound.at(index) >= half for index in np.ndindex(bound.magnitude.shape)]
            found.entries += len(reaches)
            found.excused += sum(reaches)
    for result in judge_trial(trial):
        kind = "outputs" if result.check in OUTPUTS else "relations"
        found.counts[kind] += 1
        found.counts[f"{kind} that the claim excuses"] += "error_factor" in result.message
        found.counts[result.verdict] += 1
    found.counts["cases"] += 1


def measured() -> dict[tuple[str, str], Found]:
    """By subject and dtype."""
    found = {(name, dtype): Found() for name in SUBJECTS for dtype in DTYPES}
    for (name, dtype), each in found.items():
        for trial in trials(name, dtype):
            look(trial, each)
    return found


def errors_table(found: Mapping[tuple[str, str], Found]) -> str:
    """How large errors are, in units of u N and beside the claim."""
    rows = [
        (SUBJECTS[name], dtype, f"{each.error:.2g}", f"{100 * each.share:.2g} %")
        for (name, dtype), each in found.items()
    ]
    return table(("", "dtype", "largest error / (u N)", "largest error / claim"), rows)


def excused_table(found: Mapping[tuple[str, str], Found]) -> str:
    """What the claim excuses."""
    rows = [
        (
            SUBJECTS[name],
            dtype,
            f"{each.counts['cases']:,}",
            f"{100 * each.excused / max(1, each.entries):.2g} %",
            f"{each.counts['outputs that the claim excuses']} of {each.counts['outputs']:,}",
            f"{each.counts['relations that the claim excuses']} of {each.counts['relations']:,}",
            f"{each.counts['failed']}",
        )
        for (name, dtype), each in found.items()
    ]
    head = ("", "dtype", "cases", "half a step", "vacuous outputs", "vacuous relations", "failed")
    return table(head, rows)


def tiles_table() -> str:
    """What Winograd's algorithm can need and what it needs, by size of tile."""
    rows = []
    for outputs, taps in TILES:
        factor, roundings = amplification(outputs, taps) ** 2, 2 * most_roundings(outputs, taps) + 1
        errors = [f"{largest_error(outputs, taps, channels):.2g}" for channels in (1, 16)]
        name = f"F({outputs} x {outputs}, {taps} x {taps})"
        rows.append((name, f"{factor:.0f} gamma(C + {roundings})", f"{factor * (1 + roundings):,.0f}", *errors))
    head = ("", "bound / N", "in units of u, C = 1", "largest error / (u N), C = 1", "C = 16")
    return table(head, rows)


def main() -> None:
    """Measure all and write the page."""
    found = measured()
    tables = {"errors": errors_table(found), "excused": excused_table(found), "tiles": tiles_table()}
    fill_in("normwise.md", tables, "benchmarks/normwise.py")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples" / "correct"))
    main()
