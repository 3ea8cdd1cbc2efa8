"""A Google Cloud of its own: with instances that are containers, or that are no more than their state."""

from __future__ import annotations

import pytest

from loopback.calls import named
from seatrial.providers.gcp import GoogleCloud
from seatrial_stand_ins.gcp import GoogleServer
from seatrial_stand_ins.machines.podman import PodmanMachines


@pytest.fixture(scope="module")
def real_google(tmp_path_factory):
    with GoogleServer(PodmanMachines(folder=tmp_path_factory.mktemp("machines"))) as server, named(server):
        yield server


@pytest.fixture
def google(monkeypatch):
    monkeypatch.setattr(GoogleCloud, "lag", 0.2)  # its lists show at once what there is
    with GoogleServer() as server, named(server):
        yield server
