"""Run records: made of a tally, and added up."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from convgate.problems.operators import OPERATORS
from convgate.results.coverage import STRENGTHS
from convgate.results.record import (
    MAX_UNSUPPORTED,
    OR,
    RUN_VERDICTS,
    Disagreement,
    RunRecord,
    SavedFailure,
    operator_of,
    read_record,
)
from convgate.results.verdicts import FAILING, Result
from convgate.run.tally import Tally, caveats_of, conforming_reason, counts_by_check, total_counts
from convgate.shapes.coverage import coverage_of

__all__ = ["MergeError", "load_record", "merge", "record_of", "united", "versions_here"]


class MergeError(Exception):
    """Records that are not of one subject."""


def record_of(
    tally: Tally,
    *,
    subject: str,
    operators: Sequence[str],
    profile: str,
    seed: int,
    verdict: str,
    reason: str,
    started_at: str,
    seconds: float,
    failures: Sequence[SavedFailure],
    versions: dict[str, str],
    max_unsupported: float | None = MAX_UNSUPPORTED,
) -> RunRecord:
    """The record of a run that came to a tally: what can be counted is counted here.

    Parameters
    ----------
    tally : Tally
        Of all its cases.
    subject, operators, profile, seed, verdict, reason, started_at, seconds, failures, versions, max_unsupported
        As in `RunRecord`.
    """
    coverage = coverage_of(tally.judged, operators)
    return RunRecord(
        subject=subject,
        operators=list(operators),
        profile=profile,
        seed=seed,
        verdict=verdict,
        reason=reason,
        cases=tally.cases.total(),
        started_at=started_at,
        seconds=round(seconds, 3),
        counts=total_counts(tally),
        checks=counts_by_check(tally, operators),
        failures=list(failures),
        coverage=[coverage[operator].count(t) for operator in operators for t in STRENGTHS],
        judged=tally.judged,
        oracles_disagree=[
            Disagreement(spec=spec, check=result.check, message=result.message) for spec, result in tally.disagreements
        ],
        versions=versions,
        caveats=caveats_of(tally, operators),
        max_unsupported=max_unsupported,
    )


def load_record(path: Path) -> RunRecord:
    """Read a run record from its JSON file.

    Raises
    ------
    RecordError
        If the file is not there, is not of the known version, or does not have the form.
    """
    return read_record(path, OPERATORS)


def versions_here() -> dict[str, str]:
    """Versions of what the cases and verdicts depend on."""
    names = ("convgate", "hypothesis", "numpy", "torch")
    return {"python": python_version(), **{name: version(name) for name in names}}


def merge(records: Sequence[RunRecord]) -> RunRecord:
    """Add up the records of several runs of one subject.

    In whatever order and grouping, the sum is the same but for the order of lists. Every case that was judged counts,
    also one that was judged twice; coverage is a set, so to cover a combination twice is to cover it once.

    Parameters
    ----------
    records : sequence of RunRecord
        One or more.

    Returns
    -------
    RunRecord
        The verdict is the worst one; the seed is the lowest; where profiles or versions differ, all are named.

    Raises
    ------
    MergeError
        If the records are of different subjects.
    """
    subjects = sorted({record.subject for record in records})
    if len(subjects) != 1:
        raise MergeError(f"records of one subject can be merged; these are of {', '.join(subjects) or 'none'}")
    tally = Tally()
    for record in records:
        tally.merge(tally_of(record))
    asked = {operator for record in records for operator in record.operators}
    operators = [operator for operator in OPERATORS if operator in asked]
    verdict = max((record.verdict for record in records), key=RUN_VERDICTS.index)
    return record_of(
        tally,
        subject=subjects[0],
        operators=operators,
        profile=all_of(record.profile for record in records),
        seed=min(record.seed for record in records),
        verdict=verdict,
        reason=reason_of(verdict, records, tally, operators),
        started_at=min(record.started_at for record in records),
        seconds=sum(record.seconds for record in records),
        failures=united(failure for record in records for failure in record.failures),
        versions={
            name: all_of(record.versions[name] for record in records if name in record.versions)
            for name in sorted({name for record in records for name in record.versions})
        },
        max_unsupported=max(
            (record.max_unsupported for record in records if record.max_unsupported is not None), default=None
        ),
    )


def tally_of(record: RunRecord) -> Tally:
    """The tally that a record was made of, but for its failing results, which it has as distinct failures."""
    return Tally(
        cases=Counter(operator_of(each.spec) for each in record.judged),
        results=Counter(
            {(row.operator, row.check, verdict): n for row in record.checks for verdict, n in row.counts.items()}
        ),
        judged=list(record.judged),
        disagreements=[
            (each.spec, Result(each.check, "oracles_disagree", message=each.message))
            for each in record.oracles_disagree
        ],
        refused=Counter({row.operator: row.refused for row in record.caveats}),
        claimed=Counter({row.operator: row.claimed for row in record.caveats}),
        factors={row.operator: (row.error_factor, row.claim) for row in record.caveats if row.claimed},
    )


def reason_of(verdict: str, records: Sequence[RunRecord], tally: Tally, operators: Sequence[str]) -> str:
    """Why a merged record has its verdict: counted anew, or what the runs with that verdict say."""
    if verdict == "conforms":
        return conforming_reason(tally, operators)
    if verdict == "insufficient":
        return all_of(record.reason for record in records if record.verdict == verdict)
    failing = sum(each.verdict in FAILING for each in tally.judged)
    # operators that a run gave up
    notes = {note for record in records if record.verdict == verdict for note in record.reason.split("; ")[1:]}
    return "; ".join([f"{failing} of {tally.cases.total()} cases fail", *sorted(notes)])


def all_of(values: Iterable[str]) -> str:
    """The different values, which may be merged ones themselves."""
    return OR.join(sorted({each for value in values for each in value.split(OR)}))


def united(failures: Iterable[SavedFailure]) -> list[SavedFailure]:
    """Failures by fingerprint: of each the one found first, one that says when it fails before one that does not."""
    found: dict[str, list[SavedFailure]] = {}
    for failure in failures:
        found.setdefault(failure.fingerprint, []).append(failure)
    firsts = []
    for same in found.values():
        first = min(same, key=lambda each: (each.when is None, each.found_at, repr(replace(each, cases=0))))
        firsts.append(replace(first, cases=sum(each.cases for each in same)))
    return firsts
