"""The containers provider keeps the contract on Podman and on Docker, over SSH and over the engine's exec."""

from __future__ import annotations

import pytest
from scripts.images.engines import IMAGE
from tests.backends import tables

from seatrial.testing import ProviderContract

pytestmark = pytest.mark.slow

GROUPS = ProviderContract.groups()


def contract(**settings: object) -> ProviderContract:
    return ProviderContract("containers", {"image": IMAGE, **settings}, deadline=60)


@tables.ON_ENGINES
@pytest.mark.backend("podman")
@pytest.mark.parametrize("ssh", ["yes", "no"])
@pytest.mark.parametrize("group", GROUPS)
def test_on_podman_it_keeps(group, ssh, tmp_path):
    contract(engine="podman", ssh=ssh).keep_together(GROUPS[group], tmp_path)


@tables.ON_ENGINES
@pytest.mark.backend("docker")
@pytest.mark.parametrize("group", GROUPS)
def test_on_docker_it_keeps(group, tmp_path, dockerd, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", dockerd.host)
    contract(engine="docker", ssh="yes").keep_together(GROUPS[group], tmp_path)


@tables.ON_ENGINES
@pytest.mark.backend("docker")
def test_on_docker_over_exec_it_keeps_what_one_node_can_show(tmp_path, dockerd, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", dockerd.host)
    contract(engine="docker", ssh="no").keep_together(GROUPS["with_one_node"], tmp_path)
