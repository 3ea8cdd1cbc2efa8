"""`run --watch`: run again whenever a document, or a file that it names, changes, and when a folder of documents has a
new one."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from seatrial.app.planning import plan_documents
from seatrial.app.project import DOCUMENTS, find, from_here, within
from seatrial.app.run import run_plan, signals
from seatrial.app.run_options import RunOptions, RunReport
from seatrial.errors import DocumentError, NothingSelected, SeatrialError, UsageError
from seatrial.links.file_watch import Watched, needed
from seatrial.links.paths import SETTINGS
from seatrial.loading.read.document import read
from seatrial.model.fold import SIGNAL_CODES
from seatrial.model.scenario import Plan
from seatrial.preflight.cache.hashes import Hashes
from seatrial.preflight.cache.tree import Tree

NAMED = 3
"""Number of changed files to name."""


def main(paths: Sequence[Path], options: RunOptions) -> int:
    """Run rounds until a signal arrives; its exit code."""
    if options.format == "json":
        raise UsageError("--watch has many rounds, and --format json is for one document: choose plain or live")
    if options.report_dir is not None:
        raise UsageError("--watch writes a report for each round: remove --report-dir")
    if options.keep not in (None, "never"):
        raise UsageError(f"--watch removes everything after each round: remove --keep {options.keep}")
    needed()
    return asyncio.run(RunWatch(paths, options).run())


class RunWatch:
    """The rounds, and what they watch."""

    def __init__(self, paths: Sequence[Path], options: RunOptions) -> None:
        self._paths, self._options = paths, options
        self._project = find(options.project)
        self._files: dict[Path, bytes | None] = {}
        """The watched files and their contents: a saved file without a change begins no round."""
        self._documents: frozenset[Path] = frozenset()
        """The documents in the watched folders."""
        self._first = True

    async def run(self) -> int:
        """Run a round, wait for a change, and so on."""
        while True:
            plan = self._plan()
            self._first = False
            async with Watched(self._project.folder, ignored=self._ignored, files=self._files) as watched:
                signal, changed = "", self._changed(map(str, self._files))  # since they were read
                if not changed:
                    signal, changed = await (self._round(plan, watched) if plan else self._wait(watched))
            if signal:
                return SIGNAL_CODES[signal]
            sys.stdout.write(f"\n{time.strftime('%H:%M:%S')}  {_named(changed)} changed\n")
            sys.stdout.flush()

    def _plan(self) -> Plan | None:
        """The current plan; None after its problems are reported. What is wrong from the start, except in a document,
        is an error."""
        self._project = find(self._options.project)
        self._documents = self._in_folders()
        files = {path for path in self._paths if path.is_file()}
        try:
            registry = self._project.registry(self._options.plugins)
            plan = plan_documents(self._paths, self._options, project=self._project, registry=registry)
            files |= set(map(Path, plan.documents))
            if not plan.suites:
                raise NothingSelected("no suite was selected; `seatrial list` shows all suites")
        except SeatrialError as error:
            if self._first and not (isinstance(error, DocumentError) and files):
                raise
            sys.stdout.write(f"error: {error}\n")
            plan = None
        own = [self._project.folder / SETTINGS, *map(Path, self._options.plugins)]
        own += [self._project.folder / name for name in self._project.settings.value("plugins") or ()]
        # Files that a broken document no longer names may be the ones to mend.
        known = self._files if plan is None else ()
        tree = Tree(self._project.folder, Hashes(Path()))
        named = {path for file in files for path in named_files(file) if not self._is_ignored_by_git(path, tree)}
        self._files = {path.absolute(): _content(path) for path in (*files, *named, *own, *known)}
        return plan

    async def _round(self, plan: Plan, watched: Watched) -> tuple[str, set[Path]]:
        """One round, ended by its end and a change after it, by a change during it, or by a signal."""
        registry = self._project.registry(self._options.plugins)
        run = asyncio.create_task(run_plan(plan, self._options, project=self._project, registry=registry))
        changed: set[Path] = set()
        while not run.done() and not changed:
            news = asyncio.ensure_future(watched.changes())
            await asyncio.wait({run, news}, return_when=asyncio.FIRST_COMPLETED)
            if news.done():
                changed = self._changed(news.result())
            news.cancel()
        if not run.done():
            run.cancel()  # it cleans up
        report: RunReport | None = None
        try:
            report = await run
        except asyncio.CancelledError:
            if not run.cancelled():
                raise
        except SeatrialError as error:
            sys.stdout.write(f"error: {error}\n")
        if report is not None and report.signal:
            return report.signal, changed
        return ("", changed) if changed else await self._wait(watched)

    async def _wait(self, watched: Watched) -> tuple[str, set[Path]]:
        """Wait for a change, or a signal."""
        sys.stdout.write(f"\nwatching {len(self._files)} files; press Ctrl-C to stop\n")
        sys.stdout.flush()
        caught: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def end(name: str) -> None:
            if not caught.done():
                caught.set_result(name)

        with signals(end):
            while True:
                news = asyncio.ensure_future(watched.changes())
                waited: set[asyncio.Future[Any]] = {caught, news}
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                if caught.done():
                    news.cancel()
                    return caught.result(), set()
                if changed := self._changed(news.result()):
                    return "", changed

    def _is_ignored_by_git(self, path: Path, tree: Tree) -> bool:
        """Whether .gitignore names it: mostly what a run writes, which would begin rounds without an end."""
        folder = self._project.folder
        return path.is_relative_to(folder) and tree.leaves_out(str(path.relative_to(folder)))

    def _ignored(self, path: str) -> bool:
        return Path(path) not in self._files and not path.endswith(DOCUMENTS)

    def _changed(self, paths: Iterable[str]) -> set[Path]:
        """The files among these with another content than before, and the documents that are new in a folder or gone
        from it."""
        changed = {path for path in map(Path, paths) if path in self._files and _content(path) != self._files[path]}
        return changed | (self._in_folders() ^ self._documents)

    def _in_folders(self) -> frozenset[Path]:
        """The documents in the folders among the paths; without paths, those of the project."""
        tree = Tree(self._project.folder, Hashes(Path()))
        found = [path for folder in self._paths if folder.is_dir() for path in within(folder)]
        if not self._paths:
            with suppress(SeatrialError):
                found = self._project.scenarios()
        absolute = frozenset(path.absolute() for path in found)
        return frozenset(path for path in absolute if not self._is_ignored_by_git(path, tree))


def named_files(document: Path) -> Iterator[Path]:
    """The files that a document names, relative to its folder: scripts, inventories, playbooks, compose files."""
    try:
        data = read(document).data
    except SeatrialError:
        return
    folder = document.absolute().parent
    for text in _texts(data):
        words = [text]
        with suppress(ValueError):
            words += shlex.split(text)
        for word in words:
            with suppress(OSError, ValueError):
                if word and len(word) < 1000 and (path := folder / word).is_file():
                    yield Path(os.path.normpath(path))


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for value in data.values():
            yield from _texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from _texts(value)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _named(paths: set[Path]) -> str:
    names = sorted(str(from_here(path)) for path in paths)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"
