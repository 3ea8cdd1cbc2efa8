"""Ids of runs and trials."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.engine.ids import fitted, new_run_id, trial_id
from seatrial.errors import UsageError

DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def test_ids_are_dns_labels_that_begin_with_a_letter():
    run = new_run_id()
    assert DNS_LABEL.fullmatch(run)
    assert run[0].isalpha()
    assert DNS_LABEL.fullmatch(trial_id(run, "local-workflow-x"))


def test_ids_of_runs_are_unique_also_within_one_millisecond():
    assert len({new_run_id() for _ in range(5000)}) == 5000


def test_at_least_64_bits_of_a_trials_id_follow_from_run_and_suite():
    run = new_run_id()
    chance = {trial_id(run, f"suite-{n}")[10:] for n in range(2000)}
    assert len(chance) == 2000
    assert {len(one) for one in chance} == {14}, "14 digits of 5 bits"
    for place in range(14):
        assert len({one[place] for one in chance}) == 32, f"digit {place} does not take all values"


def test_ids_sort_by_the_time_they_were_made(monkeypatch):
    made = []
    for moment in (1, 10**6, 1_700_000_000_000, 1_700_000_000_001, 2**44):
        monkeypatch.setattr("time.time_ns", lambda moment=moment: moment * 1_000_000)
        made.append(new_run_id())
    assert made == sorted(made)
    assert [trial_id(run, "x")[:10] for run in made] == ["t" + run[1:10] for run in made]


def test_a_trials_id_follows_from_its_run_and_its_suite():
    run = new_run_id()
    assert trial_id(run, "a") == trial_id(run, "a")
    assert trial_id(run, "a") != trial_id(run, "b")
    assert trial_id(run, "a") != trial_id(new_run_id(), "a")


@given(
    flow=st.text(max_size=100), pattern=st.sampled_from(["run-e2e-{flow}-{id}", "{flow}-{flow}-{id}", "x-{id}", "{id}"])
)
def test_a_fitted_name_is_a_dns_label_with_the_whole_id(flow, pattern):
    id = trial_id("r" + "0" * 23, "x")
    name = fitted(pattern, flow=flow, id=id)
    assert DNS_LABEL.fullmatch(name), name
    assert id in name


def test_the_flow_gets_the_last_free_character_and_no_more():
    id = "t" + "0" * 23
    full = "p" * (63 - 24 - 1) + "{flow}{id}"
    assert len(fitted(full, flow="flow", id=id)) == 63
    with pytest.raises(UsageError, match="too long"):
        fitted("p" + full, flow="flow", id=id)


@pytest.mark.parametrize("pattern", ["{name}-{id}", "{id", "{0}-{id}", "}"])
def test_a_pattern_that_names_something_else_is_refused(pattern):
    with pytest.raises(UsageError, match="name pattern"):
        fitted(pattern, flow="f", id="t1")


def test_a_run_sorts_behind_the_last_one_though_the_clock_was_set_back(monkeypatch):
    last = new_run_id()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000 * 86400)
    assert new_run_id() < last
    later = new_run_id(last)
    assert last < later < new_run_id(later)
    assert new_run_id("rsomething-else") < last
