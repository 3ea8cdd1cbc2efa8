"""The gcp provider keeps the contract, on a Google Cloud whose instances are containers of Podman."""

import pytest
from tests.backends import tables

from gcp_server.calls import ours
from seatrial.testing import ProviderContract

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman"), pytest.mark.xdist_group("gcp")]

GROUPS = ProviderContract.groups()
SETTINGS = {"image": "ubuntu-os-cloud/ubuntu-2404-lts-amd64", "size": "e2-small", "zone": "europe-west3-a"}


@tables.ON_ENGINES
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.usefixtures("prompt_lists")
def test_the_gcp_provider_keeps(group, real_google, tmp_path):
    ProviderContract("gcp", SETTINGS, deadline=60).keep_together(GROUPS[group], tmp_path)
    assert ours(real_google) == []
