"""The kill matrix in the docs is that of the catalogue as it is, without survivors, and the README quotes it."""

import re
from pathlib import Path

from convgate.report.markdown import escaped
from convgate.selftest.faults import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "kill-matrix.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


ON_PAGE = re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)
MAKE_IT = "run convgate qualify --resume FILE --markdown docs/kill-matrix.md"


def test_the_page_has_every_fault_of_the_catalogue_and_no_others() -> None:
    missing = [name for name in CATALOGUE if name not in ON_PAGE]
    assert not missing, f"{len(missing)} faults are not on the page; {MAKE_IT}"
    gone = [name for name in ON_PAGE if name not in CATALOGUE]
    assert not gone, f"{len(gone)} faults of the page are not in the catalogue; {MAKE_IT}"


def test_nothing_survives_profile_pr() -> None:
    assert f"The gate at profile pr finds {len(CATALOGUE)} of {len(CATALOGUE)} faults" in PAGE
    assert "survives" not in PAGE


def test_the_page_says_what_is_written_in_the_catalogue() -> None:
    """Other edits, triggers or smallest cases: make the page anew."""
    for fault in CATALOGUE.values():
        entry = PAGE.split(f"### {fault.name}\n")[1].split("\n### ")[0]
        assert fault.spec in entry, fault.name
        assert " and ".join(fault.when) in entry, fault.name
        assert f"[{escaped(fault.name)}](#{fault.name}) | {fault.bug_class} | {fault.depth} |" in PAGE


def test_the_readme_has_the_figures_of_the_page() -> None:
    quoted = README.split("## Does it find bugs?")[1].split("\n## ")[0]
    rows = [line for line in quoted.splitlines() if re.match(r"\| .*\d+ \|", line)]
    assert len(rows) >= 6
    for line in rows:
        assert line in PAGE
    assert f"has {len(CATALOGUE)} bugs" in " ".join(quoted.split())
