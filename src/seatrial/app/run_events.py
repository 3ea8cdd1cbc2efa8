"""Following a run from outside: what its journal says since a place in it, while it goes on or later."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from seatrial.app.project import Project
from seatrial.engine.ledger import living
from seatrial.model.event import Event
from seatrial.model.fold import Fold

ENDED = ("completed", "failed", "skipped")


class Following:
    """One run. A cursor is a place in its journal, in bytes: whoever comes back with it misses nothing and sees
    nothing twice."""

    def __init__(self, project: Project, run: str) -> None:
        """UsageError when there is no such run."""
        self.folder = project.run_folder(run)
        self.fold = Fold(live=True)
        self.cursor = 0
        self.began = 0.0
        """When its first event was, in seconds since 1970."""
        self._ledgers = project.ledger_folder

    @property
    def run(self) -> str:
        """Its id."""
        return str(self.fold.run["run_id"] or self.folder.name)

    @property
    def living(self) -> bool:
        """Whether its process is there."""
        try:
            return living(self._ledgers / f"{self.run}.jsonl")
        except FileNotFoundError:
            return False

    @property
    def finished(self) -> bool:
        """Whether it said how it ended."""
        return bool(self.fold.run["finished"])

    def news(self) -> list[tuple[int, Event]]:
        """What was written since the last call, each with the cursor behind it. A line that is not whole yet waits."""
        try:
            with (self.folder / "events.jsonl").open("rb") as journal:
                journal.seek(self.cursor)
                data = journal.read()
        except FileNotFoundError:
            return []
        found = []
        for line in data.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            self.cursor += len(line)
            try:
                one = json.loads(line)
                event = Event(one["kind"], one["at"], one["run"], one["trial"], one["data"])
            except (ValueError, KeyError, TypeError):
                continue  # what a full disk made of a line is no event
            self.began = self.began or event.at
            self.fold.on(event)
            found.append((self.cursor, event))
        return found

    def counted(self) -> tuple[int, int]:
        """How many steps have ended, and how many there are."""
        rows = [row for suite in self.fold.suites.values() for row in _leaves(suite["workflow_steps"])]
        return sum(row["status"] in ENDED for row in rows), len(rows)


def _leaves(rows: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for row in rows:
        if row["steps"]:
            yield from _leaves(row["steps"])
        else:
            yield row
