"""`report`: generates reports of a run from its events."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from seatrial.app.project import find
from seatrial.engine.journal import read
from seatrial.errors import UsageError
from seatrial.model.event import Event
from seatrial.model.fold import Fold
from seatrial.registry import Registry


def main(run: str, formats: Sequence[str], out: Path | None) -> int:
    """Write reports of a run: to standard output, or to `out` (a folder, or a file for one format)."""
    folder = find().run_folder(run)
    for name in formats:
        if out is None:
            _write(sys.stdout, name, Events(folder))
            continue
        in_folder = out.is_dir() or len(formats) > 1 or not out.suffix
        file = out / Registry().get("reporter", name).file if in_folder else out
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", encoding="utf-8") as written:
            _write(written, name, Events(folder))
        print(file)
    return 0


def rendered(name: str, events: Iterable[Event], *, live: bool = False) -> str:
    """One report as text; `live`: the run is active."""
    text = io.StringIO()
    _write(text, name, events, live=live)
    return text.getvalue()


def _write(out: TextIO, name: str, events: Iterable[Event], *, live: bool = False) -> None:
    from seatrial.reports.document import write

    if name == "github" and of_pipeline(events):
        name = "preflight_github"
    write(out, name, events, Fold(live=live))


def of_pipeline(events: Iterable[Event]) -> bool:
    """Whether the run belongs to a pipeline: its only suite has a step `stages`."""
    planned = (event.data.get("steps") for event in events if event.kind == "suite_planned")
    return any(isinstance(steps, list) and steps and steps[0]["type"] == "stages" for steps in planned)


class Events:
    """The events of a run, read again for each pass; UsageError if there are none."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "events.jsonl"
        if not self._file.is_file():
            why = "the folder does not belong to a run, or the run wrote no events"
            raise UsageError(f"{self._file} does not exist: {why}")

    def __iter__(self) -> Iterator[Event]:
        return read(self._file)
