"""What a compose file says, as a tool prints it, and the file that a trial lays over it."""

import json

import pytest
import yaml

from seatrial.errors import CannotTell
from seatrial.spi import Finished
from seatrial.systems.compose import Compose
from seatrial.systems.compose.containers import _seconds_since, _test
from seatrial.systems.compose.model import Port, override, read
from seatrial.systems.compose.settings import ComposeSettings
from seatrial.systems.compose.tools import complaint


def composition(services, **more):
    return read(json.dumps({"services": services, **more}), "t1")


@pytest.mark.parametrize(
    ("told", "ports"),
    [
        ("8080:80", [Port(target=80, published=8080)]),
        ("80", [Port(target=80, published=None)]),
        (80, [Port(target=80, published=None)]),
        ("127.0.0.1:53:53/udp", [Port(target=53, published=53, protocol="udp", host="127.0.0.1")]),
        ("127.0.0.1::80", [Port(target=80, published=None, host="127.0.0.1")]),
        ("[::1]:8080:80", [Port(target=80, published=8080, host="::1")]),
        ("9000-9001:90-91", [Port(target=90, published=9000), Port(target=91, published=9001)]),
        ("9000-9005:90", [Port(target=90, published=None)]),
        ({"mode": "ingress", "target": 80, "published": "8080", "protocol": "tcp"}, [Port(target=80, published=8080)]),
        ({"target": 80}, [Port(target=80, published=None)]),
    ],
)
def test_a_port_is_read_in_its_short_and_its_long_form(told, ports):
    assert composition({"web": {"ports": [told]}}).services["web"].ports == tuple(ports)


def test_a_port_that_cannot_be_read_is_named_with_its_service():
    with pytest.raises(CannotTell, match="a port of the service web is 'http'"):
        composition({"web": {"ports": ["http"]}})


def test_services_with_several_containers_have_numbered_nodes_and_jobs_none():
    found = composition(
        {
            "web": {"scale": 2, "depends_on": {"migrate": {"condition": "service_completed_successfully"}}},
            "db": {"deploy": {"replicas": 1}},
            "off": {"deploy": {"replicas": 0}},
            "migrate": None,
            "cache": {"depends_on": ["db"]},
        }
    )
    assert found.nodes == ("web-1", "web-2", "db", "cache")
    assert found.services["migrate"].job


def test_a_file_without_services_and_an_unknown_job_are_refused():
    with pytest.raises(CannotTell, match="has no services"):
        composition({})
    with pytest.raises(CannotTell, match="`jobs` names setup, but the services are web"):
        read('{"services": {"web": {}}}', "t1", ["setup"])
    with pytest.raises(CannotTell, match="neither JSON nor YAML"):
        read("services: [", "t1")


class _Tagged(yaml.SafeLoader):
    """Reads the tags of compose as the values that they hold."""


_Tagged.add_constructor("!override", lambda loader, node: ("override", [child.value for child in node.value]))
_Tagged.add_constructor("!reset", lambda loader, node: "reset")


def test_the_file_over_the_users_own_replaces_ports_and_fixed_names_and_leaves_external_things_alone():
    found = composition(
        {
            "web": {"ports": ["8080:80", "0.0.0.0:53:53/udp"], "container_name": "fixed"},
            "host": {"network_mode": "host"},
        },
        networks={"front": {"name": "of-all"}, "theirs": {"external": True}, "default": {"name": "t1_default"}},
        volumes={"data": None},
    )
    ports = found.services["web"].ports
    text = override(
        found, "t1", ports={"web": [(ports[0], 20001), (ports[1], None)]},
        labels={"seatrial.run": "r$1"}, environment={"E2E_RUN_ID": "r1"},
    )  # fmt: skip
    laid = yaml.load(text, _Tagged)
    web = laid["services"]["web"]
    assert web["ports"] == ("override", ["127.0.0.1:20001:80/tcp", "127.0.0.1::53/udp"])
    assert web["container_name"] == "reset"
    assert web["environment"] == {"E2E_RUN_ID": "r1"}
    assert laid["services"]["host"] == {"labels": {"seatrial.run": "r$$1"}, "environment": {"E2E_RUN_ID": "r1"}}
    assert laid["networks"]["front"]["name"] == "t1_front"
    assert "name" not in laid["networks"]["default"]
    assert "theirs" not in laid["networks"]
    assert laid["volumes"] == {"data": {"labels": {"seatrial.run": "r$$1"}}}


