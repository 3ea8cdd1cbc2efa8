"""Ansible's INI inventories: hosts with variables, groups, `:vars`, `:children`, host ranges."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from seatrial.links.inventory.names import Hosts, Lined, Wrong, expanded

_PORT = re.compile(r"(?P<host>[^:\[\]]*(?:\[[^\]]*\][^:\[\]]*)*):(?P<port>\d+)")


@dataclass(slots=True)
class _Read:
    hosts: Hosts = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    shared: dict[str, dict[str, str]] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)


def hosts(text: str) -> Hosts:
    """The hosts with their own variables and those of their groups; Wrong, with the line, for an invalid text."""
    read = _Read()
    group, part = "ungrouped", ""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip().startswith("["):
            group, part = _section(line, number)
            continue
        words = _words(line, number)
        if words:
            _take(read, group, part, line, words, number)
    for name, variables in read.hosts.items():
        for owner in _groups_of(name, read.groups, read.children):
            for key, value in read.shared.get(owner, {}).items():
                variables.setdefault(key, value)
    return read.hosts


def _section(line: str, number: int) -> tuple[str, str]:
    head, bracket, rest = line.strip().partition("]")
    if not bracket or (rest.strip() and not rest.strip().startswith(("#", ";"))):
        raise Wrong(f"invalid section {line.strip()!r}; allowed: [group], [group:vars], [group:children]", number)
    group, _, part = head[1:].partition(":")
    if part not in ("", "vars", "children") or not group.strip():
        raise Wrong(f"unknown section [{head[1:]}]; allowed: [group], [group:vars], [group:children]", number)
    return group.strip(), part


def _words(line: str, number: int) -> list[str]:
    if line.strip().startswith(";"):
        return []
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise Wrong(str(error), number) from None


def _take(read: _Read, group: str, part: str, line: str, words: list[str], number: int) -> None:
    if part == "vars":
        name, equals, value = line.partition("=")
        if not equals:
            raise Wrong(f"{line.strip()!r} is not KEY=VALUE, as needed in [{group}:vars]", number)
        read.shared.setdefault(group, {})[name.strip()] = " ".join(_words(value, number))
    elif part == "children":
        read.children.setdefault(group, []).append(words[0])
    else:
        if wrong := [word for word in words[1:] if "=" not in word]:
            raise Wrong(f"{wrong[0]!r} is not KEY=VALUE", number)
        own = dict(word.split("=", 1) for word in words[1:])
        ported = _PORT.fullmatch(words[0])
        if ported:
            own.setdefault("ansible_port", ported["port"])
        for name in expanded(ported["host"] if ported else words[0], number):
            read.groups.setdefault(group, []).append(name)
            known = read.hosts.setdefault(name, Lined())
            known.update(own)
            known.line = number  # type: ignore[attr-defined]


def _groups_of(host: str, groups: Mapping[str, list[str]], children: Mapping[str, list[str]]) -> list[str]:
    """The groups of a host, the nearest first, `all` last."""
    found = [group for group, names in groups.items() if host in names]
    for group in found:  # it grows during the loop
        found += [parent for parent, names in children.items() if group in names and parent not in found]
    return [*(group for group in found if group != "all"), "all"]
