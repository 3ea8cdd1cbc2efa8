from __future__ import annotations

import pytest
from tests.checks.fakes import NOT_OK, OK, UNKNOWN, FakeContext, look, off, verdict, well

from seatrial.checks.nodes import AllRunning, Connectivity, HealthStatus, NodeStatus, PoweredOff
from seatrial.errors import CannotTell, LinkDown, LinkLost, LinkRefused
from seatrial.model.cluster import NodeHealth, PowerState
from seatrial.model.reading import Health, Reading, absent, measured

RUNNING = FakeContext(n11=well(), n12=well())
ONE_OFF = FakeContext(n11=well(), n12=off())
ALL_OFF = FakeContext(n11=off(), n12=off())
NOT_DEPLOYED = FakeContext(state="initialized", declared=["n11", "n12"])
DESTROYED = FakeContext(state="destroyed", declared=["n11", "n12"])
ONE_MISSING = FakeContext(n11=well(), declared=["n11", "n12"])
DARK = absent(PowerState.UNKNOWN, "the provider does not answer")
BLIND = FakeContext(n11=well(), n12=well(), power={"n12": DARK})
SILENT = FakeContext(n11=well(), n12=well(), trouble={"n12": LinkDown("n12 does not answer")})
LOST = FakeContext(n11=well(), n12=well(), trouble={"n12": LinkLost("n12 broke off")})
REFUSED = FakeContext(n11=well(), n12=well(), trouble={"n12": LinkRefused("n12 refuses the key")})


@pytest.mark.parametrize(
    "check, ctx, expected",
    [
        (AllRunning(), RUNNING, "passed"),
        (AllRunning(), ONE_OFF, "failed"),
        (AllRunning(), SILENT, "failed"),
        (AllRunning(), ONE_MISSING, "failed"),
        (AllRunning(), DESTROYED, "failed"),
        (AllRunning(), BLIND, "unknown"),
        (AllRunning(), REFUSED, "unknown"),
        (AllRunning(), NOT_DEPLOYED, "unknown"),
        (PoweredOff(), ALL_OFF, "passed"),
        (PoweredOff(), DESTROYED, "passed"),
        (PoweredOff(), ONE_OFF, "failed"),
        (PoweredOff(), SILENT, "failed"),
        (PoweredOff(), FakeContext(n11=off(), n12=off(), power={"n12": DARK}), "unknown"),
        (PoweredOff(), NOT_DEPLOYED, "unknown"),
        (NodeStatus(node="n11"), RUNNING, "passed"),
        (NodeStatus(node="n12", state="stopped"), ONE_OFF, "passed"),
        (NodeStatus(node="n12", state="stopped"), DESTROYED, "passed"),
        (NodeStatus(node="n12", state="unreachable"), SILENT, "passed"),
        (NodeStatus(node="n11,n12"), ONE_OFF, "failed"),
        (NodeStatus(node="n12"), ONE_MISSING, "failed"),
        (NodeStatus(node="n12", state="stopped"), ONE_MISSING, "failed"),
        (NodeStatus(node="n12", state="stopped"), RUNNING, "failed"),
        (NodeStatus(node="n12", state="stopped"), BLIND, "unknown"),
        (NodeStatus(node="n12", state="stopped"), NOT_DEPLOYED, "unknown"),
        (Connectivity(), RUNNING, "passed"),
        (Connectivity(), SILENT, "failed"),
        (Connectivity(), LOST, "failed"),
        (Connectivity(), FakeContext(n11=well(), trouble={"n11": TimeoutError("late")}), "failed"),
        (Connectivity(), DESTROYED, "failed"),
        (Connectivity(), REFUSED, "unknown"),
        (Connectivity(), FakeContext(n11=well(), trouble={"n11": CannotTell("our disk is full")}), "unknown"),
        (Connectivity(), NOT_DEPLOYED, "unknown"),
    ],
)
def test_power_and_links_decide(check, ctx, expected) -> None:
    assert verdict(check, ctx) == expected


def test_a_failed_node_outweighs_one_that_could_not_be_measured() -> None:
    ctx = FakeContext(n11=off(), n12=well(), power={"n12": DARK})
    seen = look(AllRunning(), ctx)
    assert seen.verdict == "failed"
    assert seen.seen == {"n11": "stopped", "n12": "unknown"}
    assert "n11" in seen.why


def test_a_selector_checks_exactly_its_nodes() -> None:
    ctx = FakeContext(n11=well(), n12=well(), n13=well())
    assert look(Connectivity(on="n11,n13"), ctx).verdict == "passed"
    assert [len(ctx.links[name].ran) for name in ("n11", "n12", "n13")] == [1, 0, 1]
    look(HealthStatus(nodes="n12", part="ssh"), ctx)
    assert ctx.system.measured == ["n12"]


