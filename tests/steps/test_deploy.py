"""`init`, `deploy`, `destroy`."""

from pathlib import Path

import pytest
from tests.steps.fakes import FakeContext, within

from seatrial.errors import CannotTell, Overrun, StepFailed
from seatrial.model.cluster import ClusterStatus
from seatrial.model.reading import Health, absent, measured, reported
from seatrial.steps.deploy import Deploy, Destroy, Init
from seatrial.testing import virtual_time


def test_init_asks_the_system(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    within(lambda: Init().run(ctx))
    assert ctx.system.calls == ["init"]


def test_deploy_returns_when_it_is_running_and_writes_records_then(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    outputs = within(lambda: Deploy().run(ctx))
    assert outputs["state"] == "running"
    assert outputs["nodes"] == ["n11", "n12", "n13"]
    assert ctx.system.calls == ["deploy", "before_outage"]


def test_database_ready_is_running(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.system.word = ClusterStatus(state=reported("database_ready", by="the deployer"))
    assert within(lambda: Deploy().run(ctx))["state"] == "database_ready"


def test_a_service_that_never_comes_up_is_an_overrun_that_shows_each_node_and_its_log(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.provider.machines["n12"].service = measured(Health.NOT_OK, "connection refused")
    with pytest.raises(Overrun, match="the state is degraded") as caught:
        within(lambda: Deploy().run(ctx))
    assert caught.value.category == "timeout"
    assert "n12: running, ssh ok, service not_ok (connection refused)" in caught.value.evidence
    assert "last words of n12" in caught.value.evidence
    assert "before_outage" not in ctx.system.calls


def test_after_a_deployer_with_an_hour_the_wait_is_as_long_as_its_work_and_at_least_two_minutes(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.deadlines = {"deploy": 3600.0}
    ctx.system.default_deadlines = {"deploy": 3600.0}
    ctx.provider.machines["n12"].service = measured(Health.NOT_OK, "connection refused")
    with virtual_time() as clock, pytest.raises(Overrun, match="timed out after 120 s waiting for the state running"):
        clock.run(Deploy().run(ctx))


def test_a_status_that_cannot_be_told_up_to_the_deadline_is_unknown(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.system.word = CannotTell("status did not print JSON")
    with pytest.raises(CannotTell, match="did not print JSON"):
        within(lambda: Deploy().run(ctx))


def test_a_state_that_the_system_does_not_name_is_unknown(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.system.word = ClusterStatus(state=absent("", "the health of n11 could not be measured"))
    with pytest.raises(CannotTell, match="n11 could not be measured"):
        within(lambda: Deploy().run(ctx))


def test_a_status_that_says_it_failed_for_good_ends_the_wait_at_once(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.deadlines["deploy"] = 60.0
    ctx.system.word = StepFailed("the service of n11 exited with 1")
    with pytest.raises(StepFailed, match="exited with 1") as caught:
        within(lambda: Deploy().run(ctx), seconds=5)
    assert not isinstance(caught.value, Overrun)
    assert "last words of n11" in caught.value.evidence


def test_a_deployer_that_hangs_is_an_overrun(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.system.hangs.add("deploy")
    with pytest.raises(Overrun, match="the end of the deployment"):
        within(lambda: Deploy().run(ctx))


def test_a_deployer_that_fails_keeps_its_own_evidence(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.system.raises["deploy"] = StepFailed("ended with 1", evidence="its output")
    with pytest.raises(StepFailed) as caught:
        within(lambda: Deploy().run(ctx))
    assert caught.value.evidence == "its output"


def test_destroy_gives_every_node_of_the_provider_back(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    within(lambda: Destroy().run(ctx))
    assert ctx.system.calls == ["destroy"]
    assert sorted(ctx.ledger) == ["destroyed n11", "destroyed n12", "destroyed n13"]


def test_destroy_leaves_nodes_that_are_the_systems_own_to_it(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.system.places_nodes = False
    within(lambda: Destroy().run(ctx))
    assert ctx.ledger == []


def test_what_was_brought_back_is_measured_and_not_deployed(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.cluster = "the first trial"
    outputs = within(lambda: Deploy().run(ctx))
    assert ctx.system.calls == ["before_outage"]
    assert (outputs["reused"], outputs["deployed_by"]) == (True, "the first trial")
    assert "offered" not in ctx.said


def test_what_was_brought_back_and_does_not_run_is_dropped_and_deployed_anew(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    ctx.cluster = "the first trial"
    ctx.system.word = StepFailed("corrupt")

    async def drop(why: str) -> None:
        ctx.said.append(f"dropped: {why}")
        ctx.system.word = None

    ctx.drop_cluster = drop
    outputs = within(lambda: Deploy().run(ctx))
    assert ctx.system.calls == ["deploy", "before_outage"]
    assert (outputs["reused"], outputs["deployed_by"]) == (False, ctx.trial_id)
    assert "dropped: corrupt" in ctx.said


def test_what_does_not_run_after_its_snapshot_is_unknown(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)

    async def offer() -> bool:
        ctx.system.word = StepFailed("it lost its clock")
        return True

    ctx.offer_cluster = offer
    with pytest.raises(CannotTell, match="stopped running after its snapshot was taken: it lost its clock"):
        within(lambda: Deploy().run(ctx))
    assert "before_outage" not in ctx.system.calls


def test_what_the_run_keeps_is_not_given_back_by_destroy(tmp_path: Path) -> None:
    ctx = FakeContext(tmp_path)
    assert within(lambda: Destroy().run(ctx))["parked"] is False
    ctx.parks = True
    outputs = within(lambda: Destroy().run(ctx))
    assert (outputs["nodes"], outputs["parked"]) == ([], True)
