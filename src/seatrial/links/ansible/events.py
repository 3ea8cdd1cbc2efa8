"""The events of a playbook, as Seatrial's callback plugin writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.links.paths import shown

RESULTS = ("ok", "changed", "failed", "ignored", "unreachable", "skipped")
"""Events of a task on a host."""


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
    unmatched: int = 0
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
            self.unmatched += 1
        elif kind == "stats":
            self._end_task()
            counts = {str(host): of_host for host, of_host in event["hosts"].items()}
            self.failures = {host: one["failures"] for host, one in counts.items() if one["failures"]}
            self.unreachable = {host: one["unreachable"] for host, one in counts.items() if one["unreachable"]}
        elif kind in RESULTS:
            self._take_result(kind, event)

    def _take_result(self, kind: str, event: Mapping[str, Any]) -> None:
        file, _, line = str(event["path"]).rpartition(":")
        place = f"{shown(Path(file))}:{line}" if file else ""
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
