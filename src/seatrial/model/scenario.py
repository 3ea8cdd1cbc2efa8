"""What a user wrote, checked and ready to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = [
    "Budget",
    "CheckPlan",
    "Location",
    "Notification",
    "Outputs",
    "Plan",
    "Retry",
    "StepPlan",
    "Suite",
    "SystemPlan",
]

Outputs = Mapping[str, object]
"""What a step hands to later steps, by name; JSON values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how long something is tried again."""

    max_attempts: int | None = None
    """At most so many attempts; None: as many as `timeout` allows."""
    delay: float | None = None
    """Seconds between attempts; None: adaptive polling, which notices within 100 ms."""
    backoff: str = "fixed"
    """`fixed`, or `exponential`: the delay doubles after each attempt."""
    jitter: float = 0.0
    """A share of the delay (0 to 1) that is taken off by chance."""
    timeout: float | None = None
    """Seconds after which no new attempt is begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where in which document something was written; the line is worked out only when it is asked for."""

    file: str
    path: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """One step of a document, checked."""

    kind: str
    factory: type[Any]
    """The step's class."""
    fields: Mapping[str, Any]
    """Its keys, checked and coerced, but for strings that hold `${{ }}`, which are bound when it runs."""
    step: Any = None
    """The ready step, when nothing is left to bind."""
    source: Location
    id: str = ""
    description: str = ""
    condition: str = ""
    """The CEL expression of `if`; empty: always."""
    timeout: float | None = None
    retry: Retry | None = None
    allow_failure: bool = False
    expect_failure: bool = False
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Names that are added to the step's outputs, each a CEL expression over `outputs`."""
    needs: tuple[str, ...] = ()
    more: Mapping[str, object] = field(default_factory=dict)
    """What its expressions see besides: a row of a matrix."""
    children: tuple[StepPlan, ...] = ()
    """All child steps in the order of the document: `steps`, then `rollback`, then `finally`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPlan:
    """One check of a document, checked."""

    text: str
    """As it was written, or a short form of it: the check's name in results."""
    kind: str
    factory: type[Any]
    fields: Mapping[str, Any]
    check: Any = None
    """The ready check, when nothing is left to bind."""
    source: Location
    retry: Retry | None = None
    allow_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPlan:
    """The system under test: its kind, and its settings as the system's class checked them."""

    kind: str
    factory: type[Any]
    settings: Any
    """An instance of the class's `Settings` dataclass (strings may hold `${{ }}`: the system binds them)."""
    source: Location
    folder: Path
    """Relative paths in the settings are taken from here."""
    secrets: tuple[str, ...] = ()
    """The names of the `${{ secrets.NAME }}` in its settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Whom to tell about a suite: a command or a webhook, on failure or when it was slow."""

    command: tuple[str, ...] = ()
    webhook: str = ""
    on: tuple[str, ...] = ("failure",)
    slow_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A scenario bound to a provider and parameters: one row of the result."""

    test_id: str
    """`<provider>-workflow-<suite>`, the provider it runs on."""
    name: str
    provider: str
    provider_settings: Any = None
    """An instance of the provider's `Settings`."""
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    requirements: Mapping[str, Any] = field(default_factory=dict)
    vars: Mapping[str, Any] = field(default_factory=dict)
    """What `${{ vars.x }}` is before the first `set` step."""
    fallbacks: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Parameter to the values to fall back on, in their order, when its own cannot be had (`db_version` in a sut)."""
    steps: tuple[StepPlan, ...] = ()
    system: SystemPlan
    source: Location
    document_folder: Path
    power: str = "api"
    """`api`, or `guest`: powers only from inside the node."""
    nodes: int = 1
    """How many nodes the system will have: what counts against `max_concurrent_nodes`."""
    memory_gb: float = 0.0
    """What the suite counts for against the memory budget."""
    timeout: float | None = None
    deadlines: Mapping[str, float] = field(default_factory=dict)
    """Seconds for deploy, start, stop, restart, destroy: over the provider's and the system's own."""
    reuse: str = "none"
    """`none`, or `snapshot`: start from a deployed cluster of the same shape where the run has one."""
    exclusive: str = ""
    """The name of an environment that only one trial may use at a time."""
    exclusive_wait: float = 0.0
    """Seconds to wait for it; 0: fail at once."""
    notifications: tuple[Notification, ...] = ()
    secrets: tuple[str, ...] = ()
    """The names of the `${{ secrets.NAME }}` that it uses: environment variables."""
    skip: str = ""
    """Why it cannot run here (a requirement that is not met); empty: it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What all trials together may use at a time; None: as much as they like."""

    nodes: int | None = None
    memory_gb: float | None = None
    parallel: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All suites of an invocation, in the order of the documents."""

    suites: tuple[Suite, ...]
    budget: Budget
    documents: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    locate: Callable[[Location], int] = lambda source: 0
    """The line in its file where something was written; 0: not known. Worked out only when it is asked for."""