def paused(**parts: Reading[Health]) -> NodeHealth:
    return NodeHealth(power=measured(PowerState.PAUSED), parts=parts)


@pytest.mark.parametrize(
    "text, ctx, expected",
    [
        ("[n11,n12].ssh==ok", RUNNING, "passed"),
        ("[*].service==ok", RUNNING, "passed"),
        ("[n12].healthy==ok", RUNNING, "passed"),
        ("[*].ssh==ok", ONE_OFF, "failed"),
        ("[n11].ssh==ok", ONE_OFF, "passed"),
        ("[n12].ssh!=ok", ONE_OFF, "passed"),
        ("[n12].ssh==not_ok", ONE_OFF, "passed"),
        ("[n12].ssh==failed", ONE_OFF, "passed"),
        ("[n11,n12].ssh!=ok", ONE_OFF, "failed"),
        ("[n11].service!=ok", FakeContext(n11=well(service=NOT_OK)), "passed"),
        ("[n11].service!=not_ok", FakeContext(n11=well()), "passed"),
        ("[n11].service!=ok", FakeContext(n11=well(service=UNKNOWN)), "unknown"),
        ("[n11].service==ok", FakeContext(n11=well(service=UNKNOWN)), "unknown"),
        ("[n11].service!=ok", FakeContext(n11=well(service=OK)), "failed"),
        ("[n11].disk==ok", FakeContext(n11=well()), "unknown"),
        ("[n11].disk!=ok", FakeContext(n11=well()), "unknown"),
        ("[n11].ssh!=ok", FakeContext(n11=NodeHealth(power=measured(PowerState.UNREACHABLE))), "passed"),
        ("[n11].service!=ok", FakeContext(n11=NodeHealth(power=measured(PowerState.UNREACHABLE))), "unknown"),
        (
            "[n11].service!=ok",
            FakeContext(n11=NodeHealth(power=measured(PowerState.STOPPED), parts={"service": UNKNOWN})),
            "passed",
        ),
        ("[n11].service!=ok", FakeContext(n11=paused(service=NOT_OK)), "passed"),
        ("[n12].ssh!=ok", DESTROYED, "passed"),
        ("[n12].ssh!=ok", ONE_MISSING, "unknown"),
        ("[*].ssh==ok", ONE_MISSING, "failed"),
        ("[n12].ssh!=ok", NOT_DEPLOYED, "unknown"),
        (".ssh==ok", RUNNING, "passed"),
    ],
)
def test_a_part_of_health_is_measured_and_never_guessed(text, ctx, expected) -> None:
    assert verdict(HealthStatus(**HealthStatus.from_text(text)), ctx) == expected


def test_an_unknown_part_names_those_that_are_measured() -> None:
    seen = look(HealthStatus(nodes="n11", part="disk"), RUNNING)
    assert "service, ssh" in seen.why


def test_a_part_that_is_not_ok_says_why() -> None:
    seen = look(HealthStatus(part="service"), FakeContext(n11=well(service=NOT_OK), n12=well()))
    assert seen.seen == {"n11": str(Health.NOT_OK), "n12": "ok"}
    assert "found wanting" in seen.why
    assert seen.expected == "ok"


@pytest.mark.parametrize(
    "rest", ["", "[n11]", "[n11].ssh", "[n11].ssh=ok", "[].ssh==ok", "[n11].ssh==fine", "n11.ssh==ok"]
)
def test_health_text_that_cannot_be_read_says_what_is_allowed(rest: str) -> None:
    with pytest.raises(ValueError, match=r"health_status\[NODES\]"):
        HealthStatus.from_text(rest)


@pytest.mark.parametrize(
    "rest, node, state",
    [
        (":n12", "n12", "running"),
        (":n12:stopped", "n12", "stopped"),
        (":n11,n12:paused", "n11,n12", "paused"),
        (":*:running", "*", "running"),
        (":random:2", "random:2", "running"),
        (":random:2:stopped", "random:2", "stopped"),
    ],
)
def test_node_and_state_are_read_from_text(rest: str, node: str, state: str) -> None:
    assert NodeStatus.from_text(rest) == {"node": node, "state": state}


@pytest.mark.parametrize("rest", ["", ":", "::stopped", ":n12:", ":n12:asleep", ":n12:stopped:now", "n12", ":n 12"])
def test_node_text_that_cannot_be_read_says_what_is_allowed(rest: str) -> None:
    with pytest.raises(ValueError, match="node_status:NODE"):
        NodeStatus.from_text(rest)


def test_the_nodes_that_a_check_mentions_are_told() -> None:
    assert list(NodeStatus(node="n11,n12").node_names()) == ["n11,n12"]
    assert list(HealthStatus(nodes="n13", part="ssh").node_names()) == ["n13"]
