"""Follow a run through its journal, while it is active or later."""

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
        try:
            return living(self._ledgers / f"{self.run}.jsonl")
        except FileNotFoundError:
            return False

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
            try:
                row = json.loads(line)
                event = Event(row["kind"], row["at"], row["run"], row["trial"], row["data"])
            except (ValueError, KeyError, TypeError):
                continue  # a line damaged by a full disk is not an event
            self.began = self.began or event.at
            self.fold.on(event)
            events.append((self.cursor, event))
        return events

    def counted(self) -> tuple[int, int]:
        """The number of finished steps, and of all steps."""
        rows = [row for suite in self.fold.suites.values() for row in _leaves(suite["workflow_steps"])]
        return sum(row["status"] in ENDED for row in rows), len(rows)


def _leaves(rows: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for row in rows:
        if row["steps"]:
            yield from _leaves(row["steps"])
        else:
            yield row
