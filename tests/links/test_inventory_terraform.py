"""Nodes from the answers of Terraform and OpenTofu."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import CannotTell
from seatrial.links import inventory
from seatrial.links.inventory.terraform import ResourceNames, TerraformNodes

LIST = [{"name": "n11", "host": "10.0.0.11", "user": "root", "port": 2222}, {"name": "n12", "host": "10.0.0.12"}]


def outputs(value: object, *, sensitive: bool = False, **more: object) -> str:
    others = {name: {"sensitive": False, "type": "string", "value": one} for name, one in more.items()}
    return json.dumps({"nodes": {"sensitive": sensitive, "type": "dynamic", "value": value}, **others})


def read(text: str, **where: Any) -> Any:
    return inventory.read(text, "tofu output", Path("/deploy"), where=TerraformNodes(**where))


@pytest.mark.parametrize(
    "value",
    [
        LIST,
        {"n11": "root@10.0.0.11:2222", "n12": "10.0.0.12"},
        {"n11": {"address": "10.0.0.11", "user": "root", "port": "2222", "key": None}, "n12": {"host": "10.0.0.12"}},
    ],
    ids=["list", "addresses", "mappings"],
)
def test_the_shapes_of_an_output_give_the_same_nodes(value: object) -> None:
    first, second = read(outputs(value, url="http://x"))
    assert (first.name, first.address, first.ssh["user"], first.ssh["port"]) == ("n11", "10.0.0.11", "root", 2222)
    assert (second.name, second.ssh) == ("n12", {"host": "10.0.0.12", "port": 22})


@pytest.mark.parametrize("value", [LIST, {"n11": "root@10.0.0.11:2222", "n12": "10.0.0.12"}], ids=["list", "map"])
def test_one_output_alone_is_read_too(value: object) -> None:
    """As `terraform output -json nodes` prints it."""
    assert [node.address for node in read(json.dumps(value))] == ["10.0.0.11", "10.0.0.12"]


def test_another_output_may_have_the_nodes() -> None:
    text = json.dumps({"machines": {"sensitive": False, "type": "dynamic", "value": {"n1": "fe80::1"}}})
    assert [node.address for node in read(text, output="machines")] == ["fe80::1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (outputs([]), "the inventory has no nodes"),
        (outputs({}), "the inventory has no nodes"),
        ("{}", "the inventory has no nodes"),
        (outputs("10.0.0.1"), "'nodes' is a text; allowed: a list of mappings with a name"),
        (outputs(None), "'nodes' is null; allowed: a list"),
        (outputs(["10.0.0.1"]), "'10.0.0.1', not a mapping with a name; allowed"),
        (outputs({"n11": 3}), "'n11' in the output 'nodes' is a number; allowed"),
        (outputs({"n11": ""}), "'n11' in the output 'nodes' has the address ''; allowed: HOST"),
        (outputs({"n11": {"ip": "10.0.0.1"}}), "'n11' in the output 'nodes' has no address: ip; allowed: host"),
        (outputs([{"name": "n11", "host": "a"}, {"name": "n11", "host": "b"}]), "'n11' twice"),
        (outputs({"n11": "10.0.0.1"}).replace("nodes", "node"), "no output 'nodes'; the outputs are: node"),
    ],
)
def test_an_output_that_holds_no_nodes_says_which_shapes_do(text: str, said: str) -> None:
    with pytest.raises(CannotTell, match=r"^tofu output: ") as caught:
        read(text)
    assert said in str(caught.value)


def test_sensitive_values_are_in_no_error() -> None:
    for text in (outputs(["hunter2"], sensitive=True), outputs([], sensitive=False, other="x").replace("[]", "3")):
        secret = json.loads(text) | {"pw": {"sensitive": True, "type": "string", "value": "hunter2"}}
        with pytest.raises(CannotTell) as caught:
            read(json.dumps(secret))
        assert "hunter2" not in str(caught.value) + caught.value.evidence


def state(*resources: dict[str, Any], child: tuple[dict[str, Any], ...] = ()) -> str:
    root = {"resources": list(resources), "child_modules": [{"address": "module.m", "resources": list(child)}]}
    return json.dumps({"format_version": "1.0", "terraform_version": "1.12.6", "values": {"root_module": root}})


def server(name: str, *, mode: str = "managed", index: object = None, **values: object) -> dict[str, Any]:
    kind = "hcloud_server"
    own = {} if index is None else {"index": index}
    return {"address": f"{kind}.{name}", "mode": mode, "type": kind, "name": name, **own, "values": values}


def test_resources_are_nodes_by_the_attributes_that_the_settings_name() -> None:
    text = state(
        server("web", index=0, ipv4="10.0.0.1", label={"role": "a"}, net=[{"port": 2222}]),
        server("web", index="b", ipv4="10.0.0.2", label={"role": "b"}, net=[{"port": 22}]),
        server("old", mode="data", ipv4="10.0.0.9"),
        child=(server("db", ipv4="10.0.0.3", label={"role": "c"}, net=[{"port": 22}]),),
    )
    own = read(text, resources={"hcloud_server": ResourceNames(address="ipv4", port="net.0.port")})
    assert [(node.name, node.address, node.ssh["port"]) for node in own] == [
        ("web-0", "10.0.0.1", 2222),
        ("web-b", "10.0.0.2", 22),
        ("db", "10.0.0.3", 22),
    ]
    named = read(text, resources={"hcloud_server": ResourceNames(address="ipv4", name="label.role")})
    assert [node.name for node in named] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({}, "`resources` does not say which resources are nodes"),
        ({"aws_instance": ResourceNames(address="ip")}, "no resource of the types aws_instance; the state has hcloud"),
        ({"hcloud_server": ResourceNames(address="ip")}, "no attribute 'ip': there is no 'ip' among ipv4, label, no"),
        ({"hcloud_server": ResourceNames(address="label.x")}, "no attribute 'label.x': there is no 'x' among role"),
        ({"hcloud_server": ResourceNames(address="ipv4.0")}, "no attribute 'ipv4.0': there is no '0' among nothing"),
        ({"hcloud_server": ResourceNames(address="none")}, "has an empty attribute 'none'"),
        ({"hcloud_server": ResourceNames(address="ipv4", name="label.role")}, "is the second node with the name 'a'"),
    ],
)
def test_resources_that_are_no_nodes_say_why(names: dict[str, ResourceNames], said: str) -> None:
    one = server("web", ipv4="10.0.0.1", label={"role": "a"}, none=None)
    with pytest.raises(CannotTell, match=said.replace("(", r"\(")) as caught:
        read(state(one, server("x", ipv4="10.0.0.2", label={"role": "a"}, none="")), resources=names)
    assert caught.value.evidence == ""


def test_a_plan_has_the_nodes_whose_addresses_are_known_before_apply() -> None:
    def names(values: object, **where: Any) -> list[str]:
        plan = {"planned_values": values}
        return [node.name for node in inventory.planned(plan, TerraformNodes(**where), Path("/deploy"))]

    def of_output(**more: object) -> list[str]:
        return names({"outputs": {"nodes": {"sensitive": False, **more}}})

    nodes: dict[str, dict[str, object]] = {"old": {"host": "10.0.0.1", "port": 2222}, "new": {"user": "root"}}
    assert of_output(value=nodes) == ["old"]
    assert of_output(value=[{"name": name, **node} for name, node in nodes.items()]) == ["old"]
    assert of_output() == []
    machines = {"root_module": {"resources": [server("old", ipv4="10.0.0.1"), server("new")]}}
    assert names(machines, resources={"hcloud_server": ResourceNames(address="ipv4")}) == ["old"]
