"""The source files declared by a check: patterns, without ignored files (.gitignore)."""

from __future__ import annotations

import itertools
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import CannotTell
from seatrial.links.git import tracked_though_ignored
from seatrial.preflight.cache.hashes import Hashes, described
from seatrial.preflight.cache.patterns import TOOLS, alternatives, any_of, matcher, matching, outright, parts_of

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

Stamp = tuple[int, int]
"""Time of the last change, and inode."""

GIT = ".git"

LISTED = 5
"""Most ignored files listed."""

PROBED = 2000
"""Files looked at in an ignored folder, to see whether a pattern matches one of them."""


@dataclass(frozen=True, slots=True)
class Rules:
    """One .gitignore file, as seen from the source."""

    removed: int
    """Length of the prefix to remove from a path of the source, to make it relative to the .gitignore file."""
    added: str
    """The prefix to add instead."""
    spec: GitIgnoreSpec
    matched: re.Pattern[str] | None
    """Matches every path that a rule matches: most paths match none, and one look is faster than one for each rule."""


Ignoring = tuple[Rules, ...]
"""The .gitignore files for a folder, the outermost first."""


class Tree:
    """A source folder; lookups are cached until `forget`."""

    def __init__(self, source: Path, hashes: Hashes) -> None:
        self._source = str(source)
        self._hashes = hashes
        self._folders: dict[str, list[tuple[str, bool, bool]]] = {}
        self._ignored: dict[str, Ignoring] = {}
        self._contents: dict[str, str] = {}
        self._outer: Ignoring | None = None
        self._top: Path | None = None
        self._stamps: dict[str, Stamp] = {}
        self._added: frozenset[str] | None = None
        self._left_out = False
        """Whether .gitignore excluded any file so far; until then git need not be asked for exceptions."""
        self._busy = 0

    @contextmanager
    def changing(self) -> Iterator[None]:
        """While something may change the folder: do not rely on cached lookups."""
        self.forget()
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self.forget()

    def forget(self) -> None:
        """Drop cached lookups, because files may have changed."""
        self._folders.clear()
        self._ignored.clear()
        self._contents.clear()
        self._stamps.clear()
        self._outer = None

    def contents(self, patterns: Sequence[str]) -> Mapping[str, str]:
        """The declared files by their paths in the source, each with its state. CannotTell when a pattern matches no
        file or a file cannot be read."""
        paths = sorted(self.files(patterns))
        contents, stamps, source, hashes = self._contents, self._stamps, self._source, self._hashes
        for path in paths:
            if path not in contents:
                full = f"{source}/{path}"
                try:
                    found = os.lstat(full)
                    stamps[path] = _stamped(found) if stat.S_ISREG(found.st_mode) else stamp(full)
                    contents[path] = described(full, hashes, found)
                except OSError as error:
                    raise CannotTell(f"its input {path} cannot be read: {error.strerror or error}") from None
        return {path: contents[path] for path in paths}

    def stamps(self, paths: Iterable[str]) -> Mapping[str, Stamp]:
        """The write stamps of these files, taken just before `contents` read them. They differ after a change, even
        after a reverted one."""
        return {path: self._stamps[path] for path in paths if path in self._stamps}

    def files(self, patterns: Sequence[str]) -> set[str]:
        """The declared files, by their paths in the source; `!pattern` excludes files."""
        if self._busy:
            self.forget()
        found: set[str] = set()
        for pattern in patterns:
            if not pattern.startswith("!"):
                matches = {path for one in alternatives(pattern) for path in self._like(one)}
                if not matches:
                    raise CannotTell(f"its input {pattern!r} matches no file of the source")
                found |= matches
        if without := [pattern[1:] for pattern in patterns if pattern.startswith("!")]:
            spec = matcher(without)
            found = {path for path in found if not spec.match_file(path)}
        return found

    def leaves_out(self, path: str) -> bool:
        """Whether .gitignore excludes a file or folder, even one already removed."""
        if path in self._tracked():
            return False
        folder = path.rpartition("/")[0]
        is_folder = Path(f"{self._source}/{path}").is_dir()
        return self._is_ignored(folder) or _leaves_out(self._ignoring(folder), path, is_folder)

    def left_out(self, patterns: Sequence[str]) -> list[str]:
        """The files and folders that match these patterns but do not count, because .gitignore excludes them. Caches of
        tools are not listed. CannotTell as for `files`."""
        counted = self.files(patterns)
        unwanted = matcher(pattern[1:] for pattern in patterns if pattern.startswith("!"))
        found: set[str] = set()
        for pattern in (one for each in patterns if not each.startswith("!") for one in alternatives(each)):
            start, _ = outright(pattern)
            if not Path(f"{self._source}/{start}").is_dir() or self._is_ignored(start):
                continue
            skipped: list[tuple[str, bool]] = []
            self._walk(start, self._ignoring(start), (_identity(f"{self._source}/{start}"),), [], skipped)
            spec = matcher([pattern])
            for path, is_folder in skipped:
                if path.rpartition("/")[2] in TOOLS or path.endswith(".pyc"):
                    continue
                files = self._probed(path) if is_folder else (path,)
                if any(spec.match_file(one) and one not in counted and not unwanted.match_file(one) for one in files):
                    found.add(f"{path}/" if is_folder else path)
        return sorted(found)

    def _probed(self, folder: str) -> Iterator[str]:
        below = (
            f"{top[len(self._source) + 1 :]}/{name}"
            for top, _, names in os.walk(f"{self._source}/{folder}")
            for name in names
        )
        return itertools.islice(below, PROBED)

    def _like(self, pattern: str) -> Iterator[str]:
        start, wild = outright(pattern)
        full = f"{self._source}/{start}"
        if not Path(full).is_dir():
            if not wild and os.path.lexists(full):
                yield start
            return
        # Ignored files count if a pattern names their folder literally, as in `dist/**`, or has no `**`.
        ignoring = None if self._is_ignored(start) else self._ignoring(start)
        below: list[str] = []
        self._walk(start, ignoring, (_identity(full),), below)
        if ignoring is not None and self._left_out:
            added = (path for path in self._tracked() if not start or path.startswith(f"{start}/"))
            below += (path for path in added if os.path.lexists(f"{self._source}/{path}"))
            below += self._at_its_depth(start, parts_of(pattern)) if wild and "**" not in pattern else ()
        yield from filter(matching(pattern), below) if wild else below

    def _at_its_depth(self, start: str, parts: Sequence[str]) -> Iterator[str]:
        """The files as deep as the pattern, ignored or not."""
        folders = [start]
        for depth in range(start.count("/") + bool(start), len(parts)):
            spec, last = matcher(["/".join(parts[: depth + 1])]), depth + 1 == len(parts)
            entries = [
                (f"{folder}/{name}" if folder else name, is_folder)
                for folder in folders
                for name, is_folder, _ in self._entries(folder)
                if name != GIT
            ]
            matching = [(path, is_folder) for path, is_folder in entries if spec.match_file(path)]
            if last:
                yield from (path for path, is_folder in matching if not is_folder)
            folders = [path for path, is_folder in matching if is_folder]

    def _walk(
        self, folder: str, ignoring: Ignoring | None, above: tuple[tuple[int, int], ...], found: list[str],
        skipped: list[tuple[str, bool]] | None = None,
    ) -> None:  # fmt: skip
        """Add the files below a folder to `found`; ignored ones, with whether they are folders, to `skipped`."""
        for name, is_folder, is_link in self._entries(folder):
            path = f"{folder}/{name}" if folder else name
            if ignoring is not None and name == GIT:
                continue
            if ignoring and _leaves_out(ignoring, path, is_folder):
                self._left_out = True
                if skipped is not None:
                    skipped.append((path, is_folder))
                continue
            if not is_folder or is_link:
                found.append(path)
            if is_folder and (identity := _identity(f"{self._source}/{path}")) not in above:  # else a link upwards
                inner = None if ignoring is None else self._ignoring(path)
                self._walk(path, inner, (*above, identity), found, skipped)

    def _entries(self, folder: str) -> list[tuple[str, bool, bool]]:
        """The entries of a folder: name, whether it is a folder or leads to one, whether it is a link."""
        if folder not in self._folders:
            full = f"{self._source}/{folder}"
            try:
                with os.scandir(full) as entries:
                    self._folders[folder] = [(entry.name, entry.is_dir(), entry.is_symlink()) for entry in entries]
            except OSError as error:
                raise CannotTell(f"the folder {full} cannot be read: {error.strerror}") from None
        return self._folders[folder]

    def _tracked(self) -> frozenset[str]:
        """Tracked files that match .gitignore: git treats them like any other file."""
        if self._added is None:
            self._above()
            self._added = tracked_though_ignored(self._source) if self._top is not None else frozenset()
        return self._added

    def _is_ignored(self, path: str) -> bool:
        """Whether a folder or one of its parents is ignored."""
        parts = path.split("/") if path else []
        return any(
            _leaves_out(self._ignoring("/".join(parts[:at])), "/".join(parts[: at + 1]), True)
            for at in range(len(parts))
        )

    def _ignoring(self, folder: str) -> Ignoring:
        """The .gitignore files for a folder."""
        if folder not in self._ignored:
            above = self._ignoring(folder.rpartition("/")[0]) if folder else self._above()
            rules = _rules(f"{self._source}/{folder}/.gitignore", len(folder) + bool(folder))
            self._ignored[folder] = (*above, rules) if rules is not None else above
        return self._ignored[folder]

    def _above(self) -> Ignoring:
        """The .gitignore files above the source, up to the top of its repository."""
        if self._outer is None:
            source = Path(self._source)
            self._top = next((folder for folder in (source, *source.parents) if (folder / GIT).exists()), None)
            found: list[Rules] = []
            for folder in reversed(source.parents):
                if self._top is not None and folder.is_relative_to(self._top):
                    rules = _rules(str(folder / ".gitignore"), 0, f"{source.relative_to(folder)}/")
                    found += [rules] if rules is not None else []
            self._outer = tuple(found)
        return self._outer


