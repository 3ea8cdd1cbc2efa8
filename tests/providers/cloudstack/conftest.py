"""A CloudStack of its own: with machines that are containers, or that are no more than their state."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from seatrial.testing.cloudstack import CloudStackServer, PodmanMachines


@contextlib.contextmanager
def named(server: CloudStackServer) -> Iterator[CloudStackServer]:
    """The server in the environment, as `cs` looks for it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(scope="module")
def real_cloud(tmp_path_factory):
    with CloudStackServer(PodmanMachines(folder=tmp_path_factory.mktemp("machines"))) as server, named(server):
        yield server


@pytest.fixture
def cloud():
    with CloudStackServer() as server, named(server):
        yield server
