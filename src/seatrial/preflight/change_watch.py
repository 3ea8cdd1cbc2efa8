"""Which changes a pipeline is run again for: those of declared inputs, when their content is another one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path, PurePosixPath

from seatrial.errors import CannotTell
from seatrial.preflight.cache.hashes import Hashes, described
from seatrial.preflight.cache.tree import Tree, matcher, outright
from seatrial.preflight.document import Check, Pipeline

NEVER = frozenset({".git", ".hg", ".svn", ".seatrial"})
"""Folders in which nothing that changes is a source."""

TOOLS = frozenset(
    {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".tox", ".nox", ".venv", "venv",
     "node_modules", ".cache", ".import_linter_cache", ".idea", ".vscode"}
)  # fmt: skip
"""Folders that tools keep; they count only for a check that names them outright."""

THERE = "there"
"""What is known of a file that nobody declares: it is not read before it changes."""

STRIKES = 3
"""Rounds in a row in which a file changes while the checks run, until it is taken for something that they make."""


class Counts(StrEnum):
    """How much a change counts."""

    DECLARED = "declared"
    """It is an input: what runs now judges files that are not there any more."""
    PERHAPS = "perhaps"
    """A check declares no inputs, so nobody knows; a check may have made it, too."""


def ignored(path: str) -> bool:
    """Whether a path is never looked at."""
    parts = PurePosixPath(path).parts
    return any(part in NEVER for part in parts) or parts[-1].endswith(("~", ".swp", ".swx")) or parts[-1] == "4913"


class Sources:
    """The files of a pipeline as they were when it was last run."""

    def __init__(self, source: Path, hashes: Hashes) -> None:
        self._source, self._hashes = source, hashes
        self._known: dict[str, str] = {}
        self._round, self._running, self._ended = 0, False, 0.0
        self._during: dict[str, tuple[int, int]] = {}
        """In how many rounds in a row a file changed while the checks ran, and the last of them."""
        self._made: set[str] = set()
        """What the checks make, by all appearances."""
        self._checks: Sequence[Check] = ()
        self._tree = Tree(source, hashes)

    def declare(self, pipeline: Pipeline) -> None:
        """The pipeline as it is read now; the content of its inputs is what the next round sees."""
        self._checks = [check for stage in pipeline.stages.values() for check in stage.checks.values()]
        self._tree = Tree(self._source, self._hashes)
        for check in self._checks:
            for pattern in _wanted(check):
                with suppress(CannotTell):  # it is still to be made
                    self._known |= self._tree.contents([pattern, *_unwanted(check)])
        if not all(map(_wanted, self._checks)):
            with suppress(CannotTell):  # there is no file at all
                self._known = dict.fromkeys(self._tree.files(["**"]), THERE) | self._known

    def changed(self, paths: Iterable[str]) -> dict[str, Counts]:
        """What of these paths counts, by paths from the source; from now on it is known as it is."""
        found: dict[str, Counts] = {}
        self._tree.forget()
        inside = [str(Path(one).relative_to(self._source)) for one in paths if Path(one).is_relative_to(self._source)]
        for name in sorted({file for one in inside for file in self._files(one)}):
            path = f"{self._source}/{name}"
            counts = self._counts(name)
            if counts is None or not self._is_new(name, path):
                continue
            if counts is Counts.PERHAPS and self._made_by_checks(name, path):
                continue
            found[name] = counts
        return found

    @contextmanager
    def round(self) -> Iterator[None]:
        """While the checks run: what changes now without being declared, they may have made themselves."""
        self._round, self._running = self._round + 1, True
        try:
            yield
        finally:
            self._running, self._ended = False, time.time()

    def _made_by_checks(self, name: str, path: str) -> bool:
        """Whether an undeclared file that changed is one that the checks change each time; what changes while nothing
        runs, somebody else changed."""
        try:
            during = self._running or Path(path).stat().st_mtime <= self._ended
        except OSError:
            during = self._running
        if not during:
            self._made.discard(name)
            self._during.pop(name, None)
            return False
        count, last = self._during.get(name, (0, 0))
        if last != self._round:
            count = count + 1 if last == self._round - 1 else 1
            self._during[name] = (count, self._round)
        if count >= STRIKES:
            self._made.add(name)
        return name in self._made

    def _files(self, name: str) -> Iterator[str]:
        """A file is itself; of a folder that came or went as a whole only its own name is told."""
        yield from (known for known in self._known if known.startswith(f"{name}/"))
        top = self._source / name
        if top.is_symlink() or not top.is_dir():
            yield name
            return
        for folder, folders, files in os.walk(top):
            folders[:] = [one for one in folders if one not in NEVER | TOOLS]
            yield from (str((Path(folder) / one).relative_to(self._source)) for one in files)

    def _is_new(self, name: str, path: str) -> bool:
        try:
            now = described(path, self._hashes)
        except OSError:
            now = "nothing"
        before = self._known.get(name)
        self._known[name] = now
        return now != (before or "nothing")

    def _counts(self, name: str) -> Counts | None:
        if any(matcher(_made(check)).match_file(name) for check in self._checks):
            return None
        found: Counts | None = None
        for check in self._checks:
            wanted = _wanted(check)
            if not wanted:
                if not (self._tree.leaves_out(name) or TOOLS & set(PurePosixPath(name).parts)):
                    found = Counts.PERHAPS
            elif self._declares(wanted, name) and not matcher(_unwanted_plain(check)).match_file(name):
                return Counts.DECLARED
        return found

    def _declares(self, patterns: Sequence[str], name: str) -> bool:
        for pattern in patterns:
            if not matcher([pattern]).match_file(name):
                continue
            start = outright(pattern)[0]
            hidden = TOOLS & set(PurePosixPath(name).parts) - set(PurePosixPath(start).parts)
            if not hidden and (not self._tree.leaves_out(name) or (start and self._tree.leaves_out(start))):
                return True
        return False


def _wanted(check: Check) -> list[str]:
    return [one for one in check.inputs if not one.startswith("!")]


def _unwanted(check: Check) -> list[str]:
    return [one for one in check.inputs if one.startswith("!")]


def _unwanted_plain(check: Check) -> list[str]:
    return [one[1:] for one in _unwanted(check)]


def _made(check: Check) -> list[str]:
    return [str(PurePosixPath(check.cwd) / pattern) for pattern in check.artifacts]
