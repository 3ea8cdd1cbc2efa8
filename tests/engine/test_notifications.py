"""Whom a suite names is told; a notification that fails is a warning."""

import pytest

from seatrial.engine.notifications import due
from seatrial.errors import StepFailed
from seatrial.model.result import Verdict
from seatrial.model.scenario import Notification
from seatrial.testing import FakeRun, doing, flow, virtual_time

SLOW = {"on": ("slow",), "slow_seconds": 5.0}


@pytest.mark.parametrize(
    "notification, verdict, duration, why",
    [
        ({}, Verdict.PASSED, 1, ""),
        ({}, Verdict.FAILED, 1, "verdict failed"),
        ({}, Verdict.UNKNOWN, 1, "verdict unknown"),
        (SLOW, Verdict.FAILED, 1, ""),
        (SLOW, Verdict.PASSED, 5, ""),
        (SLOW, Verdict.PASSED, 5.1, "took 5.1 s, more than 5 s"),
        ({"on": ("slow",)}, Verdict.PASSED, 1e9, ""),
        ({"on": ("failure", "slow"), "slow_seconds": 1.0}, Verdict.FAILED, 9, "verdict failed"),
    ],
)
def test_a_notification_is_due_on_what_it_names(notification, verdict, duration, why):
    assert due(Notification(**notification), verdict, duration) == why


async def wrong(ctx):
    raise StepFailed("wrong")


def run_suite(tmp_path, monkeypatch, send):
    monkeypatch.setattr("seatrial.engine.notifications._send", send)
    one, two = Notification(webhook="http://one"), Notification(webhook="http://two")
    with virtual_time() as clock:
        run = FakeRun(tmp_path, flow(doing(wrong), notifications=(one, two)))
        clock.run(run.run())
    return run


def test_the_message_says_which_suite_and_why(tmp_path, monkeypatch):
    sent = []

    async def send(trial, notification, message):
        sent.append((notification.webhook, message))

    run = run_suite(tmp_path, monkeypatch, send)
    assert [webhook for webhook, _ in sent] == ["http://one", "http://two"]
    message = sent[0][1]
    assert message["deployment_id"] == run.of("suite_planned")[0].data["deployment_id"]
    assert (message["suite"], message["verdict"], message["why"]) == ("fake-workflow-flow", "failed", "verdict failed")


def test_one_that_fails_is_a_warning_and_the_next_is_sent(tmp_path, monkeypatch):
    sent = []

    async def send(trial, notification, message):
        sent.append(notification.webhook)
        if notification.webhook == "http://one":
            raise OSError("no route")

    run = run_suite(tmp_path, monkeypatch, send)
    assert len(sent) == 2
    assert run.verdict() == "failed"
    assert "no route" in run.of("log", level="warning")[0].data["text"]


def test_a_command_gets_the_message_and_the_trials_names(tmp_path):
    told = tmp_path / "told"
    command = ("sh", "-c", f'cat > {told}; echo " $E2E_RUN_ID" >> {told}')
    run = FakeRun(tmp_path, flow(doing(wrong), notifications=(Notification(command=command),)))
    import asyncio

    asyncio.run(run.run())
    assert '"verdict": "failed"' in told.read_text()
    assert run.of("suite_finished")[0].trial in told.read_text().split()[-1]
    assert not run.of("log", level="warning")
