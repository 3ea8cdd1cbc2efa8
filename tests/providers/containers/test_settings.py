"""What may be set, and what a suite's parameters say of a node's size."""

from __future__ import annotations

import re

import pytest

from seatrial.errors import UsageError
from seatrial.loading.provider_settings import settings_from
from seatrial.providers.containers import Containers
from seatrial.providers.containers.settings import size_of


def test_all_settings_of_the_page_are_read():
    settings = settings_from(
        Containers,
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
        },
    )
    assert settings.command == ("etcd", "--name", "a b")
    assert (settings.ssh, settings.publish) == ("no", "yes")
    assert (settings.volumes, settings.options) == (("/data",), ("--privileged",))
    assert settings_from(Containers, {"command": "image"}).command == "image"
    assert settings_from(Containers, {"ssh": "auto"}).ssh == "auto"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"imgae": "x"}, "unknown key 'imgae' of the provider (did you mean 'image'?"),
        ({"ssh": "maybe"}, "ssh: 'maybe' is not allowed (allowed: auto, no, yes)"),
        ({"pull": True}, "pull: true is not allowed (allowed: always, missing, never)"),
        ({"publish": "sometimes"}, "publish: 'sometimes' is not allowed (allowed: auto, no, yes)"),
        ({"image": 7}, "image: 7 is not text"),
        ({"command": "etcd --name a"}, "command: 'etcd --name a' is not allowed here"),
        ({"options": "--privileged"}, "options: '--privileged' is not a list"),
        ({"memory": "512m"}, "memory: '512m' is not a whole number"),
        ({"memory": True}, "memory: true is not a whole number"),
        ({"cpus": -1}, "cpus: -1 is too small (allowed: from 0)"),
        ({"volumes": ["data"]}, "volumes: 'data' is not an absolute path in the container"),
        ({"volumes": ["/data:ro"]}, "volumes: '/data:ro' is not an absolute path in the container"),
        ({"user": "a b"}, "user: 'a b' is not the name of a user in the image"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(given, told):
    with pytest.raises(UsageError, match=re.escape(told)):
        settings_from(Containers, given)


def test_a_suites_parameters_come_before_the_projects_settings():
    settings = settings_from(Containers, {"memory": 512, "cpus": 0.5, "volumes": ["/extra"]})
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
        size_of(wrong, settings_from(Containers, {}))
