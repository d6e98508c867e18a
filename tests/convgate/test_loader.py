"""Subjects are found by name, or refused with a reason and a way out."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import impl
from convgate.cases.spec import format_spec, parse_spec
from convgate.judging.subjects.loader import SubjectError, error_factor, functions_of, load_subject, supports, takes
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem
from convgate.run.shards import Shard, cases_of
from convgate.run.tasks import covering_specs

SOURCE = """
import impl

class Net:
    class Layers:
        conv2d = staticmethod(impl.conv2d)
        conv2d_backward = staticmethod(impl.conv2d_backward)
    im2col = staticmethod(impl.im2col)
    col2im = None

net = Net()
im2col = impl.im2col
nothing = object()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path whose modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "a_subject.py").write_text(SOURCE)
    before = set(sys.modules)
    load_subject.cache_clear()
    yield tmp_path
    load_subject.cache_clear()
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refusal(name: str) -> str:
    with pytest.raises(SubjectError) as caught:
        load_subject(name)
    return str(caught.value)


def test_a_module_is_a_subject_in_a_process_of_its_own_unless_it_is_to_be_local() -> None:
    found = load_subject("impl")
    assert functions_of(found) == functions_of(impl) == tuple(OPERATORS)
    assert found.im2col is not impl.im2col
    assert load_subject("local:impl") is impl


@pytest.mark.usefixtures("folder")
def test_an_attribute_of_a_module_is_a_subject() -> None:
    assert functions_of(load_subject("a_subject:net")) == ("im2col",)
    assert "a_subject" not in sys.modules
    assert load_subject("local:a_subject:net") is sys.modules["a_subject"].net


@pytest.mark.usefixtures("folder")
def test_an_attribute_of_an_attribute_is_a_subject() -> None:
    assert functions_of(load_subject("a_subject:Net.Layers")) == ("conv2d",)


def test_a_module_of_a_package_is_a_subject() -> None:
    assert functions_of(load_subject("impl.pool")) == ("avg_pool2d", "max_pool2d")


@pytest.mark.usefixtures("folder")
def test_a_subject_is_loaded_once() -> None:
    assert load_subject("a_subject:net") is load_subject("a_subject:net")


@pytest.mark.usefixtures("folder")
def test_a_missing_module_is_refused_by_its_name() -> None:
    message = refusal("no_such_subject:net")
    assert "subject 'no_such_subject:net' could not be loaded" in message
    assert "ModuleNotFoundError: No module named 'no_such_subject'" in message
    assert "give MODULE or MODULE:ATTRIBUTE" in message


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("attribute", ["absent", "net.absent", "net.im2col.absent"])
def test_a_missing_attribute_is_refused_by_its_name(attribute: str) -> None:
    message = refusal(f"a_subject:{attribute}")
    assert f"subject 'a_subject:{attribute}' could not be loaded" in message
    assert "AttributeError" in message
    assert "'absent'" in message


@pytest.mark.parametrize("name", ["", ":conv2d", ".", "a b", "im pl", "../impl"])
def test_a_name_that_is_no_module_s_is_refused(name: str) -> None:
    assert repr(name) in refusal(name)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("def broken(:", "SyntaxError"),
        ("import no_such_dependency", "No module named 'no_such_dependency'"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_module_that_cannot_be_imported_is_refused_with_its_error(folder: Path, source: str, words: str) -> None:
    (folder / "unhappy.py").write_text(source)
    message = refusal("unhappy")
    assert "subject 'unhappy' could not be loaded" in message
    assert words in message


@pytest.mark.usefixtures("folder")
def test_a_subject_with_none_of_the_functions_is_refused_with_their_names() -> None:
    for name in ("math", "a_subject:nothing"):
        message = refusal(name)
        assert f"subject {name!r} has none of the functions of the protocol" in message
        assert "conv2d, avg_pool2d, max_pool2d, im2col, col2im" in message


def test_what_cannot_be_called_is_not_there() -> None:
    assert functions_of(SimpleNamespace(conv2d=None, im2col=3, col2im=impl.col2im)) == ("col2im",)


def test_a_backward_pass_alone_is_no_operator() -> None:
    assert functions_of(SimpleNamespace(conv2d_backward=impl.conv2d_backward)) == ()


def test_a_subject_is_asked_about_everything_unless_it_says_what_it_supports() -> None:
    problem = Problem(operator="conv2d", groups=2)
    assert supports(SimpleNamespace(), problem) is True
    assert supports(SimpleNamespace(supports=lambda problem: problem.groups == 1), problem) is False
    assert supports(SimpleNamespace(supports=lambda problem: problem.groups), problem) is True
    assert supports(SimpleNamespace(supports="everything"), problem) is True


# How accurate a subject says that it is


def says(factor: object) -> SimpleNamespace:
    return SimpleNamespace(error_factor=lambda _: factor)


@pytest.mark.parametrize("factor", [1, 1.0, 150.5, np.float32(3), np.int64(7)])
def test_an_error_factor_is_a_number_from_1(factor: float) -> None:
    assert error_factor(says(factor), Problem(operator="conv2d")) == float(factor)


def test_without_an_error_factor_a_subject_is_judged_entry_by_entry() -> None:
    assert error_factor(impl, Problem(operator="conv2d")) is None
    assert error_factor(says(None), Problem(operator="conv2d")) is None


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 0.5, 0, -3, True, "150", [1.0]])
def test_any_other_error_factor_is_refused_by_its_value_and_the_rule(factor: object) -> None:
    with pytest.raises(SubjectError, match=r"it must be a finite number of unit roundoffs, at least 1") as caught:
        error_factor(says(factor), Problem(operator="conv2d"))
    assert repr(factor) in str(caught.value)


def test_an_error_factor_that_raises_is_an_error_of_the_subject() -> None:
    broken = SimpleNamespace(error_factor=lambda problem: 1 / problem.padding[0])
    with pytest.raises(SubjectError, match="raised ZeroDivisionError"):
        error_factor(broken, Problem(operator="conv2d"))


# The dtypes that a subject takes


def test_a_subject_takes_every_dtype_unless_it_names_some() -> None:
    assert takes(impl, "f32")
    assert takes(impl, "f64")
    assert takes(SimpleNamespace(dtypes=("f32",)), "f32")
    assert not takes(SimpleNamespace(dtypes=("f32",)), "f64")


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_a_subject_is_given_the_dtypes_that_it_names_alone(
    dtype: str, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    (folder / "of_one_dtype.py").write_text(f"from impl import im2col\n\ndtypes = ({dtype!r},)\n")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    drawn = [format_spec(case) for case in cases_of(Shard("im2col", 0, 0, 10), load_subject("of_one_dtype"))]
    covering = covering_specs("of_one_dtype", "im2col", 2, 0)
    assert len(drawn) == 10
    assert covering
    assert {parse_spec(spec).dtype for spec in (*drawn, *covering)} == {dtype}
