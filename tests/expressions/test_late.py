"""The ledger's texts: secrets stay templates, all else is data that comes out as it went in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import CannotTell
from seatrial.expressions import bind, deferred, fill_deferred, late, templated

PIECES = ("$", "{{", "}}", "${{", "${{ env.X }}", "${{ secrets.K }}", "${{ 1 + 1 }}", "$deployment_dir", "${provider}",
          "'$'", "${{ '$' }}", "\0", "0", "a", " ")  # fmt: skip
awkward = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=8).map("".join)

ENVIRONMENT = {"K": "k3y-of-the-house", "X": "x-of-the-host"}


def names(**values: object) -> dict[str, Any]:
    return {"secrets": {"K": ENVIRONMENT["K"]}, "env": ENVIRONMENT, "vars": values, "deploy_dir": "/d",
            "suite": {"provider": "p"}}  # fmt: skip


@given(awkward, awkward)
def test_data_between_templates_comes_out_of_the_ledger_as_it_went_in(one: str, other: str) -> None:
    text = "${{ vars.one }}${{ secrets.K }}${{ vars.other }}-${{ env.X }}${{ vars.one }}"
    kept = late.keep(text, names(one=one, other=other), {"K": ENVIRONMENT["K"]})
    assert ENVIRONMENT["K"] not in kept
    assert late.fill(kept, ENVIRONMENT) == f"{one}{ENVIRONMENT['K']}{other}-{ENVIRONMENT['X']}{one}"


@given(awkward)
def test_a_value_alone_comes_out_as_it_went_in(value: str) -> None:
    kept = late.keep(["${{ vars.v }}", {"k": "${{ vars.l }}"}], names(v=value, l=[value, 7]))
    assert late.fill(kept, {}) == [value, {"k": [value, 7]}]
    assert late.fill(late.quote(value), {}) == value


def test_a_secret_that_comes_by_another_way_is_written_down_as_its_template() -> None:
    kept = late.keep("a ${{ vars.v + '!' }}", names(v=ENVIRONMENT["K"]), {"K": ENVIRONMENT["K"], "SHORT": "a"})
    assert kept == "a ${{ secrets.K }}!"
    assert late.fill(kept, ENVIRONMENT) == "a k3y-of-the-house!"


def test_records_of_before_are_read_and_only_what_is_needed_is_asked_for() -> None:
    assert late.fill("x ${{ secrets.K }} ${{ 1 + 1 }} $deployment_dir", ENVIRONMENT) == (
        "x k3y-of-the-house ${{ 1 + 1 }} $deployment_dir"
    )
    with pytest.raises(CannotTell, match="the environment variable GONE is needed for the clean-up"):
        late.fill(["${{ env.GONE }}"], ENVIRONMENT)


@given(awkward, awkward)
def test_a_deferred_text_is_filled_in_twice_and_its_values_never(early: str, at_last: str) -> None:
    text = deferred("${{ vars.v }}:${{ services.db.address }}:$deployment_dir", "services")
    bound = bind(text, names(v=early))
    assert fill_deferred(bound, {"services": {"db": {"address": at_last}}}) == f"{early}:{at_last}:/d"


@given(awkward)
def test_a_text_that_was_not_deferred_is_data(value: str) -> None:
    assert fill_deferred(value, names()) == value
    assert type(deferred("${{ vars.v }}", "services")) is str


def test_quoted_data_is_a_template_of_itself() -> None:
    assert templated(late.quote("${{ env.X }}"))
    assert bind(late.quote("${{ env.X }} $deployment_dir"), {}) == "${{ env.X }} $deployment_dir"
