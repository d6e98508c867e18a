"""Results that all checks use."""

from collections.abc import Iterable

import numpy as np

from convgate.judging.subjects.host import HostDiedError
from convgate.judging.trial import RAISED
from convgate.oracle_list import Certified
from convgate.problems.operators import Array
from convgate.results.foreign_text import cut
from convgate.results.verdicts import FAILING, Result

__all__ = ["is_vacuous", "not_plain", "raised", "worst"]

# Most characters of a message from a subject.
MOST_CHARACTERS = 2_000


def raised(check: str, error: BaseException, *, output: str = "", relation: str = "") -> Result:
    """The result for a subject that raised on a valid problem, or whose process died."""
    if isinstance(error, HostDiedError):
        return died(check, error, output=output, relation=relation)
    name = type(error).__name__
    try:
        text = " ".join(str(error).split()).encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
    except RAISED:
        text = ""
    message = f"raised {name}: {cut(text, MOST_CHARACTERS)}" if text else f"raised {name}"
    return Result(
        check, "failed", "raised", message, expected="a result", actual=name, output=output, relation=relation
    )


def died(check: str, error: HostDiedError, *, output: str = "", relation: str = "") -> Result:
    """The result for a call that crashed the subject's process, or did not return."""
    message = cut(" ".join(str(error).split()), MOST_CHARACTERS)
    text = f"{relation}: {message}" if relation else message
    symptom = error.verdict.replace("_", " ")
    return Result(check, error.verdict, symptom, text, "a result", symptom, output, relation=relation)


def not_plain(check: str, error: Exception, *, output: str = "", relation: str = "") -> Result:
    """The result for a subject that did not return the right number of plain NumPy arrays of the right dtype."""
    symptom, _, text = str(error).partition(": ")
    message = f"{relation}: {text}" if relation else text
    return Result(check, "failed", symptom, message, "ndarray", text, output, relation=relation)


def is_vacuous(expected: Certified | Array) -> bool:
    """Whether an expected result can show nothing: it has no entries, or all are zero."""
    return not np.asarray(expected).any()


def worst(check: str, results: Iterable[Result | None]) -> Result | None:
    """The summary of several results of one check: the first failure, or a pass if one passed."""
    found = []
    for result in results:
        if result is None:
            continue
        if result.verdict in FAILING or result.verdict == "oracles_disagree":
            return result
        found.append(result)
    for verdict in ("passed", "vacuous", "unsupported"):
        for result in found:
            if result.verdict == verdict:
                return Result(
                    check,
                    verdict,
                    message=result.message,
                    factor=max((each.factor for each in found if each.factor is not None), default=None),
                    claim=max((each.claim for each in found if each.claim is not None), default=None),
                    refused=any(each.refused for each in found),
                    one_oracle=any(each.one_oracle for each in found),
                )
    return None
