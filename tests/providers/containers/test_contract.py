"""The containers provider keeps the contract on Podman and on Docker, over SSH and over the engine's exec."""

from __future__ import annotations

import pytest
from scripts.images.engines import IMAGE

from seatrial.testing import ProviderContract

pytestmark = pytest.mark.slow

VOYAGES = ProviderContract.voyages()


def contract(**settings: object) -> ProviderContract:
    return ProviderContract("containers", {"image": IMAGE, **settings}, deadline=60)


@pytest.mark.backend("podman")
@pytest.mark.parametrize("ssh", ["yes", "no"])
@pytest.mark.parametrize("voyage", VOYAGES)
def test_on_podman_it_keeps(voyage, ssh, tmp_path):
    contract(engine="podman", ssh=ssh).keep_together(VOYAGES[voyage], tmp_path)


@pytest.mark.backend("docker")
@pytest.mark.parametrize("voyage", VOYAGES)
def test_on_docker_it_keeps(voyage, tmp_path, dockerd, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", dockerd.host)
    contract(engine="docker", ssh="yes").keep_together(VOYAGES[voyage], tmp_path)


@pytest.mark.backend("docker")
def test_on_docker_over_exec_it_keeps_what_one_node_can_show(tmp_path, dockerd, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", dockerd.host)
    contract(engine="docker", ssh="no").keep_together(VOYAGES["with_one_node"], tmp_path)
