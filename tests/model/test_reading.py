"""What is known: where a value comes from, and what a verdict may rest on."""

from __future__ import annotations

import asyncio
import time
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.model.cluster import ClusterStatus, NodeHealth, PowerState, all_off, cluster_status, service_of
from seatrial.model.reading import (
    Health,
    Reading,
    Source,
    Trust,
    absent,
    concluded,
    decides,
    measured,
    remembered,
    reported,
    trusted,
)

BEST_FIRST = [Source.MEASURED, Source.REPORTED, Source.REMEMBERED, Source.ABSENT]

SOURCES = st.sampled_from(BEST_FIRST)
TRUSTS = st.sampled_from(get_args(Trust))
TIMES = st.floats(0, 1e9)
PARTS = st.builds(Reading, st.sampled_from(Health), SOURCES, st.text(max_size=3), st.text(max_size=3), TIMES)
POWERS = st.builds(Reading, st.sampled_from(PowerState), SOURCES, st.text(max_size=3), st.text(max_size=3), TIMES)
NODES = st.builds(NodeHealth, power=POWERS, parts=st.dictionaries(st.sampled_from(["ssh", "service", "disk"]), PARTS))


@pytest.mark.parametrize(
    ("reading", "source", "by"),
    [
        (measured(Health.OK), "measured", ""),
        (measured(Health.OK, by="the link of n11"), "measured", "the link of n11"),
        (reported(Health.OK, by="the deployer"), "reported", "the deployer"),
        (remembered("destroyed", "we destroyed it"), "remembered", ""),
        (absent(Health.UNKNOWN, "nobody was asked"), "absent", ""),
    ],
)
def test_a_reading_says_its_source_and_who_gave_it(reading: Reading[object], source: str, by: str) -> None:
    assert (reading.source, reading.by) == (source, by)


def test_a_reading_knows_when_it_was_taken_on_the_clock_of_the_trial() -> None:
    async def look() -> tuple[float, Reading[Health], float]:
        clock = asyncio.get_running_loop().time
        return clock(), measured(Health.OK), clock()

    before, reading, after = asyncio.run(look())
    assert before <= reading.when <= after
    assert abs(measured(Health.OK).when - time.monotonic()) < 60


def test_readings_of_the_same_are_equal_whenever_they_were_taken() -> None:
    assert Reading(1, Source.MEASURED, when=1.0) == Reading(1, Source.MEASURED, when=2.0)
    assert Reading(1, Source.MEASURED) != Reading(1, Source.REPORTED)


@given(st.lists(PARTS, min_size=1))
def test_a_conclusion_is_as_good_as_the_weakest_of_its_grounds_and_as_old_as_the_oldest(
    grounds: list[Reading[Health]],
) -> None:
    conclusion = concluded("running", "why", grounds)
    assert conclusion.source is max((one.source for one in grounds), key=BEST_FIRST.index)
    assert conclusion.when == min(one.when for one in grounds)
    assert all(one.by in conclusion.by for one in grounds)


def test_a_conclusion_without_grounds_is_absent() -> None:
    assert concluded("running", "why", []) == absent("running", "why")


@pytest.mark.parametrize("source", BEST_FIRST)
@pytest.mark.parametrize("trust", get_args(Trust))
def test_a_reading_decides_when_its_source_is_as_good_as_the_trust(source: Source, trust: Trust) -> None:
    reading = Reading(Health.OK, source)
    may = BEST_FIRST.index(source) <= BEST_FIRST.index(Source(trust))
    assert decides(reading, trust) is may
    kept = trusted(reading, Health.UNKNOWN, trust)
    assert (kept is reading) if may else (kept.value is Health.UNKNOWN and kept.source is Source.ABSENT)


def test_memory_and_absence_never_decide() -> None:
    for source in (Source.REMEMBERED, Source.ABSENT):
        assert not any(decides(Reading(Health.OK, source), trust) for trust in get_args(Trust))


def test_what_may_not_decide_says_what_it_was() -> None:
    kept = trusted(reported("stopped", "it says so", by="the deployer's status"), "", "measured")
    assert kept.why == "the deployer's status reports stopped, and Seatrial measured nothing (it says so)"
    assert trusted(remembered("destroyed", ""), "", "reported").why.startswith("only Seatrial's own actions suggest")


@given(NODES, TRUSTS)
def test_no_reading_that_may_not_decide_keeps_its_value(health: NodeHealth, trust: Trust) -> None:
    kept = health.trusted(trust)
    assert kept.parts.keys() == health.parts.keys()
    for before, after in zip(health.readings(), kept.readings(), strict=True):
        assert after == before or str(after.value) == "unknown"
        assert decides(before, trust) or str(after.value) == "unknown"


@given(st.dictionaries(st.sampled_from(["n11", "n12", "n13"]), NODES, min_size=1))
def test_the_state_of_the_whole_is_never_better_than_all_that_is_known(nodes: dict[str, NodeHealth]) -> None:
    """A cluster of which nothing was measured has no measured state."""
    best = min((one.source for health in nodes.values() for one in health.readings()), key=BEST_FIRST.index)
    for conclusion in (cluster_status(nodes).state, service_of(nodes)):
        assert BEST_FIRST.index(conclusion.source) >= BEST_FIRST.index(best)


def test_a_running_cluster_is_as_well_known_as_its_worst_known_part() -> None:
    link = measured(Health.OK, by="the link of n11")
    told = reported(Health.OK, by="the deployer's health")
    power = measured(PowerState.RUNNING, by="the provider local")
    state = cluster_status({"n11": NodeHealth(power=power, parts={"ssh": link, "service": told})}).state
    assert (state.value, state.source) == ("running", "reported")
    assert "the deployer's health" in state.by


def test_a_stopped_cluster_is_known_by_its_powers_alone() -> None:
    off = all_off(measured(PowerState.STOPPED, by="the provider local"), "the node is stopped")
    assert cluster_status({"n11": off}).state.source is Source.MEASURED
    asleep = all_off(remembered(PowerState.STOPPED, ""), "it was told to power off")
    assert cluster_status({"n11": off, "n12": asleep}).state.source is Source.REMEMBERED


def test_parts_of_a_node_that_is_off_have_the_source_of_its_power() -> None:
    health = all_off(reported(PowerState.STOPPED, by="the deployer's status"), "it says that it is stopped")
    assert {part.source for part in health.parts.values()} == {Source.REPORTED}
    assert health.power.why == health.parts["ssh"].why == "it says that it is stopped"


def test_a_status_that_may_not_decide_is_empty_and_says_why() -> None:
    status = ClusterStatus(state=remembered("destroyed", "it was destroyed"), service=remembered(Health.NOT_OK, ""))
    kept = status.trusted("reported")
    assert (kept.state.value, kept.service.value) == ("", Health.UNKNOWN)
    assert "it was destroyed" in kept.state.why
