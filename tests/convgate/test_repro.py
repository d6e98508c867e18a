"""Scripts that repeat a failure: they fail while it is there, pass when it is gone, and need NumPy alone."""

import ast
import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import impl
from convgate.cases.spec import parse_spec
from convgate.diagnosis.repro import repro_source
from convgate.judging.checks import judge
from convgate.judging.trial import Trial
from convgate.results.verdicts import Result

IMPL = Path(impl.__file__).parents[1]

# In the scripts' processes these cannot be imported.
BLOCKED = ("convgate", "oracles", "torch", "hypothesis", "scipy")


@dataclass(frozen=True)
class Broken:
    """A subject's functions, to be written over the correct ones, and where that must fail."""

    spec: str
    check: str
    symptom: str
    source: str


KINDS = {
    "wrong value on points": Broken(
        "conv2d:h3w3k2:points@x.0.0.1.1@weight.0.0.0.0=-3",
        "forward",
        "wrong value",
        "def conv2d(x, weight, bias=None, **options):\n    return 2 * impl.conv2d(x, weight, bias, **options)\n",
    ),
    "wrong value on the lattice": Broken(
        "avg_pool2d:n2c2h3w4k2p1+nopad:f32:5",
        "grad_input",
        "wrong value",
        "def avg_pool2d_backward(grad_output, x, kernel_size, **options):\n"
        "    options['count_include_pad'] = True\n"
        "    return impl.avg_pool2d_backward(grad_output, x, kernel_size, **options)\n",
    ),
    "inaccurate on real data": Broken(
        "conv2d:c3h4w4o2k3:real:1",
        "forward",
        "inaccurate",
        "def conv2d(x, weight, bias=None, **options):\n"
        "    return impl.conv2d(x, weight, bias, **options).astype(np.float32).astype(x.dtype)\n",
    ),
    "wrong on many binades": Broken(
        "col2im:h3w3k2:f32:wide",
        "forward",
        "wrong value",
        "def col2im(columns, *arguments, **options):\n"
        "    return impl.col2im(columns, *arguments, **options) + columns.dtype.type(1)\n",
    ),
    "drops NaN": Broken(
        "max_pool2d:w2k1x2:points@x.0.0.0.0=nan",
        "special_values",
        "NaN mismatch",
        "def max_pool2d(x, kernel_size, **options):\n"
        "    return impl.max_pool2d(np.where(np.isnan(x), -np.inf, x), kernel_size, **options)\n",
    ),
    "infinity on special data": Broken(
        "im2col:n2c3h4w4k2:special:3",
        "special_values",
        "wrong value",
        "def im2col(x, kernel_size, **options):\n"
        "    return np.nan_to_num(impl.im2col(x, kernel_size, **options), nan=np.nan)\n",
    ),
    "gradient of a bias that is not there": Broken(
        "conv2d:n2",
        "grad_bias",
        "wrong type",
        "def conv2d_backward(*arrays, **options):\n"
        "    grad_input, grad_weight, _ = impl.conv2d_backward(*arrays, **options)\n"
        "    return grad_input, grad_weight, np.zeros(len(grad_weight))\n",
    ),
    "reads memory in its own order": Broken(
        "im2col:c2w2:transposed",
        "forward",
        "wrong value",
        "def im2col(x, kernel_size, **options):\n"
        "    return impl.im2col(x.ravel(order='K').reshape(x.shape), kernel_size, **options)\n",
    ),
    "another result in another layout": Broken(
        "im2col:c2w2:reversed",
        "layout",
        "wrong value",
        "def im2col(x, kernel_size, **options):\n"
        "    y = impl.im2col(x, kernel_size, **options)\n"
        "    return y if x.flags.c_contiguous else y + 1\n",
    ),
    "differs from finite differences": Broken(
        "conv2d:n2c2h3w3o2k2:7",
        "finite_difference",
        "wrong value",
        "def conv2d_backward(*arrays, **options):\n"
        "    grad_input, grad_weight, grad_bias = impl.conv2d_backward(*arrays, **options)\n"
        "    return grad_input, 2 * grad_weight, grad_bias\n",
    ),
    "differs from the Jacobian": Broken(
        "max_pool2d:h2w3k2",
        "finite_difference",
        "wrong value",
        "def max_pool2d_backward(grad_output, x, kernel_size, **options):\n"
        "    return 3 * impl.max_pool2d_backward(grad_output, x, kernel_size, **options)\n",
    ),
    "no adjoint": Broken(
        "avg_pool2d:h4w4k2s2p1",
        "adjoint",
        "wrong value",
        "def avg_pool2d_backward(grad_output, x, kernel_size, **options):\n"
        "    return 2 * impl.avg_pool2d_backward(grad_output, x, kernel_size, **options)\n",
    ),
    "im2col has no adjoint": Broken(
        "im2col:h3w3k2",
        "adjoint",
        "wrong value",
        "def im2col(x, kernel_size, **options):\n    return 2 * impl.im2col(x, kernel_size, **options)\n",
    ),
    "breaks an identity": Broken(
        "conv2d:c4h2w2o4g2+bias",
        "identity",
        "wrong value",
        "def conv2d(x, weight, bias=None, **options):\n    return impl.conv2d(x, weight, bias, **options)[:, ::-1]\n",
    ),
    "not linear": Broken(
        "col2im:h3w3k2",
        "identity",
        "wrong value",
        "def col2im(columns, *arguments, **options):\n    return abs(impl.col2im(columns, *arguments, **options))\n",
    ),
    "writes into its input": Broken(
        "avg_pool2d:k1x2p0x1",
        "purity",
        "mutated input",
        "def avg_pool2d_backward(grad_output, x, kernel_size, **options):\n"
        "    y = impl.avg_pool2d_backward(grad_output, x, kernel_size, **options)\n"
        "    grad_output /= 2\n"
        "    return y\n",
    ),
    "one buffer for all": Broken(
        "im2col:h2w2",
        "purity",
        "overwritten output",
        "BUFFER = np.empty((1, 4))\n"
        "def im2col(x, kernel_size, **options):\n"
        "    BUFFER[...] = impl.im2col(x, kernel_size, **options)\n"
        "    return BUFFER\n",
    ),
    "shares memory": Broken(
        "im2col:h2w2",
        "purity",
        "aliased output",
        "def im2col(x, kernel_size, **options):\n    return x.reshape(1, 4)\n",
    ),
    "counts its calls": Broken(
        "im2col:h2w2",
        "purity",
        "not deterministic",
        "CALLS = []\n"
        "def im2col(x, kernel_size, **options):\n"
        "    CALLS.append(x)\n"
        "    return impl.im2col(x, kernel_size, **options) * len(CALLS)\n",
    ),
    "accepts what is invalid": Broken(
        "im2col:s0",
        "invalid_arguments",
        "accepted invalid",
        "def im2col(x, kernel_size, **options):\n    return np.zeros((1, 1))\n",
    ),
    "accepts an array that does not fit": Broken(
        "avg_pool2d:w4k1x2:broken@grad_output.wide",
        "invalid_arguments",
        "accepted invalid",
        "def avg_pool2d_backward(grad_output, x, kernel_size, **options):\n"
        "    return impl.avg_pool2d_backward(grad_output[..., :3], x, kernel_size, **options)\n",
    ),
    "accepts what is invalid in the backward pass": Broken(
        "conv2d:d0x1",
        "invalid_arguments",
        "accepted invalid",
        "def conv2d_backward(*arrays, **options):\n    return None, None, None\n",
    ),
    "wrong on tiny data": Broken(
        "conv2d:h3w3k2+bias:f32:tiny",
        "forward",
        "wrong value",
        "def conv2d(x, weight, bias=None, **options):\n"
        "    weight = np.where(abs(weight) < 1e-8, np.float32(0), weight)\n"
        "    return impl.conv2d(x, weight, bias, **options)\n",
    ),
    "another result in another layout of huge data": Broken(
        "im2col:c2w2:reversed:huge",
        "layout",
        "wrong value",
        "def im2col(x, kernel_size, **options):\n"
        "    y = impl.im2col(x, kernel_size, **options)\n"
        "    return y if x.flags.c_contiguous else 2 * y\n",
    ),
    "loses the sign of zero": Broken(
        "max_pool2d:w3:points@x.0.0.0.1=-0.0",
        "forward",
        "wrong value",
        "def max_pool2d(x, kernel_size, **options):\n    return impl.max_pool2d(x, kernel_size, **options) + 0.0\n",
    ),
    "loses subnormal numbers": Broken(
        "im2col:n2c3h4w4k2:special:f32:4",
        "special_values",
        "wrong value",
        "def im2col(x, kernel_size, **options):\n"
        "    y = impl.im2col(x, kernel_size, **options)\n"
        "    return np.where(abs(y) < np.finfo(y.dtype).smallest_normal, np.float32(0), y)\n",
    ),
    "reads one array's memory in its own order": Broken(
        "conv2d:c2h2w3k2:transposed@weight",
        "forward",
        "wrong value",
        "def conv2d(x, weight, bias=None, **options):\n"
        "    return impl.conv2d(x, weight.ravel(order='K').reshape(weight.shape), bias, **options)\n",
    ),
    "remembers another problem": Broken(
        "im2col:h2w2",
        "purity",
        "not deterministic",
        "SHAPES = [(1, 1, 2, 2)]\n"
        "def im2col(x, kernel_size, **options):\n"
        "    SHAPES.append(x.shape)\n"
        "    return impl.im2col(x, kernel_size, **options) + (SHAPES[-1] != SHAPES[-2])\n",
    ),
    "rejects with another error": Broken(
        "conv2d:k1x2",
        "invalid_arguments",
        "raised",
        "def conv2d(x, weight, bias=None, **options):\n    raise IndexError('too wide')\n",
    ),
    "raises": Broken(
        "max_pool2d:n0",
        "forward",
        "raised",
        "def max_pool2d(x, kernel_size, **options):\n"
        "    quotes = chr(39) * 3 + chr(34) * 3\n"
        "    raise RuntimeError(f'{quotes},\\nlines,\\r\\nand a backslash at the end \\\\')\n",
    ),
    "wrong shape": Broken(
        "conv2d:h3w3k2",
        "grad_weight",
        "wrong shape",
        "def conv2d_backward(*arrays, **options):\n"
        "    grad_input, grad_weight, grad_bias = impl.conv2d_backward(*arrays, **options)\n"
        "    return grad_input, grad_weight[..., :1], grad_bias\n",
    ),
    "wrong dtype": Broken(
        "avg_pool2d:f32",
        "forward",
        "wrong dtype",
        "def avg_pool2d(x, kernel_size, **options):\n"
        "    return impl.avg_pool2d(x.astype(np.float64), kernel_size, **options)\n",
    ),
    "no array": Broken(
        "im2col:h2w2",
        "forward",
        "wrong type",
        "def im2col(x, kernel_size, **options):\n    return impl.im2col(x, kernel_size, **options).tolist()\n",
    ),
}


