"""A CloudStack of its own: with machines that are containers, or that are no more than their state."""

from __future__ import annotations

import pytest

from loopback.calls import named
from seatrial_stand_ins.cloudstack import CloudStackServer, PodmanMachines


@pytest.fixture(scope="module")
def real_cloud(tmp_path_factory):
    with CloudStackServer(PodmanMachines(folder=tmp_path_factory.mktemp("machines"))) as server, named(server):
        yield server


@pytest.fixture
def cloud():
    with CloudStackServer() as server, named(server):
        yield server
