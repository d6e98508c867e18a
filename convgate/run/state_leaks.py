"""State that a subject carries from call to call: failures that a fresh process does not show, and what makes them.

The cases of a run share processes, so what a subject keeps of one of them can make another fail that passes by itself.
Such a case repeats nothing. So each minimal case is judged once more in a process that has made no other call; and for
one that passes there, a case is looked for after whose calls it fails.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

from convgate.cases.case import Case, broken_rule, case_rule
from convgate.cases.spec import format_spec, parse_spec
from convgate.diagnosis.explain import picture
from convgate.diagnosis.minimize import descend
from convgate.diagnosis.moves import LEAST
from convgate.diagnosis.reduce import Found
from convgate.judging.checks import CHECKS, judge_trial
from convgate.judging.subjects.loader import renewed, wants
from convgate.judging.trial import Trial
from convgate.problems.axis import AXIS_OPTIONS, with_options
from convgate.problems.operators.classes import AXIS_NAMES
from convgate.problems.problem import replace_axis
from convgate.results.picture import Picture
from convgate.results.verdicts import Result, primary_failure
from convgate.run.workers import Dead, Workers

__all__ = ["confirmed", "judge_after", "make_calls", "paired"]

# Other data of the same problem are tried before other problems.
OTHER_SEEDS = 3
# Options that are changed together, as they must fit, and others that a case may have.
CHANNELS = ("channels", "out_channels", "groups")
OPTIONS = ("batch", "bias", "ceil_mode", "count_include_pad", "divisor_override")

Shown = tuple[Result, Picture]
Change = Callable[[Case], Case]
Pair = tuple[Case, Case]


@dataclass(frozen=True)
class Asked:
    """A failure, before which subject, and processes to judge its case in."""

    workers: Workers
    subject: str
    found: Found

    def shown(self, earlier: Sequence[str], spec: str, checks: Sequence[str]) -> Shown | None:
        """How a case fails after the calls of others, if it does and comes back."""
        answer = self.workers.call(
            judge_after, self.subject, earlier, spec, checks, seconds=self.workers.limits.fresh_seconds
        )
        return None if isinstance(answer, Dead) else answer


def make_calls(case: Case, subject: Any) -> None:
    """Call a subject forward and backward on a case; what it makes of that does not matter."""
    trial = Trial(case, subject)
    for make in (case.operator.forward, case.operator.backward):
        if make is not None:
            trial.outcome(make(case.problem))


def judge_after(subject_name: str, earlier: Sequence[str], spec: str, checks: Sequence[str]) -> Shown | None:
    """Judge a case after the calls of other cases, with the subject in a process that has made no other call.

    Parameters
    ----------
    subject_name : str
        The code under test.
    earlier : sequence of str
        Specs of the cases whose calls come first.
    spec : str
        The case.
    checks : sequence of str
        Those that it is judged by.

    Returns
    -------
    (Result, Picture) or None
        How it fails, if it does.
    """
    subject = renewed(subject_name)
    for case in map(parse_spec, earlier):
        if wants(subject, case.problem, case.dtype):
            make_calls(case, subject)
    case = parse_spec(spec)
    # PyTorch has agreed with the definition when the case was found
    failure = primary_failure(judge_trial(Trial(case, subject, witnessed=False), checks))
    return None if failure is None else (failure, picture(case, subject, failure))


def confirmed(workers: Workers, subject: str, several: Sequence[Found]) -> list[Found]:
    """Failures, each marked as carried if its minimal case passes in a fresh process.

    Parameters
    ----------
    workers : Workers
        The processes.
    subject : str
        The code under test.
    several : sequence of Found
        Failures of cases that come back.
    """
    futures = [
        workers.submit(
            judge_after, subject, (), found.minimal, [found.result.check], seconds=workers.limits.fresh_seconds
        )
        for found in several
    ]
    return [
        replace(found, carried=workers.answer(future) is None) for found, future in zip(several, futures, strict=True)
    ]


def paired(workers: Workers, subject: str, found: Found, history: Sequence[str]) -> Found | None:
    """A carried failure with what makes it: a case after which it is there in a fresh process too.

    Tried are the same problem with other data; whether the case as it was found needs no other one; and the cases that
    came before that in the run. What is kept of the first call of a kind is found by halves: after all cases up to that
    call and more it fails, after fewer it does not.

    Parameters
    ----------
    workers : Workers
        The processes.
    subject : str
        The code under test.
    found : Found
        The failure.
    history : sequence of str
        Specs of the cases of the run that came before the one found.

    Returns
    -------
    Found or None
        None if nothing was found that makes it.
    """
    asked = Asked(workers, subject, found)
    least, own = parse_spec(found.minimal), [found.result.check]
    for seed in range(OTHER_SEEDS):
        twin = replace(least, fill="lattice", points=(), seed=seed)
        if usable(twin) and (shown := asked.shown([format_spec(twin)], found.minimal, own)) is not None:
            return made_by(found, twin, least, shown)
    alone = asked.shown((), found.found, list(CHECKS))
    if alone is not None:
        case = parse_spec(found.found)
        return replace(made_by(found, None, case, alone), carried=False)
    usual = [spec for spec in history if usable(parse_spec(spec))]
    # the calls of other processes, or of relations, can have come first in the run, so the order may be another
    for spec, specs in product((found.found, found.minimal), (usual, usual[::-1])):
        earlier = culprit(asked, specs, spec)
        if earlier is not None:
            return small_pair(asked, parse_spec(earlier), parse_spec(spec))
    return None


def made_by(found: Found, earlier: Case | None, case: Case, shown: Shown) -> Found:
    """The failure as it shows itself after another case."""
    result, grids = shown
    after = format_spec(earlier) if earlier is not None else ""
    return replace(found, minimal=format_spec(case), result=result, picture=grids, after=after)


def culprit(asked: Asked, history: Sequence[str], spec: str) -> str | None:
    """The case that makes another fail, of those that do so together, if it does so alone."""
    checks = [asked.found.result.check]
    passing, failing = 0, len(history)
    if not history or asked.shown(history, spec, checks) is None:
        return None
    while failing - passing > 1:
        middle = (passing + failing) // 2
        if asked.shown(history[:middle], spec, checks) is None:
            passing = middle
        else:
            failing = middle
    last = history[failing - 1]
    return last if asked.shown([last], spec, checks) is not None else None


def small_pair(asked: Asked, earlier: Case, case: Case) -> Found | None:
    """The failure with both cases made simpler, and the first as like the second as it may be.

    So what still differs is what matters.
    """
    checks, seen = [asked.found.result.check], dict[Pair, Shown]()

    def still_fails(pair: Pair) -> bool:
        shown = asked.shown([format_spec(pair[0])], format_spec(pair[1]), checks)
        if shown is not None:
            seen[pair] = shown
        return shown is not None

    if not still_fails((earlier, case)):
        return None
    least, _ = descend((earlier, case), simpler_pairs, still_fails)
    return made_by(asked.found, *least, seen[least])


def simpler_pairs(pair: Pair) -> Iterator[Pair]:
    """Both cases made simpler in the same way, and the first made more like the second."""
    earlier, case = pair
    found = [(change(earlier), change(case)) for change in simplifications()]
    found += [(change(earlier), case) for change in likenings(case)]
    yield from (each for each in found if each != pair and all(map(usable, each)))


def simplifications() -> Iterator[Change]:
    """What makes any case simpler: plain data, a single image and channel, and an axis of one pixel."""
    yield partial(replace, dtype="f64", layout="contiguous", laid_out="", fill="lattice", points=(), seed=0)
    yield putting(batch=1)
    yield putting(**dict.fromkeys(CHANNELS, 1))
    yield putting(bias=False)
    for side in range(len(AXIS_NAMES)):
        yield putting_on_axis(side, **{name: getattr(LEAST, name) for name in AXIS_OPTIONS})


def likenings(least: Case) -> Iterator[Change]:
    """What makes another case more like one: its data, its options, and those of each axis."""
    yield partial(replace, dtype=least.dtype, layout="contiguous", laid_out="", fill="lattice", points=(), seed=0)
    for names in (CHANNELS, *((name,) for name in OPTIONS)):
        yield putting(**{name: getattr(least.problem, name) for name in names})
    for name in AXIS_OPTIONS:
        for side, axis in enumerate(least.problem.axes):
            yield putting_on_axis(side, **{name: getattr(axis, name)})


def putting(**options: Any) -> Change:
    """The change to some options."""
    return lambda case: replace(case, problem=replace(case.problem, **options))


def putting_on_axis(side: int, **options: int) -> Change:
    """The change to some options of one axis."""
    return lambda case: replace(
        case, problem=replace_axis(case.problem, side, with_options(case.problem.axes[side], **options))
    )


def usable(case: Case) -> bool:
    """Whether a case is one whose calls a subject must answer."""
    return broken_rule(case) is None and case_rule(case) is None
