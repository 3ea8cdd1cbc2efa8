"""Settings of `[providers.libvirt]` and the size of a node."""

import pytest

from seatrial.errors import UsageError
from seatrial.loading.provider_settings import settings_from
from seatrial.providers.libvirt import Libvirt
from seatrial.providers.libvirt.settings import GIB, MIB, LibvirtSettings, size_of, uri_of


def test_the_daemon_is_the_settings_then_the_environments_then_the_systems(monkeypatch):
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "qemu:///session")
    assert uri_of(settings_from(Libvirt, {"uri": "test:///default"})) == "test:///default"
    assert uri_of(settings_from(Libvirt, {})) == "qemu:///session"
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI")
    assert uri_of(settings_from(Libvirt, {})) == "qemu:///system"


@pytest.mark.parametrize(
    "given, says",
    [
        ({"imag": "x"}, "did you mean 'image'"),
        ({"accelerate": "warp"}, "allowed: auto, kvm, tcg"),
        ({"network": "bridged"}, "allowed: isolated, nat"),
        ({"memory": "lots"}, "memory: 'lots' is not a whole number"),
        ({"memory": True}, "memory: true is not a whole number"),
        ({"memory": 0}, "memory: 0 is too small"),
        ({"image": 3}, "image: 3 is not text"),
        ({"pool": "a", "folder": "/b"}, "name `pool` or `folder`, not both"),
        ({"initrd": "a"}, "`initrd` needs `kernel`"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(given, says):
    with pytest.raises(UsageError, match=says):
        settings_from(Libvirt, given)


def test_a_node_is_as_large_as_its_suite_says():
    size = size_of(
        {
            "libvirt_memory_gb": 8,
            "libvirt_vcpus": "2",
            "root_volume_size": 20,
            "data_volumes_per_node": 2,
            "data_volume_size": "512M",
        },
        LibvirtSettings(),
    )
    assert (size.memory_mib, size.vcpus, size.root, size.data) == (8192, 2, 20 * GIB, (512 * MIB, 512 * MIB))


def test_mebibytes_go_before_gibibytes_and_settings_come_last():
    assert size_of({"libvirt_memory_gb": 8, "libvirt_memory": 192}, LibvirtSettings()).memory_mib == 192
    assert size_of({"libvirt_memory_gb": 0.5}, LibvirtSettings()).memory_mib == 512
    assert size_of({}, LibvirtSettings(memory=160)).memory_mib == 160


@pytest.mark.parametrize(
    "parameters, says",
    [
        ({"libvirt_memory": "8 parsecs"}, "libvirt_memory is '8 parsecs'"),
        ({"libvirt_vcpus": 0}, "libvirt_vcpus is 0"),
        ({"data_volumes_per_node": -1}, "data_volumes_per_node is -1"),
        ({"root_volume_size": "big"}, "allowed is a size such as 20"),
        ({"data_volume_size": 0}, "data_volume_size is 0"),
    ],
)
def test_a_wrong_parameter_is_named(parameters, says):
    with pytest.raises(UsageError, match=says):
        size_of(parameters, LibvirtSettings())