def write_broken(folder: Path, source: str) -> Path:
    path = folder / "broken.py"
    path.write_text(f"import numpy as np\nimport impl\nfrom impl import *\n\n{source}")
    return path


def load(path: Path) -> Any:
    """Import a file, whatever other tests have imported under its name."""
    spec = importlib.util.spec_from_file_location("broken", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def script_of(folder: Path, broken: Broken) -> Path:
    """Judge the broken subject and write the script of what the check says."""
    case = parse_spec(broken.spec)
    (result,) = judge(case, load(write_broken(folder, broken.source)), [broken.check])
    assert (result.verdict, result.symptom) == ("failed", broken.symptom)
    path = folder / "repro.py"
    path.write_text(repro_source("broken", case, result, result.message, broken.spec, 1.0))
    return path


def environment(folder: Path) -> Mapping[str, str]:
    """Where `impl` can be imported, and nothing of the engine."""
    place = folder / "blocking"
    place.mkdir(exist_ok=True)
    (place / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({BLOCKED}))\n")
    paths = os.pathsep.join([str(place), str(IMPL)])
    alone = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    return os.environ | alone | {"PYTHONPATH": paths}


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("name", BLOCKED)
def test_the_scripts_run_without_the_engine(tmp_path: Path, name: str) -> None:
    """What the tests below rest on."""
    ended = python(tmp_path, "-c", f"import {name}")
    assert ended.returncode == 1
    assert "ModuleNotFoundError" in ended.stderr
    assert python(tmp_path, "-c", "import impl, numpy").returncode == 0


@pytest.mark.parametrize("broken", KINDS.values(), ids=KINDS)
def test_a_script_fails_until_the_subject_is_right(tmp_path: Path, broken: Broken) -> None:
    script = script_of(tmp_path, broken)
    failing = python(tmp_path, "repro.py")
    assert failing.returncode == 1
    assert "Traceback" in failing.stderr
    assert "SyntaxError" not in failing.stderr
    assert "NameError" not in failing.stderr

    write_broken(tmp_path, "")
    passing = python(tmp_path, "repro.py")
    assert (passing.returncode, passing.stderr) == (0, "")
    assert passing.stdout == "passes: this failure is gone\n"
    assert broken.spec in script.read_text()


def test_a_script_says_which_value_must_be_what(tmp_path: Path) -> None:
    script_of(tmp_path, KINDS["wrong value on points"])
    ended = python(tmp_path, "repro.py")
    assert "[0, 0, 1, 1] must be -3.0, got -6.0" in ended.stdout
    assert "1 of 4 values are wrong" in ended.stderr


def test_without_the_subject_a_script_ends_with_2(tmp_path: Path) -> None:
    script_of(tmp_path, KINDS["no array"])
    (tmp_path / "broken.py").unlink()
    ended = python(tmp_path, "repro.py")
    assert ended.returncode == 2
    assert "the subject broken could not be loaded: No module named 'broken'" in ended.stderr


@pytest.mark.parametrize("subject", ["broken:nothing", "broken:conv2d.nothing"])
def test_without_the_attribute_a_script_ends_with_2(tmp_path: Path, subject: str) -> None:
    write_broken(tmp_path, "")
    result = Result("forward", "failed", "wrong value", output="y")
    source = repro_source(subject, parse_spec("im2col"), result, "a message", "im2col", 1.0)
    (tmp_path / "repro.py").write_text(source)
    ended = python(tmp_path, "repro.py")
    assert ended.returncode == 2
    assert f"the subject {subject} could not be loaded" in ended.stderr


def test_a_script_finds_an_attribute_of_an_attribute(tmp_path: Path) -> None:
    write_broken(tmp_path, "class A:\n    class B:\n        im2col = staticmethod(lambda x, *_, **__: x)\n")
    result = Result("forward", "failed", "wrong shape", output="y")
    source = repro_source("broken:A.B", parse_spec("im2col"), result, "a message", "im2col", 1.0)
    (tmp_path / "repro.py").write_text(source)
    ended = python(tmp_path, "repro.py")
    assert ended.returncode == 1
    assert "must have the shape (1, 1), got (1, 1, 1, 1)" in ended.stderr


def test_a_script_runs_from_another_folder_too(tmp_path: Path) -> None:
    script = script_of(tmp_path, KINDS["wrong dtype"])
    elsewhere = tmp_path / "reports" / "failures" / "one"
    elsewhere.mkdir(parents=True)
    script.rename(elsewhere / "repro.py")
    ended = python(tmp_path, "reports/failures/one/repro.py")
    assert ended.returncode == 1
    assert "must be of dtype float32, got float64" in ended.stderr


def test_a_script_is_a_test_of_pytest_as_well(tmp_path: Path) -> None:
    script_of(tmp_path, KINDS["breaks an identity"])
    pytest_once = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "repro.py")
    failing = python(tmp_path, *pytest_once)
    assert failing.returncode == 1
    assert "1 failed" in failing.stdout
    assert "test_conv2d" in failing.stdout
    write_broken(tmp_path, "")
    passing = python(tmp_path, *pytest_once)
    assert passing.returncode == 0
    assert "1 passed" in passing.stdout


