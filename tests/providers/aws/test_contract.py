"""The aws provider keeps the contract, on moto's server whose instances are containers of Podman."""

import pytest

from seatrial.testing import ProviderContract

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman"), pytest.mark.xdist_group("aws-contract")]

GROUPS = ProviderContract.groups()
SETTINGS = {"image": "ami-1e749f67", "size": "t3.small", "address": "private"}


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.usefixtures("prompt_lists")
def test_the_aws_provider_keeps(group, real_aws, tmp_path):
    ProviderContract("aws", SETTINGS, deadline=60).keep_together(GROUPS[group], tmp_path)
    assert {one.state for one in real_aws.instances.known.values()} <= {"terminated"}
