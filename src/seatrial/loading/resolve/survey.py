"""A first look at the steps of a workflow: their ids, kinds and the variables they set, before they are compiled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from seatrial.loading.read.positions import Place
from seatrial.model.record import record


@record
class Survey:
    """The names available to the expressions of a workflow."""

    ids: dict[str, Place] = field(default_factory=dict)
    doubles: list[tuple[str, Place]] = field(default_factory=list)
    unnamed: Counter[str] = field(default_factory=Counter)
    variables: set[str] = field(default_factory=set)

    def id_of(self, raw: Mapping[str, Any]) -> str:
        """A step's id: the written one, else its kind if only one step has it."""
        kind = raw.get("step")
        if isinstance(raw.get("id"), str):
            return str(raw["id"])
        return kind if isinstance(kind, str) and self.unnamed[kind] == 1 and kind not in self.ids else ""

    @property
    def names(self) -> set[str]:
        """All names allowed after `steps.`."""
        return {*self.ids, *(kind for kind, count in self.unnamed.items() if count == 1)}

    @property
    def ambiguous(self) -> set[str]:
        """Kinds of several steps without an id."""
        return {kind for kind, count in self.unnamed.items() if count > 1} - set(self.ids)

    def inside(self, raw: object) -> set[str]:
        """The names of a step and of all below it."""
        return {name for _, step in walk(raw, ()) if (name := self.id_of(step))}


def walk(raw: object, place: Place) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """Every step in a structure, in order."""
    if isinstance(raw, dict):
        if "step" in raw:
            yield place, raw
        for key, value in raw.items():
            if type(value) is list:
                yield from walk(value, (*place, key))
    elif isinstance(raw, list):
        for at, one in enumerate(raw):
            if type(one) is dict:
                yield from walk(one, (*place, at))


def survey(raw: object, place: Place) -> Survey:
    """Survey a list of steps."""
    found = Survey()
    for where, step in walk(raw, place):
        given, kind = step.get("id"), step.get("step")
        if isinstance(given, str):
            if given in found.ids:
                found.doubles.append((given, where))
            found.ids.setdefault(given, where)
        elif isinstance(kind, str):
            found.unnamed[kind] += 1
        if kind == "set" and isinstance(step.get("values"), dict):
            found.variables |= set(step["values"])
    return found
