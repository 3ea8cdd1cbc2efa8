"""Every provider keeps the promises of the contract."""

import pytest
from tests.backends import tables
from tests.backends.machines import machines

from seatrial.spi import Powers
from seatrial.testing import ProviderContract, virtual_time


@pytest.mark.parametrize("promise", ProviderContract.promises())
def test_the_fake_provider_keeps(promise, tmp_path):
    with virtual_time() as clock:
        ProviderContract("fake").keep(promise, tmp_path, clock.run)


@pytest.mark.parametrize("promise", ProviderContract.promises())
@pytest.mark.parametrize(
    "power",
    [
        Powers.STOP,
        Powers.START,
        Powers.CRASH,
        Powers.GUEST_REBOOT,
        Powers.GUEST_CRASH,
        Powers.PAUSE,
        Powers.SNAPSHOT,
    ],
)
def test_the_fake_provider_without_a_power_keeps(promise, power, tmp_path):
    with virtual_time() as clock:
        ProviderContract("fake", {"powers": frozenset(Powers) - {power}}).keep(promise, tmp_path, clock.run)


@pytest.mark.slow
@pytest.mark.parametrize("promise", ProviderContract.promises())
def test_the_local_provider_keeps(promise, tmp_path):
    ProviderContract("local", deadline=20, lists_stopped=False).keep(promise, tmp_path)


@tables.ON_MACHINES
@pytest.mark.slow
@pytest.mark.backend("libvirt")
@pytest.mark.parametrize("promises", ProviderContract.groups().values(), ids=ProviderContract.groups())
def test_the_libvirt_provider_keeps(promises, libvirtd, tmp_path):
    ProviderContract("libvirt", machines(libvirtd), deadline=150).keep_together(promises, tmp_path)


def test_promises_that_share_a_node_are_kept_one_after_another(tmp_path):
    with virtual_time() as clock:
        for promises in ProviderContract.groups().values():
            ProviderContract("fake").keep_together(promises, tmp_path / promises[0], clock.run)
