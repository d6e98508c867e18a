"""Pairwise choices: every pair of values that goes together is in one, and they are few."""

from itertools import combinations, product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from convgate.sources.pairwise import Choice, pairwise

Factors = dict[str, list[int]]

factor_tables: st.SearchStrategy[Factors] = st.lists(st.integers(1, 6), min_size=2, max_size=6).map(
    lambda sizes: {f"factor {number}": list(range(size)) for number, size in enumerate(sizes)}
)
light = settings(deadline=None, database=None, max_examples=60)


def pairs_of(choice: Choice) -> set[tuple[Any, ...]]:
    return set(combinations(choice.items(), 2))


@light
@given(factor_tables, st.integers(0, 9))
def test_every_pair_is_there(factors: Factors, entropy: int) -> None:
    found = pairwise(factors, lambda _: True, entropy)
    every = (dict(zip(factors, values, strict=True)) for values in product(*factors.values()))
    assert {pair for choice in found for pair in pairs_of(choice)} == {
        pair for choice in every for pair in pairs_of(choice)
    }


@light
@given(factor_tables, st.integers(0, 9))
def test_what_is_not_usable_is_not_there_and_every_pair_of_what_is_usable_is(factors: Factors, entropy: int) -> None:
    def is_usable(choice: Choice) -> bool:
        return sum(choice.values()) <= 6

    found = pairwise(factors, is_usable, entropy)
    assert all(map(is_usable, found))
    every = (dict(zip(factors, values, strict=True)) for values in product(*factors.values()))
    expected = {pair for choice in every if is_usable(choice) for pair in pairs_of(choice)}
    met = {pair for choice in found for pair in pairs_of(choice)}
    assert met <= expected
    # a pair that hardly any choice has may be given up
    assert len(met) >= 0.9 * len(expected)


def test_choices_are_few() -> None:
    """There are 13 factors of up to 10 values here: of two with 10 and 9 values there are 90 pairs at the least."""
    sizes = (10, 9, 6, 5, 4, 4, 3, 3, 2, 2, 2, 2, 2)
    factors = {str(number): range(size) for number, size in enumerate(sizes)}
    assert 90 <= len(pairwise(factors, lambda _: True, 0)) < 1.2 * 90


@light
@given(factor_tables)
def test_the_same_entropy_gives_the_same_choices(factors: Factors) -> None:
    assert pairwise(factors, lambda _: True, 3) == pairwise(factors, lambda _: True, 3)


def test_another_entropy_gives_other_company() -> None:
    factors = {str(number): range(5) for number in range(6)}
    first, other = (pairwise(factors, lambda _: True, entropy) for entropy in (0, 1))
    assert sum(choice in first for choice in other) < len(other) / 4
