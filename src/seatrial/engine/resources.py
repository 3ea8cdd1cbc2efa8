"""What a trial makes, holds and leases: each thing is in the ledger before it exists."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from copy import deepcopy
from typing import Any, TypeVar

from seatrial.engine.trial import Trial
from seatrial.errors import LeaseTaken
from seatrial.model.resource import Resource
from seatrial.model.scenario import Suite
from seatrial.spi.context import A, K

T = TypeVar("T")


class TrialResources:
    """The part of a context with the resources of its trial; see spi.Context."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self.trial_id = trial.id
        self.random = trial.random

    @property
    def suite(self) -> Suite:
        return self._trial.suite

    def emit(self, kind: str, /, **data: object) -> None:
        self._trial.emit(kind, **data)

    def labels(self) -> Mapping[str, str]:
        return self._trial.labels

    def _intend(
        self, kind: str, name: str, owner: str, detail: Mapping[str, object], outlives: bool = False
    ) -> Resource:
        trial = self._trial
        trial.made_something = True
        resource = Resource(
            kind=kind, name=name, owner=owner, run=trial.run.id, trial=trial.id, detail=detail, outlives_host=outlives
        )
        owner_kind, _, owner_name = owner.partition(":")
        plugin = trial.run.registry.plugin_of(owner_kind, owner_name) if owner_kind != "engine" else ""
        trial.run.ledger.intend(resource, plugin)
        return resource

    async def make(
        self, kind: str, name: str, create: Callable[[], Awaitable[T]], *, owner: str = "",
        detail: Mapping[str, object] | None = None, outlives_host: bool = False,
    ) -> T:  # fmt: skip
        owner = owner or f"system:{self.suite.system.kind}"
        resource = self._intend(kind, name, owner, detail or {}, outlives_host)
        self.emit("resource", op="intended", kind=kind, name=name, owner=owner)
        known = deepcopy(resource.detail)
        try:
            made = await create()
        except BaseException:
            if resource.detail != known:  # what it learned until then is for the cleanup
                self._trial.run.ledger.intend(resource)
            raise
        self._trial.run.ledger.made(resource)
        self.emit("resource", op="made", kind=kind, name=name, owner=owner)
        return made

    def holds(self, kind: str, name: str, *, owner: str) -> bool:
        return self._trial.run.ledger.holds(owner, kind, name, self.trial_id)

    async def give_back(self, kind: str, name: str) -> None:
        await self._give_back(kind, name, self.trial_id)

    async def _give_back(self, kind: str, name: str, trial: str) -> None:
        ledger = self._trial.run.ledger
        for entry in ledger.out(trial):
            if (entry.resource.kind, entry.resource.name) == (kind, name):
                await self._trial.run.owners.destroy(entry)
                ledger.given_back(entry.resource)
                self.emit("resource", op="given_back", kind=kind, name=name, owner=entry.resource.owner)

    async def keep(self, name: Hashable, open: Callable[[], Awaitable[K]], *, whole_run: bool = False) -> K:
        kept: dict[Hashable, Any] = self._trial.run.connections if whole_run else self._trial.kept
        opening = kept.get(name)
        if opening is None:
            opening = kept[name] = asyncio.ensure_future(open())
        try:
            connection: K = await asyncio.shield(opening)
        except BaseException:
            if opening.done() and kept.get(name) is opening:  # the next use tries again
                del kept[name]
            raise
        return connection

    def audit(self, name: Hashable, auditor: Callable[[], A]) -> A:
        auditors: dict[Hashable, Any] = self._trial.auditors
        if name not in auditors:
            auditors[name] = auditor()
        made: A = auditors[name]
        return made

    async def lease(self, kind: str, names: Iterable[str]) -> str:
        held = "there are none to choose from"
        for name in names:
            try:
                self._take(kind, name)
                return name
            except LeaseTaken as error:
                held = str(error)
        raise LeaseTaken(f"no {kind} is free: {held}")

    async def lease_address(self) -> str:
        leases = self._trial.run.leases
        return await self.lease("address", iter(lambda: leases.pick_address(self.random), None))

    async def lease_port(self, address: str = "127.0.0.1") -> int:
        leases = self._trial.run.leases
        name = await self.lease("port", iter(lambda: f"{address}:{leases.pick_port(address, self.random)}", None))
        return int(name.rpartition(":")[2])

    def _take(self, kind: str, name: str) -> None:
        """Record the lease and take it; LeaseTaken when anybody holds it, this trial included."""
        run = self._trial.run
        if run.ledger.holds("engine:lease", kind, name, self.trial_id):
            # The record of a second attempt would take the place of the first one's, and its lease would stay behind.
            raise LeaseTaken(f"{kind} {name} is held by this trial")
        resource = self._intend(kind, name, "engine:lease", {})
        try:
            run.leases.take(kind, name, run.holder(self.trial_id))
        except LeaseTaken:
            run.ledger.given_back(resource)
            raise
        run.ledger.made(resource)
