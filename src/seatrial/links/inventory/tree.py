"""Inventories with a tree structure: Ansible's YAML and JSON, the output of `ansible-inventory --list`, and plain
lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.links.inventory.names import Hosts, Lined, Wrong, expanded


def with_lines(text: str) -> object:
    """A YAML text as data, with the line of each mapping; Wrong for invalid YAML."""
    import yaml

    class Loader(yaml.SafeLoader):
        """A safe loader that keeps the lines."""

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> Lined:
        loader.flatten_mapping(node)
        pairs = loader.construct_pairs(node, deep=True)
        made = Lined()
        made.line = node.start_mark.line + 1
        for (key, value), (where, _) in zip(pairs, node.value, strict=True):
            if not isinstance(key, str | int | float):
                raise Wrong(f"{key!r} cannot be a name", where.start_mark.line + 1)
            if isinstance(value, Lined):
                value.line = where.start_mark.line + 1
            made[str(key)] = value
        return made

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    try:
        return yaml.load(text, Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Wrong(error.problem or str(error), mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        raise Wrong(str(error)) from None


def hosts_of(data: object) -> Hosts:
    """The hosts with all their variables; Wrong for an invalid inventory."""
    if data is None:
        return {}
    if isinstance(data, list | tuple):
        return _listed(data)
    if not isinstance(data, Mapping):
        raise Wrong(f"it holds {type(data).__name__}, not groups or a list of nodes")
    meta = data.get("_meta")
    if isinstance(meta, Mapping):
        variables = _mapping(meta.get("hostvars"), "hostvars", 0)
        return {str(name): _copy(_mapping(own, str(name), 0)) for name, own in variables.items()}
    hosts: Hosts = {}
    for name, group in ({"all": data} if "hosts" in data or "children" in data else data).items():
        _walk(str(name), group, {}, hosts, 0)
    return hosts


def _listed(data: list[Any] | tuple[Any, ...]) -> Hosts:
    hosts: Hosts = {}
    for one in data:
        if not isinstance(one, Mapping) or not one.get("name"):
            raise Wrong(f"{one!r} is not a mapping with a name", getattr(one, "line", 0))
        if str(one["name"]) in hosts:
            raise Wrong(f"duplicate name {one['name']!r}", getattr(one, "line", 0))
        made = _copy(one)
        hosts[str(made.pop("name"))] = made
    return hosts


def _walk(name: str, group: object, inherited: Mapping[str, Any], hosts: Hosts, depth: int) -> None:
    if group is None:
        return
    line = int(getattr(group, "line", 0))
    if not isinstance(group, Mapping):
        raise Wrong(f"the group {name} is {group!r}, not a mapping with hosts, vars, children", line)
    if depth > 50:
        raise Wrong(f"the group {name} is its own child", line)
    variables = {**inherited, **_mapping(group.get("vars"), f"the vars of {name}", line)}
    listed = group.get("hosts") or {}
    if isinstance(listed, list):
        listed = dict.fromkeys(map(str, listed))
    for word, own in _mapping(listed, f"the hosts of {name}", line).items():
        said = _mapping(own, f"the host {word}", int(getattr(listed, "line", line)))
        for host in expanded(str(word), int(getattr(said, "line", line))):
            made = Lined({**variables, **hosts.get(host, {}), **said})
            made.line = int(getattr(said, "line", line))
            hosts[host] = made
    for word, child in _mapping(group.get("children"), f"the children of {name}", line).items():
        _walk(str(word), child, variables, hosts, depth + 1)


def _mapping(value: object, what: str, line: int) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Wrong(f"{what} is {value!r}, not a mapping", int(getattr(value, "line", line)))
    return value


def _copy(mapping: Mapping[str, Any]) -> Lined:
    made = Lined(mapping)
    made.line = int(getattr(mapping, "line", 0))
    return made
