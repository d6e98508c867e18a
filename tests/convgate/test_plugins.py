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
SUBJECT = """
import numpy as np
import impl

def im2col(x, kernel_size, **options):
    return np.asfortranarray(impl.im2col(x, kernel_size, **options))

def supports(problem):
    return problem.batch == 33 or problem.size == (1, 1)
"""


def install(folder: Path) -> None:
    """A package in a folder on the path, as installers leave it."""
    blocks = re.findall(r"```(?:python|toml)\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    module, project = blocks
    (folder / "mylab.py").write_text(module)
    (folder / "mine.py").write_text(SUBJECT)
    entries = re.sub(r"\[project\.entry-points\.\"(.*)\"\]", r"[\1]", project).replace('"', "")
    info = folder / "mylab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mylab\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(line for line in entries.split("\n") if line[:1] != "#"))


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
    specs = [each["spec"] for each in record["judged"]]
    assert specs.count("im2col:n33") == 1
    assert any(":ones" in spec for spec in specs)
    assert {failure["check"] for failure in record["failures"]} == {"order"}
    assert record["failures"][0]["message"] == "y must be row-major"


@pytest.mark.parametrize("group", ["checks", "formats", "fills", "sources"])
def test_a_plugin_that_is_of_no_use_is_no_verdict(tmp_path: Path, group: str) -> None:
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[convgate.{group}]\nbroken = math:pi\n")
    ended = subprocess.run(
        [sys.executable, "-m", "convgate", "gate", "--profile", "smoke", "--operators", "im2col"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2, ended.stdout + ended.stderr
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith(f"convgate: entry point 'broken' of the group convgate.{group} (math:pi) must be a ")


def entry(monkeypatch: pytest.MonkeyPatch, value: str, name: str = "text") -> None:
    """Let there be one entry point."""
    found = [EntryPoint(name, value, "convgate.formats")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: found if group == "convgate.formats" else [])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_module:ROW", "cannot be loaded .*no_such_module.*; fix or uninstall its package"),
        ("math:pi", "must be a Format, got float; fix or uninstall its package"),
        ("convgate.report.formats:FORMATS", "must be a Format, got Table"),
    ],
)
def test_an_entry_point_that_is_of_no_use_is_named(monkeypatch: pytest.MonkeyPatch, value: str, message: str) -> None:
    entry(monkeypatch, value)
    with pytest.raises(PluginError, match=f"entry point 'text' of the group convgate.formats .*{message}"):
        len(Table("convgate.formats", Format, FORMATS.own, taken=FORMATS.taken))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("json", "has the name 'json', which is taken; give it another"),
        ("seed", "has the name 'seed', which is taken; give it another"),
        ("two words", "has the name 'two words'; names are letters, digits and underscores"),
    ],
)
def test_a_name_that_is_taken_or_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, message: str
) -> None:
    module = f"format_{name.replace(' ', '_')}"
    (tmp_path / f"{module}.py").write_text(
        f"from convgate.report.formats import Format\nROW = Format({name!r}, 'mine', str)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    entry(monkeypatch, f"{module}:ROW")
    with pytest.raises(PluginError, match=message):
        len(Table("convgate.formats", Format, FORMATS.own, taken=FORMATS.taken))
