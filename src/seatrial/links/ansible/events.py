"""The events of a playbook, as Seatrial's callback plugin writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.errors import nearest
from seatrial.links.paths import shown

RESULTS = ("ok", "changed", "failed", "ignored", "unreachable", "skipped")
"""Events of a task on a host."""

_WORDS = re.compile(r"[\w.-]+")
_OF_ANSIBLE = frozenset({"all", "ungrouped"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a task on a host."""

    kind: str
    host: str
    task: str
    place: str
    """File and line of the task; empty: unknown."""
    message: str = ""

    def __str__(self) -> str:
        where = f" ({self.place})" if self.place else ""
        return f"task '{self.task}' on {self.host}: {self.message or self.kind}{where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """A play without hosts."""

    hosts: str
    """Its `hosts`."""
    place: str
    """File and line of the play; empty: unknown."""
    known: tuple[str, ...] = ()
    """The groups and hosts of the inventory; empty: unknown."""

    def __str__(self) -> str:
        where = f" ({self.place})" if self.place else ""
        words = [word for word in _WORDS.findall(self.hosts) if word not in self.known]
        hint = f"; {nearest(words[0], self.known, what='groups and hosts')}" if words and self.known else ""
        return f"no host matches `hosts: {self.hosts}`{where}{hint}"


@dataclass
class Events:
    """What a playbook did so far. `say` gets a line for each task."""

    file: Path
    say: Callable[[str], None] = lambda line: None
    results: list[Result] = field(default_factory=list)
    """All but those of skipped tasks."""
    failures: dict[str, int] | None = None
    """Host to its failed tasks, without rescued and ignored ones; None: the playbook has not come to its end."""
    unreachable: dict[str, int] = field(default_factory=dict)
    unmatched: list[Unmatched] = field(default_factory=list)
    """Plays without hosts."""
    _read: int = 0
    _task: tuple[str, str] = ("", "")
    _hosts: dict[str, list[str]] = field(default_factory=dict)

    def read_on(self) -> None:
        """Read the events since the last call."""
        try:
            with self.file.open("rb") as stream:
                stream.seek(self._read)
                data = stream.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            self._take(json.loads(line))

    def _take(self, event: Mapping[str, Any]) -> None:
        kind = event["event"]
        if kind == "no_hosts":
            known = sorted({*event["groups"]} - _OF_ANSIBLE)
            play = Unmatched(hosts=":".join(event["hosts"]), place=_place(event["path"]), known=tuple(known))
            self.unmatched.append(play)
        elif kind == "stats":
            self._end_task()
            counts = {str(host): of_host for host, of_host in event["hosts"].items()}
            self.failures = {host: one["failures"] for host, one in counts.items() if one["failures"]}
            self.unreachable = {host: one["unreachable"] for host, one in counts.items() if one["unreachable"]}
        elif kind in RESULTS:
            self._take_result(kind, event)

    def _take_result(self, kind: str, event: Mapping[str, Any]) -> None:
        place = _place(event["path"])
        if (task := (str(event["name"]), place)) != self._task:
            self._end_task()
            self._task = task
        self._hosts.setdefault(kind, []).append(str(event["host"]))
        if kind != "skipped":
            self.results.append(
                Result(kind=kind, host=event["host"], task=event["name"], place=place, message=event["message"])
            )

    def _end_task(self) -> None:
        name, place = self._task
        if self._hosts:
            counts = ", ".join(f"{kind} on {', '.join(hosts)}" for kind, hosts in self._hosts.items())
            self.say(f"{name}: {counts}" + (f" ({place})" if place else ""))
        self._task, self._hosts = ("", ""), {}


def _place(path: object) -> str:
    """File and line for people."""
    file, _, line = str(path).rpartition(":")
    return f"{shown(Path(file))}:{line}" if file else ""
