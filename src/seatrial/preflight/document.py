"""What a pipeline document says; the fields are the keys, the JSON Schema and the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from seatrial.model.scenario import Retry
from seatrial.model.values import Argv, Duration, Expression


@dataclass(frozen=True, kw_only=True)
class SecretSource:
    """One place where secrets are looked for; `env` alone, written as a word, is the environment."""

    file: str = ""
    """A file of NAME=value lines, beside the document."""
    command: tuple[str, ...] = ()
    """A program that prints them as one JSON object or as NAME=value lines."""


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """Values that no output may show."""

    required: tuple[str, ...] = ()
    """Names that must be there before the first check starts; each check sees them."""
    from_: tuple[Literal["env"] | SecretSource, ...] = ("env",)
    """Where they are looked for, in this order; the first that has one wins."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What all checks together may use at a time."""

    parallel: int | None = None
    """Checks at a time; without it as many as cores."""
    cpus: float | None = None
    """CPUs of the checks that run at the same time."""
    memory_gb: float | None = None
    """Memory of the checks that run at the same time."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """An image that is built from a Dockerfile."""

    context: str = "."
    """The folder that is sent to the builder, inside the source."""
    dockerfile: str = ""
    """The Dockerfile, in the context; default: `Dockerfile`."""
    target: str = ""
    """The stage of it that is built."""
    args: Mapping[str, str] = field(default_factory=dict)
    """Build arguments."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """When a service is ready: one of the three, asked until it says yes."""

    command: tuple[str, ...] = ()
    """A program in the container that exits with 0."""
    tcp: str = ""
    """The name of a port that takes connections."""
    http: str = ""
    """A URL that answers with 200 to 399."""
    timeout: Duration = Duration(60.0)
    """How long it may take to be ready."""


@dataclass(frozen=True, kw_only=True)
class HostService:
    """The same service as programs of this host, where there is no container engine or with `--host`."""

    command: tuple[str, ...]
    """The program that serves; it stays in the foreground."""
    prepare: tuple[tuple[str, ...], ...] = ()
    """Programs that run before it, in order."""
    user: str = ""
    """The user that it runs as, when we are root."""
    path: tuple[str, ...] = ()
    """Folders of its programs, besides PATH; of `*` the highest version is taken."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment variables of it."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A container beside the checks, such as a database."""

    image: str = ""
    """The image, by reference."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of the container."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Names of its ports, to their numbers."""
    health: Health | None = None
    """When it is ready."""
    host: HostService | None = None
    """The fall-back without a container engine."""
    binds: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of the checks that name this service."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One command, judged by how it ends."""

    run: Argv
    """A list of arguments, or a string for `/bin/sh -e -c`."""
    title: str = ""
    """What people read; default: its name."""
    image: str = ""
    """Run it in a container of this image."""
    build: Build | None = None
    """Run it in a container of an image built from this."""
    source: Literal["read-only", "copy"] = "read-only"
    """How a container gets the sources: mounted, or as a copy of its own."""
    inputs: tuple[str, ...] = ()
    """Patterns of the files that it depends on."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment variables."""
    env_inputs: tuple[str, ...] = ()
    """Names of environment variables that its result depends on."""
    tools: tuple[tuple[str, ...], ...] = ()
    """Commands that print the versions its result depends on."""
    cwd: str = ""
    """A folder inside the source to run in."""
    needs: tuple[str, ...] = ()
    """Checks of this stage that have to pass before it."""
    services: tuple[str, ...] = ()
    """Services that it is bound to."""
    matrix: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    """Names to values: the check runs once for each combination."""
    if_: Expression = Expression("")
    """Run it only when this holds."""
    timeout: Duration | None = None
    """How long one attempt may take."""
    retry: Retry | None = None
    """How often it is tried again."""
    allow_failure: bool = False
    """Its failure does not decide."""
    expect_exit_code: int | tuple[int, ...] = 0
    """The exit code, or codes, of a pass."""
    pass_exit_codes: Mapping[str, str] = field(default_factory=dict)
    """More exit codes that pass, in quotes, each with what it means."""
    outputs: Mapping[str, Expression] = field(default_factory=dict)
    """Names to expressions over `json` (of standard output), `stdout` and `exit_code`."""
    uses: tuple[str, ...] = ()
    """Checks before it, as `stage/check`, whose artifacts it finds where they were made."""
    artifacts: tuple[str, ...] = ()
    """Patterns of files, from its folder, that are kept with the run; each must match."""
    memory_gb: float = 0.0
    """What it counts for in the budget, and the most that a container may use."""
    cpus: float | None = None
    """The same in CPUs; without it 1 in the budget, and no limit."""
    problems: str = ""
    """Whose messages it prints; default: told by its command."""
    cache: bool | None = None
    """Whether its result may come from the cache."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Checks that belong together; they run at the same time unless they need each other."""

    checks: Mapping[str, Check]
    """The checks by name."""
    title: str = ""
    """What people read; default: its name and `Stage`."""
    needs: tuple[str, ...] = ()
    """Stages that have to pass before it."""
    if_: Expression = Expression("")
    """Run it only when this holds."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment variables of its checks."""


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """What has to hold before a deploy."""

    stages: Mapping[str, Stage]
    """The stages by name."""
    name: str = ""
    """What people read; default: the name of the source's folder."""
    source: str = "."
    """The folder of the sources, from the document's folder."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    """Values that the document reads as `${{ parameters.NAME }}`; `--set NAME=VALUE` sets others."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of every check."""
    secrets: Secrets = field(default_factory=Secrets)
    """Values that no output may show."""
    budget: Limits = field(default_factory=Limits)
    """What all checks may use at a time."""
    caches: Mapping[str, str] = field(default_factory=dict)
    """Names to folders in checks' containers, such as `/root/.cache/pip`, kept between runs."""
    services: Mapping[str, Service] = field(default_factory=dict)
    """Containers beside the checks."""
