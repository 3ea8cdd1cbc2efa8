"""`preflight --watch`: the pipeline again and again, whenever what it declares has changed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from seatrial.app.preflight import PreflightOptions, document_of, preflight, selection_of
from seatrial.app.project import Project, find
from seatrial.app.reporting import coloured
from seatrial.app.run import SIGNALS
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
from seatrial.preflight.reports.preflight_watch import PreflightWatch
from seatrial.preflight.selection import narrowed

"""How rounds can be shown."""

KEPT = 10
"""Rounds whose reports are kept."""

NAMED = 3
"""Changed files that are named."""


class Ended(Exception):
    """Somebody told it to end, between two rounds."""


def main(options: PreflightOptions) -> int:
    """Run it until it is told to end and return the exit code."""
    if (options.run.format or "auto") not in WATCH_FORMATS:
        raise UsageError(
            f"--watch shows its rounds one after another: {', '.join(WATCH_FORMATS)}; not {options.run.format}"
        )
    if options.run.report_dir is not None:
        raise UsageError("--watch makes a report of each round: leave --report-dir away")
    needed()
    return asyncio.run(Watch(options).run())


class Watch:
    """The rounds, and what stays from one to the next."""

    def __init__(self, options: PreflightOptions) -> None:
        self._project = find(options.run.project)
        self._options = options
        self._document = document_of(options, self._project)
        self._screen = Screen(options, sys.stdout.isatty() and os.environ.get("TERM") != "dumb")
        self._round: asyncio.Task[RunReport] | None = None
        self._told = ""
        """The signal that ends it."""
        self._idle: asyncio.Task[object] | None = None
        self._runs: list[str] = []
        self._first = True
        self._texts = {str(one): _text(str(one)) for one in (self._document.resolve(), self._project.folder / SETTINGS)}

    async def run(self) -> int:
        """Round after round; the code of the signal that ended it."""
        read, why = self._read(), ""
        while True:
            folder = read.source if read else self._document.resolve().parent
            files = [self._document.resolve(), self._project.folder / SETTINGS]
            async with Watched(folder, ignored=partial(_ignored, folder), files=files) as watched:
                sources = Sources(folder, self._hashes(folder))
                try:
                    while (read.source if read else folder) == folder:
                        if read is None:
                            why = await self._wait(watched, sources, {})
                        else:
                            wanted = narrowed(read.pipeline, selection_of(self._options))
                            await asyncio.to_thread(sources.declare, wanted)
                            why = await self._play(watched, sources, why)
                        self._first = False
                        read = self._read()
                except Ended:
                    return SIGNAL_CODES[self._told]

    def _hashes(self, source: Path) -> Hashes:
        """What earlier runs know of the files; only they write it down."""
        try:
            return Cache(source=source, folder=cache_folder("preflight")).hashes
        except OSError:
            return Hashes(Path(os.devnull))

    def _read(self) -> Read | None:
        """The document as it is now; None when it is wrong, which is told. UsageError when it was never right."""
        try:
            read = read_pipeline(self._document, environ=os.environ)
            narrowed(read.pipeline, selection_of(self._options))
        except UsageError as error:
            if self._first and not (isinstance(error, DocumentError) and self._document.is_file()):
                raise
            self._screen.begin("")
            self._screen.wrong(error)
            return None
        return read

    async def _play(self, watched: Watched, sources: Sources, why: str) -> str:
        """One round, and the wait for what begins the next; what changed."""
        self._screen.begin(why)
        face = self._screen.face(self._project)
        run = replace(self._options.run, format="none", reporters=(face,))
        round_ = self._round = asyncio.create_task(preflight(replace(self._options, run=run)))
        meanwhile: dict[str, Counts] = {}
        with self._signals(), sources.round():
            while not round_.done():
                news = asyncio.ensure_future(watched.changes())
                try:
                    await asyncio.wait({round_, news}, return_when=asyncio.FIRST_COMPLETED)
                    found = self._what(sources, news.result()) if news.done() else {}
                finally:
                    news.cancel()
                meanwhile |= found
                if Counts.DECLARED in found.values() and not round_.done():
                    face.hush()
                    await self._stopped(round_)
                    self._screen.stopped()
                    return self._named(meanwhile)
        self._settle(round_, face)
        return await self._wait(watched, sources, meanwhile)

    async def _stopped(self, round_: asyncio.Task[RunReport]) -> None:
        """End a round that judges files which are not there any more: it gives everything back."""
        round_.cancel()
        with suppress(asyncio.CancelledError):
            report = await round_
            self._over(report)
        self._round = None
        if self._told:
            raise Ended

    def _settle(self, round_: asyncio.Task[RunReport], face: PreflightWatch) -> None:
        self._round = None
        try:
            self._over(round_.result())
        except asyncio.CancelledError:
            face.hush()
            raise Ended from None
        except SeatrialError as error:  # a secret is missing, say: mend it, and it goes on
            face.hush()
            if self._first and isinstance(error, UsageError):
                raise
            self._screen.wrong(error)

    def _over(self, report: RunReport) -> None:
        if report.exit_code in SIGNAL_CODES.values():
            self._told = next(name for name, code in SIGNAL_CODES.items() if code == report.exit_code)
            raise Ended
        self._runs.append(report.run_id)
        for old in self._runs[:-KEPT]:
            # What it may have left is in the ledger's folder, which nobody touches here.
            if not (self._project.ledger_folder / f"{old}.jsonl").exists():
                shutil.rmtree(self._project.runs / old, ignore_errors=True)
        self._runs = self._runs[-KEPT:]

    async def _wait(self, watched: Watched, sources: Sources, found: Mapping[str, Counts]) -> str:
        """Wait until something changes that counts."""
        with self._signals():
            if not found:
                self._screen.waiting()
            while not found:
                self._idle = asyncio.current_task()
                try:
                    found = self._what(sources, await watched.changes())
                except asyncio.CancelledError:
                    task = asyncio.current_task()
                    if self._told and task is not None:
                        task.uncancel()
                        raise Ended from None
                    raise
                finally:
                    self._idle = None
        return self._named(found)

    def _what(self, sources: Sources, paths: frozenset[str]) -> dict[str, Counts]:
        documents = {str(self._document.resolve()), str(self._project.folder / SETTINGS)}
        found = {Path(path).name: Counts.DECLARED for path in paths & documents if self._differs(path)}
        return {**found, **sources.changed(paths - documents)}

    def _differs(self, document: str) -> bool:
        """Whether a document has another text than when a round began with it: a change may be told twice."""
        before, self._texts[document] = self._texts.get(document), _text(document)
        return before != self._texts[document]

    def _named(self, found: Iterable[str]) -> str:
        names = sorted(found)
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        return f"{', '.join(names[:NAMED])}{more} changed"

    def _signals(self) -> Signals:
        return Signals(self._end)

    def _end(self, name: str) -> None:
        """A signal that no run takes in: between two rounds, or before one has begun."""
        self._told = name
        if self._round is not None:
            self._round.cancel()
        elif self._idle is not None:
            self._idle.cancel()
        else:
            raise KeyboardInterrupt


def _ignored(folder: Path, path: str) -> bool:
    return ignored(os.path.relpath(path, folder))


def _text(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


class Signals:
    """Our own handlers, again after each run, which has had its own."""

    def __init__(self, end: object) -> None:
        self._end = end

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        for number, name in SIGNALS.items():
            loop.add_signal_handler(number, self._end, name)  # type: ignore[arg-type]

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Screen:
    """What a person sees: a terminal is cleared for each round, a pipe gets plain lines."""

    def __init__(self, options: PreflightOptions, terminal: bool) -> None:
        self._live = terminal and (options.run.format or "auto") != "plain"
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
        """The document, or what it needs, is wrong: that is mended, and then it goes on."""
        self.say(f"error: {error}", "\x1b[31m")
        for line in error.evidence.splitlines():
            self.say(f"    {line}")

    def stopped(self) -> None:
        """A round was stopped; on a terminal the next one takes its place."""
        if not self._live:
            self.say("stopped")

    def waiting(self) -> None:
        """Nothing runs."""
        self.say()
        self.say("waiting for changes; Ctrl-C ends", "\x1b[2m")

    def say(self, line: str = "", colour: str = "") -> None:
        """One line."""
        coloured_line = f"{colour}{line}\x1b[0m" if colour and self._colour else line
        sys.stdout.write(f"{coloured_line}\n")
        sys.stdout.flush()
