"""What may be set, and what a suite's parameters say of a node's size."""

from __future__ import annotations

import re

import pytest

from seatrial.errors import UsageError
from seatrial.providers.containers.settings import settings_of, size_of


def test_all_settings_of_the_page_are_read():
    settings = settings_of(
        {
            "engine": "podman",
            "image": "localhost/x",
            "command": ["etcd", "--name", "a b"],
            "user": "app",
            "ssh": False,
            "publish": True,
            "pull": "never",
            "memory": 512,
            "cpus": 0.5,
            "volumes": ["/data"],
            "options": ["--privileged"],
        }
    )
    assert settings.command == ("etcd", "--name", "a b")
    assert (settings.ssh, settings.publish) == ("no", "yes")
    assert (settings.volumes, settings.options) == (("/data",), ("--privileged",))
    assert settings_of({"command": "image"}).command == "image"
    assert settings_of({"ssh": "auto"}).ssh == "auto"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"imgae": "x"}, "no setting 'imgae': did you mean 'image'?"),
        ({"ssh": "maybe"}, "providers.containers.ssh is 'maybe'; allowed: auto, yes, no"),
        ({"pull": True}, "providers.containers.pull is"),
        ({"publish": "sometimes"}, "allowed: auto, yes, no"),
        ({"image": 7}, "providers.containers.image is 7; allowed is text"),
        ({"command": "etcd --name a"}, "allowed is a list of words, or `image`"),
        ({"options": "--privileged"}, "providers.containers.options is '--privileged'; allowed is a list of texts"),
        ({"memory": "512m"}, "allowed is a whole number of MiB"),
        ({"memory": True}, "allowed is a whole number of MiB"),
        ({"cpus": -1}, "allowed is a number such as 0.5"),
        ({"volumes": ["data"]}, "allowed are absolute paths in the container"),
        ({"volumes": ["/data:ro"]}, "allowed are absolute paths in the container"),
        ({"user": "a b"}, "providers.containers.user is 'a b'"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(given, told):
    with pytest.raises(UsageError, match=re.escape(told)):
        settings_of(given)


def test_a_suites_parameters_come_before_the_projects_settings():
    settings = settings_of({"memory": 512, "cpus": 0.5, "volumes": ["/extra"]})
    plain = size_of({}, settings)
    assert (plain.memory_mib, plain.cpus, plain.volumes) == (512, 0.5, ("/extra",))
    parameters = {"containers_memory_gb": 0.25, "containers_cpus": 2, "data_volumes_per_node": 2}
    size = size_of({**parameters, "libvirt_memory_gb": 8}, settings)
    assert (size.memory_mib, size.cpus, size.volumes) == (256, 2.0, ("/extra", "/data1", "/data2"))
    general = size_of({"memory_gb": 1, "cpus": 1}, settings)
    assert (general.memory_mib, general.cpus) == (1024, 1.0)
    assert size_of({"memory_gb": 1, **parameters}, settings).memory_mib == 256


@pytest.mark.parametrize(
    "wrong", [{"containers_memory_gb": "much"}, {"containers_cpus": 0}, {"data_volumes_per_node": -1}]
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(wrong):
    with pytest.raises(UsageError, match=rf"{next(iter(wrong))} .*is .*; allowed is"):
        size_of(wrong, settings_of({}))
