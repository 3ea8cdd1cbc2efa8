"""What happened in a run since a cursor: a long poll with a deadline, in words that an agent can pay for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from seatrial.app.project import find
from seatrial.app.run_events import Following
from seatrial.mcp.queries import named
from seatrial.model.event import Event

TOLD = (
    "run_started", "suite_started", "step_started", "step_finished", "check_observed", "problems", "node", "fault",
    "cluster", "diagnostics", "cleanup_finished", "suite_finished", "run_finished",
)  # fmt: skip
"""Kinds of events that are told; of `log` only warnings and errors. The others are in `events.jsonl`."""

MOST = 100
"""Events in one answer."""

LONG = 300
"""Characters of one event."""

PAUSE = 0.05
"""Seconds between two looks at the journal."""

Progress = Callable[[int, int, str], Awaitable[None]]


async def watched(run: str, cursor: int, *, wait: float, until_end: bool, progress: Progress) -> dict[str, Any]:
    """What is new since the cursor. It waits up to `wait` seconds for something, or until the run has ended."""
    following = Following(find(), named(run))
    clock = asyncio.get_running_loop().time
    deadline = clock() + wait
    events: list[str] = []
    behind = cursor
    done = -1
    while True:
        alive = following.living  # asked before the journal: what it wrote last is read after it
        for at, event in following.news():
            if at <= cursor or len(events) == MOST:
                continue
            behind = at
            if _is_told(event):
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
    told: dict[str, Any] = {"run": following.run, "cursor": behind, "finished": ended and not more, "events": events}
    if ended:
        results = following.fold.results()
        told |= {"verdict": results["verdict"], "exit_code": results["exit_code"]}
        if not following.finished:
            told["note"] = (
                "its process is gone and it never said how it ended; `seatrial clean` gives back what it left"
            )
    return told


def _is_told(event: Event) -> bool:
    return event.kind in TOLD or (event.kind == "log" and event.data.get("level") in ("warning", "error"))


def _line(event: Event, began: float) -> str:
    """One event in one line: when, what, of which step or suite, how it stands."""
    data = event.data
    who = data.get("id") or data.get("check") or data.get("node") or data.get("test_id") or data.get("step") or ""
    how = data.get("verdict") or data.get("status") or data.get("state") or data.get("op") or data.get("fault") or ""
    if event.kind == "problems":
        found = data.get("problems")
        told = [f"{one['file']}:{one['line']}: {one['message']}" for one in found] if isinstance(found, list) else []
        lines = data.get("lines")
        how = "; ".join((told or list(map(str, lines if isinstance(lines, list) else [])))[:3])
    why = (
        data.get("error") or data.get("why") or data.get("reason") or data.get("text") or data.get("description") or ""
    )
    parts = [f"{event.at - began:9.3f}", event.kind, str(who), str(how), f"({why})" if why else ""]
    text = " ".join(" ".join(part for part in parts if part).split())
    return text if len(text) <= LONG else f"{text[:LONG]}… ({len(text) - LONG} more characters)"
