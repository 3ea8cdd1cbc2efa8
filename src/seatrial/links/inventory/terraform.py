"""Nodes from Terraform and OpenTofu: an output with nodes (`output -json`), and resources (`show -json`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from seatrial.links.inventory.groups import Hosts, Lined, Wrong
from seatrial.model.frozen import frozen

OUTPUT = "nodes"
"""The output with the nodes, unless the settings name another."""

SHAPES = (
    'allowed: a list of mappings with a name ([{"name": "n11", "host": "10.0.0.11", "user": "root"}]), '
    'a mapping of name to address ({"n11": "10.0.0.11"}), or of name to mapping ({"n11": {"host": "10.0.0.11"}})'
)

_HOST = ("host", "address", "ansible_host", "ansible_ssh_host")
_ADDRESS = re.compile(
    r"(?:(?P<user>[^@\s]+)@)?(?P<host>\[[^\]\s]+\]|[^:\s]+)(?::(?P<port>\d+))?|(?P<bare>[0-9A-Fa-f:]+)"
)


@frozen
class ResourceNames:
    """The attributes of a resource that describe a node: names separated by dots, list positions as numbers
    (`network_interface.0.address`)."""

    address: str
    """The attribute with its address."""
    name: str = ""
    """The attribute with its name (`tags.Name`); default: the resource's own name, with `-KEY` for `count` or
    `for_each`."""
    port: str = ""
    """The attribute with its SSH port."""
    user: str = ""
    """The attribute with its SSH user."""
    key: str = ""
    """The attribute with the path of its private key."""


@frozen
class TerraformNodes:
    """Where the nodes are in Terraform's answers."""

    output: str = OUTPUT
    """The output with the nodes."""
    resources: Mapping[str, ResourceNames] = field(default_factory=dict)
    """Instead of an output: resource type to its attributes, from `show -json`."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """Variables of every node that does not have its own, as in an inventory: `user`, `key`, `accept`,
    `ansible_connection`, …"""


DEFAULT = TerraformNodes()


def is_outputs(data: object) -> bool:
    """Whether it is the whole of `output -json`: every value has a `value` and says whether it is `sensitive`."""
    values = data.values() if isinstance(data, Mapping) else ()
    return bool(values) and all(isinstance(one, Mapping) and {"value", "sensitive"} <= one.keys() for one in values)


def is_shown(data: object) -> bool:
    """Whether it is `show -json` of a state."""
    return isinstance(data, Mapping) and "format_version" in data and not {"hosts", "children", "_meta"} & data.keys()


def without_secrets(data: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs without the values of the sensitive ones."""
    return {name: {**one, "value": "(sensitive)"} if one["sensitive"] else one for name, one in data.items()}


def hosts_of(data: Mapping[str, Any], where: TerraformNodes) -> Hosts:
    """The nodes of `output -json` or `show -json`; Wrong when they are not where they should be."""
    hosts = from_outputs(data, where.output) if is_outputs(data) else from_resources(data, where.resources)
    return {name: Lined({**where.variables, **own}) for name, own in hosts.items()}


def known_in_plan(plan: Mapping[str, Any], where: TerraformNodes) -> Iterator[Mapping[str, Any]]:
    """Each node in a plan (`show -json PLAN`) alone, in a form for `hosts_of`; what `apply` will know is not in it."""
    values: Mapping[str, Any] = plan.get("planned_values") or {}
    if where.resources:
        for resource in _resources(values.get("root_module") or {}):
            yield {"format_version": "1", "values": {"root_module": {"resources": [resource]}}}
        return
    nodes = (values.get("outputs") or {}).get(where.output, {}).get("value")
    for one in [{name: node} for name, node in nodes.items()] if isinstance(nodes, Mapping) else nodes or ():
        yield {where.output: {"sensitive": False, "value": one if isinstance(nodes, Mapping) else [one]}}


def from_outputs(data: Mapping[str, Any], output: str = OUTPUT) -> Hosts:
    """The nodes of one output; Wrong when it is absent or has another shape."""
    if output not in data:
        names = ", ".join(data) or "none"
        raise Wrong(f"no output {output!r}; the outputs are: {names}. Add an output with the nodes; {SHAPES}")
    sensitive = bool(data[output]["sensitive"])
    try:
        return from_value(data[output]["value"], f"the output {output!r}")
    except Wrong as error:
        raise (
            Wrong(f"the output {output!r} is sensitive, and not as nodes; {SHAPES}") if sensitive else error
        ) from None


