"""Notifies the receivers of a suite that it failed or was slow; a failed notification is only a warning."""

from __future__ import annotations

import json

from seatrial.engine.trial import Trial
from seatrial.links.output import end
from seatrial.links.process import run
from seatrial.model.result import Verdict
from seatrial.model.scenario import Notification
from seatrial.model.values import argv_of


async def notify(trial: Trial, verdict: Verdict, duration: float) -> None:
    """Send every due notification of the suite."""
    for notification in trial.suite.notifications:
        why = due(notification, verdict, duration)
        if not why:
            continue
        message = {
            "suite": trial.suite.test_id,
            "deployment_id": trial.deployment_id,
            "verdict": str(verdict),
            "duration": round(duration, 3),
            "why": why,
        }
        try:
            await _send(trial, notification, message)
        except Exception as error:  # the suite's verdict is already reported and must not change
            trial.emit("log", level="warning", text=f"a notification failed: {type(error).__name__}: {error}")


def due(notification: Notification, verdict: Verdict, duration: float) -> str:
    """Why this notification is to be sent, or empty."""
    if "failure" in notification.on and verdict is not Verdict.PASSED:
        return f"verdict {verdict}"
    slow = notification.slow_seconds
    if "slow" in notification.on and slow is not None and duration > slow:
        return f"took {duration:.1f} s, more than {slow:g} s"
    return ""


async def _send(trial: Trial, notification: Notification, message: dict[str, object]) -> None:
    if notification.command:
        env = {**trial.run.environment, **trial.identity}
        argv = argv_of(notification.command)
        done = await run(argv, cwd=trial.suite.document_folder, env=env, input=json.dumps(message))
        if not done.ok:
            raise RuntimeError(f"{argv[0]} {done.ended}: {end(done.stderr, 200)}")
    if notification.webhook:
        import httpx

        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            (await client.post(notification.webhook, json=message)).raise_for_status()
