"""Subjects are found by name, or refused with a reason and a way out."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import impl
from convgate.problem import Problem
from convgate.subjects.loader import SubjectError, functions_of, load_subject, supports

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


def test_a_module_is_a_subject() -> None:
    assert load_subject("impl") is impl


@pytest.mark.usefixtures("folder")
def test_an_attribute_of_a_module_is_a_subject() -> None:
    found = load_subject("a_subject:net")
    assert found is sys.modules["a_subject"].net
    assert functions_of(found) == ("im2col",)


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
