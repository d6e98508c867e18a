"""Mutants are small changes of a package's own source, each a subject; the package itself stays as it is."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import impl
from convgate.cases.spec import format_spec, parse_spec
from convgate.judging.checks import judge, judge_trial
from convgate.judging.subjects.loader import SubjectError, load_subject
from convgate.judging.trial import Trial
from convgate.problems.operators import OPERATORS
from convgate.results.verdicts import primary_failure
from convgate.selftest.faults.mutants import EQUIVALENT, Mutant, equivalents, load, mutants_of
from convgate.selftest.faults.source import private_copy
from convgate.sources.fuzz import draw_cases

MODULE = "convgate.selftest.faults.mutants"
MUTANTS = mutants_of("impl")
FEW_CASES = 3

GEOMETRY = '''
LEAST = 1


def double(n: int = 2) -> int:
    """Twice a number, which is 2."""
    if n < LEAST:
        least = LEAST + 1
        raise ValueError(f"must be at least {least + 1}")
    return n * 2
'''

CONVOLUTION = """
from .geometry import double


def conv2d(x, *, groups=1):
    return double(x)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Write a package, on the path until the test is over."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, **modules: str) -> str:
        for module, source in modules.items():
            path = tmp_path / name / f"{module}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(source)
        return name

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def changes(package: str) -> set[tuple[str, str]]:
    """What is changed in a package, and to what; all of it runs."""
    found = mutants_of(package).values()
    assert all(load(mutant).__name__ == package for mutant in found)
    return {(mutant.was, mutant.becomes) for mutant in found}


def one(function: str, becomes: str) -> Mutant:
    """The mutant of `impl` with this function and changed line."""
    name = f"impl.{function}"
    (found,) = (
        each for each in MUTANTS.values() if (f"{each.module}.{each.function}", each.becomes) == (name, becomes)
    )
    return found


def fails(subject: object, spec: str) -> str:
    """The check that finds a failure of a subject in a case, or nothing."""
    failure = primary_failure(judge(parse_spec(spec), subject))
    return "" if failure is None else failure.check


def test_arithmetic_comparisons_constants_and_defaults_are_changed(package: Callable[..., str]) -> None:
    name = package("small", __init__="from .conv import conv2d", conv=CONVOLUTION, geometry=GEOMETRY)
    assert changes(name) == {
        ("LEAST = 1", "LEAST = 2"),
        ("LEAST = 1", "LEAST = 0"),
        ("def double(n: int=2) -> int:", "def double(n: int=3) -> int:"),
        ("def double(n: int=2) -> int:", "def double(n: int=1) -> int:"),
        ("if n < LEAST:", "if False:"),
        ("if n < LEAST:", "if n <= LEAST:"),
        ("if n < LEAST:", "if n >= LEAST:"),
        ("return n * 2", "return n // 2"),
        ("return n * 2", "return n + 2"),
        ("return n * 2", "return n"),
        ("return n * 2", "return 2"),
        ("return n * 2", "return n * 3"),
        ("return n * 2", "return n * 1"),
    }


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("return x[1:n]", {"x[:n]", "x[1:]", "x[1:n - 1]", "x[2:n]", "x[0:n]"}),
        ("return x[i, j]", {"x[j, i]"}),
        ("return -x", {"x"}),
        ("return not x", {"x"}),
        ("return x and y", {"x or y", "x", "y"}),
        ("return x if y else z", {"x", "z"}),
        ("return x is None", {"x is not None"}),
        ("return f(x, y)", {"f(y, x)"}),
        ("return f(x, a=y, b=z)", {"f(x, a=z, b=y)", "f(x, a=y)", "f(x, b=z)"}),
        ("return zip(x, y, strict=True)", {"zip(y, x, strict=True)"}),
        ("return x.copy()", {"x"}),
        ("return max(x)", {"min(x)"}),
        ("return f'{x + 1}'", set()),
        ("return 'text'", set()),
        ("x += y", {"pass", "x = y", "x -= y"}),
        ("x = y", {"pass"}),
        ("new = y", set()),
        ("x[i] = y", {"pass"}),
        ("check(x)", {"pass"}),
        ("'text'", set()),
    ],
)
def test_every_kind_of_statement_has_its_changes(was: str, becomes: set[str], package: Callable[..., str]) -> None:
    number = sum(map(ord, was))
    name = package(f"kinds_{number}", __init__=f"def conv2d(x):\n    {was}\n")
    found = {after.removeprefix("return ") for _, after in changes(name)}
    assert found == becomes


