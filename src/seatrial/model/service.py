"""Shared services, as users write them: servers that several runs use at the same time, such as a Git server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated

from seatrial.model.chart import Chart
from seatrial.model.frozen import frozen
from seatrial.model.values import Argv, Duration, Range, Timeout

__all__ = ["Service", "ServiceForward", "ServiceHealth"]

IN_CLUSTER = ("manifests", "kustomize", "charts")
"""The keys of a service in a cluster; they go together, and with a `forward` into it."""

KINDS = ("command", "image", "start", *IN_CLUSTER, "forward", "endpoint")
"""The keys of which a service has exactly one; `command` also goes with `image`, and those of a cluster together."""


@frozen
class ServiceHealth:
    """When a shared service is healthy: its program runs, its port is open, and all of these pass."""

    http: str = ""
    """A path such as `/-/ready`, or a URL, with `${{ service.port }}` and the like."""
    status: Annotated[int, Range(100, 599)] | None = None
    """The status of the answer; by default any from 200 to 399."""
    contains: str = ""
    """Text in the body of the answer: it distinguishes this service from another one at its port."""
    command: tuple[str, ...] = ()
    """A program of this machine with its arguments; exit code 0 passes."""
    timeout: Timeout = Timeout(60.0)
    """Maximum time from its start until it is healthy."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """`status` and `contains` need an answer."""
        for key, value in (("status", self.status), ("contains", self.contains)):
            if value and not self.http:
                yield key, f"`{key}` is about the answer of `http`, which is missing"


@frozen
class ServiceForward:
    """A way into a Kubernetes cluster that follows its target: a new connection goes to a pod that is ready now."""

    to: str
    """`svc/NAME`, `deployment/NAME`, `statefulset/NAME`, `daemonset/NAME`, `replicaset/NAME`, `pod/NAME`, or a label
    selector such as `app=gitea`."""
    port: str | int
    """The port there, as a number or by its name: of a Service its own port, else a port of the container."""
    namespace: str = ""
    """Empty: the namespace of the context, else `default`."""
    context: str = ""
    """The context of the kubeconfig, and with it the cluster. Without it, the kubeconfig must have only one: Seatrial
    never uses whichever is current."""
    kubeconfig: str = ""
    """The file with the way to the cluster, relative to the document; empty: `KUBECONFIG`, else `~/.kube/config`."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """A port that can be one."""
        yield from wrong_port(self.port)


def wrong_port(port: str | int) -> Iterable[tuple[str, str]]:
    """The problem of a port of a forward's target, if it has one."""
    text = str(port)
    if not text or (text.lstrip("-").isdigit() and not 1 <= int(text) <= 65535):
        yield "port", f"{port!r} is not a port; allowed: 1 to 65535, or the name of a port"


