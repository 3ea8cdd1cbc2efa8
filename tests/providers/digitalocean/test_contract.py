"""The digitalocean provider keeps the contract, on a DigitalOcean whose droplets are containers of Podman."""

import pytest

from seatrial.testing import ProviderContract

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman"), pytest.mark.xdist_group("digitalocean-contract")]

GROUPS = ProviderContract.groups()
SETTINGS = {"image": "debian-12-x64", "size": "s-1vcpu-1gb"}


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.usefixtures("prompt_lists")
def test_the_digitalocean_provider_keeps(group, real_cloud, tmp_path):
    ProviderContract("digitalocean", SETTINGS, deadline=60).keep_together(GROUPS[group], tmp_path)
    assert (real_cloud.machines, real_cloud.keys, real_cloud.tags) == ({}, {}, {})
