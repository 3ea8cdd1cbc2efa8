"""The daemons of one test process: started when the first test needs them, ended with the session, nothing left."""

from __future__ import annotations

import functools
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from scripts.cluster import shared
from scripts.cluster.cluster import BUILT
from scripts.cluster.spaces import Broken
from scripts.libvirtd.daemon import Daemon, NoDaemon, start
from tests.backends import dagger, docker, podman, programs, tools

_started: dict[str, docker.Dockerd | Daemon | shared.Use] = {}


def _docker() -> str | None:
    if why := docker.absent():
        return why
    docker.forget_killed()
    daemon = docker.Dockerd()
    why = daemon.ready()
    if why is None:
        _started["docker"] = daemon
    else:
        daemon.stop()
    return why


def _libvirt() -> str | None:
    try:
        import libvirt  # noqa: F401 - an extra
        import pycdlib  # noqa: F401
    except ImportError as error:
        return f"{error.name} is not installed: `make backends`, then `make install`"
    images = docker.ROOT / ".images"
    if absent := [name for name in ("node.qcow2", "vmlinux", "initrd.img") if not (images / name).exists()]:
        return f"{images} has no {', '.join(absent)}: `make backends` makes them"
    try:
        _started["libvirt"] = start()
    except NoDaemon as error:
        return str(error)
    return None


def _kubernetes() -> str | None:
    try:
        _started["kubernetes"] = shared.join()
    except Broken as error:
        return str(error)
    return None


KNOWN: Mapping[str, Callable[[], str | None]] = {
    "etcd": lambda: programs.why_not("etcd", "etcd-server"),
    "postgresql": lambda: programs.why_not("postgres", "postgresql"),
    "redis": lambda: programs.why_not("redis-server", "redis-server"),
    "prometheus": lambda: programs.why_not("prometheus", "prometheus"),
    "npm": lambda: programs.why_not("npm", "npm"),
    "podman": podman.why_not,
    "postgresql in podman": podman.no_database,
    "toolbox in podman": podman.no_toolbox,
    "docker": _docker,
    "dagger": dagger.why_not,
    "gh": lambda: programs.why_not("/usr/bin/gh", "gh"),
    "libvirt": _libvirt,
    "kubernetes": _kubernetes,
    "a cluster of its own": functools.partial(tools.why_not, "kubernetes"),
    **{name: functools.partial(tools.why_not, name) for name in tools.NAMES if name not in BUILT},
}
"""Each back end, and what says why it cannot be used here (None when it can), found out by doing."""

APART = {"docker": "docker", "libvirt": "machines", "kubernetes": "machines", "a cluster of its own": "machines"}
"""Those whose tests all run in one process, by its group: one daemon, and never two tests with virtual machines or a
cluster at a time."""


@functools.cache
def missing(name: str) -> str | None:
    """Why a back end cannot be used here, or None when it can."""
    return KNOWN[name]()


def uri() -> str:
    """The address of this process's libvirt daemon; a test that asks for it has the mark `backend("libvirt")`."""
    assert missing("libvirt") is None
    daemon = _started["libvirt"]
    assert isinstance(daemon, Daemon)
    return daemon.uri


def dockerd() -> docker.Dockerd:
    """This process's Docker daemon; a test that asks for it has the mark `backend("docker")`."""
    assert missing("docker") is None
    daemon = _started["docker"]
    assert isinstance(daemon, docker.Dockerd)
    return daemon


def cluster() -> shared.Use:
    """The Kubernetes cluster of all test processes; a test that asks for it has the mark `backend("kubernetes")`."""
    assert missing("kubernetes") is None
    use = _started["kubernetes"]
    assert isinstance(use, shared.Use)
    return use


def end(below: Path) -> list[str]:
    """End the daemons; what tests left in them, and what the projects in a folder left in podman."""
    left: list[str] = []
    for daemon in _started.values():
        if isinstance(daemon, docker.Dockerd):
            left += [*daemon.left(), *daemon.stop()]
        elif isinstance(daemon, shared.Use):
            left += [said for said in [daemon.leave()] if said]
        else:
            left += _in_libvirt(daemon.uri)
            left += [said for said in [daemon.stop()] if said]
    _started.clear()
    if podman.why_not.cache_info().currsize and podman.why_not() is None:
        left += podman.left("podman", podman.environment(), below)
    return left


def _in_libvirt(uri: str) -> list[str]:
    import libvirt

    connection = libvirt.open(uri)
    try:
        found = [f"the machine {domain.name()} (libvirt)" for domain in connection.listAllDomains()]
        return found + [f"the network {network.name()} (libvirt)" for network in connection.listAllNetworks()]
    finally:
        connection.close()


def apart(items: list[pytest.Item]) -> None:
    """Put the tests of such a back end into one group: `--dist loadgroup` gives it to one process. Those of Kubernetes
    come last: their cluster runs until the end."""
    for item in items:
        if groups := {APART[name] for name in _names(item) if name in APART}:
            given = {mark.args[0] for mark in item.iter_markers("xdist_group")}
            if len(groups | given) > 1:  # pytest-xdist would make a third one of them
                raise pytest.UsageError(f"{item.nodeid} is in more than one group: {', '.join(groups | given)}")
            item.add_marker(pytest.mark.xdist_group(groups.pop()))
    items.sort(key=lambda item: "kubernetes" in _names(item))


def _names(item: pytest.Item) -> set[str]:
    return {name for mark in item.iter_markers("backend") for name in mark.args}


def remove_temporary(base: Path) -> None:
    """Remove the folders for temporary files of the runs in a folder: a run keeps its own when a test kills it, or when
    it leaves a deployment behind."""
    for marked in Path(tempfile.gettempdir()).glob("t*-tmp/gitconfig"):
        with suppress(OSError):  # another worker's, which goes just now
            if re.search(f'"project": "{re.escape(str(base))}[/"]', marked.read_text().partition("\n")[0]):
                shutil.rmtree(marked.parent)
