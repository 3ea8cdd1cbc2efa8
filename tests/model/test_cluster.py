"""What the states of a cluster mean: a truth table over what was measured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.model.cluster import (
    NodeHealth,
    PowerState,
    cluster_status,
    majority,
    service_of,
)
from seatrial.model.reading import Health, Reading, absent, measured

OK = measured(Health.OK)
BAD = measured(Health.NOT_OK, "no answer")
DARK = absent(Health.UNKNOWN, "the probe is missing")

NOBODY_SAYS = absent(PowerState.UNKNOWN, "the provider does not answer")


def node(
    power: PowerState = PowerState.RUNNING, ssh: Reading[Health] = OK, service: Reading[Health] = OK
) -> NodeHealth:
    return NodeHealth(power=measured(power), parts={"ssh": ssh, "service": service})


UP = node()
SICK = node(service=BAD)
UNSEEN = node(service=DARK)
NO_SSH = node(ssh=BAD)
BLIND = node(ssh=DARK)
OFF = NodeHealth(power=measured(PowerState.STOPPED))
GONE = NodeHealth(power=measured(PowerState.UNREACHABLE))
FROZEN = NodeHealth(power=measured(PowerState.PAUSED))
LOST = NodeHealth(power=NOBODY_SAYS)
UNASKED = NodeHealth(power=measured(PowerState.RUNNING))


@pytest.mark.parametrize(
    ("nodes", "state"),
    [
        ([UP, UP, UP], "running"),
        ([UP], "running"),
        ([UP, UP, OFF], "degraded"),
        ([UP, UP, SICK], "degraded"),
        ([UP, UP, NO_SSH], "degraded"),
        ([UP, UP, GONE], "degraded"),
        ([UP, UP, FROZEN], "degraded"),
        ([UP, OFF, OFF], "critical"),
        ([UP, SICK, SICK], "critical"),
        ([UP, OFF], "critical"),
        ([SICK, SICK, SICK], "critical"),
        ([SICK, OFF, OFF], "critical"),
        ([GONE, GONE, GONE], "critical"),
        ([OFF, OFF, OFF], "stopped"),
        ([OFF], "stopped"),
        ([OFF, OFF, GONE], "critical"),
        # What could not be measured decides nothing, where it could still turn the state.
        ([UP, UP, UNSEEN], ""),
        ([UP, UP, BLIND], ""),
        ([UP, UP, LOST], ""),
        ([UP, UNSEEN, OFF], ""),
        ([UNSEEN, UNSEEN, UNSEEN], ""),
        ([LOST, LOST, LOST], ""),
        ([UNASKED, UNASKED, OFF], ""),
        # And does decide where every possible answer leads to the same state.
        ([UP, OFF, OFF, OFF, UNSEEN], "critical"),
        ([], ""),
    ],
)
def test_the_state_is_the_first_that_holds(nodes: list[NodeHealth], state: str) -> None:
    status = cluster_status({f"n{number}": one for number, one in enumerate(nodes, 11)})
    assert status.state.value == state
    assert status.state.why


def test_a_service_that_answers_elsewhere_outweighs_silent_nodes() -> None:
    nodes = {"n11": SICK, "n12": UP, "n13": UP}
    assert cluster_status(nodes, service=OK).state.value == "degraded"
    assert cluster_status(nodes, service=BAD).state.value == "critical"
    assert cluster_status(nodes, service=DARK).state.value == ""


def test_a_rule_of_its_own_decides_what_is_critical() -> None:
    nodes = {"n11": UP, "n12": OFF, "n13": OFF}
    assert cluster_status(nodes, rule=lambda healthy, total: healthy >= 1).state.value == "degraded"
    assert (
        cluster_status({"n11": UP, "n12": UP, "n13": OFF}, rule=lambda healthy, total: healthy == total).state.value
        == "critical"
    )


def test_the_reason_names_the_sick_node_and_its_part() -> None:
    why = cluster_status({"n11": UP, "n12": UP, "n13": SICK}).state.why
    assert "n13" in why
    assert "service: no answer" in why


def test_too_few_healthy_nodes_are_measured_whatever_the_unclear_ones_are() -> None:
    assert (
        cluster_status({f"n{at}": one for at, one in enumerate([UP, OFF, OFF, OFF, UNSEEN])}).state.source == "measured"
    )
    assert cluster_status({"n1": SICK, "n2": UNSEEN, "n3": SICK}).state.source == "measured"


@pytest.mark.parametrize(
    ("health", "value"),
    [
        (UP, Health.OK),
        (SICK, Health.NOT_OK),
        (UNSEEN, Health.UNKNOWN),
        (node(ssh=DARK, service=BAD), Health.NOT_OK),
        (OFF, Health.NOT_OK),
        (GONE, Health.NOT_OK),
        (FROZEN, Health.NOT_OK),
        (LOST, Health.UNKNOWN),
        (NodeHealth(power=measured(PowerState.RUNNING)), Health.UNKNOWN),
        (
            NodeHealth(power=NOBODY_SAYS, parts={"service": BAD}),
            Health.NOT_OK,
        ),
        (
            NodeHealth(power=NOBODY_SAYS, parts={"service": OK}),
            Health.UNKNOWN,
        ),
    ],
)
def test_a_node_is_healthy_when_it_runs_and_every_part_is_ok(health: NodeHealth, value: Health) -> None:
    assert health.healthy.value is value


@pytest.mark.parametrize(
    ("nodes", "value"),
    [
        ([UP, SICK], Health.OK),
        ([SICK, UNSEEN], Health.UNKNOWN),
        ([SICK, SICK], Health.NOT_OK),
        ([OFF, OFF], Health.NOT_OK),
        ([SICK, LOST], Health.UNKNOWN),
        ([], Health.NOT_OK),
    ],
)
def test_the_service_answers_when_any_node_of_it_does(nodes: list[NodeHealth], value: Health) -> None:
    assert service_of({str(number): one for number, one in enumerate(nodes)}).value is value


@pytest.mark.parametrize(
    ("healthy", "total", "holds"), [(1, 1, True), (1, 2, False), (2, 3, True), (2, 4, False), (0, 0, False)]
)
def test_a_majority_is_more_than_half(healthy: int, total: int, holds: bool) -> None:
    assert majority(healthy, total) is holds


ANY = st.sampled_from([UP, SICK, UNSEEN, NO_SSH, BLIND, OFF, GONE, FROZEN, LOST])


@given(st.lists(ANY, min_size=1, max_size=6))
def test_running_is_only_said_of_a_cluster_that_was_measured_well_in_every_part(nodes: list[NodeHealth]) -> None:
    status = cluster_status({f"n{number}": one for number, one in enumerate(nodes)})
    assert (status.state.value == "running") is all(one is UP for one in nodes)
    assert (status.state.value == "stopped") is all(one is OFF for one in nodes)


@given(st.lists(ANY, min_size=1, max_size=5), st.data())
def test_a_state_that_was_told_stands_whatever_the_unmeasured_parts_are(
    nodes: list[NodeHealth], data: st.DataObject
) -> None:
    """Unknown is the honest answer exactly when knowing more could change the state."""
    told = cluster_status({f"n{number}": one for number, one in enumerate(nodes)}).state.value
    known = [data.draw(st.sampled_from(CAN_BE.get(id(one), [one]))) for one in nodes]
    if told and not any(one is LOST for one in nodes):
        assert cluster_status({f"n{number}": one for number, one in enumerate(known)}).state.value == told


CAN_BE = {id(UNSEEN): [UP, SICK], id(BLIND): [UP, NO_SSH]}
