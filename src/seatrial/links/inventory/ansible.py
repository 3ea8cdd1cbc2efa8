"""Ansible's inventories: INI, YAML and JSON, the output of `ansible-inventory --list`, plain lists, and host ranges."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MOST = 10_000
"""Most machines of one range: more is a typing error."""

_PORT = re.compile(r"(?P<host>[^:\[\]]*(?:\[[^\]]*\][^:\[\]]*)*):(?P<port>\d+)")
_SECTIONS = "allowed: [group], [group:vars], [group:children]"
_RANGE = re.compile(r"\[(\w+):(\w+)(?::(\d+))?\]")


class Wrong(ValueError):
    """A problem of an inventory; `line` counts from 1, 0 when unknown."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class Lined(dict[str, Any]):
    """A mapping with its line."""

    def __init__(self, values: Mapping[str, Any] | None = None, line: int = 0) -> None:
        super().__init__(values or {})
        self.line = line


Hosts = dict[str, Lined]


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
    """The hosts with their own variables and those of their groups; Wrong, with the line, for an invalid text."""
    hosts: Hosts = {}
    groups, children = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    shared = defaultdict[str, dict[str, str]](dict)
    group, part = "ungrouped", ""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip().startswith("["):
            group, part = _section(line.strip(), number)
        elif not (words := _words(line, number)):
            continue
        elif part == "vars":
            name, equals, value = line.partition("=")
            if not equals:
                raise Wrong(f"{line.strip()!r} is not KEY=VALUE, as needed in [{group}:vars]", number)
            shared[group][name.strip()] = " ".join(_words(value, number))
        elif part == "children":
            children[group].append(words[0])
        else:
            if wrong := [word for word in words[1:] if "=" not in word]:
                raise Wrong(f"{wrong[0]!r} is not KEY=VALUE", number)
            own = dict(word.split("=", 1) for word in words[1:])
            if ported := _PORT.fullmatch(words[0]):
                own.setdefault("ansible_port", ported["port"])
            for name in expanded(ported["host"] if ported else words[0], number):
                groups[group].append(name)
                hosts[name] = Lined({**hosts.get(name, {}), **own}, number)
    for name, variables in hosts.items():
        for owner in _groups_of(name, groups, children):
            for key, value in shared.get(owner, {}).items():
                variables.setdefault(key, value)
    return hosts


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


def _groups_of(host: str, groups: Mapping[str, list[str]], children: Mapping[str, list[str]]) -> list[str]:
    """The groups of a host, the nearest first, `all` last."""
    own = [group for group, names in groups.items() if host in names]
    for group in own:  # it grows during the loop
        own += [parent for parent, names in children.items() if group in names and parent not in own]
    return [*(group for group in own if group != "all"), "all"]


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
        return made

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    try:
        return yaml.load(text, Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Wrong(error.problem or str(error), mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        raise Wrong(str(error)) from None


def from_tree(data: object) -> Hosts:
    """The hosts of YAML or JSON with all their variables; Wrong for an invalid inventory."""
    if data is None:
        return {}
    if isinstance(data, list | tuple):
        return _listed(data)
    if not isinstance(data, Mapping):
        raise Wrong(f"it holds {type(data).__name__}, not groups or a list of nodes")
    if isinstance(meta := data.get("_meta"), Mapping):
        variables = _mapping(meta.get("hostvars"), "hostvars", 0)
        return {name: Lined(_mapping(own, name, 0), _line(own)) for name, own in variables.items()}
    hosts: Hosts = {}
    for name, group in ({"all": data} if "hosts" in data or "children" in data else data).items():
        _walk(name, group, {}, hosts, 0)
    return hosts


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


def _walk(name: str, group: object, inherited: Mapping[str, Any], hosts: Hosts, depth: int) -> None:
    if group is None:
        return
    line = _line(group)
    if not isinstance(group, Mapping):
        raise Wrong(f"the group {name} is {group!r}, not a mapping with hosts, vars, children", line)
    if depth > 50:
        raise Wrong(f"the group {name} is its own child", line)
    variables = {**inherited, **_mapping(group.get("vars"), f"the vars of {name}", line)}
    listed = group.get("hosts") or {}
    if isinstance(listed, list):
        listed = dict.fromkeys(map(str, listed))
    for word, own in _mapping(listed, f"the hosts of {name}", line).items():
        own = _mapping(own, f"the host {word}", _line(listed, line))
        for host in expanded(word, _line(own, line)):
            hosts[host] = Lined({**variables, **hosts.get(host, {}), **own}, _line(own, line))
    for word, child in _mapping(group.get("children"), f"the children of {name}", line).items():
        _walk(word, child, variables, hosts, depth + 1)


def _mapping(value: object, what: str, line: int) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Wrong(f"{what} is {value!r}, not a mapping", line)
    return value


def _line(value: object, default: int = 0) -> int:
    return value.line if isinstance(value, Lined) else default
