"""Nodes from an Ansible-style inventory: INI, YAML, JSON (`ansible-inventory --list`, too), or a JSON list."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell
from seatrial.model.resource import Node

_RANGE = re.compile(r"\[(\d+):(\d+)\]")
_WORDS = {
    "host": ("ansible_host", "ansible_ssh_host", "host", "address"),
    "port": ("ansible_port", "ansible_ssh_port", "port"),
    "user": ("ansible_user", "ansible_ssh_user", "user"),
    "key": ("ansible_ssh_private_key_file", "ansible_private_key_file", "key"),
    "known_host": ("known_host",),
}
"""What a link needs, and the variables that may say it."""

Hosts = dict[str, dict[str, Any]]


def read(text: str, source: str, folder: Path, style: str = "auto") -> list[Node]:
    """The nodes in their order; CannotTell when the text cannot be read or names none.

    Key files are relative to `folder`."""
    style = _style(text, source) if style == "auto" else style
    try:
        hosts = _ini(text) if style == "ini" else _tree(_parsed(text, style))
    except ValueError as error:
        raise CannotTell(f"the inventory {source} cannot be read as {style}: {error}", evidence=text[:2000]) from None
    if not hosts:
        raise CannotTell(f"the inventory {source} names no nodes", evidence=text[:2000])
    return [_node(name, variables, folder, source) for name, variables in hosts.items()]


def _style(text: str, source: str) -> str:
    suffix = Path(source).suffix.lower()
    if suffix in (".json", ".yaml", ".yml", ".ini"):
        return "yaml" if suffix == ".yml" else suffix[1:]
    if re.match(r"\s*(\{|\[\s*[\]{\"])", text):
        return "json"
    return "yaml" if re.match(r"(\s*#[^\n]*\n|---\s*\n|\s*\n)*[A-Za-z_][\w-]*:\s*$", text, re.MULTILINE) else "ini"


def _parsed(text: str, style: str) -> object:
    if style == "json":
        return json.loads(text)
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _ini(text: str) -> Hosts:
    hosts: Hosts = {}
    groups: dict[str, list[str]] = {}
    shared: dict[str, dict[str, str]] = {}
    children: dict[str, list[str]] = {}
    group, part = "ungrouped", ""
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        if not words or words[0].startswith(";"):
            continue
        if line.strip().startswith("["):
            group, _, part = line.strip().partition("]")[0][1:].partition(":")
            continue
        if part == "vars":
            name, _, value = line.partition("=")
            shared.setdefault(group, {})[name.strip()] = " ".join(shlex.split(value, comments=True))
        elif part == "children":
            children.setdefault(group, []).append(words[0])
        elif part:
            raise ValueError(f"line {number}: a section [{group}:{part}] is not known; there are :vars and :children")
        else:
            if wrong := [word for word in words[1:] if "=" not in word]:
                raise ValueError(f"line {number}: {wrong[0]!r} is not KEY=VALUE")
            for name in _expanded(words[0]):
                groups.setdefault(group, []).append(name)
                hosts.setdefault(name, {}).update(dict(word.split("=", 1) for word in words[1:]))
    for name, variables in hosts.items():
        for owner in _groups_of(name, groups, children):
            for key, value in shared.get(owner, {}).items():
                variables.setdefault(key, value)
    return hosts


def _groups_of(host: str, groups: Mapping[str, list[str]], children: Mapping[str, list[str]]) -> list[str]:
    """The groups of a host, the nearest first, `all` last."""
    found = [group for group, names in groups.items() if host in names]
    for group in found:
        found += [parent for parent, names in children.items() if group in names and parent not in found]
    return [*found, "all"]


def _expanded(name: str) -> Iterator[str]:
    match = _RANGE.search(name)
    if match is None:
        yield name
        return
    for number in range(int(match[1]), int(match[2]) + 1):
        yield from _expanded(name[: match.start()] + str(number).zfill(len(match[1])) + name[match.end() :])


def _tree(data: object) -> Hosts:
    if data is None:
        return {}
    if isinstance(data, list):
        if wrong := [one for one in data if not isinstance(one, Mapping) or "name" not in one]:
            raise ValueError(f"{wrong[0]!r} is no mapping with a name")
        return {str(one["name"]): {key: value for key, value in one.items() if key != "name"} for one in data}
    if not isinstance(data, Mapping):
        raise ValueError(f"it holds {type(data).__name__}, not groups or a list of nodes")
    hosts: Hosts = {}
    meta = data.get("_meta")
    if isinstance(meta, Mapping):
        return {str(name): dict(variables or {}) for name, variables in (meta.get("hostvars") or {}).items()}
    for group in ({"all": data} if "hosts" in data or "children" in data else data).values():
        _walk(group, {}, hosts)
    return hosts


def _walk(group: object, inherited: Mapping[str, Any], hosts: Hosts) -> None:
    if group is None:
        return
    if not isinstance(group, Mapping):
        raise ValueError(f"a group is {group!r}, not a mapping with hosts, vars, children")
    variables = {**inherited, **(group.get("vars") or {})}
    listed = group.get("hosts") or {}
    named = listed if isinstance(listed, Mapping) else dict.fromkeys(listed)
    for name, own in named.items():
        for one in _expanded(str(name)):
            hosts[one] = {**variables, **hosts.get(one, {}), **(own or {})}
    for child in (group.get("children") or {}).values():
        _walk(child, variables, hosts)


def _node(name: str, variables: Mapping[str, Any], folder: Path, source: str) -> Node:
    ssh: dict[str, object] = {}
    for key, words in _WORDS.items():
        value = next((variables[word] for word in words if variables.get(word) not in (None, "")), None)
        if value is not None:
            ssh[key] = value
    address = str(ssh.get("host", name))
    own = {key: value for key, value in variables.items() if not key.startswith("ansible_")}
    numbers = {key: value for key, value in own.items() if key.endswith("_port")}
    try:
        if "port" in ssh:
            ssh["port"] = int(str(ssh["port"]))
        ports = {key.removesuffix("_port"): int(value) for key, value in numbers.items()}
    except ValueError as error:
        raise CannotTell(f"the inventory {source} gives {name} a port that is no number: {error}") from None
    if "key" in ssh:
        ssh["key"] = str(folder / Path(str(ssh["key"])).expanduser())
    ways = {"host": address, "port": 22, **ssh} if variables.get("ansible_connection", "ssh") == "ssh" else {}
    return Node(name=name, address=address, ports=ports, ssh=ways, folder=str(own.get("folder", "")), detail=own)
