"""What worker processes do: judge shards, find covering cases, and find out when a failure occurs."""

import time
from contextlib import suppress
from functools import partial

import numpy as np

from convgate.cases.case import case_rule, invalid_calls
from convgate.cases.spec import format_spec, parse_spec
from convgate.diagnosis.reduce import Found
from convgate.diagnosis.when import fails_when
from convgate.judging.checks import OUTPUTS, judge_trial, relations_of
from convgate.judging.relations import evaluate
from convgate.judging.subjects.loader import load_subject, supports, wants
from convgate.judging.trial import RAISED, Trial
from convgate.oracle_list import torch_oracle
from convgate.results.failure import When
from convgate.results.verdicts import primary_failure
from convgate.run.shards import Shard, cases_of, held_by
from convgate.run.tally import Tally
from convgate.sources.covering import covering_cases

__all__ = ["covering_specs", "exercise", "judge_shard", "prepare", "when_of"]


def prepare(subject_name: str) -> None:
    """Load what is slow to load before the first task, as tasks are timed: PyTorch and the subject."""
    image = np.ones((1, 1, 1, 1))
    # the first gradient loads a part of PyTorch that takes a second
    torch_oracle().max_pool2d_backward(image, image, (1, 1))
    load_subject(subject_name)


def judge_shard(subject_name: str, shard: Shard) -> Tally:
    """Judge the cases of a shard."""
    subject = load_subject(subject_name)
    tally = Tally()
    layer_of = shard.layer_of
    for case in cases_of(shard, subject):
        started = time.perf_counter()
        results = judge_trial(Trial(case, subject, sampled=True))
        seconds = time.perf_counter() - started
        spec = format_spec(case)
        tally.add(shard.operator, spec, results, primary_failure(results), seconds, layer=layer_of.get(spec, ""))
    return tally


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


def exercise(subject_name: str, spec: str, check: str) -> None:
    """Make the calls of one check, without the oracles, to see whether the process comes back."""
    trial = Trial(parse_spec(spec), load_subject(subject_name))
    if not wants(trial.subject, trial.problem, trial.case.dtype):
        return
    asked = relations_of(check)
    if asked is not None:
        for relation in asked.each(trial.case):
            with suppress(RAISED):
                evaluate(relation, trial.subject, trial.arrays())
    elif trial.rule is not None:
        for rejecting in invalid_calls(trial.case):
            trial.outcome(rejecting)
    else:
        call = trial.call_producing(OUTPUTS.get(check, "y"))
        if call is not None:
            trial.outcome(call)
