"""What jobs a matrix makes: the examples of GitHub's documentation."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.links.forge.workflows.expressions import ExpressionError
from seatrial.links.forge.workflows.workflow import expand, title


def test_no_matrix_is_one_job() -> None:
    assert expand(None) == [{}]


def test_a_matrix_is_every_combination_in_order() -> None:
    assert expand({"os": ["a", "b"], "v": [1, 2]}) == [
        {"os": "a", "v": 1},
        {"os": "a", "v": 2},
        {"os": "b", "v": 1},
        {"os": "b", "v": 2},
    ]


def test_include_widens_what_it_would_not_overwrite_and_adds_the_rest() -> None:
    matrix = {
        "fruit": ["apple", "pear"],
        "animal": ["cat", "dog"],
        "include": [
            {"color": "green"},
            {"color": "pink", "animal": "cat"},
            {"fruit": "apple", "shape": "circle"},
            {"fruit": "banana"},
            {"fruit": "banana", "animal": "cat"},
        ],
    }
    assert expand(matrix) == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


def test_include_alone_is_a_list_of_jobs() -> None:
    assert expand({"include": [{"site": "production"}, {"site": "staging"}]}) == [
        {"site": "production"},
        {"site": "staging"},
    ]


def test_exclude_takes_away_before_include_adds() -> None:
    matrix = {"os": ["a", "b"], "v": [1, 2], "exclude": [{"os": "a"}, {"os": "b", "v": 2}], "include": [{"os": "a"}]}
    assert expand(matrix) == [{"os": "b", "v": 1}, {"os": "a"}]


def test_a_job_is_named_by_its_values() -> None:
    assert title({"os": "a", "v": 1, "x": True, "m": {"k": [2]}}) == "(a, 1, true, 2)"
    assert title({}) == ""


@pytest.mark.parametrize(
    "matrix, message",
    [
        (["a"], "not a array"),
        ({"os": "a"}, "'os' must be a list"),
        ({"os": []}, "at least one value"),
        ({"include": "a"}, "`include` of a matrix must be a list of mappings"),
        ({"os": ["a"], "exclude": [{"os": "a"}]}, "no combination left"),
        ({"a": list(range(17)), "b": list(range(16))}, "makes 272 jobs"),
    ],
)
def test_what_is_no_matrix_is_refused(matrix: Any, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        expand(matrix)
