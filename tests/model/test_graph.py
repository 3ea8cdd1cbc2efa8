"""The closure of needs, and cycles in them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from seatrial.model.graph import closure, cycle

NEEDS = st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3))


def reach(needs: dict[str, list[str]]) -> dict[str, set[str]]:
    """The plain way: add the needs of needs until nothing is new."""
    reached = {name: set(of) for name, of in needs.items()}
    for _ in needs:
        reached = {name: of.union(*(reached.get(other, set()) for other in of)) for name, of in reached.items()}
    return reached


def test_a_name_may_need_itself() -> None:
    assert cycle({"a": ["a"]}) == ["a", "a"]
    assert closure("a", {"a": ["a"]}) == {"a"}


def test_a_long_chain_is_fine() -> None:
    needs = {str(number): [str(number + 1)] for number in range(5000)}
    assert cycle(needs) == []
    assert len(closure("0", needs)) == 5000
    assert len(cycle({**needs, "5000": ["0"]})) == 5002


@given(NEEDS)
def test_a_cycle_is_found_where_there_is_one_and_is_real(needs: dict[str, list[str]]) -> None:
    found = cycle(needs)
    for here, there in pairwise(found):
        assert there in needs[here]
    assert not found or found[0] == found[-1]
    assert bool(found) == any(name in of for name, of in reach(needs).items())


@given(NEEDS)
def test_the_closure_is_all_that_can_be_reached(needs: dict[str, list[str]]) -> None:
    for name in "abcdef":
        assert closure(name, needs) == reach(needs).get(name, set())
