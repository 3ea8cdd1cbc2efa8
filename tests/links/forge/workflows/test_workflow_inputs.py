"""Inputs of a dispatch: what is refused, and what the workflow sees."""

from __future__ import annotations

import pytest

from seatrial.links.forge.workflows.values import Unknown
from seatrial.links.forge.workflows.workflow import Input, typed_inputs, wrong_inputs

INPUTS = {
    one.name: one
    for one in (
        Input(name="workers", type="number", required=True),
        Input(name="size", type="choice", options=("small", "large"), default="small"),
        Input(name="dry", type="boolean"),
        Input(name="note", default="none"),
        Input(name="must", required=True, default="given"),
    )
}


def test_every_input_has_its_kind_and_its_default() -> None:
    assert wrong_inputs(INPUTS, {"workers": "3", "DRY": "true"}) == []
    assert typed_inputs(INPUTS, {"workers": "3", "DRY": "true"}) == {
        "workers": 3,
        "size": "small",
        "dry": True,
        "note": "none",
        "must": "given",
    }
    assert typed_inputs(INPUTS, {"workers": 1.5, "note": 7})["dry"] is False
    assert typed_inputs(INPUTS, {"workers": 1.5, "note": 7})["note"] == "7"


@pytest.mark.parametrize(
    "given, message",
    [
        ({}, "the input 'workers' is required and has no value"),
        ({"workers": ""}, "the input 'workers' is required and has no value"),
        ({"workers": "many"}, "the input 'workers' is a number, not 'many'"),
        ({"workers": 1, "dry": "yes"}, "the input 'dry' is true or false, not 'yes'"),
        ({"workers": 1, "size": "huge"}, "is not one of its options; they are: large, small"),
        ({"workers": 1, "siez": "small"}, "there is no input 'siez'; did you mean 'size'?"),
    ],
)
def test_a_wrong_input_is_told(given: dict[str, object], message: str) -> None:
    (found,) = wrong_inputs(INPUTS, given)
    assert message in found


def test_a_value_that_is_not_known_yet_may_be_right() -> None:
    later = Unknown("inputs.workers", "a step gives it")
    assert wrong_inputs(INPUTS, {"Workers": later}) == []
    assert typed_inputs(INPUTS, {"Workers": later})["workers"] is later


def test_all_that_is_wrong_is_told() -> None:
    assert len(wrong_inputs(INPUTS, {"a": 1, "dry": 2})) == 3
