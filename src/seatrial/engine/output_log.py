"""`test.log`: the output of all commands of a trial as it comes, with its times and without secrets."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from pathlib import Path

from seatrial.engine.journal import Journal
from seatrial.engine.masked_stream import MaskedStream, private
from seatrial.spi.output import LOG

TAIL = 4000
"""Characters of a command's output in its event; the file has all of it."""

PAUSE = 1.0
"""Seconds without output, or of output, after which the next line gets a new time."""


class OutputLog:
    """The file of one trial; blocks of output begin with a line with the time, the step and the command."""

    def __init__(self, folder: Path, trial: str, journal: Journal) -> None:
        self._folder, self._trial, self.journal = folder, trial, journal
        self._block, self._since = ("", ""), 0.0
        self._in_line = self._complained = False

    @property
    def file(self) -> Path:
        """Its path."""
        return self._folder / LOG

    def write(self, step: str, source: str, text: str) -> None:
        """Append masked text."""
        now, head = self.journal.now(), ""
        if (step, source) != self._block or now - self._since >= PAUSE:
            time = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            head = "\n" * self._in_line + f"==> {time} step {step} {source}\n"
            self._block, self._since = (step, source), now
        self.append(self.file, head + text, step)
        self._in_line = not text.endswith("\n")
        self.show(step, source, text)

    def append(self, file: Path, text: str, step: str) -> None:
        """Append masked text to a file."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with private(file) as log:
                log.write(text)
        except OSError as error:  # no reason to end a program, or to judge it
            if not self._complained:
                why = f"output of commands is lost: {file.name} cannot be written: {error.strerror}"
                self.journal.emit("log", self._trial, {"level": "warning", "text": why, "step": step})
            self._complained = True

    def show(self, step: str, source: str, text: str) -> None:
        """Hand masked text to the reporters."""
        self.journal.show("printed", self._trial, {"step": step, "source": source, "text": text})

    def ended(self, step: str, source: str, text: str) -> None:
        """The event for the end of a command's output, with the end of it."""
        data: dict[str, object] = {"step": step, "source": source, "text": text, "file": LOG}
        self.journal.emit("output", self._trial, data)

    def keep(self, step: str, source: str, text: str) -> None:
        """Keep the complete output of a command that ended."""
        if text:
            text = self.journal.masked(text)
            self.write(step, source, text)
            self.ended(step, source, tail(text, TAIL))


class KeptOutput:
    """The output of one running command; see spi.Output."""

    def __init__(self, log: OutputLog, step: str, source: str, file: Path | None = None) -> None:
        self.file = file or log.file
        self._own = file is not None
        self._log, self._step, self._source = log, step, source
        self._stream = MaskedStream(log.journal.masks, self._write)
        self._count = 0
        self._last: deque[str] = deque()
        self.add = self._stream.add
        self.masked = log.journal.masked

    def _write(self, text: str) -> None:
        if self._own:
            self._log.append(self.file, text, self._step)
            self._log.show(self._step, self._source, text)
            return
        self._log.write(self._step, self._source, text)
        self._count += len(text)
        self._last.append(text[-TAIL:])
        while sum(map(len, self._last)) - len(self._last[0]) >= TAIL:
            self._last.popleft()

    def close(self) -> None:
        """Write the rest, and the event."""
        self._stream.close()
        if self._count:
            self._log.ended(self._step, self._source, tail("".join(self._last), TAIL, self._count))


def tail(text: str, most: int, count: int = 0) -> str:
    """The last characters of a text, with the number of those before; `count`: the length of the whole."""
    count = count or len(text)
    return text if count <= most else f"… ({count - most} characters before)\n" + text[-most:]
