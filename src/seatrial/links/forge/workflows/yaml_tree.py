"""YAML as GitHub reads it (1.2 core types: `on` is a word), with the line and column of every value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from seatrial.errors import DocumentError, Problem, nearest
from seatrial.links.yaml_scalars import core_value

LARGEST = 1024 * 1024
"""Characters; GitHub takes no larger workflow."""

MOST = 50_000
"""Values, including those reached through aliases; more than this is an alias bomb."""

Place = tuple[str | int, ...]


class WorkflowError(DocumentError):
    """The problems of a workflow or action file, each with file and line."""


@dataclass(slots=True)
class Tree:
    """A file, read, and the problems found in it so far."""

    path: str
    data: Any
    lines: dict[Place, tuple[int, int]]
    """Where a value's key stands (an item of a list: the item), from 1."""
    problems: list[Problem] = field(default_factory=list)
    doubts: list[Problem] = field(default_factory=list)
    """Problems in parts that only the runner needs: GitHub may know more about them."""

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest thing around it."""
        return self.at(place)[0]

    def at(self, place: Place) -> tuple[int, int]:
        """Line and column."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, (1, 1))

    def wrong(self, place: Place, message: str, hint: str = "") -> None:
        """Note a problem, or a doubt."""
        noted = self.problems if _needed(place) else self.doubts
        noted.append(Problem(self.path or "workflow", *self.at(place), message, hint))

    def keys(self, place: Place, found: dict[str, Any], allowed: Iterator[str] | tuple[str, ...]) -> None:
        """Note every unknown key as a doubt: GitHub adds keys."""
        names = tuple(allowed)
        for key in found:
            if key not in names:
                at = self.at((*place, key))
                self.doubts.append(
                    Problem(self.path or "workflow", *at, f"unexpected key {key!r}", nearest(key, names))
                )

    def done(self, *, strict: bool = False) -> None:
        """WorkflowError when something is wrong; `strict`: or doubtful."""
        if found := [*self.problems, *(self.doubts if strict else ())]:
            raise WorkflowError(sorted(found, key=lambda problem: (problem.line, problem.column)))


def _needed(place: Place) -> bool:
    """Whether a dispatch depends on this part of a workflow: triggers, inputs, names of runs, concurrency groups."""
    within_job = len(place) > 2 and place[2] in ("concurrency", "uses", "with")
    return within_job or len(place) == 0 or place[0] in ("on", "run-name", "concurrency") or place == ("jobs",)


def _broken(path: str, at: tuple[int, int], message: str) -> WorkflowError:
    return WorkflowError([Problem(path or "workflow", *at, message)])


def read_tree(text: str, path: str) -> Tree:
    """The data of a YAML file with positions; WorkflowError for invalid YAML, or if it is not a mapping."""
    if len(text) > LARGEST:
        raise _broken(path, (0, 0), f"the file has more than {LARGEST} characters; GitHub takes no more")
    try:
        root = _composed(text)
        tree = Tree(path, None, {})
        if root is None:
            raise _broken(path, (1, 1), "the file is empty")
        tree.data = _Builder(tree).value(root, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _broken(path, at, f"invalid YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise _broken(path, (1, 1), f"invalid YAML: {error}") from None
    except RecursionError:
        raise _broken(path, (1, 1), "the file is nested too deeply") from None
    tree.done()
    if not isinstance(tree.data, dict):
        raise _broken(path, (1, 1), "a mapping is expected, with `on:` and `jobs:`")
    return tree


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _NewestAnchor(yaml.SafeLoader):
    """An anchor may be defined again; its aliases mean the newest."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        parser: Any = self
        if not self.check_event(yaml.AliasEvent):
            self.anchors.pop(parser.peek_event().anchor, None)
        return super().compose_node(parent, index)


def _composed(text: str) -> Any:
    try:
        return yaml.compose(text, Loader=_LOADER)
    except yaml.composer.ComposerError as error:
        if "duplicate anchor" not in f"{error.context} {error.problem}" and "second occurrence" not in str(error):
            raise
        return yaml.compose(text, Loader=_NewestAnchor)


class _Builder:
    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.nodes = 0
        self.inside: set[int] = set()

    def value(self, node: Any, place: Place) -> Any:
        self.nodes += 1
        at = (node.start_mark.line + 1, node.start_mark.column + 1)
        self.tree.lines.setdefault(place, at)
        if self.nodes > MOST or id(node) in self.inside:
            what = "an alias contains itself" if id(node) in self.inside else f"the file has more than {MOST} values"
            raise _broken(self.tree.path, at, what)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        self.inside.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.value(one, (*place, number)) for number, one in enumerate(node.value)]
            return self.mapping(node, place)
        finally:
            self.inside.discard(id(node))

    def mapping(self, node: Any, place: Place) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, one in node.value:
            at = (key.start_mark.line + 1, key.start_mark.column + 1)
            if not isinstance(key, yaml.ScalarNode):
                raise _broken(self.tree.path, at, "a key must be text")
            name = str(key.value)
            if name in data:
                self.tree.problems.append(Problem(self.tree.path or "workflow", *at, f"duplicate key {name!r}"))
            self.tree.lines.setdefault((*place, name), at)
            data[name] = self.value(one, (*place, name))
        return data

    def scalar(self, node: Any) -> Any:
        text = str(node.value)
        if node.style or node.tag == "!":
            return text
        try:
            return core_value(text)
        except ValueError:
            return text