def ignored_note(left: Sequence[str]) -> str:
    """The words for files that match the inputs, but do not count."""
    names = ", ".join(left[:LISTED]) + (f" and {len(left) - LISTED} more" if len(left) > LISTED else "")
    return f"git ignores {names}, so no change of it counts; to count it, name it in `inputs` without `**`"


def _leaves_out(ignoring: Ignoring, path: str, is_folder: bool) -> bool:
    """Whether the innermost .gitignore with a matching rule excludes the path."""
    for rules in reversed(ignoring):
        inner = rules.added + path[rules.removed :]
        if is_folder:
            inner += "/"
        if rules.matched is not None and not rules.matched.match(inner):
            continue
        said = rules.spec.check_file(inner).include
        if said is not None:
            return said
    return False


def _rules(file: str, removed: int, added: str = "") -> Rules | None:
    try:
        lines = Path(file).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CannotTell(f"{file} cannot be read: {error.strerror}") from None
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines(lines)
    return Rules(removed, added, spec, any_of(spec))


def stamp(path: str) -> Stamp:
    """The stamp of a regular file; times of a folder do not show changes inside it."""
    try:
        found = Path(path).stat()
    except OSError:
        return 0, 0
    return _stamped(found) if stat.S_ISREG(found.st_mode) else (0, 0)


def _stamped(found: os.stat_result) -> Stamp:
    return found.st_mtime_ns, found.st_ino


def _identity(folder: str) -> tuple[int, int]:
    found = Path(folder).stat()
    return found.st_dev, found.st_ino
