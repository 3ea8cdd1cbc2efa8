"""The content of a pipeline document; its fields make the keys, the JSON Schema and the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal

from seatrial.model.scenario import Retry
from seatrial.model.values import Argv, ContainerExecutor, Expression, Names, Timeout


@dataclass(frozen=True, kw_only=True)
class SecretSource:
    """One source of secrets; the word `env` alone stands for the environment."""

    file: str = ""
    """A file of NAME=value lines, beside the document."""
    command: tuple[str, ...] = ()
    """A program to print them as one JSON object or as NAME=value lines."""


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """Values hidden in all output."""

    required: tuple[str, ...] = ()
    """Names required before the first check starts; each check gets them."""
    from_: tuple[Literal["env"] | SecretSource, ...] = ("env",)
    """The sources, in this order; the first one with a value wins."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits for all checks together."""

    parallel: int | None = None
    """Maximum number of checks at a time; default: the number of cores."""
    cpus: float | None = None
    """CPUs for all running checks together."""
    memory_gb: float | None = None
    """Memory in GB for all running checks together."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """An image built from a Dockerfile."""

    context: str = "."
    """The build context: a folder inside the source."""
    dockerfile: str = ""
    """The Dockerfile, in the context; default: `Dockerfile`."""
    target: str = ""
    """The stage of the Dockerfile to build."""
    args: Mapping[str, str] = field(default_factory=dict)
    """Build arguments."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """The health of a service: one of `command`, `tcp` and `http`, repeated until it passes."""

    command: tuple[str, ...] = ()
    """A program in the container; exit code 0 means ready."""
    tcp: str = ""
    """The name of a port; an accepted connection means ready."""
    http: str = ""
    """A URL; a status from 200 to 399 means ready."""
    timeout: Timeout = Timeout(60.0)
    """Timeout until it is ready."""


@dataclass(frozen=True, kw_only=True)
class HostService:
    """The same service as programs of this host, for machines without a container engine and for `--host`."""

    command: tuple[str, ...]
    """The server program; it stays in the foreground."""
    prepare: tuple[tuple[str, ...], ...] = ()
    """Programs to run before it, in order."""
    user: str = ""
    """The user for its programs, if Seatrial runs as root."""
    path: tuple[str, ...] = ()
    """Folders of its programs, before PATH; for `*` Seatrial takes the highest version."""
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
    """Environment variables for checks with this service in `services`."""


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function of a Dagger module, called as by `dagger call`."""

    name: Names
    """Its name, or several names: each function is called on the result of the one before."""
    module: str = "."
    """The module's folder, with its `dagger.json`, inside the source."""
    args: Mapping[str, object] = field(default_factory=dict)
    """Its arguments by name. Text stands for a folder or file of the sources, a secret by its name, an address such as
    an image, or the value itself, as the function wants it. `FUNCTION.NAME` tells equal names apart."""

    @property
    def words(self) -> tuple[str, ...]:
        """The names of the functions in order."""
        return (self.name,) if isinstance(self.name, str) else self.name


