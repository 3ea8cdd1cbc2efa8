"""The way to a cluster: kubeconfig and context, read by the kept client; credentials stay in memory."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from seatrial.errors import CannotTell, ExtraMissing, nearest
from seatrial.links.kubernetes.cluster import Cluster
from seatrial.links.kubernetes.wire import Wire
from seatrial.model.frozen import frozen
from seatrial.spi import Context

DEFAULT = "~/.kube/config"


@frozen
class Access:
    """Which cluster, as whom."""

    kubeconfig: str = ""
    """The file, or several with `:` between; empty: `KUBECONFIG`, else `~/.kube/config`, else the pod's own account."""
    context: str = ""
    """A context of it; empty: its current one."""
    namespace: str = ""
    """The namespace for objects without one; empty: the context's, else `default`."""


@runtime_checkable
class HoldsCluster(Protocol):
    """A system in a cluster: checks without a cluster of their own look there."""

    def access(self, ctx: Context) -> Access:
        """Its cluster, with the namespace of this trial."""


async def shared(ctx: Context, access: Access) -> Cluster:
    """The cluster, with one connection and one set of watches for all of a trial. The namespace of the access is the
    caller's matter: give it in each call."""
    name = ("kubernetes", access.kubeconfig, access.context)
    return await ctx.keep(name, lambda: connect(replace(access, namespace="")))


async def connect(access: Access) -> Cluster:
    """The cluster, not yet asked. ExtraMissing without the client; CannotTell for a kubeconfig that cannot be used.
    Close it: `await cluster.close()`."""
    try:
        from kubernetes_asyncio import client, config
        from kubernetes_asyncio.client.rest import RESTClientObject
        from kubernetes_asyncio.config import kube_config
    except ImportError as error:
        raise ExtraMissing("Kubernetes needs its client: pip install 'seatrial[kubernetes]'") from error
    settings: Any = client.Configuration()
    settings.connection_pool_maxsize = 0  # a watch holds its connection
    paths = access.kubeconfig or os.environ.get("KUBECONFIG", "") or DEFAULT
    if not _exists(paths) and not access.kubeconfig and "KUBERNETES_SERVICE_HOST" in os.environ:
        try:
            load: Any = config.load_incluster_config
            load(client_configuration=settings)
        except (config.ConfigException, OSError) as error:
            raise CannotTell(f"the account of this pod cannot be used: {error}") from None
        return Cluster(Wire(RESTClientObject(settings), settings, None), access.namespace or _own_namespace())
    if not _exists(paths):
        raise CannotTell(f"there is no kubeconfig {paths}; set `kubeconfig`, or the variable KUBECONFIG")
    # The client hands certificates to OpenSSL by way of files. They are gone before the first request.
    async with _one_at_a_time():
        folder = Path(tempfile.mkdtemp(prefix="seatrial-"))
        try:
            merged: Any = kube_config.KubeConfigMerger(paths)
            loader: Any = kube_config.KubeConfigLoader(
                merged.config, _context(merged.config, access.context, paths), config_base_path=None,
                temp_file_path=str(folder),
            )  # fmt: skip
            await loader.load_and_set(settings)
            wire = Wire(RESTClientObject(settings), settings, _reload(loader, settings))
        except CannotTell:
            raise
        except Exception as error:  # noqa: BLE001 - the client raises anything for a broken file
            raise CannotTell(f"the kubeconfig {paths} cannot be used: {_reason(error)}") from None
        finally:
            kube_config._cleanup_temp_files()
            shutil.rmtree(folder, ignore_errors=True)
    inner = loader._current_context["context"]
    return Cluster(wire, access.namespace or str(inner.safe_get("namespace") or "default"))


_locks: dict[asyncio.AbstractEventLoop, asyncio.Lock] = {}


def _one_at_a_time() -> asyncio.Lock:
    """The client remembers its files for the whole process."""
    loop = asyncio.get_running_loop()
    for other in [one for one in _locks if one.is_closed()]:
        del _locks[other]
    return _locks.setdefault(loop, asyncio.Lock())


def _exists(paths: str) -> bool:
    return any(path and Path(path).expanduser().is_file() for path in paths.split(":"))


def _context(merged: Any, context: str, paths: str) -> str:
    value = merged.value
    names = [str(one["name"]) for one in value.get("contexts") or ()]
    context = context or str(value.get("current-context") or "")
    if context not in names:
        what = f"has no context {context!r}" if context else "has no current context"
        raise CannotTell(f"the kubeconfig {paths} {what}; {nearest(context, names, what='contexts')}")
    return context


def _reload(loader: Any, settings: Any) -> Callable[[], Awaitable[None]]:
    """Ask a login program or a token file again: the server no longer accepts the token."""

    async def reload() -> None:
        if hasattr(loader, "exec_plugin_expiry"):
            del loader.exec_plugin_expiry
        await loader._load_authentication()
        if hasattr(loader, "token"):
            settings.api_key["BearerToken"] = loader.token

    return reload


def _own_namespace() -> str:
    try:
        return Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace").read_text().strip()
    except OSError:
        return "default"


def _reason(error: Exception) -> str:
    """Why, without the content of the file: an error of the YAML reader or of a login program may quote it."""
    import yaml

    if isinstance(error, yaml.MarkedYAMLError):
        return f"invalid YAML in line {error.problem_mark.line + 1 if error.problem_mark else '?'}"
    from kubernetes_asyncio.config import ConfigException

    if isinstance(error, OSError):
        return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror or type(error).__name__)
    text = str(error)
    return (
        text.partition("\n")[0][:200]
        if isinstance(error, ConfigException) and "exec:" not in text
        else ("the login program in it failed" if "exec" in text else type(error).__name__)
    )
