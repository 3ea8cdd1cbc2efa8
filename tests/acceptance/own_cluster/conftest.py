"""A cluster of these tests' own: its parts are killed, and its nodes are drained."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scripts.cluster.cluster import Cluster
from tests.acceptance.harness import processes_of
from tests.backends.kubernetes_project import InCluster, Object


@pytest.fixture(scope="package")
def programs() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="so"))
    cluster = Cluster(folder / "c")
    cluster.start()
    try:
        yield cluster
    finally:
        left = cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
        assert not left


@pytest.fixture
def project(tmp_path: Path, programs: Cluster, namespace: str) -> Iterator[InCluster]:
    """A project whose runs reach the cluster, with a namespace of other people."""
    path = os.pathsep.join([str(programs.folder / "bin"), os.environ["PATH"]])
    made = InCluster(tmp_path, {"KUBECONFIG": str(programs.kubeconfig), "PATH": path})
    made.kubectl("create", "namespace", namespace)
    yield made
    made.seatrial("services", "stop", "--force")
    made.seatrial("clean")
    made.kubectl("delete", "namespace", namespace, "--wait=false")
    eventually(lambda: not processes_of(tmp_path), "no process of a service or an alarm is left")
    assert made.left() == []


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> str:
    name: str = request.node.name.partition("[")[0]
    plain = name.removeprefix("test_").replace("_", "-")[:50].strip("-")
    return f"{plain}-{secrets.token_hex(4)}"


def eventually(holds: Callable[[], Any], what: str, seconds: float = 240) -> Any:
    """Wait until it holds; its value."""
    end = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return value


def put(project: InCluster, namespace: str, *things: Object) -> None:
    """Make objects as another person would."""
    for thing in things:
        project.put({**thing, "metadata": {**thing["metadata"], "namespace": namespace}})
