"""The events of a run since a cursor: a long poll with a deadline, in short lines for agents."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from seatrial.app.project import Project, find
from seatrial.engine.journal import event_of
from seatrial.engine.ledger import living
from seatrial.mcp.queries import named
from seatrial.model.event import Event
from seatrial.model.fold import Fold
from seatrial.reports import words

REPORTED = (
    "run_started", "suite_started", "step_started", "step_finished", "check_observed", "problems", "node", "fault",
    "cluster", "diagnostics", "cleanup_finished", "suite_finished", "run_finished",
)  # fmt: skip
"""Kinds of reported events, plus warnings and errors of `log`. All others are in `events.jsonl`."""

MOST = 100
"""Maximum number of events in one answer."""

LONG = 300
"""Maximum characters of one event."""

PAUSE = 0.05
"""Seconds between two reads of the journal."""

ENDED = ("completed", "failed", "skipped")

Progress = Callable[[int, int, str], Awaitable[None]]


class Following:
    """One run. A cursor is a byte offset in its journal: continue from it to see each later event exactly once."""

    def __init__(self, project: Project, run: str) -> None:
        """UsageError if there is no such run."""
        self.folder = project.run_folder(run)
        self.fold = Fold(live=True)
        self.cursor = 0
        self.began = 0.0
        """Time of its first event, in seconds since 1970."""
        self._ledgers = project.ledger_folder

    @property
    def run(self) -> str:
        """Its id."""
        return str(self.fold.run["run_id"] or self.folder.name)

    @property
    def living(self) -> bool:
        """Whether its process is running."""
        return living(self._ledgers / f"{self.run}.jsonl")

    @property
    def finished(self) -> bool:
        """Whether the run has finished."""
        return bool(self.fold.run["finished"])

    def news(self) -> list[tuple[int, Event]]:
        """The events since the last call, each with the cursor after it. An incomplete line is left for later."""
        try:
            with (self.folder / "events.jsonl").open("rb") as journal:
                journal.seek(self.cursor)
                data = journal.read()
        except FileNotFoundError:
            return []
        events = []
        for line in data.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            self.cursor += len(line)
            if event := event_of(line):
                self.began = self.began or event.at
                self.fold.on(event)
                events.append((self.cursor, event))
        return events

    def counted(self) -> tuple[int, int]:
        """The number of finished steps, and of all steps."""
        steps = [step for suite in self.fold.suites.values() for _, step in words.walk(suite["workflow_steps"])]
        leaves = [step for step in steps if not step["steps"]]
        return sum(step["status"] in ENDED for step in leaves), len(leaves)


async def watched(run: str, cursor: int, *, wait: float, until_end: bool, progress: Progress) -> dict[str, Any]:
    """The events since the cursor. Waits up to `wait` seconds for an event, or for the end of the run."""
    following = Following(find(), named(run))
    clock = asyncio.get_running_loop().time
    deadline = clock() + wait
    events: list[str] = []
    behind = cursor
    done = -1
    while True:
        alive = following.living  # before reading the journal, so that its last events are not missed
        for at, event in following.news():
            if at <= cursor or len(events) == MOST:
                continue
            behind = at
            if _is_reported(event):
                events.append(_line(event, following.began))
        ended = following.finished or not alive
        counted, of = following.counted()
        if counted != done and of:
            done = counted
            await progress(counted, of, f"{counted} of {of} steps")
        if ended or len(events) == MOST or clock() >= deadline or (events and not until_end):
            break
        await asyncio.sleep(min(PAUSE, max(0.0, deadline - clock())))
    more = behind < following.cursor
    answer: dict[str, Any] = {"run": following.run, "cursor": behind, "finished": ended and not more, "events": events}
    if ended:
        results = following.fold.results()
        answer |= {"verdict": results["verdict"], "exit_code": results["exit_code"]}
        if not following.finished:
            answer["note"] = "the run was killed before it finished; `seatrial clean` removes its resources"
    return answer


async def finished(run: str, *, wait: float, progress: Progress) -> bool:
    """Whether a run ends within `wait` seconds; progress is reported meanwhile."""
    following = Following(find(), named(run))
    clock = asyncio.get_running_loop().time
    deadline = clock() + wait
    done = -1
    while True:
        alive = following.living  # before reading the journal, so that its last events are not missed
        following.news()
        counted, of = following.counted()
        if counted != done and of:
            done = counted
            await progress(counted, of, f"{counted} of {of} steps")
        if following.finished or not alive:
            return True
        if clock() >= deadline:
            return False
        await asyncio.sleep(min(PAUSE, max(0.0, deadline - clock())))


def _is_reported(event: Event) -> bool:
    return event.kind in REPORTED or (event.kind == "log" and event.data.get("level") in ("warning", "error"))


def _line(event: Event, began: float) -> str:
    """One event in one line: time, kind, step or suite, state."""
    data: Mapping[str, Any] = event.data
    who = next(filter(None, map(data.get, ("id", "check", "node", "test_id", "step"))), "")
    how = next(filter(None, map(data.get, ("verdict", "status", "state", "op", "fault"))), "")
    if event.kind == "problems":
        rows, lines = data.get("problems") or (), data.get("lines") or ()
        messages = [f"{row['file']}:{row['line']}: {row['message']}" for row in rows]
        how = "; ".join((messages or list(map(str, lines)))[:3])
    why = next(filter(None, map(data.get, ("error", "why", "reason", "text", "description"))), "")
    parts = [f"{event.at - began:9.3f}", event.kind, str(who), str(how), f"({why})" if why else ""]
    return words.one_line(" ".join(parts), LONG)
