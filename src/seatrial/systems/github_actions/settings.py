"""The keys of `system:` in a document for the system `github-actions`; strings may hold templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seatrial.links.forge.runs.order import DEADLINES, LIMITS, Limits, RunDeadlines
from seatrial.model.values import Argv, Duration, Expression
from seatrial.systems.settings import DataSettings, Probe

MINUTE = Duration(60.0)


@dataclass(frozen=True, kw_only=True)
class DeploySettings:
    """The workflow that deploys."""

    workflow: str
    """The file's name in `.github/workflows`."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Values for the workflow's own inputs."""
    artifacts: tuple[str, ...] = ()
    """Artifacts to fetch; the keys of JSON files in them become `${{ outputs.… }}` and outputs of the step `deploy`."""
    correlation_input: str = ""
    """The input that takes an id which the workflow puts into its `run-name`; else `correlation_id`, if it has it."""
    deadlines: RunDeadlines = DEADLINES
    """How long each part of the run may take."""
    limits: Limits = LIMITS
    """How large artifacts may be."""


@dataclass(frozen=True, kw_only=True)
class TeardownSettings:
    """The workflow that takes away what was deployed; it has to succeed also when there is nothing."""

    workflow: str
    """The file's name in `.github/workflows`."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Values for the workflow's own inputs."""
    before: bool = False
    """Run it before each deployment too: a clean slate."""
    correlation_input: str = ""
    """The input that takes an id for the `run-name`; else `correlation_id`, if the workflow has it."""
    deadlines: RunDeadlines = DEADLINES
    """How long each part of the run may take."""


@dataclass(frozen=True, kw_only=True)
class StandingSettings:
    """How it is found out which deployment stands, where the history of the workflows does not tell."""

    command: Argv
    """Prints nothing where none stands, else what stands: its name, or the id of the run that made it."""
    timeout: Duration = MINUTE
    """How long the command may take."""


@dataclass(frozen=True, kw_only=True)
class SshSettings:
    """How the nodes are reached."""

    user: str = "root"
    """The user to log in as."""
    port: int = 22
    """The port of SSH, unless the address names one."""
    key: str = ""
    """The file of the private key, relative to the document."""
    known_hosts: str = ""
    """A file of host keys, relative to the document."""
    accept: bool = False
    """Believe the host key that a node shows first, and no other from then on."""


@dataclass(frozen=True, kw_only=True)
class GithubActionsSettings:
    """A deployment that workflows of GitHub Actions make and take away."""

    deploy: DeploySettings
    """The workflow that deploys."""
    teardown: TeardownSettings
    """The workflow that takes the deployment away."""
    repository: str = ""
    """`OWNER/NAME`; else $GITHUB_REPOSITORY, else the git remote of the document's folder."""
    api_url: str = ""
    """Else $GITHUB_API_URL, else https://api.github.com; of an Enterprise Server https://HOST/api/v3."""
    ref: str = ""
    """The branch or tag whose workflows are meant; else the branch that is checked out."""
    token: str = ""
    """`${{ secrets.NAME }}`; else $GH_TOKEN or $GITHUB_TOKEN, else what `gh auth token` says."""
    replace_existing: bool = False
    """Deploy over, and tear down, a deployment that no trial of this project made."""
    standing: StandingSettings | None = None
    """How to find out which deployment stands, if the history of the workflows does not say."""
    nodes: Mapping[str, Any] = field(default_factory=dict)
    """Node to its address (`${{ outputs.web_ip }}`, also ADDRESS:PORT of SSH); a list makes NAME1, NAME2, …; an empty
    value none."""
    ssh: SshSettings | None = None
    """Without it nodes have no link."""
    health: Probe | None = None
    """How the service of a node is asked; without it a node whose link answers is well."""
    service_nodes: tuple[str, ...] = ()
    """The nodes (names as under `nodes`) that have the service; else all."""
    rule: str = "majority"
    """`majority`, `all`, `any`, or CEL over `healthy` and `total`: whether the whole still does its job."""
    states: Mapping[str, Expression] = field(default_factory=dict)
    """More states: name to CEL over `members`, `healthy`, `total`, `state`; the first that holds is the state."""
    admin: str = ""
    """The URL of the admin UI on a node."""
    data: DataSettings | None = None
    """How `data_integrity` writes and reads its records."""

    def __post_init__(self) -> None:
        if unknown := [name for name in self.service_nodes if name not in self.nodes]:
            raise ValueError(f"service_nodes names {', '.join(unknown)}; nodes are {', '.join(self.nodes) or 'none'}")
        if self.service_nodes and self.health is None:
            raise ValueError("service_nodes says where `health` is asked, and there is no `health`")
