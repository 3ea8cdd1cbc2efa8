"""Parts of a valid pipeline that probably do not do what their author wants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seatrial.errors import CannotTell
from seatrial.preflight import KEY
from seatrial.preflight.affected import any_overlap
from seatrial.preflight.cache.hashes import Hashes
from seatrial.preflight.cache.tree import Tree, ignored_note
from seatrial.preflight.document import Check, Pipeline
from seatrial.preflight.parsing import Read
from seatrial.preflight.rows import apart, rows_of, settled
from seatrial.preflight.shell import loses_failures


def warnings_of(read: Read) -> Iterator[str]:
    """All warnings of a pipeline, each with its place."""
    yield from pipes(read)
    tree = Tree(read.source, Hashes(Path()))
    for id, check in read.pipeline.checks.items():
        for at, text in _inputs(read.pipeline, check, tree):
            yield f"{_where(read, id, 'inputs', at)}: {text}"


def pipes(read: Read) -> Iterator[str]:
    """A warning for each text with a pipe that can hide a failure: its check can pass by mistake."""
    for id, check in read.pipeline.checks.items():
        if program := loses_failures(check.run):
            advice = "begin the text with `set -o pipefail` (then bash runs it), or use no pipe"
            yield f"{_where(read, id, 'run')}: the pipe hides a failure of `{program}`; {advice}"


def _where(read: Read, id: str, *place: str | int) -> str:
    stage, _, name = id.partition("/")
    line, column = read.document.locate((KEY, "stages", stage, "checks", name, *place))
    return f"{read.document.file}:{line}:{column}"


def _inputs(pipeline: Pipeline, check: Check, tree: Tree) -> Iterator[tuple[int, str]]:
    rows = [settled(check, row, pipeline.parameters) for row in rows_of(check).values()]
    made = [pattern for other in apart(pipeline, pipeline.parameters).checks.values() for pattern in other.made]
    known = {(at, pattern): row for row in reversed(rows) for at, pattern in enumerate(row.inputs)}
    for (at, pattern), row in sorted(known.items(), key=lambda item: item[0]):
        if pattern.startswith("!"):
            continue
        try:
            left = tree.left_out([pattern, *row.unwanted])
        except CannotTell as error:
            if not any_overlap(made, [pattern]):
                outside = pattern.startswith(("..", "~", "/"))
                advice = "inputs are files inside the source" if outside else "its check never comes from the cache"
                yield at, f"{error}; {advice}"
            continue
        if left := [path for path in left if not any_overlap(made, [path])]:
            yield at, ignored_note(left)
