"""The ssh provider keeps the contract, on nodes of the local provider as machines that exist."""

import asyncio

import pytest
from tests.providers.ssh.local_machines import machines, registry

from seatrial.testing import ProviderContract

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("promise", ProviderContract.promises())
def test_the_ssh_provider_keeps(promise, tmp_path):
    async def on_machines(work):
        async with machines(tmp_path, "n11", "n12"):
            await work

    settings = {"inventory": str(tmp_path / "hosts.ini")}
    contract = ProviderContract("attended", settings, registry=registry(), deadline=30)
    contract.keep(promise, tmp_path / "run", lambda work: asyncio.run(on_machines(work)))
