"""Files by patterns, as actions read them: `**`, `!` for exclusions, folders with all their content."""

from __future__ import annotations

import glob
import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Found:
    """The files of patterns."""

    files: tuple[Path, ...]
    root: Path
    """The deepest folder common to all patterns."""


def find(workspace: Path, patterns: Sequence[str], *, hidden: bool = True) -> Found:
    """The files of the patterns; without `hidden`, names with a leading dot are skipped."""
    files: dict[Path, None] = {}
    begins: list[Path] = []
    for line in (one.strip() for one in patterns):
        if not line or line.startswith("#"):
            continue
        out = line.startswith("!")
        whole = os.path.normpath(workspace / Path(line.removeprefix("!").strip()).expanduser())
        begin = _begin(whole)
        if not out:
            begins.append(begin)
        # A pattern with a slash at its end means folders only.
        for file in _files(whole + os.sep if line.endswith("/") else whole):
            if out:
                files.pop(file, None)
            elif hidden or not _hidden(file, begin):
                files[file] = None
    return Found(tuple(files), _root(begins, workspace))


def hash_files(workspace: Path, patterns: Sequence[str]) -> str:
    """`hashFiles()`: one SHA-256 over the SHA-256 of each file; empty without files."""
    lines = [line for pattern in patterns for line in pattern.splitlines()]
    inside = [one for one in find(workspace, lines).files if one.is_relative_to(workspace)]
    if not inside:
        return ""
    total = hashlib.sha256()
    for file in sorted(inside):
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def _begin(pattern: str) -> Path:
    """The part of a pattern before its first wildcard."""
    return Path(*itertools.takewhile(lambda part: not _WILD & set(part), Path(pattern).parts))


def _files(pattern: str) -> Iterator[Path]:
    for name in sorted(glob.glob(pattern, recursive=True, include_hidden=True)):  # noqa: PTH207 (Path.glob has no way to leave links to folders out)
        found = Path(name)
        if found.is_dir():
            for folder, folders, names in os.walk(found):
                folders.sort()
                yield from (Path(folder, one) for one in sorted(names) if Path(folder, one).is_file())
        elif found.is_file():
            yield found


def _hidden(file: Path, begin: Path) -> bool:
    return any(part.startswith(".") for part in (begin.name, *file.relative_to(begin).parts))


def _root(begins: Sequence[Path], workspace: Path) -> Path:
    folders = [one if one.is_dir() else one.parent for one in begins]
    return Path(os.path.commonpath(folders)) if folders else workspace
