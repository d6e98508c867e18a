"""The regression corpus: specs of cases that broke something once, a line each."""

from pathlib import Path

from convgate.cases.case import Case
from convgate.cases.spec import SpecError, parse_spec

__all__ = ["CORPUS", "read_corpus"]

CORPUS = "corpus.txt"


def read_corpus(reports: Path) -> list[Case]:
    """Read the corpus in a reports folder; empty if there is none. Lines that start with # are comments.

    Raises
    ------
    SpecError
        If a line cannot be read; it names the file and the line.
    """
    path = reports / CORPUS
    if not path.exists():
        return []
    found = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if text:
            try:
                found.append(parse_spec(text))
            except SpecError as error:
                raise SpecError(f"{path}, line {number}: {error}") from error
    return found
