"""A user's documents, checked and ready to run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from seatrial.model.frozen import frozen
from seatrial.model.reading import Trust
from seatrial.model.service import Service
from seatrial.model.values import Argv

__all__ = [
    "Budget", "CheckPlan", "Location", "NodeLimit", "Notification", "Outputs", "Plan", "Retry", "ServicePlan",
    "StepPlan", "Suite", "SystemPlan",
]  # fmt: skip

Outputs = Mapping[str, object]
"""A step's outputs for later steps, by name; JSON values."""


@frozen
class Retry:
    """The number and the timing of attempts."""

    max_attempts: int | None = None
    """Maximum number of attempts; None: as many as `timeout` allows."""
    delay: float | None = None
    """Seconds between attempts; None: adaptive polling, with at most 100 ms of delay."""
    backoff: str = "fixed"
    """`fixed`, or `exponential`: the delay doubles after each attempt."""
    jitter: float = 0.0
    """The maximum share of the delay (0 to 1) to subtract at random."""
    timeout: float | None = None
    """Seconds until the last moment for a new attempt."""


@frozen
class Location:
    """A place in a document; the line is looked up only on demand."""

    file: str
    path: tuple[str | int, ...] = ()


@frozen
class NodeLimit:
    """A limit for all nodes of the suites below one place of a document, at a time."""

    nodes: int
    written: Location
    """Where it is written: the suites with this limit share it."""


@frozen
class StepPlan:
    """One step of a document, checked."""

    kind: str
    factory: type[Any]
    """The step's class."""
    fields: Mapping[str, Any]
    """Its keys, checked and coerced; strings with `${{ }}` are bound when it runs."""
    step: Any = None
    """The finished step, when nothing is left to bind."""
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
    """Names to add to the step's outputs, each with a CEL expression over `outputs`."""
    needs: tuple[str, ...] = ()
    more: Mapping[str, object] = field(default_factory=dict)
    """Additional names for its expressions: a row of a matrix."""
    children: tuple[StepPlan, ...] = ()
    """All child steps in the order of the document: `steps`, then `rollback`, then `finally`."""


@frozen
class CheckPlan:
    """One check of a document, checked."""

    text: str
    """The check's name in results: its text in the document, or a short form of it."""
    kind: str
    factory: type[Any]
    fields: Mapping[str, Any]
    check: Any = None
    """The finished check, when nothing is left to bind."""
    source: Location
    retry: Retry | None = None
    allow_failure: bool = False
    trust: Trust | None = None
    """None: as its suite says."""
    named: bool = False
    """The document gives it a name of its own."""

    def is_called(self, name: str) -> bool:
        """Whether `allow_failures` means it: by its text or own name, or by its kind if it has no own name."""
        return name == self.text or (name == self.kind and not self.named)


@frozen
class SystemPlan:
    """The system under test: its kind, and its settings, checked by the system's class."""

    kind: str
    factory: type[Any]
    settings: Any
    """An instance of the class's `Settings` dataclass (strings may hold `${{ }}`: the system binds them)."""
    source: Location
    folder: Path
    """Relative paths in the settings start here."""
    secrets: tuple[str, ...] = ()
    """The names of the `${{ secrets.NAME }}` in its settings."""
    services: tuple[str, ...] = ()
    """The names of the shared services in its settings."""


