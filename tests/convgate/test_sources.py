"""Where cases come from: random draws that a seed fixes, and the corpus of specs."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from convgate.cases.spec import SpecError, format_spec, parse_spec
from convgate.problems.operators import OPERATORS
from convgate.problems.problem import Problem
from convgate.sources.corpus import CORPUS, read_corpus
from convgate.sources.fuzz import draw_cases

ANYTHING = SimpleNamespace()


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_same_seed_and_part_give_the_same_cases(operator: str) -> None:
    assert draw_cases(operator, 3, 2, 8, ANYTHING) == draw_cases(operator, 3, 2, 8, ANYTHING)


@pytest.mark.parametrize("operator", OPERATORS)
def test_as_many_distinct_cases_come_as_were_asked_for(operator: str) -> None:
    found = draw_cases(operator, 0, 0, 25, ANYTHING)
    assert len(found) == len(set(found)) == 25
    assert {case.problem.operator for case in found} == {operator}


@pytest.mark.parametrize("operator", ["conv2d", "max_pool2d"])
def test_another_seed_or_part_gives_other_cases(operator: str) -> None:
    """All but a few small ones, which turn up everywhere."""
    first = set(draw_cases(operator, 0, 0, 25, ANYTHING))
    for seed, part in ((0, 1), (1, 0)):
        assert len(first & set(draw_cases(operator, seed, part, 25, ANYTHING))) < 5


def test_a_part_of_one_seed_is_not_a_part_of_another() -> None:
    """Part 1 of seed 11 and part 11 of seed 1 would be the same text if the numbers ran together."""
    assert draw_cases("conv2d", 1, 11, 5, ANYTHING) != draw_cases("conv2d", 11, 1, 5, ANYTHING)


def test_a_subject_is_asked_what_it_supports() -> None:
    """It gets as many cases as others, all of which it supports."""
    asked: list[Problem] = []

    def supports(problem: Problem) -> bool:
        asked.append(problem)
        return problem.groups == 1

    found = draw_cases("conv2d", 0, 0, 25, SimpleNamespace(supports=supports))
    assert len(found) == 25
    assert all(case.problem.groups == 1 for case in found)
    assert any(problem.groups > 1 for problem in asked)


def test_a_subject_that_supports_nothing_gets_no_cases() -> None:
    assert draw_cases("conv2d", 0, 0, 5, SimpleNamespace(supports=lambda _: False)) == []


def test_drawn_cases_survive_their_specs() -> None:
    found = [case for operator in OPERATORS for case in draw_cases(operator, 5, 0, 10, ANYTHING)]
    assert [parse_spec(format_spec(case)) for case in found] == found


def test_drawing_leaves_the_callers_random_numbers_alone() -> None:
    import random  # noqa: PLC0415 - only here, and not for drawing

    random.seed(8)
    expected = random.random()  # noqa: S311
    random.seed(8)
    draw_cases("conv2d", 0, 0, 3, ANYTHING)
    assert random.random() == expected  # noqa: S311


# The corpus


def test_without_a_corpus_there_are_no_cases(tmp_path: Path) -> None:
    assert read_corpus(tmp_path) == []


def test_the_corpus_has_a_spec_a_line_and_comments(tmp_path: Path) -> None:
    lines = [
        "# what broke",
        "",
        "conv2d:w5k1x2s1x2:f32:7",
        "   max_pool2d:w3:ties   # two at once",
        "\t",
        "im2col:w2:points@x.0.0.0.1=-3",
    ]
    (tmp_path / CORPUS).write_text("\n".join(lines), encoding="utf-8")
    assert [format_spec(case) for case in read_corpus(tmp_path)] == [
        "conv2d:w5k1x2s1x2:f32:7",
        "max_pool2d:w3:ties",
        "im2col:w2:points@x.0.0.0.1=-3",
    ]


def test_an_error_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / CORPUS).write_text("# a comment\nconv2d\n\nconv2d:k2k3 # twice\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"'conv2d:k2k3' gives a size or a flag twice") as caught:
        read_corpus(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / CORPUS}, line 4: ")
