"""The keeper as the owner of objects in a cluster: its record names each before it exists."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from seatrial.engine.services.home import Home
from seatrial.engine.services.running import Note
from seatrial.links.kubernetes.deploying import removal
from seatrial.links.kubernetes.deploying.owner import Takes
from seatrial.links.kubernetes.deploying.ownership import SERVICE
from seatrial.links.process import spawned
from seatrial.model.resource import Resource

T = TypeVar("T")


class ClusterOwner:
    """What a deployment needs of its owner, for a shared service."""

    def __init__(
        self, home: Home, tag: str, state: Path, env: Mapping[str, str], note: Note, deadlines: Mapping[str, float]
    ) -> None:
        self._home, self._env, self._note, self._deadlines = home, env, note, deadlines
        self.state, self.trial_id, self.run_id = state, tag, f"service {home.name}"
        self.entries: list[dict[str, Any]] = []
        """What exists, or is about to."""

    def labels(self) -> Mapping[str, str]:
        """That it belongs to a shared service, and to which: no trial owns it."""
        return {SERVICE: self.trial_id}

    def environment(self) -> dict[str, str]:
        """Of its programs."""
        return dict(self._env)

    def deadline(self, what: str) -> float:
        """Seconds for `deploy` and `destroy`."""
        return self._deadlines[what]

    @contextmanager
    def keeping(self, source: str) -> Iterator[Takes]:
        """The output goes to the service's log."""
        with self._home.log.open("ab") as file:
            yield _Log(file.write)

    async def make(
        self, kind: str, name: str, create: Callable[[], Awaitable[T]], *, owner: str = "",
        detail: Mapping[str, object] | None = None, outlives_host: bool = False,
    ) -> T:  # fmt: skip
        """The record first, synced where it survives this machine; then the thing itself."""
        if owner == spawned.OWNER:
            self._note(supervisor=dict(detail or {}))
            made = await create()
            self._note(supervisor=dict(detail or {}))
            return made
        entry = {"kind": kind, "name": name, "owner": owner, "detail": dict(detail or {})}
        if (held := self._entry(kind, name)) is not None:
            self.entries.remove(held)
        self.entries.append(entry)
        self._note(cluster=self.entries, sync=outlives_host)
        return await create()

    def holds(self, kind: str, name: str, *, owner: str) -> bool:
        """Whether it is in the record."""
        return self._entry(kind, name) is not None

    async def give_back(self, kind: str, name: str) -> None:
        """Remove it, and then its record."""
        if (entry := self._entry(kind, name)) is not None:
            await removal.give_back(resource_of(entry, self.trial_id))
            self.entries.remove(entry)
            self._note(cluster=self.entries)

    def _entry(self, kind: str, name: str) -> dict[str, Any] | None:
        return next((one for one in self.entries if (one["kind"], one["name"]) == (kind, name)), None)


class _Log:
    """Takes the output of a program."""

    def __init__(self, add: Callable[[bytes], object]) -> None:
        self._add = add

    def add(self, data: bytes) -> None:
        """More of it."""
        self._add(data)


def resource_of(entry: Mapping[str, Any], tag: str) -> Resource:
    """An entry of a service's record as a resource, to remove it."""
    names = {name: entry[name] for name in ("kind", "name", "owner", "detail")}
    return Resource(**names, run="", trial=tag, outlives_host=True)


def removals(entries: list[dict[str, Any]], tag: str) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
    """What a dead keeper has left in a cluster, in the order of its kinds, the newest first, and how it is removed."""
    for kind in removal.ORDER:
        for entry in [one for one in reversed(entries) if one["kind"] == kind]:
            objects = [f"{one[1]} {one[3]}" for one in entry["detail"].get("objects") or ()]
            more = f" ({', '.join(objects)})" if objects else ""
            yield f"{kind} {entry['name']}{more}", partial(removal.give_back, resource_of(entry, tag))