ABORTS = """
import os

def im2col(x, kernel_size, **options):
    os.abort()
"""
HANGS = """
import time

def im2col(x, kernel_size, **options):
    time.sleep(1000)
"""


@pytest.mark.parametrize(
    ("source", "verdict", "words"),
    [(ABORTS, "crashed", "the subject's process ended with -6"), (HANGS, "timed_out", "timed out after")],
    ids=["aborts", "hangs"],
)
def test_a_script_survives_what_it_repeats(tmp_path: Path, source: str, verdict: str, words: str) -> None:
    write_broken(tmp_path, source)
    result = Result("forward", verdict, verdict.replace("_", " "), "it did not come back")
    spec = "im2col:n2h3w3k2"
    (tmp_path / "repro.py").write_text(repro_source("broken", parse_spec(spec), result, result.message, spec, 1.0))
    failing = python(tmp_path, "repro.py")
    assert failing.returncode == 1
    assert words in failing.stderr
    write_broken(tmp_path, "")
    passing = python(tmp_path, "repro.py")
    assert (passing.returncode, passing.stdout) == (0, "passes: this failure is gone\n")


@pytest.mark.parametrize(
    "message",
    [
        '"""',
        "'''",
        "line\nimport nothing\nline",
        "line\r\nimport nothing",
        "\\",
        "\\N{x}",
        "{not} {a:field}",
        "# #",
        "é∞🎉",
        "",
    ],
)
def test_no_message_can_break_a_script(message: str) -> None:
    result = Result("forward", "failed", "raised", message, output="y")
    source = repro_source("mine", parse_spec("im2col"), result, message, "im2col", 1.0)
    names = [node.names[0].name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import)]
    assert {"importlib", "numpy"} <= set(names) <= {"importlib", "numpy", "os", "subprocess", "sys"}