@frozen
class Service:
    """A server for several runs: started once, used by every run that needs it, stopped when none does."""

    command: Argv = ()
    """A server program; it stays in the foreground. With `image`: the arguments of the container."""
    image: str = ""
    """The image of a container, for Podman or Docker."""
    container_port: Annotated[int, Range(1, 65535)] | None = None
    """The service's port inside its container."""
    start: Argv = ()
    """A command that brings up something that runs on by itself, such as a disposable cluster; `stop` removes it."""
    stop: Argv = ()
    """The command that removes what `start` brought up; it also passes when nothing exists any more."""
    forward: ServiceForward | None = None
    """A port-forward into a Kubernetes cluster, which survives the replacement of its pod. It needs no `kubectl`. With
    manifests or charts: into the service's own namespace."""
    endpoint: str = ""
    """A server that exists already: its URL, or `HOST:PORT`. Seatrial never starts or stops it."""
    manifests: tuple[str, ...] = ()
    """Files with objects of Kubernetes, or folders with such files, relative to the definition."""
    kustomize: str = ""
    """A folder with a `kustomization.yaml`, relative to the definition; `kubectl` builds it."""
    charts: tuple[Chart, ...] = ()
    """Helm charts, installed in this order after the manifests."""
    kubeconfig: str = ""
    """The file with the way to the cluster, relative to the definition; empty: `KUBECONFIG`, else `~/.kube/config`."""
    context: str = ""
    """The context of the kubeconfig; without it, the kubeconfig must have only one."""
    namespace: str = ""
    """An existing namespace for everything; it stays. Empty: a new one of the service's own, with the service."""
    port: Annotated[int, Range(0, 65535)] | None = None
    """Its port on this machine. By default a `command`, an `image` or a `forward` gets a free one, and a `start` has
    none."""
    url: str = ""
    """The value of `services.NAME.url`; by default `http://ADDRESS:PORT`."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More environment variables of its programs, or of its container."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Names to contents: written into its folder before each start."""
    prepare: tuple[tuple[str, ...], ...] = ()
    """Programs to run in its new folder before the first start, in order."""
    user: str = ""
    """The user for its programs, if Seatrial runs as root."""
    path: tuple[str, ...] = ()
    """Folders of its programs, before PATH; for `*` Seatrial takes the highest version."""
    health: ServiceHealth = field(default_factory=ServiceHealth)
    """When it is healthy."""
    needs: tuple[str, ...] = ()
    """Services that it needs: they start before it, and live as long as it does."""
    idle: Duration = Duration(60.0)
    """The time without any user until it is stopped."""
    restarts: Annotated[int, Range(0)] = 3
    """Maximum number of restarts in sequence, after it ended by itself, with growing pauses."""
    durable: bool = False
    """Its data survive a restart: a suite may still pass if the service was restarted meanwhile. By default the suite
    is unknown then. A `forward` has no data, so it is always durable."""
    keep_data: bool = False
    """Keep its folder when it is stopped, for the next start."""
    stop_timeout: Duration = Duration(10.0)
    """Maximum time for its end after SIGTERM; then SIGKILL."""

    @property
    def kind(self) -> str:
        """`command`, `image`, `start`, `kubernetes`, `forward` or `endpoint`."""
        if any(getattr(self, key) for key in IN_CLUSTER):
            return "kubernetes"
        return next((key for key in ("image", "start", "forward", "endpoint") if getattr(self, key)), "command")

    @property
    def is_durable(self) -> bool:
        """Whether nothing is lost by a restart."""
        return self.durable or self.kind == "forward"

    @property
    def _has_address(self) -> bool:
        """Whether a path has a URL to begin with: its own, or that of its port."""
        given = self.url or self.container_port or self.forward or self.port is not None
        return bool(given) or self.kind in ("command", "endpoint")

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """Exactly one kind, with its keys alone."""
        kinds = [key for key in KINDS if getattr(self, key)]
        together = kinds == ["command", "image"]
        if self.kind == "kubernetes":
            together = set(kinds) <= {*IN_CLUSTER, "forward"}
        if len(kinds) != 1 and not together:
            what = f"it has {' and '.join(f'`{kind}`' for kind in kinds)}" if kinds else "it has none of them"
            yield "", f"a service needs exactly one of {', '.join(f'`{kind}`' for kind in KINDS)}: {what}"
            return
        if bool(self.start) != bool(self.stop):
            yield "stop" if self.stop else "start", "`start` and `stop` belong together: Seatrial must remove it again"
        if self.kind == "image":
            if self.container_port is None and self.port is not None:
                yield "port", "a container with a `port` needs its `container_port` too"
            if isinstance(self.command, str):
                yield "command", "with `image` these are the arguments of the container: write a list"
        elif self.container_port is not None:
            yield "container_port", "only a container (`image`) has a `container_port`"
        if self.kind == "start" and not self.health.command and not self.health.http and self.port is None:
            yield "health", "after `start` Seatrial needs a `port` or a `health` to see whether it works"
        if self.kind == "kubernetes":
            for key in ("prepare", "user", "path", "keep_data", *(() if self.forward else ("port",))):
                if getattr(self, key):
                    yield key, f"a service in a cluster does not run on this machine, so `{key}` has no effect"
            if self.forward and (self.forward.namespace or self.forward.context or self.forward.kubeconfig):
                yield "forward", "this forward leads into the service's own namespace: leave only `to` and `port`"
        else:
            for key in ("kubeconfig", "context", "namespace"):
                if getattr(self, key):
                    yield key, f"`{key}` belongs to a service in a cluster: `manifests`, `kustomize` or `charts`"
        if self.health.http and "://" not in self.health.http and not self._has_address:
            yield "health", "`http` is a path, and the service has no port: write a URL, or `port`"
        if self.kind == "endpoint":
            for key in ("env", "files", "prepare", "user", "path", "needs", "port", "keep_data"):
                if getattr(self, key):
                    yield key, f"Seatrial does not start an `endpoint`, so `{key}` has no effect"
        if self.kind == "forward":
            for key in ("files", "prepare", "user", "keep_data"):
                if getattr(self, key):
                    yield key, f"a `forward` has no program and no data of its own, so `{key}` has no effect"
        for name in self.files:
            if Path(name).is_absolute() or ".." in Path(name).parts:
                yield "files", f"{name!r} is outside the service's folder"
