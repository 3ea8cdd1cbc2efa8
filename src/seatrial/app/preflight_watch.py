"""`preflight --watch`: re-run the pipeline whenever its declared inputs change."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from seatrial.app.pipelines import pipeline_of
from seatrial.app.preflight import PreflightOptions, preflight
from seatrial.app.project import Project, find
from seatrial.app.reporting import coloured
from seatrial.app.run import signals
from seatrial.app.run_options import RunReport
from seatrial.errors import DocumentError, SeatrialError, UsageError
from seatrial.links.file_watch import Watched, needed
from seatrial.links.paths import SETTINGS, cache_folder
from seatrial.model.fold import SIGNAL_CODES
from seatrial.model.values import WATCH_FORMATS
from seatrial.preflight.cache import Cache
from seatrial.preflight.cache.hashes import Hashes
from seatrial.preflight.change_watch import Counts, Sources, ignored
from seatrial.preflight.parsing import Read, read_pipeline
from seatrial.preflight.reports.preflight_live import PreflightWatch
from seatrial.preflight.rows import apart
from seatrial.preflight.selection import narrowed

KEPT = 10
"""Number of rounds with a kept report."""

NAMED = 3
"""Number of changed files to name."""


class Ended(Exception):
    """A signal ended it between two rounds."""


def main(options: PreflightOptions) -> int:
    """Watch until a signal arrives and return the exit code."""
    if (options.run.format or "auto") not in WATCH_FORMATS:
        allowed = ", ".join(WATCH_FORMATS)
        raise UsageError(f"--watch does not support --format {options.run.format}; use one of: {allowed}")
    if options.run.report_dir is not None:
        raise UsageError("--watch writes a report for each round: remove --report-dir")
    needed()
    return asyncio.run(Watch(options).run())


class Watch:
    """The rounds, and the state between them."""

    def __init__(self, options: PreflightOptions) -> None:
        self._project = find(options.run.project)
        self._options = options
        self._document = pipeline_of(options.document, self._project)
        self._screen = Screen(options, sys.stdout.isatty() and os.environ.get("TERM") != "dumb")
        self._round: asyncio.Task[RunReport] | None = None
        self._signal = ""
        """The signal that ended the watch."""
        self._idle: asyncio.Task[object] | None = None
        self._runs: list[str] = []
        self._first = True
        self._files = (self._document.resolve(), self._project.folder / SETTINGS)
        """The document, and the settings of the project."""
        self._texts = {str(file): _text(str(file)) for file in self._files}

    async def run(self) -> int:
        """Run rounds until a signal arrives; its exit code."""
        read, why = self._read(), ""
        while True:
            folder = read.source if read else self._files[0].parent
            async with Watched(folder, ignored=partial(_ignored, folder), files=self._files) as watched:
                sources = Sources(folder, _hashes(folder))
                try:
                    while (read.source if read else folder) == folder:
                        if read is None:
                            why = await self._wait(watched, sources, {})
                        else:
                            wanted = narrowed(read.pipeline, self._options)
                            values = {**read.pipeline.parameters, **self._options.parameters}
                            await asyncio.to_thread(sources.declare, apart(wanted, values))
                            why = await self._play(watched, sources, why)
                        self._first = False
                        read = self._read()
                except Ended:
                    return SIGNAL_CODES[self._signal]

    def _read(self) -> Read | None:
        """The current document, or None after reporting its problems. UsageError if the first version is invalid."""
        try:
            read = read_pipeline(self._document, environ=os.environ)
            narrowed(read.pipeline, self._options)
        except UsageError as error:
            if self._first and not (isinstance(error, DocumentError) and self._document.is_file()):
                raise
            self._screen.begin("")
            self._screen.wrong(error)
            return None
        return read

    async def _play(self, watched: Watched, sources: Sources, why: str) -> str:
        """Run one round and wait for the next change; returns a line about the change."""
        self._screen.begin(why)
        face = self._screen.face(self._project)
        run = replace(self._options.run, format="none", reporters=(face,))
        round_ = self._round = asyncio.create_task(preflight(replace(self._options, run=run)))
        meanwhile: dict[str, Counts] = {}
        with signals(self._end), sources.round():
            while not round_.done():
                news = asyncio.ensure_future(watched.changes())
                try:
                    await asyncio.wait({round_, news}, return_when=asyncio.FIRST_COMPLETED)
                    changes = self._what(sources, news.result()) if news.done() else {}
                finally:
                    news.cancel()
                meanwhile |= changes
                if Counts.DECLARED in changes.values() and not round_.done():
                    face.hush()
                    await self._stopped(round_)
                    self._screen.stopped()
                    return _named(meanwhile)
        self._settle(round_, face)
        return await self._wait(watched, sources, meanwhile)

    async def _stopped(self, round_: asyncio.Task[RunReport]) -> None:
        """Cancel a round with outdated files; it cleans up."""
        round_.cancel()
        with suppress(asyncio.CancelledError):
            report = await round_
            self._over(report)
        self._round = None
        if self._signal:
            raise Ended

    def _settle(self, round_: asyncio.Task[RunReport], face: PreflightWatch) -> None:
        self._round = None
        try:
            self._over(round_.result())
        except asyncio.CancelledError:
            face.hush()
            raise Ended from None
        except SeatrialError as error:  # for example a missing secret: fix it, and the watch continues
            face.hush()
            if self._first and isinstance(error, UsageError):
                raise
            self._screen.wrong(error)

    def _over(self, report: RunReport) -> None:
        if report.exit_code in SIGNAL_CODES.values():
            self._signal = next(name for name, code in SIGNAL_CODES.items() if code == report.exit_code)
            raise Ended
        self._runs.append(report.run_id)
        for old in self._runs[:-KEPT]:
            # A ledger lists resources left behind by the round: keep its report.
            if not (self._project.ledger_folder / f"{old}.jsonl").exists():
                shutil.rmtree(self._project.runs / old, ignore_errors=True)
        self._runs = self._runs[-KEPT:]

    async def _wait(self, watched: Watched, sources: Sources, changes: Mapping[str, Counts]) -> str:
        """Wait for a relevant change."""
        with signals(self._end):
            if not changes:
                self._screen.waiting()
            while not changes:
                self._idle = asyncio.current_task()
                try:
                    changes = self._what(sources, await watched.changes())
                except asyncio.CancelledError:
                    task = asyncio.current_task()
                    if self._signal and task is not None:
                        task.uncancel()
                        raise Ended from None
                    raise
                finally:
                    self._idle = None
        return _named(changes)

    def _what(self, sources: Sources, paths: frozenset[str]) -> dict[str, Counts]:
        documents = paths & self._texts.keys()
        changes: dict[str, Counts] = {}
        for path in documents:
            # The same change can be reported twice.
            before, self._texts[path] = self._texts[path], _text(path)
            if self._texts[path] != before:
                changes[Path(path).name] = Counts.DECLARED
        return {**changes, **sources.changed(paths - documents)}

    def _end(self, name: str) -> None:
        """Handle a signal between two rounds, or before the first one."""
        self._signal = name
        if self._round is not None:
            self._round.cancel()
        elif self._idle is not None:
            self._idle.cancel()
        else:
            raise KeyboardInterrupt


def _named(changes: Iterable[str]) -> str:
    names = sorted(changes)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more} changed"


def _hashes(source: Path) -> Hashes:
    """Hashes of files from earlier runs, read only."""
    try:
        return Cache(source=source, folder=cache_folder("preflight")).hashes
    except OSError:
        return Hashes(Path(os.devnull))


def _ignored(folder: Path, path: str) -> bool:
    return ignored(os.path.relpath(path, folder))


def _text(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


class Screen:
    """The output: a terminal is cleared for each round, a pipe gets plain lines."""

    def __init__(self, options: PreflightOptions, terminal: bool) -> None:
        self._live = terminal and options.run.format != "plain"
        self._colour = coloured(options.run.color)
        self._rounds = 0

    def begin(self, why: str) -> None:
        """A round begins."""
        if self._live:
            sys.stdout.write("\x1b[H\x1b[2J")
        elif self._rounds:
            self.say()
        if why:
            self.say(f"{time.strftime('%H:%M:%S')}  {why}", "\x1b[36m")
        self._rounds += 1

    def face(self, project: Project) -> PreflightWatch:
        """The reporter of a round."""
        options = {"root": project.folder, "colour": self._colour, "runs": project.runs, "plain": not self._live}
        return PreflightWatch(sys.stdout, options)

    def wrong(self, error: SeatrialError) -> None:
        """Show an error in the document or its secrets; the watch continues after a fix."""
        self.say(f"error: {error}", "\x1b[31m")
        for line in error.evidence.splitlines():
            self.say(f"    {line}")

    def stopped(self) -> None:
        """A round was stopped; on a terminal the next one takes its place."""
        if not self._live:
            self.say("stopped")

    def waiting(self) -> None:
        """Show that no round is running."""
        self.say()
        self.say("waiting for changes; press Ctrl-C to stop", "\x1b[2m")

    def say(self, line: str = "", colour: str = "") -> None:
        """One line."""
        coloured_line = f"{colour}{line}\x1b[0m" if colour and self._colour else line
        sys.stdout.write(f"{coloured_line}\n")
        sys.stdout.flush()
