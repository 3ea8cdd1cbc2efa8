"""Ansible's inventories: INI, YAML and JSON, the output of `ansible-inventory --list`, plain lists, and host ranges."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.links.inventory.groups import Hosts, Lined, OnlyAnsible, Tree, Wrong

MOST = 10_000
"""Most machines of one range: more is a typing error."""

_PORT = re.compile(r"(?P<host>[^:\[\]]*(?:\[[^\]]*\][^:\[\]]*)*):(?P<port>\d+)")
_SECTIONS = "allowed: [group], [group:vars], [group:children]"
_RANGE = re.compile(r"\[(\w+):(\w+)(?::(\d+))?\]")


class Vaulted:
    """A value that Ansible's vault has encrypted."""

    def __repr__(self) -> str:
        return "a value of Ansible's vault"


def expanded(name: str, line: int = 0) -> Iterator[str]:
    """The names of a range: `n[1:3]`, `n[01:10:3]`, `rack-[a:c]`; both ends are included."""
    match = _RANGE.search(name)
    if match is None:
        if "[" in name or "]" in name:
            raise Wrong(f"invalid host range {name!r}; allowed: n[1:3], n[01:10], n[1:9:2] and n[a:c]", line)
        yield name
        return
    begin, end, step = match[1], match[2], int(match[3] or 1)
    words: list[str] = []
    if begin.isdigit() and end.isdigit():
        numbers = range(int(begin), min(int(end), int(begin) + MOST * step) + 1, step or 1)
        words = [str(number).zfill(len(begin)) for number in numbers]
    elif len(begin) == len(end) == 1 and begin.isalpha() and end.isalpha():
        words = [chr(code) for code in range(ord(begin), ord(end) + 1, step or 1)]
    if not words or not step or len(words) > MOST:
        raise Wrong(f"the range {match[0]} in {name!r} has no hosts, or more than {MOST}", line)
    for word in words:
        yield from expanded(name[: match.start()] + word + name[match.end() :], line)


def from_ini(text: str) -> Hosts:
    """The hosts with all their variables; Wrong, with the line, for an invalid text."""
    tree = Tree()
    read_ini(text, tree)
    return tree.merged()


def read_ini(text: str, tree: Tree) -> None:
    """Add the groups and hosts of an INI text; Wrong, with the line, for an invalid one."""
    group, part = "ungrouped", ""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip().startswith("["):
            group, part = _section(line.strip(), number)
            tree.group(group)
        elif not (words := _words(line, number)):
            continue
        elif part == "vars":
            name, equals, value = line.partition("=")
            if not equals:
                raise Wrong(f"{line.strip()!r} is not KEY=VALUE, as needed in [{group}:vars]", number)
            tree.group(group).variables.take(Lined({name.strip(): " ".join(_words(value, number))}, number), tree.file)
        elif part == "children":
            tree.group(words[0])
            tree.group(group).children.append(words[0])
        else:
            if wrong := [word for word in words[1:] if "=" not in word]:
                hint = "write the value itself, not a template" if "{{" in line else "a value with spaces needs quotes"
                raise Wrong(f"{wrong[0]!r} is not KEY=VALUE: {hint}", number)
            own = dict(word.split("=", 1) for word in words[1:])
            if ported := _PORT.fullmatch(words[0]):
                own.setdefault("ansible_port", ported["port"])
            for name in expanded(ported["host"] if ported else words[0], number):
                tree.host(name, number, Lined(own, number), group)


def _section(line: str, number: int) -> tuple[str, str]:
    head, bracket, rest = line.partition("]")
    if not bracket or (rest.strip() and not rest.strip().startswith(("#", ";"))):
        raise Wrong(f"invalid section {line!r}; {_SECTIONS}", number)
    group, _, part = head[1:].partition(":")
    if part not in ("", "vars", "children") or not group.strip():
        raise Wrong(f"unknown section [{head[1:]}]; {_SECTIONS}", number)
    return group.strip(), part


def _words(line: str, number: int) -> list[str]:
    if line.strip().startswith(";"):
        return []
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise Wrong(str(error), number) from None


