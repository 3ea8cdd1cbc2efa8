"""The needs of children."""

from tests.steps.fakes import Say, plan

from seatrial.model.scenario import StepPlan
from seatrial.steps import parallel as graph


def step(id: str, *needs: str) -> StepPlan:
    return plan(Say(said=[], word=id), id=id, needs=needs)


def test_what_can_be_met_has_no_problems() -> None:
    assert list(graph.broken([step("c", "a", "b"), step("b", "a"), step("a"), step("")])) == []


def test_a_need_that_nobody_has_is_named_with_the_nearest() -> None:
    assert list(graph.broken([step("load"), step("x", "laod")])) == [
        "say 'x' needs 'laod', but no step beside it has this id; did you mean 'load'? allowed: load, x"
    ]


def test_two_steps_with_one_id_are_named() -> None:
    assert list(graph.broken([step("a"), step("a")])) == ["duplicate step id 'a'"]


def test_a_circle_is_shown() -> None:
    assert list(graph.broken([step("a", "b"), step("b", "c"), step("c", "b")])) == [
        "the steps need each other in a cycle: b -> c -> b"
    ]
