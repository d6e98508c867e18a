"""Rows that an installed package adds to the tables: what docs/plugins.md says, as it stands there."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from convgate import plugins
from convgate.plugins import PluginError, Table
from convgate.report.formats import FORMATS, Format

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
MORE = """

import numpy as np
from convgate.cases.case import Case
from convgate.cases.fills import Fill
from convgate.problems.problem import Problem
from convgate.sources.table import Source

ONES = Fill("ones", lambda operator, problem, dtype, seed, name, shape, lattice: np.ones(shape), operators=("im2col",))
MINE = Source("mine", lambda operator, profile: [(Case(problem=Problem(operator="im2col", batch=33), fill="ones"), "")])
"""
SUBJECT = """
import numpy as np
import impl

def im2col(x, kernel_size, **options):
    return np.asfortranarray(impl.im2col(x, kernel_size, **options))

def supports(problem):
    return problem.batch == 33
"""


def install(folder: Path) -> None:
    """A package in a folder on the path, as installers leave it."""
    blocks = re.findall(r"```(?:python|toml)\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    module, project = blocks
    (folder / "mylab.py").write_text(module + MORE)
    (folder / "mine.py").write_text(SUBJECT)
    entries = re.sub(r"\[project\.entry-points\.\"(.*)\"\]", r"[\1]", project).replace('"', "")
    more = "[convgate.fills]\nones = mylab:ONES\n[convgate.sources]\nmine = mylab:MINE\n"
    info = folder / "mylab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mylab\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(line for line in entries.split("\n") if line[:1] != "#") + more)


def test_an_installed_package_adds_a_check_a_format_a_fill_and_a_source(tmp_path: Path) -> None:
    install(tmp_path)
    command = [sys.executable, "-m", "convgate.cli", "gate", "--profile", "smoke", "--subject", "mine", "--jobs", "1"]
    ended = subprocess.run(
        [*command, "--json", "run.json", "--line", "line.txt"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    record = json.loads((tmp_path / "run.json").read_text())
    assert (tmp_path / "line.txt").read_text() == "fails\n"
    assert "im2col:n33:ones" in [each["spec"] for each in record["judged"]]
    assert {failure["check"] for failure in record["failures"]} == {"order"}
    assert record["failures"][0]["message"] == "y must be row-major"


def entry(monkeypatch: pytest.MonkeyPatch, value: str, name: str = "text") -> None:
    """Let there be one entry point."""
    found = [EntryPoint(name, value, "convgate.formats")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: found if group == "convgate.formats" else [])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_module:ROW", "cannot be loaded .*no_such_module.*; mend or uninstall its package"),
        ("math:pi", "must be a Format, got float; mend or uninstall its package"),
        ("convgate.report.formats:FORMATS", "must be a Format, got Table"),
    ],
)
def test_an_entry_point_that_is_of_no_use_is_named(monkeypatch: pytest.MonkeyPatch, value: str, message: str) -> None:
    entry(monkeypatch, value)
    with pytest.raises(PluginError, match=f"entry point 'text' of the group convgate.formats .*{message}"):
        len(Table("convgate.formats", Format, FORMATS.own))


def test_a_name_that_is_taken_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "taken_format.py").write_text(
        "from convgate.report.formats import Format\nROW = Format('json', 'mine', str)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    entry(monkeypatch, "taken_format:ROW")
    with pytest.raises(PluginError, match="has the name 'json', which is taken; give it another"):
        len(Table("convgate.formats", Format, FORMATS.own))
