"""One call of the API: its parameters, and the form of answers, pages and jobs."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from seatrial_stand_ins.cloudstack.cloud import Address, Cloud, KeyPair, Machine, Snapshot, Thing, Volume
from seatrial_stand_ins.cloudstack.jobs import Jobs, Work
from seatrial_stand_ins.cloudstack.refusals import WRONG_PARAMETER, Refused, missing, no_such

MOST = 500
"""Maximum number of items on a page."""

IN_PROJECTS = (Address, KeyPair, Machine, Snapshot, Volume)
"""Kinds of resources inside or outside a project: a list shows only one project, or none."""

T = TypeVar("T", bound=Thing)


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of a command."""

    command: str
    parameters: Mapping[str, str]
    """By their names in lower case."""
    cloud: Cloud
    jobs: Jobs

    def get(self, name: str, default: str = "") -> str:
        """An optional parameter."""
        return self.parameters.get(name.lower(), default)

    def need(self, name: str) -> str:
        """A required parameter."""
        value = self.get(name)
        if not value:
            raise missing(name, self.command)
        return value

    def truth(self, name: str) -> bool:
        """Whether a parameter is true."""
        return self.get(name).lower() == "true"

    def number(self, name: str, default: int = 0) -> int:
        """A whole number."""
        text = self.get(name)
        if not text:
            return default
        if not text.isdigit():
            raise Refused(WRONG_PARAMETER, f"Invalid value {text} for parameter {name}")
        return int(text)

    def several(self, name: str) -> list[str]:
        """A list, separated by commas."""
        return [one for one in self.get(name).split(",") if one]

    def maps(self, name: str) -> list[dict[str, str]]:
        """A list of mappings: `tags[0].key=…`."""
        found: dict[int, dict[str, str]] = {}
        for key, value in self.parameters.items():
            match = re.fullmatch(rf"{name.lower()}\[(\d+)\]\.(\w+)", key)
            if match:
                found.setdefault(int(match[1]), {})[match[2]] = value
        return [found[place] for place in sorted(found)]

    def tags(self, name: str = "tags") -> dict[str, str]:
        """Tags from the parameters, to set or to filter by."""
        return {one["key"]: one.get("value", "") for one in self.maps(name) if "key" in one}

    def of(self, shelf: Mapping[str, T], name: str) -> T:
        """The resource whose identifier is in a parameter."""
        id = self.need(name)
        if id not in shelf:
            raise no_such(name, id, self.command)
        return shelf[id]

    def chosen(self, shelf: dict[str, T], *, names: Callable[[T], Iterable[str]] = lambda one: (one.name,)) -> list[T]:
        """The resources selected by `id`, `ids`, `name`, `keyword` and `tags`."""
        if self.get("id") and self.get("id") not in shelf:
            raise no_such("id", self.get("id"), self.command)
        wanted = {*self.several("ids"), *self.several("id")}
        tags = self.tags()
        keyword = self.get("keyword").lower()
        return [
            one
            for one in self.cloud.visible(shelf)
            if (not isinstance(one, IN_PROJECTS) or one.project == self.get("projectid"))
            and (not wanted or one.id in wanted)
            and (not self.get("name") or self.get("name") in names(one))
            and (not keyword or any(keyword in name.lower() for name in names(one)))
            and all(one.tags.get(key) == value for key, value in tags.items())
        ]

    def listed(self, key: str, found: Iterable[Mapping[str, object]]) -> dict[str, object]:
        """One page of a list; an empty list has no key in CloudStack's answer."""
        all_of_them = list(found)
        if "page" in self.parameters and "pagesize" not in self.parameters:
            raise Refused(WRONG_PARAMETER, '"page" parameter has to be used together with "pageSize"')
        size = self.number("pagesize", MOST)
        if size > MOST:
            raise Refused(WRONG_PARAMETER, f"Page size can not exceed max allowed page size value: {MOST}")
        first = (max(1, self.number("page", 1)) - 1) * size
        page = all_of_them[first : first + size]
        return {"count": len(all_of_them), key: page} if page else {}

    def job(self, work: Work, id: str = "") -> dict[str, object]:
        """Start a job; the answer contains its id."""
        job = self.jobs.begin(self.command, work)
        return {"jobid": job.id, **({"id": id} if id else {})}


Command = Callable[[Call], Awaitable[dict[str, object]]]

COMMANDS: dict[str, tuple[str, Command]] = {}
"""By lower-case name: the name in CloudStack's spelling, and the function."""


def command(name: str) -> Callable[[Command], Command]:
    """Register the function of a command."""

    def registered(work: Command) -> Command:
        COMMANDS[name.lower()] = name, work
        return work

    return registered
