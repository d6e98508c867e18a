"""What worker processes do: judge shards, find covering cases, and find out when a failure occurs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from convgate.cases.case import Case, case_rule
from convgate.cases.spec import format_spec, parse_spec
from convgate.diagnosis.reduce import Found
from convgate.diagnosis.when import Probe, describe_when, explained, fails_when
from convgate.judging.checks import judge_trial
from convgate.judging.subjects.loader import load_subject, supports
from convgate.judging.subjects.remote import RemoteSubject
from convgate.judging.trial import Trial
from convgate.oracle_list import torch_oracle
from convgate.results.failure import When
from convgate.results.verdicts import DEATHS, primary_failure
from convgate.run.limits import Limits
from convgate.run.shards import Shard, cases_of, held_by
from convgate.run.tally import Tally
from convgate.shapes.features import vector_of
from convgate.sources.covering import covering_cases

__all__ = ["Part", "Region", "covering_specs", "judge_shard", "prepare", "when_known", "when_of"]

# What a case comes to if its calls come back.
CAME_BACK = {"passed", "failed", "vacuous", "oracles_disagree"}


@dataclass(frozen=True)
class Region:
    """Cases on which a subject is known to crash or hang: those that meet what a failure of its says.

    Parameters
    ----------
    minimal, found : str
        Specs of the failure's smallest case and of the one that it was found by.
    when : When
        When it crashes or hangs.
    """

    minimal: str
    found: str
    when: When

    def meets(self, cases: Sequence[Case]) -> list[bool]:
        """Which cases are among them."""
        return explained(self.when, parse_spec(self.minimal), parse_spec(self.found), cases)


@dataclass(frozen=True)
class Part:
    """What came of a shard.

    Parameters
    ----------
    tally : Tally
        Of the cases judged.
    left : Shard or None
        What was not judged, as the subject crashed or hung too often.
    deaths : int
        How many cases crashed or hung.
    skipped : int
        Cases that were left out, as they lie where the subject is known to crash or hang.
    """

    tally: Tally
    left: Shard | None = None
    deaths: int = 0
    skipped: int = 0


def prepare(subject_name: str, limits: Limits | None = None) -> None:
    """Load what is slow to load before the first task, as tasks are timed: PyTorch and the subject."""
    image = np.ones((1, 1, 1, 1))
    # the first gradient loads a part of PyTorch that takes a second
    torch_oracle().max_pool2d_backward(image, image, (1, 1))
    subject = load_subject(subject_name)
    if limits is not None and isinstance(subject, RemoteSubject):
        subject.host.seconds = limits.case_seconds


def judge_shard(subject_name: str, shard: Shard, most_dead: int, regions: Sequence[Region] = ()) -> Part:
    """Judge the cases of a shard, but for those in some regions, until so many have crashed or hung."""
    subject = load_subject(subject_name)
    tally, deaths, skipped = Tally(), 0, 0
    layer_of = shard.layer_of
    cases = cases_of(shard, subject)
    known = [any(each) for each in zip(*(region.meets(cases) for region in regions), strict=True)] if regions else ()
    for number, case in enumerate(cases):
        if known and known[number]:
            skipped += 1
            continue
        if deaths >= most_dead:
            return Part(tally, replace(shard, done=shard.done + number), deaths, skipped)
        started = time.perf_counter()
        results = judge_trial(Trial(case, subject, sampled=True))
        if any(result.verdict == "timed_out" for result in results):
            # the machine may have stood still
            results = judge_trial(Trial(case, subject, sampled=True))
        seconds = time.perf_counter() - started
        spec, primary = format_spec(case), primary_failure(results)
        deaths += primary is not None and primary.verdict in DEATHS
        tally.add(shard.operator, spec, results, primary, seconds, layer=layer_of.get(spec, ""))
    return Part(tally, None, deaths, skipped)


def covering_specs(subject_name: str, operator: str, strength: int, seed: int) -> tuple[str, ...]:
    """The specs of cases that cover all feasible combinations of shape classes, as far as the subject supports them."""
    subject = load_subject(subject_name)
    picky = callable(getattr(subject, "supports", None))
    cases = covering_cases(operator, strength, seed, partial(supports, subject) if picky else None)
    held = (held_by(case, subject) for case in cases)
    return tuple(format_spec(case) for case in held if case_rule(case) is None)


def when_of(subject_name: str, found: Found) -> When | None:
    """When a subject fails as it does on a minimal case."""
    return fails_when(parse_spec(found.minimal), parse_spec(found.found), load_subject(subject_name), found.result)


def when_known(found: Found, known: Mapping[str, str]) -> When | None:
    """When a subject crashes or hangs, from the cases tried and those of the run.

    Parameters
    ----------
    found : Found
        The failure.
    known : dict
        Specs of the run's cases of the operator and what they came to.
    """
    least = parse_spec(found.minimal)
    if not vector_of(least):
        return None
    tried = dict(found.tried) | {
        spec: verdict == found.result.verdict
        for spec, verdict in known.items()
        if verdict in {found.result.verdict, *CAME_BACK}
    }
    others = [(parse_spec(spec), dies) for spec, dies in tried.items() if spec != found.minimal]
    probes = [Probe((case,), fails=dies) for case, dies in others if vector_of(case)]
    fails = "hangs" if found.result.verdict == "timed_out" else "crashes"
    return describe_when([Probe((least,), fails=True), *probes], fails=fails, passes="comes back")
