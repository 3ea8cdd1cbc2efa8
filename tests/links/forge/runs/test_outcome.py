from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import CannotTell, Overrun, StepFailed
from seatrial.links.forge.protocol import Absent, RunJob, RunStep, WorkflowRun
from seatrial.links.forge.runs.order import RunDeadlines
from seatrial.links.forge.runs.outcome import StillQueued, judge, until_over
from seatrial.model.values import Duration
from seatrial.testing import virtual_time

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


class Course:
    """A forge with one run: the states of its jobs `build` and `ship`, each until a second."""

    pace = 0.0

    def __init__(self, *course: tuple[float, str, str]) -> None:
        self._course = course

    def _now(self) -> tuple[str, str]:
        now = asyncio.get_running_loop().time()
        return next(((build, ship) for end, build, ship in self._course if now < end), ("completed", "completed"))

    async def run(self, id: int) -> WorkflowRun:
        states = set(self._now())
        status = "completed" if states == {"completed"} else "queued" if states == {"queued"} else "in_progress"
        return WorkflowRun(id=id, status=status, conclusion="success" if status == "completed" else "")

    async def jobs(self, id: int) -> list[RunJob]:
        names = zip(("build", "ship"), self._now(), strict=True)
        return [
            RunJob(id=number, name=name, status=state, labels=("gpu",)) for number, (name, state) in enumerate(names)
        ]

    async def waits_for(self, id: int) -> list[str]:
        return ["production"]


RUNS, WAITS, OVER = "in_progress", "queued", "completed"


@pytest.mark.parametrize(("course", "kind", "said"), [
    ([(900, WAITS, WAITS)], StillQueued, r"did not begin within 100 s: no runner took it .*: gpu\)"),
    ([(20, RUNS, WAITS), (900, OVER, WAITS)], StillQueued, r"did not go on .*no runner.*'ship' did"),
    ([(20, RUNS, WAITS), (900, OVER, "waiting")], StillQueued, r"waits for the approval of 'produc"),
    ([(20, RUNS, WAITS), (900, OVER, "pending")], StillQueued, r"another run of its concurrency group"),
    ([(60, WAITS, WAITS), (80, RUNS, WAITS), (900, OVER, WAITS)], StillQueued, "did not go on"),
    ([(900, RUNS, "waiting")], Overrun, r"did not end within 300 s: 'build' goes on"),
    ([(90, WAITS, WAITS), (900, OVER, RUNS)], Overrun, r"'ship' goes on"),
    ([(90, WAITS, WAITS), (250, RUNS, WAITS), (380, OVER, RUNS)], None, ""),
])  # fmt: skip
def test_only_a_running_job_uses_the_time_of_the_run(
    course: list[tuple[float, str, str]], kind: type[Exception] | None, said: str
) -> None:
    forge: Any = Course(*course)
    lines: list[str] = []
    deadlines = RunDeadlines(queue=Duration(100.0), run=Duration(300.0))
    run = WorkflowRun(id=1, status="queued", url="https://forge/run/1")
    with virtual_time() as clock:
        if kind is None:
            assert clock.run(until_over(forge, run, deadlines, lines.append)).conclusion == "success"
        else:
            with pytest.raises(kind, match=said):
                clock.run(until_over(forge, run, deadlines, lines.append))
    assert any("job 'build' ended" in line for line in lines) == any(build == "completed" for _, build, _ in course)
