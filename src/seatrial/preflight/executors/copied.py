"""A check's own copy of the sources: a fresh checkout, plus its inputs and the artifacts it uses."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.preflight.cache.hashes import Hashes
from seatrial.preflight.cache.tree import GIT, Tree
from seatrial.preflight.job import Job

STATE = ".seatrial"
"""The project's own state, not part of the sources."""


def gather(job: Job, target: Path) -> None:
    """Copy them into a new folder; OSError, shutil.Error, CannotTell when they are unreadable."""
    target.mkdir(parents=True)
    tree = Tree(job.source, Hashes(Path()))
    wanted: set[str] = set()
    for pattern in ("**", *job.check.wanted):
        with suppress(CannotTell):  # the pattern matches no file
            wanted |= tree.files([pattern])
    links: set[str] = set()
    for path in sorted(wanted):
        parents = [str(one) for one in Path(path).parents]
        # A file behind a link to a folder is at the link's target: the link itself is copied.
        if path.partition("/")[0] == STATE or links.intersection(parents):
            continue
        source, copy = job.source / path, target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink() and source.is_dir():
            links.add(path)
        _linked(str(source), str(copy))
    if (job.source / GIT).is_dir():
        shutil.copytree(job.source / GIT, target / GIT, symlinks=True, copy_function=_linked)
    elif (job.source / GIT).exists():
        _linked(str(job.source / GIT), str(target / GIT))
    for path, file in job.given.items():
        copy = target / path
        if not copy.parent.resolve().is_relative_to(target.resolve()):
            raise CannotTell(f"{job.name} cannot get {path}: the path follows a link out of the sources")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.unlink(missing_ok=True)
        shutil.copy2(file, copy)


def _linked(source: str, target: str) -> None:
    """Hard-link the read-only file if possible, else copy it."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
