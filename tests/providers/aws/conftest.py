"""An AWS of its own: with instances that are containers, or that are no more than their state."""

from __future__ import annotations

import pytest

from aws_server.calls import named
from seatrial_stand_ins.aws import AwsServer
from seatrial_stand_ins.machines.podman import PodmanMachines


@pytest.fixture(scope="module")
def real_aws(tmp_path_factory):
    with AwsServer(PodmanMachines(folder=tmp_path_factory.mktemp("machines"))) as server, named(server):
        yield server


@pytest.fixture(scope="module")
def aws_server():
    with AwsServer() as server, named(server):
        yield server


@pytest.fixture
def aws(aws_server):
    """The same server for all tests of a module, without instances of the one before."""
    yield aws_server
    aws_server.plants.__init__()
    aws_server.calls.clear()
    aws_server.instances.known.clear()
