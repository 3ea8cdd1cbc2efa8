"""`report`: makes any report of a run later, from the events that it wrote."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from seatrial.app.project import find
from seatrial.engine.journal import read
from seatrial.errors import UsageError
from seatrial.model.event import Event
from seatrial.model.fold import Fold

FILES = {
    "json": "results.json",
    "junit": "junit.xml",
    "ctrf": "ctrf.json",
    "html": "report.html",
    "github": "summary.md",
    "annotations": "annotations.txt",
    "console": "console.txt",
    "preflight": "preflight.txt",
    "preflight_json": "preflight.json",
    "compact": "compact.txt",
}
"""The formats that can be made later, and the files they are written to."""


def main(run: str, formats: Sequence[str], out: Path | None, project: Path | None = None) -> int:
    """Write reports of a run: to standard output, or to `out` (a folder, or a file for one format)."""
    folder = find(project).run_folder(run)
    events = events_of(folder)
    for name in formats:
        text = rendered(name, events)
        if out is None:
            sys.stdout.write(text)
            continue
        file = out / FILES[name] if out.is_dir() or len(formats) > 1 or not out.suffix else out
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        print(file)
    return 0


def rendered(name: str, events: Sequence[Event], *, live: bool = False) -> str:
    """One report as text; `live`: of a run that is still going on."""
    from seatrial.errors import nearest
    from seatrial.reports.render import render

    if name not in FILES:
        raise UsageError(f"no report format {name!r}: {nearest(name, FILES)}")
    if name == "github" and of_pipeline(events):
        name = "preflight_github"
    return render(name, events, Fold(live=live))


def of_pipeline(events: Iterable[Event]) -> bool:
    """Whether a run is a pipeline's: its one suite is a step `stages`."""
    planned = (event.data.get("steps") for event in events if event.kind == "suite_planned")
    return any(isinstance(steps, list) and steps and steps[0]["type"] == "stages" for steps in planned)


def events_of(folder: Path) -> list[Event]:
    """The events of a run; UsageError when it wrote none."""
    file = folder / "events.jsonl"
    if not file.is_file():
        raise UsageError(f"{file}: not found; the run wrote no events, or the folder is not a run's")
    return read(file)


def write_results(folder: Path, fold: Fold) -> None:
    """Write `results.json` and each suite's `result.json` again, from a fold that is complete."""
    from seatrial.reports.json import write_all

    write_all(folder, fold)
