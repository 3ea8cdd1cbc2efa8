from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import CannotTell, Overrun, StepFailed
from seatrial.links.forge.protocol import Absent, RunJob, RunStep, WorkflowRun
from seatrial.links.forge.runs.outcome import judge

LOG = """2026-11-21T10:00:00.0000000Z ##[group]Run kamal deploy
2026-11-21T10:00:00.1000000Z kamal deploy
2026-11-21T10:00:00.2000000Z ##[endgroup]
2026-11-21T10:00:01.0000000Z \x1b[31mERROR\x1b[0m no route to host; the password is s3cr3t
2026-11-21T10:00:01.1000000Z ##[error]Process completed with exit code 1.
2026-11-21T10:00:02.0000000Z Post job cleanup.
"""


class Forge:
    """As much of a forge as judging asks."""

    def __init__(self, log: str | None = LOG, conclusion: str = "failure") -> None:
        self._log = log
        step = RunStep(name="Deploy", number=2, conclusion=conclusion)
        bad = RunJob(id=7, name="app / x", conclusion=conclusion, url="https://forge/job/7", steps=(step,))
        self._jobs = [RunJob(id=6, name="build", conclusion="success"), bad]

    async def jobs(self, id: int) -> list[RunJob]:
        return self._jobs

    async def waits_for(self, id: int) -> list[str]:
        return ["production"]

    async def log(self, job: int, into: Path, *, limit: int) -> None:
        if self._log is None:
            raise Absent("the token needs the right `actions: read`")
        into.write_text(self._log)


def judged(conclusion: str, folder: Path, forge: Any = None) -> None:
    asked: Any = forge or Forge()
    run = WorkflowRun(id=1, title="Deploy", status="completed", conclusion=conclusion, url="https://forge/run/1")
    hide = lambda text: text.replace("s3cr3t", "***")  # noqa: E731
    asyncio.run(judge(asked, run, "deploy.yml", folder / "logs", hide))


@pytest.mark.parametrize(("conclusion", "kind", "said"), [
    ("failure", StepFailed, "job 'app / x', step 'Deploy'"),
    ("timed_out", Overrun, "job 'app / x', step 'Deploy'"),
    ("startup_failure", StepFailed, "could not start"),
    ("cancelled", CannotTell, "was cancelled by somebody"),
    ("skipped", CannotTell, "ran nothing"),
    ("action_required", CannotTell, "needs the approval of 'production'"),
    ("stale", CannotTell, "ended as 'stale'"),
    ("neutral", CannotTell, "ended as 'neutral'"),
    ("", CannotTell, "ended as 'no conclusion'"),
])  # fmt: skip
def test_each_end_has_its_verdict(conclusion: str, kind: type[Exception], said: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=said) as caught:
        judged(conclusion, tmp_path)
    assert type(caught.value) is kind
    assert "https://forge/run/1" in str(caught.value)


def test_success_is_no_error(tmp_path: Path) -> None:
    judged("success", tmp_path)


def test_the_last_useful_lines_are_shown_and_secrets_are_not(tmp_path: Path) -> None:
    with pytest.raises(StepFailed) as caught:
        judged("failure", tmp_path)
    assert str(caught.value).endswith("ERROR no route to host; the password is ***")
    assert "Process completed with exit code 1." in caught.value.evidence
    assert "Post job cleanup" not in caught.value.evidence
    (log,) = (tmp_path / "logs").iterdir()
    assert log.name == "app___x-7.log"
    assert "s3cr3t" not in log.read_text() + caught.value.evidence


def test_a_log_that_may_not_be_read_does_not_hide_the_failure(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="step 'Deploy'") as caught:
        judged("failure", tmp_path, Forge(log=None))
    assert "no log of it: the token needs the right" in caught.value.evidence
