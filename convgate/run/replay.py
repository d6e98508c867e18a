"""Replay: whether a saved failure, or a case given by its spec, still fails."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convgate.cases.case import Case
from convgate.cases.spec import SpecError, parse_spec
from convgate.diagnosis.explain import headline, picture
from convgate.diagnosis.repeats import MORE_CALLS, repeated_calls
from convgate.diagnosis.store import list_failures, load_failure
from convgate.judging.checks import judge
from convgate.judging.subjects.loader import SubjectError, load_subject, supports, takes, wants
from convgate.problems.operators import OPERATORS
from convgate.results.failure import Failure
from convgate.results.picture import text_of
from convgate.results.verdicts import Result, primary_failure
from convgate.run.state_leaks import make_calls
from convgate.run.workers import Dead, open_workers

__all__ = ["Replayed", "Target", "replay", "targets_of"]


@dataclass(frozen=True)
class Target:
    """What to replay: a case before a subject, the failure that it was, if it was one, and a case to call before it."""

    subject: str
    spec: str
    failure: Failure | None = None
    after: str = ""


@dataclass(frozen=True)
class Replayed:
    """What came of it.

    Parameters
    ----------
    target : Target
        What was replayed.
    state : str
        "fixed" (for a bare spec "passes"), "still failing", or "error" if it could not be told.
    message : str
        One line.
    picture : str
        Data, expected and actual as grids, if it fails.
    """

    target: Target
    state: str
    message: str
    picture: str = ""


def targets_of(word: str, reports: Path, subject: str | None, default: str, after: str = "") -> list[Target]:
    """What SPEC, FOLDER or ``all`` stands for.

    Parameters
    ----------
    word : str
        A spec, a failure's folder, or "all" for every failure in the reports folder.
    reports : Path
        The reports folder.
    subject : str or None
        Takes the place of the subject that a failure was found in.
    default : str
        The subject for a bare spec if none is given.
    after : str
        Spec of the case whose calls come before a bare spec, if one must; a saved failure has its own.

    Raises
    ------
    SpecError, FailureFileError
        If the word is neither, or `after` is no spec.
    """
    if after:
        parse_spec(after)
    if word == "all":
        return [saved(failure, subject) for _, failure in list_failures(reports)]
    if is_folder(word):
        return [saved(load_failure(Path(word)), subject)]
    try:
        parse_spec(word)
    except SpecError as error:
        if word.partition(":")[0] not in OPERATORS:
            raise SpecError(f"{word!r} is neither the folder of a failure nor a spec: {error}") from error
        raise
    return [Target(subject or default, word, after=after)]


def saved(failure: Failure, subject: str | None) -> Target:
    """What a saved failure asks for."""
    return Target(subject or failure.subject, failure.minimal, failure, failure.after)


def is_folder(word: str) -> bool:
    """Whether there is a folder of that name; a long spec is no name at all."""
    try:
        return Path(word).is_dir()
    except OSError:
        return False


def replay(target: Target) -> Replayed:
    """Judge the case again in processes of its own."""
    try:
        with open_workers(1) as workers:
            answer = workers.call(judge_target, target, seconds=workers.limits.fresh_seconds)
    except SubjectError as error:
        return Replayed(target, "error", str(error))
    if isinstance(answer, Dead):
        return Replayed(target, "error", f"cannot be told: {answer.message}")
    return answer


def judge_target(target: Target) -> Replayed:
    """Judge a case with all checks; whatever it fails in counts, not only what it once failed in.

    Raises
    ------
    SubjectError
        If the subject cannot be loaded.
    """
    subject = load_subject(target.subject)
    case = parse_spec(target.spec)
    if not takes(subject, case.dtype):
        return Replayed(target, "error", f"cannot be told: the subject's dtypes are without {case.dtype}")
    if not supports(subject, case.problem):
        return Replayed(target, "error", "cannot be told: the subject's supports() says no to this problem")
    if target.after:
        earlier = parse_spec(target.after)
        if wants(subject, earlier.problem, earlier.dtype):
            make_calls(earlier, subject)
    results = judge(case, subject)
    primary = primary_failure(results) or random_again(case, subject, target.failure)
    if primary is not None:
        return Replayed(target, "still failing", headline(case, primary), text_of(picture(case, subject, primary)))
    verdicts = {result.verdict for result in results}
    failure = target.failure
    if failure and any(result.check == failure.check and result.verdict == "unsupported" for result in results):
        return Replayed(target, "error", f"cannot be told: {failure.check} is unsupported")
    if not verdicts & {"passed", "vacuous"} or "oracles_disagree" in verdicts:
        return Replayed(target, "error", "cannot be told: " + reason(results))
    passed = sum(result.verdict == "passed" for result in results)
    if failure is None and not passed:
        return Replayed(target, "error", "cannot be told: all that it should give is empty or zero")
    if failure is not None and failure.carried and not failure.after:
        message = "cannot be told: it passes in a fresh process, as it did when other calls had made it fail"
        return Replayed(target, "error", message)
    state = "passes" if failure is None else "fixed"
    return Replayed(target, state, f"{passed} of {len(results)} checks passed with something to see")


def random_again(case: Case, subject: Any, failure: Failure | None) -> Result | None:
    """How a function that was random is so still; None if it is not, or was not."""
    found = repeated_calls(case, subject, failure.relation, MORE_CALLS) if failure is not None else None
    return found if found is not None and found.verdict == "failed" else None


def reason(results: tuple[Result, ...]) -> str:
    """Why nothing can be said."""
    messages = [result.message for result in results if result.verdict in {"oracles_disagree", "unsupported"}]
    return messages[0] if messages else "no check applies"
