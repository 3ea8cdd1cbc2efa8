"""Checks affected by a change: by their declared inputs, by dependencies and by the values they read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from seatrial.errors import CannotTell
from seatrial.links.git import Changes
from seatrial.preflight.cache.hashes import Hashes
from seatrial.preflight.cache.patterns import matcher, outright
from seatrial.preflight.cache.programs import Programs
from seatrial.preflight.cache.tree import Tree
from seatrial.preflight.document import Check, Pipeline
from seatrial.preflight.rows import rows_named
from seatrial.preflight.selection import needed, outputs_read

LINKED = 2
"""Most links to folders on the way to a file; more indicate a link to itself."""


def affected(pipeline: Pipeline, changes: Changes, tree: Tree, source: Path) -> Mapping[str, str]:
    """The affected checks of a pipeline with its rows apart, each with the reason, in the order of the document. The
    paths of the changes are relative to the source folder; `..` leads to the rest of the repository."""
    checks = pipeline.checks
    look = _Look(checks, changes, tree, source)
    found = {name: why for name, check in checks.items() if (why := look.why(check))}
    _spread(found, {name: {*needed(pipeline, name), *look.makers(check)} for name, check in checks.items()})
    _add_read(pipeline, found)
    return {name: found[name] for name in checks if name in found}


def _spread(found: dict[str, str], before: Mapping[str, Iterable[str]]) -> None:
    """Add the dependents of affected checks."""
    known = -1
    while known < len(found):
        known = len(found)
        for name, needs in before.items():
            first = next((need for need in needs if need in found), "")
            if name not in found and first:
                found[name] = f"it comes after {first}"


def _add_read(pipeline: Pipeline, found: dict[str, str]) -> None:
    """Add the checks that produce outputs or artifacts for affected checks."""
    todo = list(reversed(found))
    while todo:
        name = todo.pop()
        condition = pipeline.stages[name.partition("/")[0]].if_
        read = {*outputs_read(pipeline.checks[name], condition), *_artifacts_read(pipeline, name)}
        for other in (row for one in sorted(read) for row in rows_named(one, pipeline.checks)):
            if other not in found:
                found[other] = f"{name} reads its outputs or artifacts"
                todo.append(other)


def _artifacts_read(pipeline: Pipeline, name: str) -> Iterator[str]:
    stage, inputs = name.partition("/")[0], pipeline.checks[name].wanted
    for other in needed(pipeline, name):
        made = pipeline.checks[other].made
        if made and (other.partition("/")[0] == stage or not inputs or any_overlap(made, inputs)):
            yield other


class _Look:
    """Compares the change with the declarations of a check."""

    def __init__(self, checks: Mapping[str, Check], changes: Changes, tree: Tree, source: Path) -> None:
        self._checks, self._changes, self._tree = checks, changes, tree
        self._source = str(source)
        self._links: dict[str, bool] = {}
        self._paths = sorted(_seen_through_links(changes, self._source).items())

    def why(self, check: Check) -> str:
        """The reason why the check counts; empty: the change touches none of its declarations."""
        if not check.wanted:
            return "it declares no `inputs`"
        # The image or the program contains these files even if `!pattern` excludes them from the inputs.
        besides = list(_besides(check, Path(self._source)))
        wanted, always = matcher(check.wanted), matcher(besides)
        unwanted = matcher(pattern[1:] for pattern in check.unwanted)
        for path, real in self._paths:
            if always.match_file(path) or (wanted.match_file(path) and not unwanted.match_file(path)):
                return f"{path} changed" if path == real else f"{path} links to {real}, and {real} changed"
        for folder in sorted(self._changes.folders):
            declared = any_overlap([folder], check.wanted) and not unwanted.match_file(f"{folder}/x")
            if declared or any_overlap([folder], besides):
                return f"{folder}, another repository, changed"
        return self._unknown(check)

    def makers(self, check: Check) -> list[str]:
        """The checks that make artifacts among its inputs."""
        others = ((name, other) for name, other in self._checks.items() if other is not check)
        return [name for name, other in others if any_overlap(other.made, check.wanted)]

    def _unknown(self, check: Check) -> str:
        """The reason why changes of the inputs cannot be detected: git ignores them, or they do not exist."""
        made = [one for name in self.makers(check) for one in self._checks[name].made]
        for pattern in check.wanted:
            try:
                files = self._tree.files([pattern, *check.unwanted])
            except CannotTell as error:
                if any_overlap(made, [pattern]):
                    continue  # not made yet
                return str(error)
            for path in sorted(files):
                if why := self._untold(path, made):
                    return why
        return ""

    def _untold(self, path: str, made: Sequence[str]) -> str:
        """The reason why an unlisted file may have changed all the same."""
        links, real = self._led(path)
        for one in (*links, real):
            if one in self._changes.files:
                return f"{path} links to {one}, and {one} changed"
            if _below(one, self._changes.folders):
                return f"{path} links to another repository, and it changed"
            told = one in self._changes.known or _below(one, self._changes.modules)
            if not told and not (made and matcher(made).match_file(one)):
                return f"git does not report changes of {path}"
        return ""

    def _led(self, path: str) -> tuple[list[str], str]:
        """The links on the way to a file, and where it is."""
        links: list[str] = []
        at = ""
        for part in path.split("/"):
            at = f"{at}/{part}" if at else part
            if at not in self._links:
                self._links[at] = Path(f"{self._source}/{at}").is_symlink()
            links += [at] if self._links[at] else []
        return links, os.path.relpath(os.path.realpath(f"{self._source}/{path}"), self._source) if links else path


def _seen_through_links(changes: Changes, source: str) -> Mapping[str, str]:
    """The changed files by their own paths, and by their paths through links to folders. Only these paths show removals
    from such a folder."""
    folders = [
        (link, os.path.relpath(os.path.realpath(f"{source}/{link}"), os.path.realpath(source)))
        for link in changes.links
        if not Path(f"{source}/{link}").is_file()
    ]
    found = {path: path for path in changes.files}
    for _ in range(LINKED if folders else 0):
        found |= {
            f"{link}{path[len(real) :]}": file
            for path, file in found.items()
            for link, real in folders
            if path.startswith(f"{real}/")
        }
    return found


def _besides(check: Check, source: Path) -> Iterator[str]:
    """The implicit inputs: programs and scripts inside the sources, and the files its image is built from."""
    folder = source / check.cwd
    yield from Programs(folder=folder, source=source, path="", env={}, hashes=Hashes(Path())).own_files(check.run)
    if check.build is not None:
        yield os.path.normpath(check.build.context) if check.build.context not in ("", ".") else "**"


def any_overlap(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether a pattern of each can match the same file, judged by their literal parts."""
    firsts, seconds = ([PurePosixPath(outright(pattern)[0]) for pattern in patterns] for patterns in (some, others))
    return any(one.is_relative_to(other) or other.is_relative_to(one) for one in firsts for other in seconds)


def _below(path: str, folders: Iterable[str]) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in folders)
