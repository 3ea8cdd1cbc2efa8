"""Concurrency groups, as a table of who holds and who waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from seatrial_stand_ins.github.groups import Groups


def test_the_first_holds_and_the_second_waits_until_the_first_leaves() -> None:
    groups: Groups[str] = Groups()
    assert groups.ask("deploy", "one").holds
    assert not groups.ask("deploy", "two").holds
    assert groups.leave("deploy", "one") == "two"
    assert groups.holder("deploy") == "two"
    assert groups.leave("deploy", "two") is None
    assert groups.holder("deploy") is None


def test_a_third_takes_the_place_of_the_one_that_waits() -> None:
    groups: Groups[str] = Groups()
    groups.ask("deploy", "one")
    groups.ask("deploy", "two")
    entered = groups.ask("deploy", "three")
    assert (entered.holds, entered.displaced, entered.in_progress) == (False, "two", None)
    assert groups.leave("deploy", "two") is None, "it waits no more"
    assert groups.leave("deploy", "one") == "three"


def test_whoever_asks_for_it_has_the_one_in_progress_cancelled_and_waits_for_its_end() -> None:
    groups: Groups[str] = Groups()
    groups.ask("deploy", "one")
    entered = groups.ask("deploy", "two", cancel_in_progress=True)
    assert (entered.holds, entered.in_progress) == (False, "one")
    assert groups.leave("deploy", "one") == "two"


def test_names_differ_not_by_upper_and_lower_case() -> None:
    groups: Groups[str] = Groups()
    groups.ask("Deploy", "one")
    assert not groups.ask("deploy", "two").holds
    assert groups.ask("other", "three").holds


@given(some.lists(some.tuples(some.sampled_from(["ask", "leave"]), some.sampled_from("ab"), some.integers(0, 5))))
def test_a_group_has_at_most_one_holder_and_one_that_waits_and_nobody_waits_for_nothing(
    moves: list[tuple[str, str, int]],
) -> None:
    groups: Groups[int] = Groups()
    inside: dict[str, set[int]] = {"a": set(), "b": set()}
    for place, (what, group, who) in enumerate(moves):
        if what == "ask":
            member = 1000 + place
            entered = groups.ask(group, member)
            inside[group].add(member)
            inside[group].discard(entered.displaced or 0)
        elif inside[group]:
            member = sorted(inside[group])[who % len(inside[group])]
            groups.leave(group, member)
            inside[group].discard(member)
        for name, members in inside.items():
            assert len(members) <= 2
            assert {groups.holder(name), groups.waiting(name)} - {None} == members
            assert groups.holder(name) is not None or groups.waiting(name) is None
