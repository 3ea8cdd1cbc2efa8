"""A server with one repository, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from github_server.workflows import FILES, REPOSITORY, Client, speaking
from seatrial_stand_ins.github import GitHubServer, Script, Scripted

OUTPUT = {"provision-output": {"outputs.json": {"web_ip": "192.0.2.7", "worker_ips": ["192.0.2.8"]}}}


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    with GitHubServer(Scripted(default=Script(artifacts=OUTPUT))) as server:
        server.add_repository(REPOSITORY, files=FILES)
        yield server


@pytest.fixture
def client(server: GitHubServer) -> Iterator[Client]:
    with speaking(server) as client:
        yield client
