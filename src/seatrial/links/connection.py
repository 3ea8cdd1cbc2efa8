"""The link to a node that is not reached by SSH: this machine, a container by the engine's exec,
or a pod by that of Kubernetes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import LinkRefused, ToolMissing
from seatrial.model.resource import KUBECTL, LOCAL, Connection, Node
from seatrial.spi import Context, Finished, Link
from seatrial.spi.link import Command

if TYPE_CHECKING:
    from seatrial.links.containers import Engine


def link(node: Node, ctx: Context) -> Link | None:
    """The link by the node's own connection, not yet used; None without one: then the provider has the link."""
    connection = node.connection
    if connection is None:  # as for most nodes: nothing is imported
        return None
    if connection.kind == LOCAL:
        from seatrial.links.local import LocalLink

        return LocalLink(node.name, ctx, become=connection.become)
    if connection.kind == KUBECTL:
        return _into_pod(node.name, connection, ctx)
    if connection.unknown:
        return RefusedLink(f"{node.name} {connection.unknown}")
    from seatrial.links.containers.exec import ExecLink

    user = "0" if connection.become else connection.user
    try:
        return ExecLink(engine_of(connection), connection.target, node.name, user=user)
    except ToolMissing as error:
        return RefusedLink(f"{node.name}: {error}")


def _into_pod(name: str, connection: Connection, ctx: Context) -> Link:
    from seatrial.links.kubernetes import Access
    from seatrial.links.kubernetes.pod_link import Pod, PodLink

    if connection.become:
        return RefusedLink(f"{name}: a command in a pod has the user of its container; remove `ansible_become`")
    access = Access(kubeconfig=connection.environment.get("KUBECONFIG", ""), context=connection.context)
    pod = Pod(
        name=connection.target, namespace=connection.namespace, container=connection.container,
        debug_image=connection.debug_image,
    )  # fmt: skip
    return PodLink(ctx, access, pod, name)


def engine_of(connection: Connection) -> Engine:
    """The engine as the user's own calls reach it: a container that exists needs no settings of Seatrial."""
    from seatrial.links.containers import Engine
    from seatrial.links.containers.engines import VARIABLES

    program = shutil.which(connection.program or connection.kind)
    if program is None:
        raise ToolMissing(
            f"the program {connection.program or connection.kind!r} does not exist: install it, or put it on PATH"
        )
    given = {name: os.environ[name] for name in VARIABLES[connection.kind] if name in os.environ}
    return Engine(str(Path(program).resolve()), connection.kind, {**given, **connection.environment})


class RefusedLink:
    """A way in that does not work: each use raises LinkRefused with the reason."""

    def __init__(self, why: str) -> None:
        self._why = why

    def __str__(self) -> str:
        return self._why

    async def run(
        self, command: Command, *, timeout: float = 60.0, input: str = "", env: Mapping[str, str] | None = None
    ) -> Finished:
        raise LinkRefused(self._why)

    async def put(self, local: Path, remote: str) -> None:
        raise LinkRefused(self._why)

    async def get(self, remote: str, local: Path) -> None:
        raise LinkRefused(self._why)

    async def close(self) -> None:
        """Does nothing: there is no connection."""
