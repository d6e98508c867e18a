"""What reporters show of a run beyond its record."""

import shlex
from functools import partial
from pathlib import Path

import msgspec

from convgate.cases.spec import parse_spec
from convgate.judging.checks import CHECKS
from convgate.judging.checks.check import DEFINITION, DIFFERENCES, IDENTITIES, RULES
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import as_options
from convgate.results.coverage import CoverageMap
from convgate.results.record import MAX_UNSUPPORTED, RunRecord
from convgate.results.summary import CaseFacts, Summary
from convgate.shapes.coverage import coverage_of
from convgate.shapes.features import features_of, vector_of
from convgate.shapes.heatmap import coverage_map
from convgate.sources.profiles import PROFILES

__all__ = ["summary_of"]


def summary_of(record: RunRecord) -> Summary:
    """What every reporter gets of a run."""
    return Summary(
        record=record,
        command=command_of(record) if record.profile in PROFILES else "",
        next_step=next_step(record),
        oracles=oracles(),
        coverage_maps=partial(maps_of, record),
        case_facts=facts_of,
    )


def oracles() -> dict[str, dict[str, str]]:
    """What stands behind the checks, its checks, and what each of these asks."""
    found: dict[str, dict[str, str]] = {name: {} for name in (DEFINITION, DIFFERENCES, IDENTITIES, RULES)}
    for check in CHECKS.values():
        found.setdefault(check.oracle, {})[check.name] = check.asks
    return found


def maps_of(record: RunRecord) -> list[CoverageMap]:
    """The map of each operator's coverage."""
    coverage = coverage_of(record.judged, record.operators)
    return [
        coverage_map(coverage[operator], [count for count in record.coverage if count.operator == operator])
        for operator in record.operators
    ]


def facts_of(spec: str) -> CaseFacts:
    """What a spec stands for.

    Raises
    ------
    SpecError
        If it cannot be read.
    """
    case = parse_spec(spec)
    vector = vector_of(case)
    features = features_of(case.problem.operator) if vector is not None else ()
    classes = {each.name: each.classes[number] for each, number in zip(features, vector or (), strict=True)}
    arguments = msgspec.to_builtins(case) | {"problem": msgspec.to_builtins(as_options(case.problem))}
    return CaseFacts(arguments, classes)


def command_of(record: RunRecord) -> str:
    """The command that makes the same run again, from the same folder."""
    words = ["convgate", "gate", "--subject", record.subject, "--profile", record.profile, "--seed", str(record.seed)]
    if record.operators != list(OPERATORS):
        words += ["--operators", ",".join(record.operators)]
    if record.max_unsupported not in {None, MAX_UNSUPPORTED}:
        words += ["--max-unsupported", f"{record.max_unsupported:g}"]
    return shlex.join(words)


def next_step(record: RunRecord) -> str:
    """What to do now."""
    if record.verdict == "fails":
        saved = next((failure.folder for failure in record.failures if failure.folder), None)
        return f"Look at {Path(saved) / 'README.md'} next." if saved else "Replay a failing case next."
    if record.verdict == "insufficient":
        if record.reason.startswith("stopped "):
            return "Give it more time with --max-time, or fewer cases with --profile."
        if any(row.left_open for row in record.caveats):
            return "Replay a case that is left open: the definition and the installed PyTorch disagree on it."
        if any(row.claimed for row in record.caveats):
            return "Give the subject what is missing, or a lower error_factor."
        return "Give the subject what is missing, or a supports(problem) that says what it is for."
    following = {"smoke": "pr", "pr": "nightly"}.get(record.profile)
    if following is None:
        return "Try another --seed." if record.profile in PROFILES else "See convgate coverage for what it leaves out."
    return f"Look closer with --profile {following}, or elsewhere with --seed {record.seed + 1}."
