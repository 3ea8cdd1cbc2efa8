"""Groups of hosts with their variables, merged by Ansible's precedence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class Wrong(ValueError):
    """A problem of an inventory; `line` counts from 1, 0 when unknown; `file` is empty for the inventory itself."""

    def __init__(self, message: str, line: int = 0, file: str = "") -> None:
        super().__init__(message)
        self.line, self.file = line, file


class OnlyAnsible(Wrong):
    """Something that only Ansible's own programs can read: a script, a plugin, a vault."""


class Misspelt(Wrong):
    """A misspelt word: reading the inventory again cannot help."""


class Lined(dict[str, Any]):
    """A mapping with its line, and the file and line of each value."""

    def __init__(self, values: Mapping[str, Any] | None = None, line: int = 0) -> None:
        super().__init__(values or {})
        self.line = line
        self.places: dict[str, tuple[str, int]] = {}
        if isinstance(values, Lined):
            self.places.update(values.places)

    def take(self, values: Mapping[str, Any], file: str = "") -> None:
        """Take these values in place of the present ones; `file` is the file of those without one."""
        self.update(values)
        for key in values:
            own, line = values.place(key) if isinstance(values, Lined) else ("", 0)
            self.places[key] = (own or file, line)

    def place(self, key: str) -> tuple[str, int]:
        """The file (empty: the inventory itself) and line of a value."""
        return self.places.get(key, ("", self.line))


Hosts = dict[str, Lined]


class VariableFiles(Protocol):
    """The files of variables beside one inventory or playbook."""

    def of(self, kind: str, name: str) -> Lined:
        """The variables of a name; `kind` is `group_vars` or `host_vars`."""


@dataclass
class Group:
    """A group: its own variables, hosts and children."""

    variables: Lined = field(default_factory=Lined)
    hosts: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)


class Tree:
    """The groups and hosts of one or several inventories."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {"all": Group()}
        self.hosts: Hosts = {}
        self.file = ""
        """The file that is read now; empty: the only one."""

    def group(self, name: str) -> Group:
        """The group of this name, new if there is none."""
        return self.groups.setdefault(name, Group())

    def host(self, name: str, line: int, variables: Mapping[str, Any], group: str = "all") -> None:
        """Add a host to a group, with its own variables."""
        host = self.hosts.setdefault(name, Lined(line=line))
        host.line = line or host.line
        host.take(variables, self.file)
        if name not in (hosts := self.group(group).hosts):
            hosts.append(name)

    def merged(self, files: Sequence[VariableFiles] = ()) -> Hosts:
        """Each host with all its variables: those of `all`, of groups (children over parents, then by priority and
        name), of `group_vars`, of the host, of `host_vars`. Wrong for a group that is its own child."""
        parents: dict[str, list[str]] = {}
        for name, group in self.groups.items():
            for child in group.children:
                parents.setdefault(child, []).append(name)
        of_host: dict[str, list[str]] = {}
        for name, group in self.groups.items():
            for host in group.hosts:
                of_host.setdefault(host, []).append(name)
        depths = {name: _depth(name, parents, ()) for name in {*self.groups, *parents}}
        return {
            name: self._merged(name, _ancestors(of_host.get(name, ()), parents), depths, files) for name in self.hosts
        }

    def _merged(
        self, name: str, groups: Sequence[str], depths: Mapping[str, int], files: Sequence[VariableFiles]
    ) -> Lined:
        def order(group: str) -> tuple[int, int, str]:
            priority = str(self.group(group).variables.get("ansible_group_priority", 1))
            return depths.get(group, 1), int(priority) if priority.lstrip("-").isdigit() else 1, group

        nearer = sorted((group for group in groups if group != "all"), key=order) or ["ungrouped"]
        made = Lined(line=self.hosts[name].line)
        for group in ("all", *nearer):
            made.take(self.group(group).variables)
        made.pop("ansible_group_priority", None)
        for file in files:
            made.take(file.of("group_vars", "all"))
        for file in files:
            for group in nearer:
                made.take(file.of("group_vars", group))
        made.take(self.hosts[name])
        for file in files:
            made.take(file.of("host_vars", name))
        return made


def _ancestors(groups: Iterable[str], parents: Mapping[str, Sequence[str]]) -> list[str]:
    found = list(groups)
    for group in found:  # it grows during the loop
        found += [parent for parent in parents.get(group, ()) if parent not in found]
    return found


def _depth(group: str, parents: Mapping[str, Sequence[str]], path: tuple[str, ...]) -> int:
    if group in path:
        raise Wrong(f"the group {group} is its own child")
    if group == "all":
        return 0
    return 1 + max((_depth(parent, parents, (*path, group)) for parent in parents.get(group, ())), default=0)
