"""Graphs of needs: the closure of one name, and cycles."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
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
    done: set[Name] = set()
    for start in needs:
        way: dict[Name, list[Name]] = {} if start in done else {start: list(needs[start])}
        while way:
            here, waiting = next(reversed(way.items()))
            if not waiting:
                done.add(here)
                del way[here]
                continue
            there = waiting.pop()
            if there in way:
                names = list(way)
                return [*names[names.index(there) :], there]
            if there not in done and there in needs:
                way[there] = list(needs[there])
    return []
