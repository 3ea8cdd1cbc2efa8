"""`results.json` and each suite's `result.json`, written as the run goes on, so that a killed run leaves true ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from seatrial.links.paths import write_whole
from seatrial.model.event import Event
from seatrial.model.fold import Fold
from seatrial.registry import reporter
from seatrial.reports.document import Document

PAUSE = 0.5
"""Seconds (of the events' own time) between two writes while nothing ends."""

LARGE = 256 * 1024
"""Bytes from which the whole is no longer written after each suite, and less often the larger it is."""

ABREAST = 32
"""Files of running suites that are written anew at once, those that waited longest first: of a thousand suites at a
time each would otherwise be written at every pause (measured: 5,000 files for 1,000 suites, more than a second)."""

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str, check_circular=False)


@reporter("json")
class Json(Document):
    """The results as JSON."""

    file = "results.json"

    def __init__(self, out: TextIO | Path, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(out, options)
        self._written_at = float("-inf")
        self._size = 0
        self._ended: dict[str, str] = {}
        """Rows that will not change any more, as text."""
        self._touched: dict[str, None] = {}
        """Suites whose own files are behind, in the order in which they fell behind."""
        self._late = False
        self._dirty = True

    def on(self, event: Event) -> None:
        """Take one event, and write what is due."""
        super().on(event)
        if not isinstance(self.out, Path):
            return
        self._dirty = True
        if event.trial in self.fold.suites:
            self._touched[event.trial] = None
            self._ended.pop(event.trial, None)
        elif event.kind in ("resource", "cleanup_finished", "run_started"):
            self._ended.clear()
        if event.kind == "suite_finished":
            self._late = True
            self._suite(event.trial)
        elif event.kind == "run_finished":
            for trial, row in self.fold.suites.items():
                if row.get("interrupted"):
                    self._suite(trial)
        due = event.at - self._written_at >= max(PAUSE, self._size / (2 * 1024 * 1024))
        at_once = event.kind in ("run_started", "run_finished") or (self._late and self._size < LARGE)
        if due or at_once:
            self._flush(event.at)

    def close(self) -> None:
        """Write the results as they are now."""
        if isinstance(self.out, Path):
            if self._dirty:
                self._flush(self.fold.at)
        else:
            super().close()

    def text(self) -> str:
        """The whole, indented: it is read by people as well."""
        return json.dumps(self.fold.results(), ensure_ascii=False, indent=2, default=str) + "\n"

    def _flush(self, at: float) -> None:
        assert isinstance(self.out, Path)
        running = [one for one in self._touched if self.fold.suites[one]["status"] == "running"]
        for trial in running[:ABREAST]:
            self._suite(trial)
        self._touched = dict.fromkeys(running[ABREAST:])
        run = self.fold.results()
        head = _encoder.encode({key: told for key, told in run.items() if key != "results"})
        rows = ",\n".join(map(self._row, self.fold.suites))
        content = f'{head[:-1]},"results":[\n{rows}\n]}}\n'.encode("utf-8", "backslashreplace")
        write_whole(self.out, content)
        self._size = len(content)
        self._written_at = at
        self._late = self._dirty = False

    def _row(self, trial: str) -> str:
        row = self.fold.suites[trial]
        text = self._ended.get(trial)
        if text is None:
            text = _encoder.encode(row)
            if row["status"] != "running":
                self._ended[trial] = text
        return text

    def _suite(self, trial: str) -> None:
        assert isinstance(self.out, Path)
        row = self.fold.suite(trial)
        if row["folder"]:
            folder = self.out.parent / row["folder"]
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / "result.json", (self._row(trial) + "\n").encode("utf-8", "backslashreplace"))


def write_all(folder: Path, fold: Fold) -> None:
    """Write `results.json` and every suite's `result.json` again from a fold that is complete."""
    report = Json(folder / Json.file, {"fold": fold})
    for trial in fold.suites:
        report._suite(trial)
    report.close()
