"""Checks affected by a change: by their declared inputs, by dependencies and by the values they read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from seatrial.errors import CannotTell
from seatrial.preflight.cache.tree import Tree, matcher, outright
from seatrial.preflight.document import Check, Pipeline
from seatrial.preflight.selection import outputs_read

LINKED = 2
"""Most links to folders on the way to a file; more indicate a link to itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The changes, as paths relative to the source folder; `..` leads to the rest of the repository."""

    files: frozenset[str]
    folders: frozenset[str]
    """Folders with unknown changes inside."""
    known: frozenset[str]
    """Files with reliable change detection."""
    modules: frozenset[str]
    """Folders with reliable change detection as a whole."""
    links: frozenset[str] = frozenset()
    """Links, to files and to folders."""
    everything: str = ""
    """The reason why every check counts, such as a changed document."""


def affected(pipeline: Pipeline, changed: Changed, tree: Tree, source: Path) -> Mapping[str, str]:
    """The affected checks, each with the reason, in the order of the document."""
    checks = pipeline.checks
    if changed.everything:
        return dict.fromkeys(checks, changed.everything)
    look = _Look(checks, changed, tree, source)
    found = {name: why for name, check in checks.items() if (why := look.why(check))}
    before = {name: {*_needed(pipeline, name), *look.makers(check)} for name, check in checks.items()}
    _spread(found, before)
    for name in list(found):
        _read_by(pipeline, checks, name, found)
    return {name: found[name] for name in checks if name in found}


def _spread(found: dict[str, str], before: Mapping[str, Iterable[str]]) -> None:
    """Add the dependents of affected checks."""
    more = True
    while more:
        more = False
        for name, needs in before.items():
            first = next((one for one in needs if one in found), None)
            if name not in found and first is not None:
                found[name] = f"it comes after {first}"
                more = True


def _read_by(pipeline: Pipeline, checks: Mapping[str, Check], name: str, found: dict[str, str]) -> None:
    """Add the checks that produce outputs or artifacts for an affected check."""
    todo = [name]
    while todo:
        one = todo.pop()
        stage = one.partition("/")[0]
        condition = pipeline.stages[stage].if_
        for other in {*outputs_read(checks[one], condition), *_artifacts_read(pipeline, checks, one)}:
            if other not in found:
                found[other] = f"{one} reads its outputs or artifacts"
                todo.append(other)


def _artifacts_read(pipeline: Pipeline, checks: Mapping[str, Check], name: str) -> Iterator[str]:
    stage = name.partition("/")[0]
    for other in _needed(pipeline, name):
        made = checks[other].made
        inputs = checks[name].wanted
        if made and (
            other.partition("/")[0] == stage or not inputs or any(_overlap(a, b) for a in made for b in inputs)
        ):
            yield other


def _needed(pipeline: Pipeline, name: str) -> list[str]:
    """The checks needed by a check, including all checks of needed stages."""
    stage_name, _, check_name = name.partition("/")
    stage = pipeline.stages[stage_name]
    needed = [f"{stage_name}/{one}" for one in stage.checks[check_name].needs]
    return [*needed, *(f"{other}/{one}" for other in stage.needs for one in pipeline.stages[other].checks)]


class _Look:
    """Compares the change with the declarations of a check."""

    def __init__(self, checks: Mapping[str, Check], changed: Changed, tree: Tree, source: Path) -> None:
        self._checks, self._changed, self._tree = checks, changed, tree
        self._source = str(source)
        self._links: dict[str, bool] = {}
        self._paths = sorted(_seen_through_links(changed, self._source).items())

    def why(self, check: Check) -> str:
        """The reason why the check counts; empty: the change touches none of its declarations."""
        inputs = check.wanted
        if not inputs:
            return "it declares no `inputs`"
        without = [pattern[1:] for pattern in check.unwanted]
        # The image or the program contains these files even if `!pattern` excludes them from the inputs.
        besides = list(_besides(check))
        wanted, unwanted, always = matcher(inputs), matcher(without), matcher(besides)
        for path, real in self._paths:
            if always.match_file(path) or (wanted.match_file(path) and not unwanted.match_file(path)):
                return f"{path} changed" if path == real else f"{path} links to {real}, and {real} changed"
        for folder in sorted(self._changed.folders):
            declared = any(_overlap(folder, one) for one in inputs) and not unwanted.match_file(f"{folder}/x")
            if declared or any(_overlap(folder, one) for one in besides):
                return f"{folder}, another repository, changed"
        return self._unknown(check, inputs)

    def makers(self, check: Check) -> list[str]:
        """The checks that make artifacts among its inputs."""
        inputs = check.wanted
        return [
            name
            for name, other in self._checks.items()
            if other is not check and any(_overlap(made, one) for made in other.made for one in inputs)
        ]

    def _unknown(self, check: Check, inputs: Sequence[str]) -> str:
        """The reason why changes of the inputs cannot be detected: git ignores them, or they do not exist."""
        made = [one for name in self.makers(check) for one in self._checks[name].made]
        for pattern in inputs:
            try:
                files = self._tree.files([pattern, *check.unwanted])
            except CannotTell as error:
                if any(_overlap(one, pattern) for one in made):
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
            if one in self._changed.files:
                return f"{path} links to {one}, and {one} changed"
            if _below(one, self._changed.folders):
                return f"{path} links to another repository, and it changed"
            told = one in self._changed.known or _below(one, self._changed.modules)
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


def _seen_through_links(changed: Changed, source: str) -> Mapping[str, str]:
    """The changed files by their own paths, and by their paths through links to folders. Only these paths show removals
    from such a folder."""
    folders = [
        (link, os.path.relpath(os.path.realpath(f"{source}/{link}"), os.path.realpath(source)))
        for link in changed.links
        if not Path(f"{source}/{link}").is_file()
    ]
    found = {path: path for path in changed.files}
    for _ in range(LINKED if folders else 0):
        found |= {
            f"{link}{path[len(real) :]}": file
            for path, file in found.items()
            for link, real in folders
            if path.startswith(f"{real}/")
        }
    return found


def _besides(check: Check) -> Iterator[str]:
    """The implicit inputs: a program inside the sources, and the files its image is built from."""
    program = check.run.split()[0] if isinstance(check.run, str) and check.run.split() else check.run[:1]
    program = program if isinstance(program, str) else "".join(program)
    if "/" in program and not program.startswith("/") and "${{" not in program:
        yield os.path.normpath(f"{check.cwd}/{program}" if check.cwd else program)
    if check.build is not None:
        yield os.path.normpath(check.build.context) if check.build.context not in ("", ".") else "**"


def _overlap(one: str, other: str) -> bool:
    """Whether two patterns can match the same file, judged by their literal parts."""
    first, second = (PurePosixPath(outright(pattern)[0]) for pattern in (one, other))
    return first.is_relative_to(second) or second.is_relative_to(first)


def _below(path: str, folders: Iterable[str]) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in folders)
