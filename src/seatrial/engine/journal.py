"""The journal: every event goes to `events.jsonl` first, then to the reporters."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from seatrial.model.event import Event
from seatrial.spi import Reporter

MASK = "***"

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str, check_circular=False)


class Journal:
    """Writes events and hands them on. That one could not be written is remembered: no verdict is green after it."""

    def __init__(self, file: Path, run: str, reporters: Sequence[Reporter]) -> None:
        self.run = run
        self.trouble = ""
        """Why events or reports could not be written; empty: they all were."""
        self._reporters = list(reporters)
        self._masks: list[str] = []
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._loop = asyncio.get_running_loop()
        # The wall clock is read once: from here on time is the loop's, also when that is a virtual one.
        self._epoch = time.time() - self._loop.time()

    def now(self) -> float:
        """Seconds since 1970 by the loop's clock."""
        return self._epoch + self._loop.time()

    def mask(self, secret: str) -> None:
        """Hide this text, and its JSON and base64 spellings, in everything that is written from now on."""
        if len(secret) < 3:
            return
        import base64

        spellings = {secret, _encoder.encode(secret)[1:-1], base64.b64encode(secret.encode()).decode().rstrip("=")}
        spellings |= {line for line in secret.splitlines() if len(line) >= 8}
        # The longest first: a secret may be a part of another.
        self._masks = sorted({*self._masks, *spellings}, key=len, reverse=True)

    def masked(self, text: str) -> str:
        """The text with every secret hidden."""
        for secret in self._masks:
            text = text.replace(secret, MASK)
        return text

    def emit(self, kind: str, trial: str, data: dict[str, object]) -> None:
        """Write an event, then tell the reporters."""
        at = round(self.now(), 6)
        line = _encoder.encode({"kind": kind, "at": at, "run": self.run, "trial": trial, "data": data})
        if self._masks:
            line = self.masked(line)
            data = json.loads(line)["data"]
        self._write(line)
        event = Event(kind, at, self.run, trial, data)
        for reporter in tuple(self._reporters):
            try:
                reporter.on(event)
            except Exception as error:  # a reporter of anybody's must not stop the trial; the run is not green after it
                self._reporters.remove(reporter)
                self.complain(f"the reporter {type(reporter).__name__} broke: {type(error).__name__}: {error}")

    def complain(self, trouble: str) -> None:
        """Remember that something of ours broke: the run cannot be passed any more."""
        if not self.trouble:
            self.trouble = trouble
        self.emit("log", "", {"level": "error", "text": trouble})

    def close(self) -> None:
        """Let the reporters finish."""
        for reporter in self._reporters:
            try:
                reporter.close()
            except OSError as error:
                self.trouble = self.trouble or f"a report could not be written: {error}"
        os.close(self._file)

    def _write(self, line: str) -> None:
        if self.trouble.startswith("the journal"):
            return
        rest = line.encode("utf-8", "backslashreplace") + b"\n"
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            self.trouble = f"the journal cannot be written: {error.strerror}"


def read(file: Path) -> list[Event]:
    """Read a journal back; a last line that was cut off by a crash is left out."""
    events = []
    with file.open("rb") as lines:
        for line in lines:
            try:
                record = json.loads(line)
                events.append(Event(record["kind"], record["at"], record["run"], record["trial"], record["data"]))
            except (ValueError, KeyError, TypeError):
                if not line.endswith(b"\n"):
                    break
                continue
    return events
