"""The keys of `system:` in a document for the system `github-actions`, and their errors found before anything runs;
strings may hold templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial import expressions
from seatrial.errors import CannotTell, UsageError
from seatrial.expressions import late
from seatrial.links.forge.runs.order import Dispatch, DispatchWithArtifacts, Order, order_of
from seatrial.links.forge.runs.repository import LITERAL, Place, find_place
from seatrial.links.forge.runs.validation import Wrong, later, workflow_here, wrong_here
from seatrial.links.forge.workflows.values import Unknown
from seatrial.model.values import Argv, Duration, Expression, Rule, Timeout
from seatrial.systems.github_actions.environments import problems
from seatrial.systems.settings import DataSettings, Probe

MINUTE = Timeout(60.0)

ABANDONED = Duration(12 * 3600.0)
"""Twice the longest job on GitHub's runners, three times the default of `--keep-for`."""

WORDS = ("repository", "api_url", "ref")
"""Settings that name the place of the workflows."""

WRITTEN = (
    "a secret within an expression would appear in the ledger, needed to tear a deployment down after a crash: "
    "write ${{ secrets.NAME }} by itself, with text around it if necessary"
)


@dataclass(frozen=True, kw_only=True)
class DeploySettings(DispatchWithArtifacts):
    """The deploy workflow."""

    artifacts: tuple[str, ...] = ()
    """Artifacts to fetch; the keys of JSON files in them become `${{ outputs.… }}` and outputs of the step `deploy`."""


@dataclass(frozen=True, kw_only=True)
class TeardownSettings(Dispatch):
    """The teardown workflow; it must also succeed when there is nothing left."""

    before: bool = False
    """Run it before the trial's first deployment to each environment too, for a clean start."""


@dataclass(frozen=True, kw_only=True)
class StandingSettings:
    """How to find the current deployment if the history of the workflows is not enough."""

    command: Argv
    """Prints nothing without a deployment; else its name, or the id of the run that made it."""
    timeout: Timeout = MINUTE
    """How long the command may take."""


@dataclass(frozen=True, kw_only=True)
class SshSettings:
    """How to reach the nodes."""

    user: str = "root"
    """The user to log in as."""
    port: int = 22
    """The SSH port, unless the address has one."""
    key: str = ""
    """The file of the private key, relative to the document."""
    known_hosts: str = ""
    """A file of host keys, relative to the document."""
    accept: bool = False
    """Trust the first host key of each node, and no other from then on."""


@dataclass(frozen=True, kw_only=True)
class GithubActionsSettings:
    """A deployment created and removed by GitHub Actions workflows."""

    deploy: DeploySettings
    """The deploy workflow."""
    teardown: TeardownSettings
    """The teardown workflow."""
    repository: str = ""
    """`OWNER/NAME`; default: $GITHUB_REPOSITORY, else the git remote of the document's folder."""
    api_url: str = ""
    """Default: $GITHUB_API_URL, else https://api.github.com; for an Enterprise Server https://HOST/api/v3."""
    ref: str = ""
    """The branch or tag of the workflows; default: the branch checked out."""
    token: str = ""
    """`${{ secrets.NAME }}`; default: $GH_TOKEN or $GITHUB_TOKEN, else the output of `gh auth token`."""
    replace_existing: bool = False
    """Deploy over, and tear down, a deployment not made by a trial of this project."""
    environment: tuple[str, ...] | None = None
    """The inputs of both workflows that choose the environment, for example `[env_name, zone]`; both show each in their
    `run-name`. `[]`: there is only one. Without it, a teardown with inputs leaves open which one a run is for."""
    abandoned_after: Duration = ABANDONED
    """When a deployment by a trial unknown to this machine, named in its run, is no longer left alone as active."""
    standing: StandingSettings | None = None
    """How to find the current deployment if the history of the workflows is not enough."""
    nodes: Mapping[str, Any] = field(default_factory=dict)
    """Node to its address (`${{ outputs.web_ip }}`, also ADDRESS:PORT of SSH); a list creates NAME1, NAME2, …; an empty
    value none."""
    ssh: SshSettings | None = None
    """Without it nodes have no link."""
    health: Probe | None = None
    """How to check the service of a node; without it a node with a working link is healthy."""
    service_nodes: tuple[str, ...] = ()
    """The nodes (names as under `nodes`) with the service; default: all."""
    rule: Rule = Rule("majority")
    """`majority`, `all`, `any`, or CEL over `healthy` and `total`: whether the whole still works."""
    states: Mapping[str, Expression] = field(default_factory=dict)
    """More states: name to CEL over `members`, `healthy`, `total`, `state`; the first true one is the state."""
    admin: str = ""
    """The URL of the admin UI on a node."""
    data: DataSettings | None = None
    """How `data_integrity` writes and reads its records."""

    def __post_init__(self) -> None:
        if unknown := [name for name in self.service_nodes if name not in self.nodes]:
            raise ValueError(
                f"unknown nodes in service_nodes: {', '.join(unknown)}; allowed: {', '.join(self.nodes) or 'none'}"
            )
        if self.service_nodes and self.health is None:
            raise ValueError("service_nodes needs `health`: add `health`, or remove service_nodes")


def wrong(
    settings: GithubActionsSettings, folder: Path, parameters: Mapping[str, Any], environment: Mapping[str, str]
) -> Iterator[Wrong]:
    """Every invalid key, with the error and a hint."""
    if settings.token and "${{" not in settings.token:
        yield ("token",), LITERAL, ""
    for name, value in settings.teardown.inputs.items():
        if isinstance(value, str) and late.mixed(value):
            yield ("teardown", "inputs", name), WRITTEN, ""
    try:
        place = _place(settings, folder, parameters, environment)
    except UsageError as error:
        yield (), str(error), ""
        return
    if place is None:
        return
    parts = {"deploy": settings.deploy, "teardown": settings.teardown}
    orders = {key: draft(part, place, parameters, environment) for key, part in parts.items()}
    for key, order in orders.items():
        for path, message, hint in wrong_here(place, order, environment):
            yield (key, *path), message, hint
    workflows = {key: workflow for key, order in orders.items() if (workflow := workflow_here(place, order))}
    yield from problems(settings.environment or (), workflows, {key: order.inputs for key, order in orders.items()})


def _place(
    settings: GithubActionsSettings, folder: Path, parameters: Mapping[str, Any], environment: Mapping[str, str]
) -> Place | None:
    """None: it is known only at run time."""
    words = {word: _settled(word, getattr(settings, word), parameters, environment) for word in WORDS}
    return None if any(isinstance(one, Unknown) for one in words.values()) else find_place(folder, environment, **words)


def draft(part: Dispatch, place: Place, parameters: Mapping[str, Any], environment: Mapping[str, str]) -> Order:
    """An order with the inputs known by now; others are Unknown."""
    inputs = {name: _settled(name, value, parameters, environment) for name, value in part.inputs.items()}
    return order_of(part, place.ref, inputs)


def _settled(name: str, value: Any, parameters: Mapping[str, Any], environment: Mapping[str, str]) -> Any:
    """A value with its parameters and environment variables filled in; Unknown when it names anything else."""
    try:
        return expressions.bind(value, {"parameters": parameters, "env": environment})
    except CannotTell:
        return later(name)
