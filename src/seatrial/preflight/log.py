"""What a check printed: whole in a file of its own with every secret hidden, its end in an event, the useful of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from seatrial.links.output import left_out
from seatrial.model.values import Argv
from seatrial.preflight import problem_matchers
from seatrial.preflight.names import log_of
from seatrial.spi import Context

MOST = 50
"""Problems of one check that are told; the log has all of them."""

TAIL = 4000
"""Characters of the log that go into the event."""

INSIDE = "/source"
"""Where the sources are in a container."""

WHOLE = 64 * 1024 * 1024
"""Bytes of an output that are kept: of a larger one the first half and the last half of it."""

LOOKED_AT = 2 * 1024 * 1024
"""Characters in which problems are looked for: the first half and the last half of it."""


class Log:
    """The log of one attempt of a check."""

    def __init__(self, ctx: Context, *, name: str, folder: Path, source: Path, again: str) -> None:
        self._ctx = ctx
        self._name = log_of(name)
        self._folder = folder
        self._source = source
        self._again = again
        self._file = ""
        self._text = ""
        # In the folder for secrets: what comes from a program is hidden only when it is all there.
        self.raw = ctx.state / f"{self._name}.raw"
        self.first = ""
        """The first problem in one line."""
        self.evidence = ""

    def keep(self) -> None:
        """Write down what was printed, with every secret hidden before anything is cut; a second time is nothing."""
        try:
            content = _content(self.raw)
        except FileNotFoundError:
            return
        self.raw.unlink()
        if not content.strip():
            return
        text = self._ctx.masked(content.decode(errors="replace"))
        file = self._ctx.artifacts / "logs" / f"{self._name}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(text if text.endswith("\n") else f"{text}\n")
        self._text = text if len(text) <= LOOKED_AT else text[: LOOKED_AT // 2] + "\n" + text[-LOOKED_AT // 2 :]
        self._file = str(file.relative_to(self._ctx.folder))
        self.evidence = "\n".join(problem_matchers.useful(self._text))
        self._ctx.emit("output", step=self._ctx.step, source="log", text=text[-TAIL:], file=self._file)

    def whole(self) -> bytes:
        """All that was kept of what it printed, its secrets hidden."""
        return (self._ctx.folder / self._file).read_bytes() if self._file else b""

    def restore(self, content: bytes) -> None:
        """Write down what it printed when its result was kept."""
        file = self._ctx.artifacts / "logs" / f"{self._name}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        self._file = str(file.relative_to(self._ctx.folder))
        text = content.decode(errors="replace")
        self._ctx.emit("output", step=self._ctx.step, source="log", text=text[-TAIL:], file=self._file)

    @property
    def last(self) -> str:
        """The last line that says anything."""
        return self.evidence.rpartition("\n")[2]

    def look(self, command: Argv, wanted: str) -> None:
        """Find the problems in it, and tell them."""
        found = [replace(one, file=self._shown(one.file)) for one in problem_matchers.find(self._text, command, wanted)]
        errors = [one for one in found if one.severity == "error"] or found
        if errors:
            self.first = str(errors[0])
            self.evidence = "\n".join(map(str, errors[:MOST]))
        self.tell(errors)

    def tell(self, found: Iterable[problem_matchers.Problem], why: str = "") -> None:
        """The event that reports fold: problems with their places, the useful lines, where the log is."""
        listed = list(found)
        told: list[Mapping[str, Any]] = [
            {"file": one.file, "path": self._there(one.file), "line": one.line, "column": one.column,
             "severity": one.severity, "message": one.message}
            for one in listed[:MOST]
        ]  # fmt: skip
        lines = [] if listed else (problem_matchers.useful(self._text, 8) or [why] * bool(why))
        self._ctx.emit(
            "problems",
            step=self._ctx.step,
            problems=told,
            count=len(listed),
            lines=lines,
            log=self._file,
            again=self._again,
        )

    def _shown(self, file: str) -> str:
        """The file by its path in the source, wherever its check ran; as the tool names it when it is not there."""
        file = file.removeprefix(f"{INSIDE}/")
        for folder in (self._folder, self._source):
            path = folder / file
            if path.is_file() and path.is_relative_to(self._source):
                return os.path.relpath(path, self._source)
        return file.removeprefix(f"{self._source}/")

    def _there(self, file: str) -> str:
        """Where the file is on this host; empty when it is not there."""
        path = self._source / file
        return str(path) if path.is_file() else ""


def _content(file: Path) -> bytes:
    """All of a file; of one that is too large both ends, without the lines that were cut: half a secret is none that
    could be hidden."""
    size = file.stat().st_size
    with file.open("rb") as raw:
        if size <= WHOLE:
            return raw.read()
        head = raw.read(WHOLE // 2).rpartition(b"\n")[0]
        raw.seek(size - WHOLE // 2)
        tail = raw.read().partition(b"\n")[2]
    return head + left_out(size - len(head) - len(tail)) + tail
