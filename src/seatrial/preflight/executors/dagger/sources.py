"""The sources of a check as Dagger gets them: exactly the files that count, so that no other change runs it again."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, ToolMissing
from seatrial.preflight.cache.hashes import Hashes
from seatrial.preflight.cache.patterns import TOOLS, files_like
from seatrial.preflight.cache.tree import GIT, Tree
from seatrial.preflight.executors.images import LEFT_OUT, Ignoring
from seatrial.preflight.job import Job

_SPECIAL = re.compile(r"[*?\[\]\\!]")


def files_of(job: Job) -> set[str]:
    """The files for a check, by their paths in the source: its inputs, or without any a fresh checkout; and the
    artifacts of the checks before it, as they are in the source. CannotTell, ToolMissing as for other executors."""
    tree = Tree(job.source, Hashes(Path()))
    if job.check.wanted and job.check.source != "copy":
        found = tree.files(job.check.inputs)
    else:
        found = tree.files(["**"])
        for pattern in job.check.wanted:
            with suppress(CannotTell):  # as for a copy: the pattern matches no file
                found |= tree.files([pattern])
        if (job.source / GIT).exists():
            found |= set(_below(job.source, GIT))
    for patterns in job.needs.values():
        for pattern in patterns:
            found |= {str(file.relative_to(job.source)) for file in files_like(job.source, pattern)}
    found = {path for path in found if path.partition("/")[0] != ".seatrial"}
    folder = os.path.normpath(job.check.cwd or ".")
    inside = (path.startswith(f"{folder}/") for path in (*found, *job.given))
    if folder != "." and not any(inside):
        raise ToolMissing(f"the folder {job.check.cwd!r} is not in the sources")
    return found


def directory(client: Any, source: Path, files: Iterable[str]) -> Any:
    """These files of a folder of this host, and no others."""
    include, exclude = patterns_of(source, files)
    if not include:
        return client.directory()
    return client.host().directory(str(source), include=include, exclude=exclude, no_cache=True)


def patterns_of(source: Path, files: Iterable[str]) -> tuple[list[str], list[str]]:
    """The fewest patterns for these files: a folder's name if all its files are wanted, each file's name elsewhere;
    and the caches of tools to leave out everywhere."""
    if not (wanted := set(files)):
        return [], []
    names = {part for path in wanted for part in path.split("/")}
    without = TOOLS - names
    below: dict[str, set[str]] = {}
    for path in wanted:
        folder, _, name = path.rpartition("/")
        below.setdefault(folder, set()).add(name)
        while folder:
            folder, _, name = folder.rpartition("/")
            below.setdefault(folder, set()).add(name)
    whole, include = _compressed(source, "", below, without)
    found = ["**"] if whole else include
    return sorted(found), [f"**/{name}" for name in sorted(without)]


def _compressed(
    source: Path, folder: str, below: dict[str, set[str]], without: Iterable[str]
) -> tuple[bool, list[str]]:
    """Whether everything in a folder is wanted, and else the patterns of what is."""
    whole, patterns = True, list[str]()
    present = set()
    with suppress(OSError), os.scandir(source / folder) as entries:
        present = {entry.name for entry in entries} - set(without)
    for name in sorted(below[folder]):
        path = f"{folder}/{name}" if folder else name
        if path in below:
            inner, found = _compressed(source, path, below, without)
            whole &= inner
            patterns += [_literal(path)] if inner else found
        else:
            whole &= not (source / path).is_dir() or (source / path).is_symlink()
            patterns.append(_literal(path))
    return whole and present == below[folder], patterns


def _literal(path: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", path)


def _below(source: Path, folder: str) -> Iterator[str]:
    if not (source / folder).is_dir():
        yield folder
    for top, _, names in os.walk(source / folder):
        yield from (str(Path(top, name).relative_to(source)) for name in names)


def context_files(folder: Path) -> Sequence[str]:
    """The files of a build's context that its `.dockerignore` does not exclude."""
    ignoring, found = Ignoring(folder), list[str]()
    for top, folders, files in os.walk(folder):
        inside = os.path.relpath(top, folder)
        at = "" if inside == "." else f"{inside}/"
        folders[:] = [one for one in folders if one not in LEFT_OUT and not ignoring.whole(f"{at}{one}")]
        found += [f"{at}{name}" for name in files if not ignoring.leaves_out(f"{at}{name}")]
    return found