def test_what_the_protocol_does_not_use_is_left_alone(package: Callable[..., str]) -> None:
    """As are decorators, annotations, and the defaults of what is called with every option."""
    source = """
from .layers import decorator

@decorator(1)
def conv2d(x: 1 + 1, groups=1) -> 2:
    return x
"""
    layers = "def decorator(n):\n    return lambda f: f\n\ndef unused(n):\n    return n + 1\n"
    assert changes(package("layered", __init__=source, layers=layers)) == set()
    assert {mutant.module for mutant in MUTANTS.values()} >= {"impl.conv", "impl.pool", "impl.im2col", "impl.geometry"}
    assert "impl.layers" not in {mutant.module for mutant in MUTANTS.values()}


def test_a_mutant_concerns_the_operators_that_use_its_function() -> None:
    concerned = {mutant.function: mutant.operators for mutant in MUTANTS.values()}
    assert concerned["output_size"] == ("conv2d", "avg_pool2d", "max_pool2d", "im2col", "col2im")
    assert concerned["add_columns"] == ("conv2d", "col2im")
    assert concerned["padded"] == ("conv2d", "avg_pool2d", "max_pool2d")
    assert concerned["_divisor"] == ("avg_pool2d",)
    assert concerned["_winners"] == ("max_pool2d",)


def test_what_decorates_a_function_is_used_by_it(package: Callable[..., str]) -> None:
    source = "def decorator(f):\n    return lambda x: f(-x)\n\n@decorator\ndef conv2d(x):\n    return x\n"
    name = package("decorated", __init__=source)
    assert changes(name) == {("return lambda x: f(-x)", "return lambda x: f(x)")}
    assert [load(mutant).conv2d(1) for mutant in mutants_of(name).values()] == [1]


def test_an_edit_elsewhere_leaves_the_ids_as_they_are(package: Callable[..., str]) -> None:
    def digests(name: str, function: str) -> list[str]:
        return [each.id[-8:] for each in mutants_of(name).values() if each.function == function]

    function = "def conv2d(x):\n    return x + 1\n\n\n"
    other = "def conv2d_backward(x):\n    return x{}\n"
    before = package("before", __init__=function + other.format(" + 1"))
    after = package("after", __init__=other.format(" * 2") + "# a comment\n" + function.replace("x + 1", "(x + 1)"))
    assert digests(before, "conv2d") == digests(after, "conv2d") != []
    assert set(digests(before, "conv2d_backward")).isdisjoint(digests(after, "conv2d_backward"))


def test_equal_statements_have_mutants_of_their_own(package: Callable[..., str]) -> None:
    found = mutants_of(package("twice", __init__="def conv2d(x):\n    x += 1\n    x += 1\n    return x\n")).values()
    subtracting = [load(mutant).conv2d(0) for mutant in found if mutant.becomes == "x -= 1"]
    assert subtracting == [0, 0]
    deleted = [mutant.line for mutant in found if mutant.becomes == "pass"]
    assert deleted == [2, 3]


def test_a_private_copy_imports_its_own_modules_however_that_is_written(package: Callable[..., str]) -> None:
    source = """
import math
import many.deep.low
from many.deep.low import double as first
from many.deep import low as second
from . import deep
from .deep.low import double as third

def conv2d(x):
    return [math.prod([f(x)]) for f in (many.deep.low.double, first, second.double, deep.low.double, third)]
"""
    low = "from .. import high\nfrom ..high import two\ndef double(x):\n    return x * two + high.two - two\n"
    name = package("many", **{"__init__": source, "deep/__init__": "", "deep/low": low, "high": "two = 2\n"})
    (mutant,) = (each for each in mutants_of(name).values() if each.becomes == "two = 3")
    assert private_copy(name).conv2d(5) == [10] * 5
    assert load(mutant).conv2d(5) == [15] * 5
    assert private_copy(name).conv2d(5) == [10] * 5


