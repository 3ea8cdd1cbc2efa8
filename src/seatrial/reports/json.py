"""`results.json` and each suite's `result.json`, updated during the run, so that a killed run has correct ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO

from seatrial.links.paths import write_whole
from seatrial.model.event import Event
from seatrial.model.fold import Fold
from seatrial.registry import reporter
from seatrial.reports.document import Document

PAUSE = 0.5
"""Seconds in event time between two writes while no suite ends."""

REST = 20
"""The pause before the next write is at least this many times as long as the last one took: on a busy machine, and of
many suites, writing would else take most of the time."""

ABREAST = 32
"""Maximum number of suites' files to update in one write, the oldest first. Without it, 1,000 parallel suites would
write 5,000 files in more than a second."""

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str, check_circular=False)


@reporter("json")
class Json(Document):
    """The results as JSON."""

    file = "results.json"

    def __init__(self, out: TextIO | Path, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(out, options)
        self._written_at = float("-inf")
        self._took = 0.0
        self._ended: dict[str, str] = {}
        """Final rows, as text."""
        self._touched: dict[str, None] = {}
        """Suites with an outdated file, the oldest first."""
        self._late = False
        self._dirty = True

    def on(self, event: Event) -> None:
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
        pause = REST * self._took if self._late else max(PAUSE, REST * self._took)
        if event.at - self._written_at >= pause or event.kind in ("run_started", "run_finished"):
            self._flush(event.at)

    def close(self) -> None:
        if isinstance(self.out, Path):
            if self._dirty:
                self._flush(self.fold.at)
        else:
            super().close()

    def text(self) -> str:
        """The indented document; people read it, too."""
        return "".join(self.pieces())

    def pieces(self) -> Iterator[str]:
        run = self.fold.results()
        head, _, tail = _indented({**run, "results": []}).rpartition("[]")  # the results come last
        before = "\n    "
        yield f"{head}["
        for row in run["results"]:
            yield before + _indented(row).replace("\n", "\n    ")
            before = ",\n    "
        yield "\n  ]" if run["results"] else "]"
        yield f"{tail}\n"

    def _flush(self, at: float) -> None:
        assert isinstance(self.out, Path)
        start = perf_counter()
        running = [trial for trial in self._touched if self.fold.suites[trial]["status"] == "running"]
        for trial in running[:ABREAST]:
            self._suite(trial)
        self._touched = dict.fromkeys(running[ABREAST:])
        run = self.fold.results()
        head = _encoder.encode({key: value for key, value in run.items() if key != "results"})
        rows = ",\n".join(map(self._row, self.fold.suites))
        content = f'{head[:-1]},"results":[\n{rows}\n]}}\n'.encode("utf-8", "backslashreplace")
        write_whole(self.out, content, 0o600)
        self._took = perf_counter() - start
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
            write_whole(folder / "result.json", (self._row(trial) + "\n").encode("utf-8", "backslashreplace"), 0o600)


def _indented(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def write_all(folder: Path, fold: Fold) -> None:
    """Rewrite `results.json` and every suite's `result.json` from a complete fold."""
    report = Json(folder / Json.file, {"fold": fold})
    for trial in fold.suites:
        report._suite(trial)
    report.close()
