"""The keys of `system:` in a document for the system `kubernetes`; strings may hold templates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Literal

from seatrial.model.chart import Chart
from seatrial.model.frozen import frozen
from seatrial.model.service import wrong_port
from seatrial.model.values import Expression, Rule


@frozen
class ClusterNodes:
    """The nodes of the cluster that a trial may cordon, drain and power. They are not its own: other people's pods may
    run there, so each must be named here, with the reason."""

    reason: str
    """Why. It is on the node while a fault lasts, for everybody who wants the same node meanwhile."""
    names: tuple[str, ...] = ()
    """Their names; either `names` or `labels`."""
    labels: str = ""
    """A label selector for them, such as `pool=trials`."""
    evict: Literal["own", "all"] = "own"
    """Whose pods a drain may evict: `own`, those of the trial alone (a node with others is not drained), or `all`."""
    power: bool = False
    """Whether steps may power their machines off and on, by the suite's `provider`, where it recognises them by their
    addresses."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """One way to choose them, and a reason."""
        if bool(self.names) == bool(self.labels):
            yield "", "`cluster_nodes` needs either `names` or `labels`: a trial never gets all nodes of a cluster"
        if not self.reason.strip():
            yield "reason", "write why these nodes may be touched: other people read it"


@frozen
class PodForward:
    """A port of this machine that leads to a pod which is ready now; another pod in its place is followed."""

    to: str
    """`svc/NAME`, `deployment/NAME`, `statefulset/NAME`, `daemonset/NAME`, `replicaset/NAME`, `pod/NAME`, or a label
    selector such as `app=web`."""
    port: str | int
    """The port there, as a number or by its name: of a Service its own port, else a port of the container."""
    namespace: str = ""
    """Empty: the trial's."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """A port that can be one."""
        yield from wrong_port(self.port)


@frozen
class KubernetesSettings:
    """Manifests, a kustomization or Helm charts, in a namespace of the trial's own; its pods are the nodes."""

    manifests: tuple[str, ...] = ()
    """Files with objects, or folders with such files, relative to the document."""
    kustomize: str = ""
    """A folder with a `kustomization.yaml`, relative to the document; `kubectl` builds it."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Values for `${NAME}` in the texts of the manifests and of the kustomization. `E2E_RUN_ID`,
    `E2E_TEST_NAMESPACE` and `E2E_CONTROLLER_NAMESPACE` are always known; an unknown `${NAME}` stays as it is."""
    overlay: Mapping[str, Any] = field(default_factory=dict)
    """Keys of a kustomization of the document's own over `manifests` and `kustomize`, such as
    `nameSuffix: "-${{ trial.id }}"`, `images`, `patches`, `secretGenerator`; `kubectl` builds it. Its paths are
    relative to the document."""
    charts: tuple[Chart, ...] = ()
    """Helm charts, installed in this order after the manifests."""
    kubeconfig: str = ""
    """The file with the way to the cluster, relative to the document; empty: `KUBECONFIG`, else `~/.kube/config`."""
    context: str = ""
    """The context of the kubeconfig, and with it the cluster. Without it, the kubeconfig must have only one: Seatrial
    never uses whichever is current."""
    namespace: str = ""
    """An existing namespace for everything; it stays. Empty: a new one for each trial, named by the project's
    pattern (`E2E_TEST_NAMESPACE`)."""
    nodes: str = ""
    """A label selector for the pods that are nodes, such as `app=shop,tier!=job`; needed with a given `namespace`.
    Empty: all pods in the trial's namespaces, except those of jobs."""
    cluster_nodes: ClusterNodes | None = None
    """The nodes of the cluster that this trial may cordon and drain, `node/NAME` in steps and checks; by default none.
    """
    forwards: Mapping[str, PodForward] = field(default_factory=dict)
    """Port-forwards by names of yours, from the deployment on. Each listens on a free port of this machine:
    `${{ steps.deploy.outputs.forwards.NAME.url }}`, `.address`, `.port`."""
    debug_image: str = ""
    """The image of an ephemeral container for commands in pods whose image has no shell, such as `busybox:musl`. By
    default, such commands are unknown. It needs a statically linked shell."""
    rule: Rule = Rule("majority")
    """`majority`, `all`, `any`, or CEL over `healthy` and `total`: whether the whole still works."""
    states: Mapping[str, Expression] = field(default_factory=dict)
    """More states: name to CEL over `members` (name to power, healthy, parts), `healthy`, `total`, `state`; the first
    true one is the state."""

    def __post_init__(self) -> None:
        if not (self.manifests or self.kustomize or self.overlay or self.charts):
            raise ValueError("name at least one of manifests, kustomize, overlay and charts")
