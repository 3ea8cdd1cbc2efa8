"""The azure provider keeps the contract, on an Azure whose machines are containers of Podman."""

import pytest

from seatrial.testing import ProviderContract

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman"), pytest.mark.xdist_group("azure-contract")]

GROUPS = ProviderContract.groups()
SETTINGS = {"image": "Debian:debian-12:12-gen2:latest", "size": "Standard_B1s", "location": "westeurope"}


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.usefixtures("prompt_lists")
def test_the_azure_provider_keeps(group, real_azure, tmp_path):
    ProviderContract("azure", SETTINGS, deadline=60).keep_together(GROUPS[group], tmp_path)
    assert (real_azure.machines, real_azure.groups, *filter(None, real_azure.shelves.values())) == ({}, {})
