"""Matrices: every combination, every pair, every value; few rows; the same each time."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.effort import examples

from seatrial.loading.merge.matrix import expand, pairwise, suffix

SIZES = st.lists(st.integers(1, 5), min_size=2, max_size=6)


@settings(max_examples=examples(100), deadline=None)
@given(SIZES)
def test_pairwise_covers_every_pair_of_values_with_few_rows(sizes: list[int]) -> None:
    rows = pairwise(sizes)
    for left, right in itertools.combinations(range(len(sizes)), 2):
        assert {(row[left], row[right]) for row in rows} == set(
            itertools.product(range(sizes[left]), range(sizes[right]))
        )
    largest = sorted(sizes)[-2:]
    assert len(rows) <= math.prod(sizes)
    assert len(rows) <= 2 * math.prod(largest) + len(sizes)
    assert len(set(rows)) == len(rows)
    assert rows == pairwise(sizes)


def test_pairwise_of_four_threes_is_far_smaller_than_all() -> None:
    assert len(pairwise([3, 3, 3, 3])) <= 12


@settings(max_examples=examples(50), deadline=None)
@given(SIZES)
def test_each_has_every_value_once_and_no_more_rows_than_the_longest_list(sizes: list[int]) -> None:
    parameters = {f"p{at}": list(range(size)) for at, size in enumerate(sizes)}
    rows = expand(parameters, "1-wise")
    assert len(rows) == max(sizes)
    for name, values in parameters.items():
        assert {row[name] for row in rows} == set(values)


def test_full_is_the_product_in_the_order_of_the_document() -> None:
    rows = expand({"a": [1, 2], "b": "x", "c": ["p", "q"]}, "full")
    assert rows == [{"a": 1, "c": "p"}, {"a": 1, "c": "q"}, {"a": 2, "c": "p"}, {"a": 2, "c": "q"}]


def test_no_list_makes_one_combination() -> None:
    for method in ("full", "pairwise", "2-wise", "each", "1-wise"):
        assert expand({"a": 1}, method) == [{}]


def test_an_empty_list_and_too_many_combinations_are_refused() -> None:
    with pytest.raises(ValueError, match="empty list"):
        expand({"a": []}, "full")
    with pytest.raises(ValueError, match="too many"):
        expand({f"p{at}": list(range(10)) for at in range(5)}, "full")


def test_the_suffix_is_safe_in_names_and_leaves_single_values_out() -> None:
    parameters = {"a": ["x/y z", "b"], "b": [1], "c": [1.5, 2]}
    assert suffix({"a": "x/y z", "b": 1, "c": 1.5}, parameters) == "-a=x_y_z-c=1.5"
