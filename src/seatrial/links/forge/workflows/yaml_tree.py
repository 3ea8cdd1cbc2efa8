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

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest thing around it."""
        return self.at(place)[0]

    def at(self, place: Place) -> tuple[int, int]:
        """Line and column."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, (1, 1))

    def wrong(self, place: Place, message: str, hint: str = "") -> None:
        """Note a problem."""
        self.problems.append(Problem(self.path or "workflow", *self.at(place), message, hint))

    def keys(self, place: Place, found: dict[str, Any], allowed: Iterator[str] | tuple[str, ...]) -> None:
        """Note every key unknown to GitHub."""
        names = tuple(allowed)
        for key in found:
            if key not in names:
                self.wrong((*place, key), f"unexpected key {key!r}", nearest(key, names))

    def done(self) -> None:
        """WorkflowError when something is wrong."""
        if self.problems:
            raise WorkflowError(self.problems)


def _broken(path: str, at: tuple[int, int], message: str) -> WorkflowError:
    return WorkflowError([Problem(path or "workflow", *at, message)])


def read_tree(text: str, path: str) -> Tree:
    """The data of a YAML file with positions; WorkflowError for invalid YAML, or if it is not a mapping."""
    if len(text) > LARGEST:
        raise _broken(path, (0, 0), f"the file has more than {LARGEST} characters; GitHub takes no more")
    try:
        root = yaml.compose(text, Loader=_LOADER)
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