def with_lines(text: str) -> object:
    """A YAML text as data, with the line of each mapping; Wrong for invalid YAML."""
    import yaml

    class Loader(yaml.SafeLoader):
        """A safe loader that keeps the lines."""

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> Lined:
        loader.flatten_mapping(node)
        made = Lined(line=node.start_mark.line + 1)
        for (key, value), (where, _) in zip(loader.construct_pairs(node, deep=True), node.value, strict=True):
            line = where.start_mark.line + 1
            if not isinstance(key, str | int | float):
                raise Wrong(f"{key!r} cannot be a name", line)
            if isinstance(value, Lined):
                value.line = line
            made[str(key)] = value
            made.places[str(key)] = ("", line)
        return made

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    Loader.add_constructor("!vault", lambda loader, node: Vaulted())
    Loader.add_constructor("!vault-encrypted", lambda loader, node: Vaulted())
    Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))  # type: ignore[arg-type]
    try:
        return yaml.load(text, Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Wrong(error.problem or str(error), mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        raise Wrong(str(error)) from None


def from_tree(data: object) -> Hosts:
    """The hosts of YAML or JSON with all their variables; Wrong for an invalid inventory."""
    tree = Tree()
    read_tree(data, tree)
    return tree.merged()


def read_tree(data: object, tree: Tree) -> None:
    """Add the groups and hosts of YAML or JSON; Wrong for an invalid inventory."""
    if data is None:
        return
    if isinstance(data, list | tuple):
        for name, variables in _listed(data).items():
            tree.host(name, variables.line, variables)
        return
    if not isinstance(data, Mapping):
        raise Wrong(f"it holds {type(data).__name__}, not groups or a list of nodes")
    if isinstance(meta := data.get("_meta"), Mapping):
        for name, own in _mapping(meta.get("hostvars"), "hostvars", 0).items():
            tree.host(name, _line(own), _mapping(own, name, 0))
        data = {name: group for name, group in data.items() if name != "_meta"}
    elif "hosts" in data or "children" in data:
        data = {"all": data}
    if isinstance(plugin := data.get("plugin"), str):
        raise OnlyAnsible(f"it is the configuration of the plugin {plugin}, which only ansible-inventory can run")
    for name, group in data.items():
        _walk(name, group, tree, 0)


def _listed(data: Sequence[Any]) -> Hosts:
    hosts: Hosts = {}
    for host in data:
        if not isinstance(host, Mapping) or not host.get("name"):
            raise Wrong(f"{host!r} is not a mapping with a name", _line(host))
        if str(host["name"]) in hosts:
            raise Wrong(f"duplicate name {host['name']!r}", _line(host))
        made = Lined(host, _line(host))
        hosts[str(made.pop("name"))] = made
    return hosts


def _walk(name: str, group: object, tree: Tree, depth: int) -> None:
    own = tree.group(name)
    if group is None:
        return
    line = _line(group)
    if isinstance(group, list):
        group = {"hosts": group}
    if not isinstance(group, Mapping):
        raise Wrong(f"the group {name} is {group!r}, not a mapping with hosts, vars, children", line)
    if depth > 50:
        raise Wrong(f"the group {name} is its own child", line)
    own.variables.take(_mapping(group.get("vars"), f"the vars of {name}", line), tree.file)
    listed = _named(group.get("hosts"))
    for word, variables in _mapping(listed, f"the hosts of {name}", line).items():
        variables = _mapping(variables, f"the host {word}", _line(listed, line))
        for host in expanded(word, _line(variables, line)):
            tree.host(host, _line(variables, line), variables, name)
    for word, child in _mapping(_named(group.get("children")), f"the children of {name}", line).items():
        own.children.append(word)
        _walk(word, child, tree, depth + 1)


def _named(value: object) -> object:
    """A mapping; names alone are keys without values."""
    return dict.fromkeys(map(str, value)) if isinstance(value, list) else value


def _mapping(value: object, what: str, line: int) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Wrong(f"{what} is {value!r}, not a mapping", line)
    return value


def _line(value: object, default: int = 0) -> int:
    return value.line if isinstance(value, Lined) else default