@frozen
class Notification:
    """The notification for a failed or slow suite: a command or a webhook."""

    command: Argv = ()
    """A list of arguments, or text for a shell; it gets the result as JSON on standard input."""
    webhook: str = ""
    """An http or https URL; Seatrial posts the result there as JSON."""
    on: Literal["failure", "slow"] | tuple[Literal["failure", "slow"], ...] = ("failure",)
    """When: `failure`, `slow`, or a list of both."""
    slow_seconds: float | None = None
    """The minimum duration of a slow suite, in seconds."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """Require exactly one channel, and seconds for `slow`."""
        if bool(self.command) == bool(self.webhook):
            yield "", "a notification needs either `command` or `webhook`: write exactly one of them"
        if self.webhook and not self.webhook.startswith(("http://", "https://")):
            yield "webhook", f"{self.webhook!r} is not an http or https URL"
        if self.slow_seconds is not None and self.slow_seconds <= 0:
            yield "slow_seconds", f"{self.slow_seconds:g} is too small; allowed: a number above 0"
        if "slow" in self.on and self.slow_seconds is None:
            yield "on", "`slow` needs `slow_seconds`: the minimum duration of a slow suite"


@frozen
class ServicePlan:
    """A service of a suite, checked."""

    name: str
    service: Service
    folder: Path
    """The folder of the document: programs with a relative path are looked up there."""
    source: Location
    secrets: tuple[str, ...] = ()
    """The names of the `${{ secrets.NAME }}` in it."""


@frozen
class Suite:
    """A scenario bound to a provider and parameters: one row of the result."""

    test_id: str
    """`<provider>-workflow-<suite>`, with its provider."""
    name: str
    provider: str
    foreign: str = ""
    """The document's word for the provider where only the deployer knows it; empty: it is `provider`."""
    provider_settings: Any = None
    """An instance of the provider's `Settings`."""
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    requirements: Mapping[str, Any] = field(default_factory=dict)
    vars: Mapping[str, Any] = field(default_factory=dict)
    """The initial `${{ vars.x }}`, before the first `set` step."""
    fallbacks: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Parameter to its fallback values, in order, for when its own value is unavailable (`db_version` in a sut)."""
    unflagged: frozenset[str] = frozenset()
    """Parameters from unknown keys: they never become flags of a deployer."""
    older_form: bool = False
    """Written as for the older framework (`test_type`, or sut and workflow files): its deployer gets parameters as
    flags, and works in the deployment's own folder."""
    steps: tuple[StepPlan, ...] = ()
    system: SystemPlan
    source: Location
    document_folder: Path
    power: str = "api"
    """`api`, or `guest`: powers only from inside the node."""
    nodes: int = 1
    """The number of nodes of the system; counts against `max_concurrent_nodes`."""
    node_limits: tuple[NodeLimit, ...] = ()
    """Each `max_concurrent_nodes` of its documents."""
    memory_gb: float = 0.0
    """The suite's share of the memory budget."""
    timeout: float | None = None
    deadlines: Mapping[str, float] = field(default_factory=dict)
    """Seconds for deploy, start, stop, restart, destroy; these override the provider's and the system's own."""
    trust: Trust = "measured"
    """The weakest source of a reading under a verdict of its checks."""
    reuse: str = "none"
    """`none`, or `snapshot`: start from a deployed cluster of the same shape if the run has one."""
    exclusive: str = ""
    """The name of an environment for only one trial at a time."""
    exclusive_wait: float = 0.0
    """Seconds to wait for it; 0: fail at once."""
    exclusive_reason: str = ""
    """Why only one trial may use it, for people."""
    services: tuple[ServicePlan, ...] = ()
    """The shared services that it uses, each after those it needs."""
    contamination: str = "fail"
    """`fail`, `strict`, `warn` or `off`: what follows when it leaves something on shared infrastructure."""
    contamination_allow: tuple[str, ...] = ()
    """Patterns of what it may leave or change there: `KIND/NAME`, `KIND/NAMESPACE/NAME`."""
    notifications: tuple[Notification, ...] = ()
    secrets: tuple[str, ...] = ()
    """The names of its `${{ secrets.NAME }}`: environment variables."""
    skip: str = ""
    """Why it cannot run here (a requirement is not met); empty: it can."""

    @property
    def named_provider(self) -> str:
        """The provider in the document's own words."""
        return self.foreign or self.provider


@frozen
class Budget:
    """The limits for all active trials together; None: unlimited."""

    nodes: int | None = None
    memory_gb: float | None = None
    parallel: int = 1


StepOf = Callable[[Suite, Mapping[str, Any], Location], StepPlan]
"""A step of a suite, from its keys as in a document and the place of the call: `Location(file, ("line", LINE, "steps",
NUMBER))`. DocumentError as for a document's own step."""


@frozen
class Plan:
    """All suites of an invocation, in the order of the documents."""

    suites: tuple[Suite, ...]
    budget: Budget
    documents: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    locate: Callable[[Location], int] = lambda source: 0
    """The line of a place in its file; 0: unknown. It is looked up only on demand."""
    step_of: StepOf | None = None
    """Compiles further steps of a suite, if the plan was made for that."""
