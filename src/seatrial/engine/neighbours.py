"""Other trials on this machine, by what their own runs wrote: output, journal, ledger. It is read, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from seatrial.engine import journal
from seatrial.engine.ledger import living
from seatrial.model.event import Event
from seatrial.spi import OtherTrial
from seatrial.spi.output import lines_with

LATE = 2.0
"""Seconds after which the news of a change may come."""


def traced(folder: Path, traces: Sequence[str]) -> str:
    """The first line of a trial's output in which one of these expressions matches; empty: there is none."""
    return next(lines_with("|".join(traces), folder), "")[:200] if traces else ""


class Neighbour:
    """Another trial."""

    def __init__(self, trial: OtherTrial, run: Path | None = None) -> None:
        """`run`: the folder of its run, if it is this process's own."""
        self.trial = trial
        state = Path(trial.project) / ".seatrial" if trial.project else None
        self._run = run or (state / "runs" / trial.run if state else None)
        self._ledger = state / "ledger" / f"{trial.run}.jsonl" if state else None

    def traced(self, traces: Sequence[str]) -> str:
        """See `traced`; empty also where its files are on another machine."""
        return next(filter(None, (traced(folder, traces) for folder in self._folders())), "")

    def needs(self, at: float) -> bool:
        """Whether it lived at a time, and had not begun to remove its resources."""
        if self._run is None or self._ledger is None:
            return False
        # Of a killed run, anybody may remove what is left.
        lived = living(self._ledger) or any(event.at > at for event in self._events())
        return lived and not removing(self._events(), self.trial.id, at)

    def _folders(self) -> Iterable[Path]:
        try:
            return [one for one in self._run.iterdir() if self.trial.id in one.name] if self._run else []
        except OSError:
            return []

    def _events(self) -> Iterable[Event]:
        try:
            yield from journal.read(self._run / "events.jsonl") if self._run else ()
        except OSError:
            return


def removing(events: Iterable[Event], trial: str, at: float) -> bool:
    """Whether a trial was removing its own resources at a time, by the events of its run."""
    began = ended = 0.0
    for event in events:
        if event.at > at:
            break
        if event.trial not in ("", trial):
            continue
        of_step = event.data.get("type") == "destroy"
        if event.kind in ("cleanup_started", "run_finished") or (event.kind == "step_started" and of_step):
            began = event.at
        elif event.kind == "step_finished" and of_step:
            ended = event.at
    return began > 0 and not began <= ended < at - LATE