@pytest.mark.parametrize(
    "spec",
    [
        "conv2d:n2c2h4w3o2k2x3p1g2+bias:f32:3",
        "avg_pool2d:h4w3k2p1+nopad+divisor3:sliced",
        "max_pool2d:h4w3k2+ceil:ties",
        "im2col:n0h3w3k2",
        "col2im:h3w3k2:broadcast",
        "conv2d:h3w3k2:wide:1",
        "max_pool2d:h4w4k2:special",
        "im2col:points@x.0.0.0.0=-0.0",
        "im2col:f32:points@x.0.0.0.0=1e-42",
    ],
)
def test_a_script_holds_the_case_s_arrays_to_the_bit(spec: str) -> None:
    case = parse_spec(spec)
    source = repro_source("impl", case, Result("forward", "failed", "wrong value", output="y"), "", spec, 1.0)
    names: dict[str, Any] = {"__name__": "a_repro", "__file__": "repro.py"}
    exec(compile(source, "repro.py", "exec"), names)  # noqa: S102 - the script is what is tested
    for name, array in Trial(case, impl).arrays().items():
        assert names[name].dtype == array.dtype
        assert names[name].strides == array.strides or not array.size
        assert names[name].tobytes() == array.tobytes()
    names[f"test_{case.problem.operator}"]()
