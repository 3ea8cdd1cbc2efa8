"""The keys of a suite, at its own level or above, and those of every step and check: one dataclass for each mapping."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from seatrial.model.frozen import frozen
from seatrial.model.reading import Trust
from seatrial.model.scenario import Notification, Retry
from seatrial.model.service import Service
from seatrial.model.values import Duration, Expression, Range, Timeout


@frozen
class Deadlines:
    """The timeout of each kind of operation; the default is the provider's own deadline, and of more than 10 nodes its
    multiple: five times as long for 50."""

    deploy: Timeout | None = None
    """The timeout of a deployment."""
    start: Timeout | None = None
    """The timeout of a power-on."""
    stop: Timeout | None = None
    """The timeout of a power-off."""
    restart: Timeout | None = None
    """The timeout of a restart."""
    destroy: Timeout | None = None
    """The timeout of the removal of a deployment."""

    def given(self) -> dict[str, float]:
        """Only the written keys."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


@frozen
class Exclusive:
    """An environment for one trial at a time."""

    name: str
    """The name of the environment; all trials with this name on this machine take turns."""
    wait: Duration = Duration(0.0)
    """Maximum time to wait for it."""
    reason: str = ""
    """Why only one trial may use it; shown to a trial that waits for it."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """Require a name."""
        if not self.name:
            yield "name", "the name of the environment is empty"


@frozen
class Contamination:
    """What follows when a trial leaves or changes something on shared infrastructure that is not its own."""

    mode: Literal["fail", "strict", "warn", "off"] = "fail"
    """`fail`: the suite does not pass; `strict`: nor if nothing points to this trial, for infrastructure that nobody
    else uses; `warn`: the report has it; `off`: nobody looks."""
    allow: tuple[str, ...] = ()
    """What it may leave or change, by patterns: `KIND/NAME` or `KIND/NAMESPACE/NAME`, such as `ClusterRole/shop-*`;
    `Repository/OWNER/NAME`; `Series/METRIC`."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """A pattern has a kind and a name."""
        for pattern in self.allow:
            kind, _, name = pattern.partition("/")
            if pattern != "*" and (not kind or not name):
                yield "allow", f"invalid pattern {pattern!r}; allowed: KIND/NAME, KIND/NAMESPACE/NAME, *"


@frozen
class SuiteKeys:
    """The keys of a suite."""

    name: str = ""
    """The suite's name; without slashes, at most 200 characters."""
    provider: str = ""
    """The provider of its nodes; `local` by default."""
    test_type: Literal["workflow"] = "workflow"
    """The kind of test; there is one."""
    description: str = ""
    """The subject of the suite, for reports."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Names and values for `${{ parameters.NAME }}`; a list makes one suite for each value."""
    requirements: Mapping[str, Any] = field(default_factory=dict)
    """Requirements on the machine; a suite is skipped if they are not met."""
    system: str | Mapping[str, Any] = ""
    """The system under test: its `kind` and settings, or the kind alone."""
    power: Literal["api", "guest"] = "api"
    """How steps switch nodes off and on: through the provider's API, or from inside the guest."""
    trust: Trust = "measured"
    """`reported`: a check may also pass by the word of another program, such as a deployer's `status`; by default only
    by what Seatrial measured."""
    reuse: Literal["none", "snapshot"] = "none"
    """`snapshot`: suites with the same system and parameters start from one cluster, reverted between them."""
    timeout: Timeout | None = None
    """The timeout of the whole suite."""
    deadlines: Deadlines = field(default_factory=Deadlines)
    """The timeout of each kind of operation."""
    exclusive: str | Exclusive = ""
    """An environment for one trial at a time: its name, or a mapping with `name` and `wait`."""
    services: tuple[str, ...] | Mapping[str, Service | None] = ()
    """Shared services to use: names from `seatrial.toml`, or a mapping of names to definitions (null: that of
    `seatrial.toml`)."""
    contamination: Literal["fail", "strict", "warn", "off"] | Contamination = "fail"
    """What follows when it leaves or changes something on shared infrastructure (a cluster, Prometheus, a Git server)
    that is not its own: `fail`, `strict`, `warn`, `off`, or a mapping with `mode` and `allow`."""
    notifications: Notification | tuple[Notification, ...] = ()
    """Notifications for a failed or slow suite: one, or a list."""
    max_concurrent_nodes: Annotated[int, Range(1)] | None = None
    """Maximum number of nodes at the same time, of all suites for which it is written: of a document, of a suite, or of
    the suites with this sut or workflow. The project's own limit is for all suites of a run."""
    combinations: Literal["full", "pairwise", "2-wise", "each", "1-wise"] = "full"
    """How lists of parameters are combined: `full` (every combination), `pairwise` or `2-wise` (each pair of values
    occurs), `each` or `1-wise` (each value occurs)."""
    vars: Mapping[str, Any] = field(default_factory=dict)
    """Variables, for `${{ vars.NAME }}`; the step `set` changes them."""


@frozen
class RetryKeys:
    """The retries of a step or check."""

    max_attempts: Annotated[int, Range(1)] | None = None
    """Maximum number of attempts."""
    delay: Duration | None = None
    """The pause before the next attempt. By default 10 ms that grow to 60 ms; for programs and servers of other people
    1 s that grows to 10 s."""
    delay_seconds: Duration | None = None
    """The same as `delay`."""
    backoff: Literal["fixed", "exponential"] = "fixed"
    """Whether the pauses stay the same or double."""
    jitter: bool | Annotated[float, Range(0, 1)] = 0.0
    """The random share of each pause, from 0 to 1; true: 0.5."""
    timeout: Timeout | None = None
    """The timeout of all attempts together."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """At most one delay, and an end."""
        if self.delay is not None and self.delay_seconds is not None:
            yield "delay", "`delay` and `delay_seconds` mean the same: keep one of them"
        if self.max_attempts is None and self.timeout is None:
            yield "", "a retry needs `max_attempts` or `timeout`, or it would never end"

    def planned(self) -> Retry:
        """For the plan."""
        delay = self.delay if self.delay is not None else self.delay_seconds
        jitter = 0.5 if self.jitter is True else float(self.jitter)
        return Retry(
            max_attempts=self.max_attempts, delay=delay, backoff=self.backoff, jitter=jitter, timeout=self.timeout
        )


@frozen
class StepKeys:
    """The keys of every step besides those of its own class."""

    id: str = ""
    """The name for `steps.ID.outputs`; unique in the workflow."""
    description: str | None = None
    """The purpose of the step, for reports."""
    if_: Expression = Expression("")
    """A CEL expression; the step is skipped if it is false."""
    timeout: Timeout | None = None
    """The timeout of one attempt."""
    retry: Retry | None = None
    """The retries of the step: a number of attempts, or a mapping."""
    allow_failure: bool = False
    """A failure does not change the verdict of the suite."""
    expect: Literal["failure", "success"] = "success"
    """`failure`: the step passes only by failing."""
    outputs: Mapping[str, Expression] = field(default_factory=dict)
    """More outputs, each a CEL expression over `outputs`."""
    needs: tuple[str, ...] = ()
    """Ids of steps of the same `parallel` to wait for."""


@frozen
class CheckKeys:
    """The keys of every check besides those of its own class."""

    name: str | None = None
    """The check's name in results."""
    retry: Retry | None = None
    """The retries of the check: a number of attempts, or a mapping."""
    allow_failure: bool = False
    """A failure does not change the verdict of the step."""
    trust: Trust | None = None
    """Like the suite's `trust`, for this check alone."""