@dataclass(frozen=True, kw_only=True)
class Check:
    """One command, judged by its exit code."""

    run: Argv = ()
    """A list of arguments, or a string for `/bin/sh -e -c`; a string with `set -o pipefail` is for bash."""
    function: Function | None = None
    """In place of `run`: a function of a Dagger module; its error fails the check. Text it returns is the output, and
    files it returns can be `artifacts`, as if they were in `cwd`."""
    title: str = ""
    """The title in output; default: its name."""
    image: str = ""
    """The image of the container to run it in. In Dagger also an archive: `oci-archive:FILE`, `docker-archive:FILE`."""
    build: Build | None = None
    """An image to build, and to run it in."""
    executor: ContainerExecutor | None = None
    """Where it runs, if it has an image: `containers` (of Docker or Podman) or `dagger` (in a Dagger engine); default:
    as its stage."""
    source: Literal["overlay", "read-only", "copy"] = "overlay"
    """How a container gets the sources: `overlay`: it sees all files, and what it writes is dropped; `read-only`: it
    cannot write; `copy`: a fresh checkout of its own, also for `overlay` with `artifacts` or `uses`."""
    inputs: tuple[str, ...] = ()
    """Patterns of the files its result depends on, such as `src/**` or `*.{ts,js}`. They may have `${{ matrix.NAME }}`,
    `${{ parameters.NAME }}` and `${{ env.NAME }}`."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment variables."""
    env_inputs: tuple[str, ...] = ()
    """Names of environment variables its result depends on; also patterns such as `VITE_*`."""
    tools: tuple[tuple[str, ...], ...] = ()
    """Commands whose output (versions) affects its result."""
    cwd: str = ""
    """The folder to run in, inside the source."""
    needs: tuple[str, ...] = ()
    """Checks of this stage to pass before it."""
    services: tuple[str, ...] = ()
    """Services it needs. In Dagger also earlier checks whose function returns a service, as `stage/check`: the check's
    name is the service's host name."""
    matrix: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    """Names to values: the check runs once for each combination."""
    if_: Expression = Expression("")
    """Run it only if this expression is true."""
    timeout: Timeout | None = None
    """Timeout of one attempt."""
    retry: Retry | None = None
    """Maximum number of attempts."""
    allow_failure: bool = False
    """Its failure does not fail the pipeline."""
    expect_exit_code: int | tuple[int, ...] = 0
    """The passing exit code, or a list of them."""
    pass_exit_codes: Mapping[str, str] = field(default_factory=dict)
    """More passing exit codes, in quotes, each with its meaning."""
    outputs: Mapping[str, Expression] = field(default_factory=dict)
    """Names to expressions over `json` (of standard output), `stdout` and `exit_code`."""
    uses: tuple[str, ...] = ()
    """Earlier checks, as `stage/check`; this check gets their artifacts at the original paths."""
    artifacts: tuple[str, ...] = ()
    """Patterns of files, from its folder, to keep with the run; each must match, and no link may lead outside."""
    memory_gb: float = 0.0
    """Memory in GB: its share of the budget, and the limit of its container (Dagger has no such limit)."""
    cpus: float | None = None
    """CPUs: its share of the budget, and the limit of its container (Dagger has none); default: a share of 1, no
    limit."""
    problems: str = ""
    """The tool whose messages it prints; default: detected from its command."""
    cache: bool | None = None
    """Whether its result may come from the cache."""

    @property
    def wanted(self) -> list[str]:
        """The patterns of its inputs."""
        return [pattern for pattern in self.inputs if not pattern.startswith("!")]

    @property
    def unwanted(self) -> list[str]:
        """The patterns of files excluded from its inputs, each with its `!`."""
        return [pattern for pattern in self.inputs if pattern.startswith("!")]

    @property
    def declared_services(self) -> tuple[str, ...]:
        """Those of its services that the pipeline declares."""
        return tuple(name for name in self.services if "/" not in name)

    @property
    def returned_services(self) -> tuple[str, ...]:
        """The checks with a function that returns a service it needs."""
        return tuple(name for name in self.services if "/" in name)

    @property
    def made(self) -> list[str]:
        """The patterns of its artifacts, from the source folder."""
        return [str(PurePosixPath(self.cwd) / pattern) for pattern in self.artifacts]

    @property
    def passing(self) -> tuple[int, ...]:
        """The passing exit codes without a meaning."""
        return self.expect_exit_code if isinstance(self.expect_exit_code, tuple) else (self.expect_exit_code,)

    @property
    def copied(self) -> bool:
        """Whether its container gets a writable copy of the sources."""
        return self.source == "copy" or (self.source == "overlay" and bool(self.artifacts or self.uses))

    @property
    def contained(self) -> bool:
        """Whether it runs in a container, unless all checks run on this host."""
        return bool(self.image) or self.build is not None or self.function is not None


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A group of checks; they run in parallel unless they need each other."""

    checks: Mapping[str, Check]
    """The checks by name."""
    title: str = ""
    """The title in output; default: its name and `Stage`."""
    needs: tuple[str, ...] = ()
    """Stages to pass before it."""
    if_: Expression = Expression("")
    """Run it only if this expression is true."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment variables of its checks."""
    executor: ContainerExecutor | None = None
    """Where its checks with an image run: `containers` or `dagger`; default: as the pipeline."""


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """The checks before a deployment."""

    stages: Mapping[str, Stage]
    """The stages by name."""
    name: str = ""
    """The title in output; default: the name of the source folder."""
    source: str = "."
    """The source folder, relative to the document's folder."""
    executor: ContainerExecutor | None = None
    """Where checks with an image run: `containers` (of Docker or Podman) or `dagger` (in a Dagger engine); default:
    `containers`. `--executor` overrides every `executor`."""
    parameters: Mapping[str, object] = field(default_factory=dict)
    """Values for `${{ parameters.NAME }}`; `--set NAME=VALUE` overrides them."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of every check."""
    secrets: Secrets = field(default_factory=Secrets)
    """Values hidden in all output."""
    budget: Limits = field(default_factory=Limits)
    """Limits for all checks together."""
    caches: Mapping[str, str] = field(default_factory=dict)
    """Cache names, each with a folder in checks' containers, such as `/root/.cache/pip`; kept between runs."""
    services: Mapping[str, Service] = field(default_factory=dict)
    """Containers beside the checks."""

    @cached_property
    def checks(self) -> dict[str, Check]:
        """All checks, as `stage/check`."""
        return {f"{at}/{name}": check for at, stage in self.stages.items() for name, check in stage.checks.items()}
