"""Graphs of needs: the closure of one name, and cycles."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


def closure(start: Name, needs: Mapping[Name, Iterable[Name]]) -> set[Name]:
    """All direct and indirect needs of a name; the name itself only in a cycle."""
    reached: set[Name] = set()
    todo = list(needs.get(start, ()))
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += needs.get(name, ())
    return reached


def cycle(needs: Mapping[Name, Iterable[Name]]) -> list[Name]:
    """The names along a cycle, the first also at the end, or nothing; without recursion, so chains can be long."""
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        names: list[Name] = error.args[1]
        return names[::-1]
    return []
