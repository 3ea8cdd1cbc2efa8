"""The cloudstack provider keeps the contract, on a CloudStack whose machines are containers of Podman."""

import pytest

from seatrial.testing import ProviderContract

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman")]

GROUPS = ProviderContract.groups()
SETTINGS = {"template": "debian-12", "offering": "small"}


@pytest.mark.parametrize("group", GROUPS)
def test_the_cloudstack_provider_keeps(group, real_cloud, tmp_path):
    ProviderContract("cloudstack", SETTINGS, deadline=60).keep_together(GROUPS[group], tmp_path)
    assert real_cloud.cloud.machines == {}
    assert [one for one in real_cloud.cloud.volumes.values() if one.kind != "ROOT"] == []
