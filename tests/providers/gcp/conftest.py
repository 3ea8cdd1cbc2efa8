"""A Google Cloud of its own: with instances that are containers, or that are no more than their state."""

from __future__ import annotations

import pytest

from loopback.calls import named
from seatrial_stand_ins.gcp import GoogleServer
from seatrial_stand_ins.machines.podman import PodmanMachines


@pytest.fixture(scope="module")
def real_google(tmp_path_factory):
    with GoogleServer(PodmanMachines(folder=tmp_path_factory.mktemp("machines"))) as server, named(server):
        yield server


@pytest.fixture
def google(prompt_lists):
    with GoogleServer() as server, named(server):
        yield server
