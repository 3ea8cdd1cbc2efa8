"""The needs of children."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tests.steps.fakes import Say, plan

from seatrial.model.scenario import StepPlan
from seatrial.steps import needs as graph


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
    assert graph.find_circle({"a": ["a"]}) == ["a", "a"]


def test_a_long_chain_is_no_problem() -> None:
    needs = {str(number): [str(number + 1)] for number in range(5000)}
    assert graph.find_circle(needs) == []
    assert len(graph.find_circle({**needs, "5000": ["0"]})) == 5002


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3)))
def test_a_circle_that_is_found_is_one_and_one_that_is_there_is_found(needs: dict[str, list[str]]) -> None:
    found = graph.find_circle(needs)
    for here, there in pairwise(found):
        assert there in needs[here]
    # The plain way: what is needed by way of others, until nothing is added.
    reach = {name: {one for one in of if one in needs} for name, of in needs.items()}
    for _ in needs:
        reach = {name: of.union(*(reach[one] for one in of)) for name, of in reach.items()}
    assert bool(found) == any(name in of for name, of in reach.items())