def test_the_mutants_are_the_same_each_time() -> None:
    again = mutants_of.__wrapped__("impl")
    assert list(again.values()) == list(MUTANTS.values())
    assert list(again) == [mutant.id for mutant in again.values()]
    assert len(again) > 500


def test_no_mutants_are_made_until_somebody_asks() -> None:
    """Every process imports this, the command and each worker, and to make them takes as long as all else of it."""
    code = f"from {MODULE} import mutants_of; print(mutants_of.cache_info().currsize)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "0\n"


def test_a_mutant_is_a_package_of_its_own_and_the_package_stays_as_it_is() -> None:
    modules = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "impl"}
    contents = {name: dict(vars(module)) for name, module in modules.items()}
    for mutant in list(MUTANTS.values())[::10]:
        subject = load(mutant)
        assert subject.conv2d is not impl.conv2d
        assert mutant.was != mutant.becomes
    now = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "impl"}
    assert now == modules
    assert {name: dict(vars(module)) for name, module in now.items()} == contents


def test_a_mutant_is_loaded_by_name() -> None:
    mutant = one("pool._divisor", "border = p if count_include_pad else 1")
    assert mutant.diff == "- border = p if count_include_pad else 0\n+ border = p if count_include_pad else 1"
    x = np.ones((1, 1, 1, 1))
    options: dict[str, Any] = {"stride": 1, "padding": 1, "count_include_pad": False}
    assert load_subject(f"{MODULE}:{mutant.id}").avg_pool2d(x, 3, **options) == 1 / 9
    assert load_subject(f"{MODULE}:impl").avg_pool2d(x, 3, **options) == impl.avg_pool2d(x, 3, **options) == 1
    with pytest.raises(SubjectError, match=r"impl has no mutant impl_pool_0; ids change"):
        load_subject(f"{MODULE}:impl_pool_0")


@pytest.mark.parametrize(
    ("function", "becomes", "spec", "check"),
    [
        ("conv.conv2d.work", "if offset is None:", "conv2d:o2+bias", "forward"),
        (
            "conv._gradient_of_bias",
            "total[channels] += contiguous(grad_output[some, channels]).mean(axis=(0, 2, 3))",
            "conv2d:n2o2+bias",
            "grad_bias",
        ),
        ("conv._by_group", "return array.reshape(images, groups, groups, height, width)", "conv2d:c3o3", "forward"),
        ("im2col.add_columns", "sums[:, *place] = columns[:, row]", "col2im:h3k2x1", "forward"),
        ("geometry.span", "return dilation * (kernel_size - 1)", "im2col", "forward"),
        (
            "pool._winners",
            "wins = (tap >= best) | np.isnan(tap)",
            "max_pool2d:h3k2x1:ties",
            "grad_input",
        ),
        ("pool._laid_out", "if False:", "max_pool2d:h3w3k3p2", "invalid_arguments"),
    ],
)
def test_a_check_finds_the_mutant_and_not_the_copy(function: str, becomes: str, spec: str, check: str) -> None:
    assert fails(load(one(function, becomes)), spec) == check
    assert fails(private_copy("impl"), spec) == ""


def test_every_equivalent_mutant_is_still_a_mutant_with_a_reason() -> None:
    stale = sorted(set(equivalents()) - set(MUTANTS))
    assert not stale, (
        f"{', '.join(stale)} in {EQUIVALENT.name} are no mutants of impl any more, as their statements have changed: "
        f"take them out, and look at what survives in their place (docs/mutants.md)"
    )
    assert all(len(reason) > len("same value") for reason in equivalents().values())


@pytest.mark.parametrize("operator", OPERATORS)
def test_what_is_written_down_as_equivalent_is_not_found_at_once(operator: str) -> None:
    """On a few cases; ``convgate mutants --everything`` judges these mutants on all of a profile."""
    known = [MUTANTS[name] for name in equivalents() if name in MUTANTS and operator in MUTANTS[name].operators]
    subjects = {mutant.id: load(mutant) for mutant in known}
    found = []
    for case in draw_cases(operator, 0, 0, FEW_CASES, impl):
        first = Trial(case, impl, sampled=True)
        assert primary_failure(judge_trial(first)) is None
        for name, subject in subjects.items():
            failure = primary_failure(judge_trial(first.before(subject)))
            if failure is not None:
                found.append((name, format_spec(case), failure.message))
    assert known
    assert found == []
