"""What can be written of a suite, at its own level or at one above: one dataclass for each mapping."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from seatrial.model.scenario import Notification
from seatrial.model.values import Argv, Duration, Range, argv_of

Event = Literal["failure", "slow"]


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """How long each kind of operation may take; the provider's own deadline where none is written."""

    deploy: Duration | None = None
    """How long a deployment may take."""
    start: Duration | None = None
    """How long a power-on may take."""
    stop: Duration | None = None
    """How long a power-off may take."""
    restart: Duration | None = None
    """How long a restart may take."""
    destroy: Duration | None = None
    """How long the removal of a deployment may take."""

    def given(self) -> dict[str, float]:
        """Only what was written."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Exclusive:
    """An environment that one trial uses at a time."""

    name: str
    """The name of the environment; all trials on this machine that name it take turns."""
    wait: Duration = Duration(0.0)
    """How long to wait for it."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """It has a name."""
        if not self.name:
            yield "name", "the name of the environment is empty"


@dataclass(frozen=True, kw_only=True)
class Notify:
    """Whom to tell of a suite that failed or was slow: a command or a webhook."""

    command: Argv = ()
    """A list of arguments, or text for a shell; it gets the result as JSON on standard input."""
    webhook: str = ""
    """An http or https URL; the result is posted there as JSON."""
    on: Event | tuple[Event, ...] = ("failure",)
    """When: `failure`, `slow`, or a list of both."""
    slow_seconds: float | None = None
    """The duration from which a suite is slow."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """Exactly one way, and seconds where `slow` needs them."""
        if bool(self.command) == bool(self.webhook):
            yield "", "a notification has either `command` or `webhook`: write exactly one of them"
        if self.webhook and not self.webhook.startswith(("http://", "https://")):
            yield "webhook", f"{self.webhook!r} is not an http or https URL"
        if self.slow_seconds is not None and self.slow_seconds <= 0:
            yield "slow_seconds", f"{self.slow_seconds:g} is too small; allowed: a number above 0"
        if "slow" in self.on and self.slow_seconds is None:
            yield "on", "`slow` needs `slow_seconds`: how many seconds are slow"

    def planned(self) -> Notification:
        """For the plan."""
        events = (self.on,) if isinstance(self.on, str) else self.on
        return Notification(
            command=argv_of(self.command), webhook=self.webhook, on=events, slow_seconds=self.slow_seconds
        )


@dataclass(frozen=True, kw_only=True)
class SuiteKeys:
    """What can be said of a suite."""

    name: str = ""
    """The suite's name; without slashes, at most 200 characters."""
    provider: str = ""
    """The provider that makes its nodes; `local` where none is named."""
    test_type: Literal["workflow"] = "workflow"
    """The kind of test; there is one."""
    description: str = ""
    """What the suite is about, for reports."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Names and values for `${{ parameters.NAME }}`; a list makes one suite for each value."""
    requirements: Mapping[str, Any] = field(default_factory=dict)
    """What the machine must have; a suite whose requirements are not met is skipped."""
    system: str | Mapping[str, Any] = ""
    """The system under test: its `kind` and settings, or the kind alone."""
    power: Literal["api", "guest"] = "api"
    """How steps switch nodes off and on: by the provider's API, or from inside the guest."""
    reuse: Literal["none", "snapshot"] = "none"
    """`snapshot`: suites with the same system and parameters start from one cluster, reverted between them."""
    timeout: Duration | None = None
    """How long the whole suite may take."""
    deadlines: Deadlines = field(default_factory=Deadlines)
    """How long each kind of operation may take."""
    exclusive: str | Exclusive = ""
    """An environment that one trial uses at a time: its name, or a mapping with `name` and `wait`."""
    notifications: Notify | tuple[Notify, ...] = ()
    """Whom to tell when the suite fails or is slow: one, or a list."""
    max_concurrent_nodes: Annotated[int, Range(1)] | None = None
    """Nodes at a time, over all suites; the lowest limit of all documents and the project counts."""
    combinations: Literal["full", "pairwise", "2-wise", "each", "1-wise"] = "full"
    """How lists of parameters are combined: `full` (every combination), `pairwise` or `2-wise` (each pair of values
    occurs), `each` or `1-wise` (each value occurs)."""
    vars: Mapping[str, Any] = field(default_factory=dict)
    """Variables, for `${{ vars.NAME }}`; the step `set` changes them."""