def from_value(value: object, what: str) -> Hosts:
    """The nodes of a list, a mapping of name to address, or a mapping of name to mapping."""
    if isinstance(value, Mapping):
        return {str(name): _node(one, f"{name!r} in {what}") for name, one in value.items()}
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise Wrong(f"{what} is {_kind(value)}; {SHAPES}")
    hosts: Hosts = {}
    for one in value:
        if not isinstance(one, Mapping) or not one.get("name"):
            raise Wrong(f"{what} has {one!r}, not a mapping with a name; {SHAPES}")
        name = str(one["name"])
        if name in hosts:
            raise Wrong(f"{what} has the name {name!r} twice")
        hosts[name] = _node({key: field for key, field in one.items() if key != "name"}, f"{name!r} in {what}")
    return hosts


def is_nodes(data: object) -> bool:
    """Whether a mapping is name to address, or name to a mapping with an address: no group of Ansible's looks so."""
    values = list(data.values()) if isinstance(data, Mapping) else []
    return bool(values) and all(
        isinstance(one, str) or (isinstance(one, Mapping) and any(key in one for key in _HOST)) for one in values
    )


def _node(value: object, what: str) -> Lined:
    if isinstance(value, str):
        match = _ADDRESS.fullmatch(value.strip())
        if match is None:
            raise Wrong(f"{what} has the address {value!r}; allowed: HOST, HOST:PORT, USER@HOST:PORT")
        host = match["bare"] or match["host"].strip("[]")
        parts = {"host": host, "user": match["user"], "port": match["port"]}
        return Lined({key: part for key, part in parts.items() if part})
    if not isinstance(value, Mapping):
        raise Wrong(f"{what} is {_kind(value)}; {SHAPES}")
    connection = value.get("connection", value.get("ansible_connection", "ssh"))
    if connection in ("ssh", "smart") and not any(value.get(key) for key in _HOST):
        raise Wrong(f"{what} has no address: {', '.join(map(str, value)) or 'nothing'}; allowed: {', '.join(_HOST)}")
    return Lined({str(key): field for key, field in value.items() if field is not None})


def from_resources(data: Mapping[str, Any], types: Mapping[str, ResourceNames]) -> Hosts:
    """The nodes of the resources of these types, also in modules; Wrong when an attribute is absent or empty."""
    if not types:
        raise Wrong(
            "it is the output of `show -json`, and `resources` does not say which resources are nodes; "
            "write resources: {TYPE: {address: ATTRIBUTE}}"
        )
    hosts: Hosts = {}
    present: dict[str, None] = {}
    for resource in _resources((data.get("values") or {}).get("root_module") or {}):
        kind = str(resource.get("type", ""))
        present[kind] = None
        if (names := types.get(kind)) is None or resource.get("mode", "managed") != "managed":
            continue
        name = str(_attribute(resource, names.name)) if names.name else _own_name(resource)
        if name in hosts:
            raise Wrong(f"{resource['address']} is the second node with the name {name!r}; set `name` for {kind}")
        wanted = {"host": names.address, "port": names.port, "user": names.user, "key": names.key}
        hosts[name] = Lined({key: _attribute(resource, path) for key, path in wanted.items() if path})
    if not hosts:
        raise Wrong(f"no resource of the types {', '.join(types)}; the state has {', '.join(present) or 'none'}")
    return hosts


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from module.get("resources") or ()
    for child in module.get("child_modules") or ():
        yield from _resources(child)


def _own_name(resource: Mapping[str, Any]) -> str:
    return str(resource["name"]) + (f"-{resource['index']}" if "index" in resource else "")


def _attribute(resource: Mapping[str, Any], path: str) -> object:
    here: Any = resource.get("values") or {}
    for word in path.split("."):
        items = here if isinstance(here, list) else ()
        known = list(here) if isinstance(here, Mapping) else [str(number) for number in range(len(items))]
        if word not in known:
            has = ", ".join(known) or "nothing"
            raise Wrong(f"{resource['address']} has no attribute {path!r}: there is no {word!r} among {has}")
        here = here[word] if isinstance(here, Mapping) else here[int(word)]
    if here in (None, ""):
        raise Wrong(f"{resource['address']} has an empty attribute {path!r}")
    return here


def _kind(value: object) -> str:
    words = {type(None): "null", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return words.get(type(value), f"a {type(value).__name__}")
