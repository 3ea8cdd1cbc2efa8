"""An Azure of its own: with machines that are containers, or that are no more than their state."""

from __future__ import annotations

import pytest

from loopback.calls import named
from seatrial_stand_ins.azure import AzureServer, PodmanMachines


@pytest.fixture(scope="module")
def real_azure(tmp_path_factory):
    with AzureServer(PodmanMachines(folder=tmp_path_factory.mktemp("machines"))) as server, named(server):
        yield server
        assert server.wrong == []


@pytest.fixture
def azure(prompt_lists):
    with AzureServer() as server, named(server):
        yield server
        assert server.wrong == []
