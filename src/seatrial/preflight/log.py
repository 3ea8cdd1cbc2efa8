"""The output of a check: in a file as it comes, with secrets hidden; its end and its problems in an event."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from seatrial.links.output import left_out
from seatrial.model.values import Argv
from seatrial.preflight import problem_matchers
from seatrial.preflight.job import Job, log_of
from seatrial.spi import Context

MOST = 50
"""Most problems of one check in the event; the log has all of them."""

TAIL = 4000
"""Characters of the log in the event."""

INSIDE = "/source"
"""The folder of the sources in a container."""

WHOLE = 64 * 1024 * 1024
"""Bytes kept of an output: of a larger one, its first and last halves."""

LOOKED_AT = 2 * 1024 * 1024
"""Characters searched for problems: of a longer output, its first and last halves."""


class Log:
    """The log of one attempt of a check."""

    def __init__(self, ctx: Context, job: Job) -> None:
        self._ctx, self._job, self._name = ctx, job, log_of(job.name)
        self._file, self._text = "", ""
        # In the folder for secrets: only the complete output shows all of them.
        self.raw = ctx.state / f"{self._name}.raw"
        self._whole = ctx.artifacts / "logs" / f"{self._name}.log"
        self._begin = self._whole.stat().st_size if self._whole.exists() else 0
        """Where this attempt begins."""
        self.first = ""
        """The first problem in one line."""
        self.evidence = ""

    @contextmanager
    def following(self) -> Iterator[Callable[[bytes], None]]:
        """Write down the output while the command runs: it takes whole lines."""
        with self._ctx.keeping("log", self._whole) as output:
            yield output.add

    def keep(self) -> None:
        """Write down the output, with every secret hidden before anything is cut; a second call does nothing."""
        try:
            content = _content(self.raw)
        except FileNotFoundError:
            return
        self.raw.unlink()
        if content.strip():
            text = self._ctx.masked(content.decode(errors="replace"))
            self._write((text if text.endswith("\n") else f"{text}\n").encode(errors="backslashreplace"), text)
            self._text = text if len(text) <= LOOKED_AT else text[: LOOKED_AT // 2] + "\n" + text[-LOOKED_AT // 2 :]
            self.evidence = "\n".join(problem_matchers.useful(self._text))

    def restore(self, content: bytes) -> None:
        """Write down the output of a stored result."""
        self._begin = 0
        self._write(content, content.decode(errors="replace"))

    def _write(self, content: bytes, text: str) -> None:
        self._whole.parent.mkdir(parents=True, exist_ok=True)
        with self._whole.open("ab+") as log:
            log.seek(self._begin)
            if log.read() != content:  # what came so far is not all, or a secret showed itself late
                log.truncate(self._begin)
                log.write(content)
        self._file = str(self._whole.relative_to(self._ctx.folder))
        self._ctx.emit("output", step=self._ctx.step, source="log", text=text[-TAIL:], file=self._file)

    def whole(self) -> bytes:
        """Its kept output, with secrets hidden."""
        return (self._ctx.folder / self._file).read_bytes() if self._file else b""

    @property
    def last(self) -> str:
        """The last line with text."""
        return self.evidence.rpartition("\n")[2]

    def look(self, command: Argv, wanted: str) -> None:
        """Find the problems in it, and emit them."""
        found = [replace(one, file=self._shown(one.file)) for one in problem_matchers.find(self._text, command, wanted)]
        errors = [one for one in found if one.severity == "error"] or found
        if errors:
            self.first = str(errors[0])
            self.evidence = "\n".join(map(str, errors[:MOST]))
        self.tell(errors)

    def tell(self, found: Sequence[problem_matchers.Problem], why: str = "") -> None:
        """The event for reports: problems with their places, the useful lines, the path of the log."""
        told = []
        for one in found[:MOST]:
            path = self._job.source / one.file
            told.append({**asdict(one), "path": str(path) if path.is_file() else ""})
        lines = [] if found else (problem_matchers.useful(self._text, 8) or [why] * bool(why))
        more = {"lines": lines, "log": self._file, "again": self._job.again}
        self._ctx.emit("problems", step=self._ctx.step, problems=told, count=len(found), **more)

    def _shown(self, file: str) -> str:
        """The file by its path in the source, wherever its check ran; a missing file keeps the tool's name for it."""
        file, source = file.removeprefix(f"{INSIDE}/"), self._job.source
        for path in (source / self._job.check.cwd / file, source / file):
            if path.is_file() and path.is_relative_to(source):
                return os.path.relpath(path, source)
        return file.removeprefix(f"{source}/")


def _content(file: Path) -> bytes:
    """The whole file; of a too large one both ends, without the cut lines: half a secret could not be masked."""
    size = file.stat().st_size
    with file.open("rb") as raw:
        if size <= WHOLE:
            return raw.read()
        head = raw.read(WHOLE // 2).rpartition(b"\n")[0]
        raw.seek(size - WHOLE // 2)
        tail = raw.read().partition(b"\n")[2]
    return head + left_out(size - len(head) - len(tail)) + tail
