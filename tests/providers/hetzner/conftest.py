"""A Hetzner Cloud of its own: with servers that are containers, or that are no more than their state."""

from __future__ import annotations

import pytest

from loopback.calls import named
from seatrial_stand_ins.hetzner import HetznerServer, PodmanMachines


@pytest.fixture(scope="module")
def real_cloud(tmp_path_factory):
    with HetznerServer(PodmanMachines(folder=tmp_path_factory.mktemp("machines"))) as server, named(server):
        yield server


@pytest.fixture
def cloud():
    with HetznerServer() as server, named(server):
        yield server