def test_built_images_have_names_of_the_trial_and_the_users_own_stay():
    found = composition(
        {
            "Web": {"build": {"context": ".", "tags": ["mine:1"]}, "image": "mine:dev"},
            "worker": {"image": "mine:dev", "deploy": {"replicas": 2}},
            "db": {"image": "db"},
            "plain": {"build": "."},
        }
    )
    laid = yaml.load(override(found, "t1", ports=None, labels={"a": "b"}, environment={}), _Tagged)["services"]
    labels = {"a": "b", "com.docker.compose.project": "t1"}
    assert laid["Web"]["image"] == laid["worker"]["image"] == "t1-web"
    assert laid["Web"]["build"] == {"labels": labels, "tags": ("override", [])}
    assert (laid["plain"]["image"], laid["plain"]["build"]) == ("t1-plain", {"labels": labels})
    assert laid["worker"]["scale"] == 2
    assert "image" not in laid["db"]
    assert "scale" not in laid["db"]
    assert "build" not in laid["worker"]


def test_with_fixed_ports_the_files_own_stay():
    found = composition({"web": {"ports": ["8080:80"]}})
    assert "ports" not in override(found, "t1", ports=None, labels={}, environment={})


def test_the_ports_that_a_trial_replaces_are_those_that_the_file_fixes(tmp_path):
    ports = ["8080:80", {"target": 90, "published": "9090"}, "53:53/udp", "70", "${PORT}:60"]
    services = {"my-web": {"ports": ports}, "host": {"network_mode": "host", "ports": ["81:81"]}, "db": None}
    (tmp_path / "compose.yaml").write_text(json.dumps({"services": services}))
    moved = Compose.moved_ports(ComposeSettings(), tmp_path)
    assert moved == {
        8080: ("the service my-web", "${{ nodes['my-web'].ports['80'] }}"),
        9090: ("the service my-web", "${{ nodes['my-web'].ports['90'] }}"),
    }
    assert Compose.moved_ports(ComposeSettings(ports="fixed"), tmp_path) == {}
    (tmp_path / "compose.yaml").write_text("services: [\n")
    assert Compose.moved_ports(ComposeSettings(), tmp_path) == {}


def test_the_command_of_a_health_check_is_run_as_the_engine_would():
    assert _test(["CMD", "pg_isready"]) == ("pg_isready",)
    assert _test(["CMD-SHELL", "a || b"]) == ("/bin/sh", "-c", "a || b")
    assert _test(["NONE"]) == _test([]) == ()


def test_an_engines_time_that_cannot_be_read_says_nothing():
    assert _seconds_since("2020-01-01T00:00:00.123456789Z") > 1e6
    assert _seconds_since("never") == _seconds_since("2020-01-01") == -1.0


def test_the_tools_last_words_are_its_errors_not_its_progress():
    said = "Container db Started\nweb Error\ndependency failed to start: container db is unhealthy\n"
    done = Finished(exit_code=1, stdout="", stderr=said)
    assert complaint(done) == "web Error; dependency failed to start: container db is unhealthy"
    assert complaint(Finished(exit_code=1, stdout="", stderr="")) == "nothing was printed"


def test_a_missing_image_comes_before_what_follows_from_it():
    said = (
        "Error: initializing source docker://registry.invalid/x:1: pinging container registry registry.invalid: Get "
        '"https://registry.invalid/v2/": dial tcp: lookup registry.invalid: no such host\n'
        'Error: no container with name or ID "t_web_1" found: no such container\n'
    )
    done = Finished(exit_code=125, stdout="", stderr=said)
    assert complaint(done).startswith("Error: initializing source")
    assert "no such container" not in complaint(done)
    alone = 'Error: no container with name or ID "t_web_1" found: no such container'
    assert complaint(Finished(exit_code=125, stdout="", stderr=alone)) == alone
