"""Suites run on the fakes, with all their events kept; and a context for one step or check alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seatrial.engine.cleanup import Owners
from seatrial.engine.context import TrialContext
from seatrial.engine.ids import new_run_id, trial_id
from seatrial.engine.journal import Journal
from seatrial.engine.leases import Leases
from seatrial.engine.ledger import Ledger
from seatrial.engine.runner import Runner
from seatrial.engine.scheduler import SuiteScheduler
from seatrial.engine.trial import Run, Trial
from seatrial.errors import LeftBehind
from seatrial.loading.fields import bind_fields
from seatrial.loading.provider_settings import settings_from
from seatrial.model.event import Event
from seatrial.model.scenario import Budget, Plan, Suite
from seatrial.registry import Registry
from seatrial.spi import Provider, Reporter
from seatrial.testing.builders import flow
from seatrial.testing.fakes import FakeProvider, FakeSystem, World


def fake_registry() -> Registry:
    """A registry with the fake provider, the fake system and the built-ins."""
    registry = Registry()
    registry.add(FakeProvider)
    registry.add(FakeSystem)
    return registry


class FakeRun:
    """One run of some suites; `run` it, then read `events`, `world` and `ledger`.

    All files are in `folder`. `providers` are settings by the provider's name, as in a project; the world is added to
    those of the fake provider. Keyword arguments of `Run` (`keep`, `secrets`, `variables`, …) go into `run`.
    """

    def __init__(
        self, folder: Path, *suites: Suite, budget: Budget | None = None, fail_fast: bool = False,
        reporters: Sequence[Reporter] = (), providers: Mapping[str, Mapping[str, Any]] | None = None,
        registry: Registry | None = None, run_id: str = "", world: World | None = None, leases: Leases | None = None,
        **run: Any,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.world = World() if world is None else world
        self.run_id = run_id or new_run_id()
        self.events: list[Event] = []
        self.ledger = Ledger(folder / "none", self.run_id)
        given = dict(providers or {})
        self._providers = {**given, "fake": {**given.get("fake", {}), "world": self.world}}
        self._budget = budget or Budget(parallel=max(len(suites), 1))
        self._fail_fast = fail_fast
        self._reporters = [*reporters, _Keeping(self.events)]
        self._registry = registry or fake_registry()
        self._suites = [self._with_settings(suite) for suite in suites]
        self._leases = leases or Leases(folder / "leases")
        self._more = run

    async def run(self) -> list[Event]:
        """Run all suites to their end; returns the events, also kept if it is cancelled or raises."""
        async with self.open() as run:
            plan = Plan(suites=tuple(self._suites), budget=self._budget)
            await SuiteScheduler(run, plan, fail_fast=self._fail_fast).run()
        return self.events

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Run]:
        """A run of its own: journal, ledger and leases; closed at the end."""
        self.run_folder.mkdir(parents=True, exist_ok=True)
        self.ledger = Ledger.open(self.folder / "ledger", self.run_id)
        journal = Journal(self.run_folder / "events.jsonl", self.run_id, self._reporters)
        run = Run(
            id=self.run_id, folder=self.run_folder, project=self.folder, journal=journal, ledger=self.ledger,
            leases=self._leases, registry=self._registry,
            owners=Owners(self._registry, self._settings, self._leases, self.run_folder, journal.masks),
            construct=bind_fields, **self._more,
        )  # fmt: skip
        try:
            yield run
        finally:
            journal.close()
            self.ledger.close(self.run_folder / "ledger.jsonl")

    @asynccontextmanager
    async def trial(self) -> AsyncIterator[TrialContext]:
        """The context of the first suite without running its steps; resources are removed at the end."""
        async with self.open() as run:
            suite = self._suites[0]
            trial = Trial(run, suite, trial_id(run.id, suite.test_id))
            try:
                yield TrialContext(trial, Runner(trial), "1")
            finally:
                await asyncio.shield(_clean_up(trial))

    def owner(self, provider: str) -> Provider:
        """A provider created from its settings alone, as by the sweep and `clean`."""
        return Owners(self._registry, self._settings, self._leases).provider(provider)

    def _settings(self, provider: str) -> Any:
        return settings_from(self._registry.get("provider", provider), self._providers.get(provider, {}))

    def _with_settings(self, suite: Suite) -> Suite:
        table = {**self._providers.get(suite.provider, {}), **(suite.provider_settings or {})}
        return replace(suite, provider_settings=settings_from(self._registry.get("provider", suite.provider), table))

    @property
    def run_folder(self) -> Path:
        return self.folder / "runs" / self.run_id

    def of(self, kind: str, **data: object) -> list[Event]:
        """The events of a kind with these data."""
        events = [event for event in self.events if event.kind == kind]
        return [event for event in events if data.items() <= event.data.items()]

    def verdict(self, name: str = "flow") -> str:
        """The verdict of the suite of this name; empty when it was skipped or never ended."""
        trial = next(event.trial for event in self.of("suite_planned", name=name))
        return next((str(event.data["verdict"]) for event in self.of("suite_finished") if event.trial == trial), "")

    def order(self) -> list[str]:
        """Short names of the events of steps and suites, in their order: `step_started 1`, `suite_finished`."""
        kinds = ("suite_", "step_", "cleanup_")
        events = [event for event in self.events if event.kind.startswith(kinds) and event.kind != "suite_planned"]
        return [f"{event.kind} {event.data.get('step', '')}".strip() for event in events]


async def _clean_up(trial: Trial) -> None:
    run = trial.run
    await trial.close_links()
    sweep = run.sweep(trial.emit)
    await sweep.remove_entries(run.ledger, run.ledger.out(trial.id), run.owners)
    await sweep.remove_found(run.id, [trial.id], {trial.suite.provider: trial.provider})
    if sweep.left:
        raise LeftBehind("\n".join(f"{resource}: {error}" for resource, error in sweep.left))


@dataclass(frozen=True)
class _Keeping:
    events: list[Event]

    def on(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        pass


@asynccontextmanager
async def context(folder: Path, suite: Suite | None = None, **options: Any) -> AsyncIterator[TrialContext]:
    """The context of a step or check, for testing it alone; resources are removed at the end.

    `suite` is by default one of the fake system on the fake provider; other arguments are those of `FakeRun`. Raises
    LeftBehind if a resource could not be removed.
    """
    async with FakeRun(folder, suite or flow(), **options).trial() as ctx:
        yield ctx
