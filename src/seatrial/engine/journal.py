"""The journal: every event goes to `events.jsonl` first, then to the reporters."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from seatrial.engine.masking import Masks, hide_in_urls
from seatrial.model.event import Event
from seatrial.model.values import json_safe
from seatrial.spi import Reporter

_encoder = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=str, check_circular=False, allow_nan=False
)

_OURS = {
    "step", "type", "status", "verdict", "category", "op", "state", "level", "attempts", "exit_code", "interrupted",
}  # fmt: skip
"""Event data with Seatrial's own words: a secret equal to one of them must not break the results."""


class Journal:
    """Writes events and hands them on; after a failed write no verdict is green."""

    def __init__(self, file: Path, run: str, reporters: Sequence[Reporter], masks: Masks | None = None) -> None:
        self.run = run
        self.masks = masks or Masks()
        self.trouble = ""
        """Why events or reports could not be written; empty: no failure."""
        self.broken = ""
        """Why the journal itself cannot be written; no step begins after that."""
        self._reporters = list(reporters)
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._loop = asyncio.get_running_loop()
        # Read the wall clock once. From here on the loop's clock counts, even a virtual one.
        self._epoch = time.time() - self._loop.time()

    def now(self) -> float:
        """Seconds since 1970 by the loop's clock."""
        return self._epoch + self._loop.time()

    def mask(self, secret: str) -> bool:
        """Mask this text in all later output, whatever its spelling; False if it is too short."""
        return self.masks.add(secret)

    def masked(self, text: str) -> str:
        """The text with every secret masked."""
        return self.masks.hide(text)

    def emit(self, kind: str, trial: str, data: dict[str, object]) -> None:
        """Write an event, then hand it to the reporters."""
        at = round(self.now(), 6)
        record = {"kind": kind, "at": at, "run": self.run, "trial": trial, "data": data}
        line, data = ("", data) if self.masks else _line(record)
        if not line or hide_in_urls(line) != line:
            data = {name: value if name in _OURS else self.masks.hide_all(value) for name, value in data.items()}
            line, data = _line({**record, "data": data})
        self._write(line)
        self._hand_on(Event(kind, at, self.run, trial, data))

    def _hand_on(self, event: Event) -> None:
        complaints = []
        for reporter in tuple(self._reporters):
            try:
                reporter.on(event)
            except BaseException as error:
                self._reporters.remove(reporter)
                complaints.append(f"the reporter {type(reporter).__name__} failed: {type(error).__name__}: {error}")
        # Last, so that every reporter has the events in the order of the file.
        for complaint in complaints:
            self.complain(complaint)

    def show(self, kind: str, trial: str, data: dict[str, object]) -> None:
        """Hand a masked event to the reporters alone: its text is in another file."""
        self._hand_on(Event(kind, round(self.now(), 6), self.run, trial, data))

    def complain(self, trouble: str) -> None:
        """Remember a failure of Seatrial itself: the run cannot pass any more."""
        if not self.trouble:
            self.trouble = trouble
        self.emit("log", "", {"level": "error", "text": trouble})

    def notice_removal(self) -> None:
        """Complain if somebody removed the file: the reports cannot be made again."""
        if os.fstat(self._file).st_nlink == 0:
            self.complain("the run's folder was removed while it ran: events.jsonl, logs and earlier reports are lost")

    def close(self) -> None:
        """Let the reporters finish."""
        for reporter in self._reporters:
            try:
                reporter.close()
            except BaseException as error:
                name = type(reporter).__name__
                self.trouble = self.trouble or f"a report could not be written: {name}: {type(error).__name__}: {error}"
        os.close(self._file)

    def _write(self, line: str) -> None:
        if self.broken:
            return
        rest = line.encode("utf-8", "backslashreplace") + b"\n"
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            self.trouble = self.broken = f"the journal cannot be written: {error.strerror}"


def _line(record: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A line of the journal, and the data in it: reports have the same values."""
    try:
        return _encoder.encode(record), record["data"]
    except (ValueError, TypeError, RecursionError):
        # A plugin's value without a JSON form: an approximate text is better than none.
        data = {str(name): json_safe(value) for name, value in record["data"].items()}
        return _encoder.encode({**record, "data": data}), data


def read(file: Path) -> Iterator[Event]:
    """The events of a journal, one at a time: it may be longer than the memory. An invalid line is left out."""
    with file.open("rb") as lines:
        yield from filter(None, map(event_of, lines))


def event_of(line: bytes) -> Event | None:
    """The event in a line of a journal; None if a crash or a full disk damaged it."""
    try:
        record = json.loads(line, parse_constant=lambda _: None)
        return Event(record["kind"], record["at"], record["run"], record["trial"], record["data"])
    except (ValueError, KeyError, TypeError):
        return None
