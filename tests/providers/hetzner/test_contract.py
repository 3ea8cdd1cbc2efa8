"""The hetzner provider keeps the contract, on a Hetzner Cloud whose servers are containers of Podman."""

import pytest

from seatrial.testing import ProviderContract

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman"), pytest.mark.xdist_group("hetzner-contract")]

GROUPS = ProviderContract.groups()
SETTINGS = {"image": "debian-12", "size": "cx23", "location": "fsn1", "spread": True}


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.usefixtures("prompt_lists")
def test_the_hetzner_provider_keeps(group, real_cloud, tmp_path):
    ProviderContract("hetzner", SETTINGS, deadline=60).keep_together(GROUPS[group], tmp_path)
    assert (real_cloud.machines, real_cloud.ssh_keys, real_cloud.placement_groups) == ({}, {}, {})
