"""The changes that start another run of a pipeline: new content of declared inputs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path, PurePosixPath

from seatrial.errors import CannotTell
from seatrial.preflight.cache.hashes import Hashes, described
from seatrial.preflight.cache.patterns import TOOLS, matcher, outright
from seatrial.preflight.cache.tree import Tree
from seatrial.preflight.document import Check, Pipeline

NEVER = frozenset({".git", ".hg", ".svn", ".seatrial"})
"""Folders without sources."""

THERE = "there"
"""The state of an undeclared file: it is not read before its first change."""

STRIKES = 3
"""Consecutive rounds in which a file changes during the checks, before it counts as their product."""


class Counts(StrEnum):
    """The weight of a change."""

    DECLARED = "declared"
    """An input changed: the current checks judge outdated files."""
    PERHAPS = "perhaps"
    """A check declares no inputs, so the change may matter; a check may also have made it."""


def ignored(path: str) -> bool:
    """Whether a path is always ignored."""
    parts = PurePosixPath(path).parts
    return any(part in NEVER for part in parts) or parts[-1].endswith(("~", ".swp", ".swx")) or parts[-1] == "4913"


class Sources:
    """The files of a pipeline as of its last run."""

    def __init__(self, source: Path, hashes: Hashes) -> None:
        self._source, self._hashes = source, hashes
        self._known: dict[str, str] = {}
        self._round, self._running, self._ended = 0, False, 0.0
        self._during: dict[str, tuple[int, int]] = {}
        """Consecutive rounds in which a file changed during the checks, and the last of them."""
        self._made: set[str] = set()
        """Probable products of the checks."""
        self._checks: Sequence[Check] = ()
        self._tree = Tree(source, hashes)

    def declare(self, pipeline: Pipeline) -> None:
        """Set the current pipeline, and remember the content of its inputs for the next round."""
        self._checks = list(pipeline.checks.values())
        self._tree = Tree(self._source, self._hashes)
        for check in self._checks:
            for pattern in check.wanted:
                with suppress(CannotTell):  # not made yet
                    self._known |= self._tree.contents([pattern, *check.unwanted])
        if not all(check.wanted for check in self._checks):
            with suppress(CannotTell):  # the pattern matches no file
                self._known = dict.fromkeys(self._tree.files(["**"]), THERE) | self._known

    def changed(self, paths: Iterable[str]) -> dict[str, Counts]:
        """The relevant ones of these paths, by paths from the source; remembers their current state."""
        found: dict[str, Counts] = {}
        self._tree.forget()
        inside = [str(Path(one).relative_to(self._source)) for one in paths if Path(one).is_relative_to(self._source)]
        for name in sorted({file for one in inside for file in self._files(one)}):
            path = f"{self._source}/{name}"
            counts = self._counts(name)
            if counts is None or not self._is_new(name, path):
                continue
            if counts is Counts.DECLARED or not self._made_by_checks(name, path):
                found[name] = counts
        return found

    @contextmanager
    def round(self) -> Iterator[None]:
        """During the checks: undeclared changes may come from the checks themselves."""
        self._round, self._running = self._round + 1, True
        try:
            yield
        finally:
            self._running, self._ended = False, time.time()

    def _made_by_checks(self, name: str, path: str) -> bool:
        """Whether an undeclared file changes in every round of checks. Changes between rounds have another author."""
        during = self._running
        with suppress(OSError):
            during = during or Path(path).stat().st_mtime <= self._ended
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
        """The files at a path; for a folder added or removed as a whole, only its own name is known."""
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
        if any(matcher(check.made).match_file(name) for check in self._checks):
            return None
        if any(self._declares(check, name) for check in self._checks):
            return Counts.DECLARED
        in_tool = TOOLS & set(PurePosixPath(name).parts)
        if in_tool or all(check.wanted for check in self._checks) or self._tree.leaves_out(name):
            return None
        return Counts.PERHAPS

    def _declares(self, check: Check, name: str) -> bool:
        for pattern in check.wanted:
            if matcher([pattern]).match_file(name):
                start = outright(pattern)[0]
                hidden = TOOLS & set(PurePosixPath(name).parts) - set(PurePosixPath(start).parts)
                if not hidden and (not self._tree.leaves_out(name) or (start and self._tree.leaves_out(start))):
                    return not matcher(pattern[1:] for pattern in check.unwanted).match_file(name)
        return False
