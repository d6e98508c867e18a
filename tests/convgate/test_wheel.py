"""The wheel: what it puts where, and that it works without the repository."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUBJECT = """
def im2col(x, kernel_size, *, stride, padding, dilation):
    if x.ndim != 4 or min(*x.shape[1:], *kernel_size, *stride, *dilation) < 1 or min(padding) < 0:
        raise ValueError("sizes must be positive")
    return x.transpose(1, 2, 3, 0).reshape(x.shape[1], -1).copy()


def supports(problem):
    return max(*problem.kernel_size, *problem.stride, *problem.dilation) == 1 and max(problem.padding) == 0
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the repository as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)]
    subprocess.run(command, check=True, timeout=300)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel, and with the libraries that it needs, but not the repository.

    They are those of this environment: a line in a .pth file adds a folder, but not what the .pth files in it add.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    home = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(home)
    (home / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


def run(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run convgate as it is installed."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(python), "-m", "convgate", *arguments]
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False, timeout=300)


def test_it_puts_nothing_but_the_package_into_site_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert sorted(top for top in tops if not top.endswith(".dist-info")) == ["convgate"]
    assert len(tops) == 2


def test_it_judges_a_subject_without_the_repository(python: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SUBJECT)
    ended = run(python, tmp_path, "gate", "--subject", "mine", "--profile", "smoke", "--jobs", "1")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "mine conforms: " in ended.stdout


def test_without_the_repository_there_is_no_subject_unless_it_is_named(python: Path, tmp_path: Path) -> None:
    ended = run(python, tmp_path, "gate")
    assert ended.returncode == 2
    assert "Missing option '--subject'" in ended.stderr
