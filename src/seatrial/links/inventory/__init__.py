"""Machines from an inventory: Ansible's INI, YAML and JSON (also from `ansible-inventory --list`), OpenSSH's client
configuration, Terraform's and OpenTofu's `output -json` and `show -json`, or a list.

Seatrial reads Ansible's connection variables; all others are kept in `Node.detail`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, NeverTold, closest
from seatrial.links.inventory import ansible, ssh_config, terraform
from seatrial.links.inventory import sources as ansible_sources
from seatrial.links.inventory.groups import Hosts, Lined, Misspelt, OnlyAnsible, Tree, Wrong
from seatrial.links.inventory.terraform import TerraformNodes
from seatrial.links.inventory.variable_files import FolderOfVariables, beside
from seatrial.links.output import beginning
from seatrial.links.paths import shown
from seatrial.model.resource import KUBECTL, LOCAL, WAYS_IN, Connection, Node

STYLES = ("ini", "yaml", "json", "ssh_config")

_WORDS = {
    "host": ("ansible_host", "ansible_ssh_host", "host", "address"),
    "port": ("ansible_port", "ansible_ssh_port", "port"),
    "user": ("ansible_user", "ansible_ssh_user", "user"),
    "key": ("ansible_ssh_private_key_file", "ansible_private_key_file", "key"),
    "known_host": ("known_host",),
    "known_hosts": ("known_hosts",),
    "become": ("ansible_become", "become"),
    "jump": ("jump",),
    "accept": ("accept",),
}
"""The needs of a link, each with its variables."""

_CONNECTIONS = {
    "smart": "ssh", "paramiko": "ssh", "paramiko_ssh": "ssh", "docker_api": "docker", "docker": "docker",
    "ssh": "ssh", "podman": "podman", "kubectl": "kubectl", "local": "local",
}  # fmt: skip
"""Ansible's connections, also with their collection in front, to Seatrial's."""

_UNREAD = (
    "ansible_docker_extra_args", "ansible_podman_extra_args", "ansible_docker_docker_host",
    *(f"ansible_kubectl_{word}" for word in (
        "extra_args", "local_env_vars", "host", "server", "username", "user", "password", "token", "api_key",
        "cert_file", "client_cert", "key_file", "client_key", "ssl_ca_cert", "ca_cert", "verify_ssl", "validate_certs",
    )),
)  # fmt: skip
"""Variables that select another engine, or another cluster or user than the kubeconfig has."""

_OF_PODS = {
    "pod": ("ansible_kubectl_pod",),
    "namespace": ("ansible_kubectl_namespace",),
    "container": ("ansible_kubectl_container",),
    "kubeconfig": ("ansible_kubectl_kubeconfig", "ansible_kubectl_config"),
    "context": ("ansible_kubectl_context",),
}
"""What leads to a pod, each with its variables."""

ALWAYS_THERE = ("all", "ungrouped", "localhost", "127.0.0.1", "::1")
"""Names in a pattern of hosts that every inventory knows."""

_JINJA = re.compile(r"(?<!\$)\{\{|\{%")

LOOPBACK = "127.0.0.1"
"""The address of a node that is this machine, unless its record has another."""

_TRUE = ("true", "yes", "on", "1")
_JUMP = re.compile(r"(?:(?P<user>[^@]+)@)?(?P<host>\[[^\]]+\]|[^:]+)(?::(?P<port>\d+))?")


def read(
    text: str, source: str, folder: Path, style: str = "auto", where: TerraformNodes = terraform.DEFAULT
) -> list[Node]:
    """The nodes in their order; CannotTell, with file and line, when the text is unreadable or has no nodes.

    Key files are relative to `folder`; `where` says which of Terraform's outputs or resources are nodes.
    """
    style = _style(text, source) if style == "auto" else style
    try:
        nodes = _nodes(_hosts(text, source, folder, style, where), folder)
    except Wrong as error:
        why = f"{_place(error, source)}: the inventory cannot be read as {style}: {error}"
        raise _kind_of(error)(why, evidence=_shown(text)) from None
    if not nodes:
        raise CannotTell(f"{source}: the inventory has no nodes", evidence=_shown(text))
    return nodes


def planned(plan: Mapping[str, Any], where: TerraformNodes, folder: Path) -> list[Node]:
    """The nodes whose addresses Terraform's plan (`show -json PLAN`) knows: their machines may be there already."""
    nodes: list[Node] = []
    for one in terraform.known_in_plan(plan, where):
        with suppress(Wrong):  # its address is known after `apply`
            nodes += _nodes(terraform.hosts_of(one, where), folder)
    return nodes


async def of_ansible(
    sources: Sequence[Path], run: ansible_sources.Runs, folder: Path, *, program: str = "",
    playbooks: Path | None = None, more: Sequence[str] = (),
) -> list[Node]:  # fmt: skip
    """The nodes of Ansible's inventories, files and folders, in their order: by `ansible-inventory` (`program`, else if
    it is installed and more than one plain file makes the inventory), otherwise by Seatrial's own reader. CannotTell,
    with file and line, when one is unreadable or there are no nodes.

    Key files are relative to `folder`; `playbooks` is a folder with more variables; `more` are arguments for the tool.
    """
    named = ", ".join(map(str, sources))
    if missing := [str(source) for source in sources if not source.exists()]:
        raise CannotTell(f"the inventory {missing[0]} does not exist")
    try:
        if program or (ansible_sources.needs_tool(sources) and ansible_sources.installed()):
            tool = program or ansible_sources.TOOL
            hosts = await ansible_sources.asked(sources, run, program=tool, playbooks=playbooks, more=more)
        else:
            hosts = ansible_sources.own(sources, playbooks)
        nodes = _nodes(hosts, folder)
    except Wrong as error:
        raise _kind_of(error)(f"{_place(error, named)}: the inventory cannot be read: {error}") from None
    if not nodes:
        raise CannotTell(f"{named}: the inventory has no nodes")
    return nodes


def require_readable(paths: Sequence[Path], playbooks: Path, *, all_nodes: bool) -> None:
    """CannotTell, with file and line, for inventories that nobody can read, or without any host; where all hosts are
    nodes, also for one that Seatrial could not reach as Ansible does. What only Ansible can read passes."""
    try:
        hosts = ansible_sources.own(paths, playbooks)
        if all_nodes:
            _nodes(hosts, playbooks)
    except OnlyAnsible:
        return
    except Wrong as error:
        raise CannotTell(f"{_place(error, ', '.join(map(str, paths)))}: {error}") from None
    if not hosts:
        raise CannotTell(f"{', '.join(map(str, paths))}: the inventory has no hosts")


def without_way_in(paths: Sequence[Path], playbooks: Path) -> list[str]:
    """In words, the hosts of these inventories with a connection that Seatrial does not have; none where only Ansible
    can tell."""
    try:
        hosts = ansible_sources.own(paths, playbooks)
        nodes = _nodes(hosts, playbooks)
    except Wrong:
        return []
    found = []
    for node in nodes:
        if node.connection is not None and node.connection.unknown:
            file, line = hosts[node.name].place("ansible_connection")
            place = f"{shown(Path(file or paths[0]))}:{line}" if line else shown(paths[0])
            found.append(f"{place}: {node.name} {node.connection.unknown}")
    return found


def place_of(paths: Sequence[Path], playbooks: Path, host: str) -> str:
    """File and line of a host's address, else of the host: `hosts.ini:3`; the inventories if only Ansible can tell."""
    try:
        found = ansible_sources.own(paths, playbooks)[host]
    except (Wrong, KeyError):
        return ", ".join(map(shown, paths))
    file, line = next((found.place(word) for word in _WORDS["host"] if word in found), ("", found.line))
    inventory = shown(Path(file or paths[0]))
    return f"{inventory}:{line}" if line else inventory


def hosts_in(paths: Sequence[Path]) -> tuple[str, ...] | None:
    """The hosts of these inventories; None: only Ansible can tell."""
    try:
        return tuple(ansible_sources.tree_of(paths).hosts)
    except Wrong:
        return None


def missing_from(paths: Sequence[Path], pattern: str) -> tuple[list[str], list[str]]:
    """The names in a pattern of hosts, such as `web:!old`, that no group or host of these inventories has, and the
    names that they have. Both are empty where only Ansible can say that."""
    try:
        tree = ansible_sources.tree_of(paths)
    except Wrong:
        return [], []
    known = {*tree.groups, *tree.hosts, *(child for group in tree.groups.values() for child in group.children)}
    plain = re.sub(r"[0-9a-f]*:[0-9a-f:]*:[0-9a-f.]*", "", pattern)  # IPv6 addresses, which have colons of their own
    words = [word.lstrip("!&") for word in re.split(r"[:,\s]+", plain)]
    named = [word for word in words if re.fullmatch(r"[\w.-]+", word)]
    missing = [word for word in named if word not in known and word not in ALWAYS_THERE]
    return missing, sorted(known - {"all"})


def _place(error: Wrong, source: str) -> str:
    file = error.file or source
    return f"{file}:{error.line}" if error.line else file


def _kind_of(error: Wrong) -> type[CannotTell]:
    return NeverTold if isinstance(error, Misspelt) else CannotTell


def _shown(text: str) -> str:
    """The beginning of an inventory as evidence, without the outputs that Terraform calls sensitive."""
    try:
        data = json.loads(text)
    except ValueError:
        return beginning(text, 2000)
    if terraform.is_shown(data):
        return ""  # a state has every secret in clear
    return beginning(json.dumps(terraform.without_secrets(data)) if terraform.is_outputs(data) else text, 2000)


def listed(hosts: Sequence[str | Mapping[str, Any]], source: str, folder: Path) -> list[Node]:
    """The machines of a list in settings: names, or mappings with a `name`."""
    try:
        named = [host if isinstance(host, Mapping) else {"name": host} for host in hosts]
        return _nodes(ansible.from_tree(named), folder)
    except Wrong as error:
        raise CannotTell(f"{source}: {error}") from None


def _style(text: str, source: str) -> str:
    suffix = Path(source.rstrip("`")).suffix.lower()  # a command, such as the output of `cat nodes.yml`
    if suffix in (".json", ".yaml", ".yml", ".ini"):
        return "yaml" if suffix == ".yml" else suffix[1:]
    if re.match(r"\s*(\{|\[\s*[\]{\"])", text):
        return "json"
    if ssh_config.looks_so(text):
        return "ssh_config"
    return "yaml" if re.match(r"(\s*#[^\n]*\n|---\s*\n|\s*\n)*[A-Za-z_][\w-]*:\s*$", text, re.MULTILINE) else "ini"


def _hosts(text: str, source: str, folder: Path, style: str, where: TerraformNodes) -> Hosts:
    if style == "ssh_config":
        return ssh_config.hosts(text, folder)
    tree = Tree()
    is_file = Path(source).parent == folder and Path(source).is_file()
    files = [FolderOfVariables(folder)] if is_file and beside(folder) else []
    if style in ("ini", "yaml"):
        if style == "ini":
            ansible.read_ini(text, tree)
        else:
            ansible.read_tree(ansible.with_lines(text), tree)
        return tree.merged(files)
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise Wrong(f"{error.msg}; {_JSON}", error.lineno) from None
    if terraform.is_outputs(data) or terraform.is_shown(data):
        return terraform.hosts_of(data, where)
    if terraform.is_nodes(data):
        return terraform.from_value(data, "the JSON")
    ansible.read_tree(data, tree)
    return tree.merged(files)


def _nodes(hosts: Hosts, folder: Path) -> list[Node]:
    nodes = {name: _node(name, variables, folder) for name, variables in hosts.items()}
    return [replace(node, ssh=_with_jump(node, nodes)) for node in nodes.values()]


_JSON = 'allowed: a list such as [{"name": "n1", "host": "10.0.0.1"}], or what `ansible-inventory --list` prints'
_NAME = re.compile(r"[A-Za-z0-9_][\w.:-]*", re.ASCII)


def _node(name: str, variables: Lined, folder: Path) -> Node:
    line = variables.line
    if not _NAME.fullmatch(name):  # it becomes a folder, an argument, and a part of selectors
        raise Wrong(f"invalid host name {name!r}; allowed: letters, digits, and . _ - : after the first of them", line)
    _require_plain(name, variables)
    ssh: dict[str, object] = {}
    for key, words in _WORDS.items():
        value = next((variables[word] for word in words if variables.get(word) not in (None, "")), None)
        if value is not None:
            ssh[key] = value
    for key, value in _from_arguments(variables):
        ssh.setdefault(key, value)
    own = {
        key: value
        for key, value in variables.items()
        if not key.startswith("ansible_") and not isinstance(value, ansible.Vaulted)
    }
    if "port" in ssh:
        ssh["port"] = _port(name, "port", ssh["port"], line)
    ports = {
        key.removesuffix("_port"): _port(name, key, value, line)
        for key, value in own.items()
        if key.endswith("_port") and not _is_template(value)
    }
    for file in ("key", "known_hosts"):
        if file in ssh:
            ssh[file] = _beside(ssh[file], folder)
    for switch in ("become", "accept"):
        if switch in ssh:
            ssh[switch] = str(ssh[switch]).lower() in _TRUE
    connection = _connection(name, variables, ssh, folder)
    here = connection is not None and connection.kind == LOCAL
    address = str(ssh.get("host", LOOPBACK if here else name))
    ways = {"host": address, "port": 22, **ssh} if connection is None else {}
    return Node(
        name=name, address=address, ports=ports, ssh=ways, connection=connection,
        folder=str(own.get("folder", "")), detail=own,
    )  # fmt: skip


_PLAIN = frozenset(word for words in _WORDS.values() for word in words) | {
    "ansible_connection", "ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_docker_host",
    "ansible_podman_host", "ansible_docker_executable", "ansible_podman_executable",
    *(word for words in _OF_PODS.values() for word in words),
}  # fmt: skip
"""Variables that say which machine is reached, and how."""


def _is_template(value: object) -> bool:
    """Whether Ansible would evaluate it; what looks like an expression of Seatrial is plain text in an inventory."""
    return isinstance(value, str) and _JINJA.search(value) is not None


def _require_plain(name: str, variables: Lined) -> None:
    """Wrong for a connection variable that only Ansible can evaluate: Seatrial could reach another machine."""
    for key in sorted(_PLAIN & variables.keys()):
        value, (file, line) = variables[key], variables.place(key)
        if isinstance(value, ansible.Vaulted):
            raise Wrong(f"{key} of {name} is encrypted by Ansible's vault; write it in plain text", line, file)
        if _is_template(value):
            raise Wrong(f"{key} of {name} is the template {value!r}; write the value itself", line, file)


def _connection(name: str, variables: Lined, ssh: Mapping[str, object], folder: Path) -> Connection | None:
    """Another way in than SSH, by `ansible_connection`; None: SSH."""
    word = str(variables.get("ansible_connection") or "ssh")
    kind = _CONNECTIONS.get(word.rpartition(".")[2], word)
    if kind == "ssh":
        return None
    if kind not in WAYS_IN and (near := closest(kind.rpartition(".")[2], _CONNECTIONS, cutoff=0.75)):
        why = f"{name} has the connection {word!r}; did you mean {near!r}? ways in: ssh, {', '.join(WAYS_IN)}"
        file, line = variables.place("ansible_connection")
        raise Misspelt(why, line, file)
    if unread := [key for key in _UNREAD if variables.get(key) not in (None, "")]:
        what = "pod; write what it says into the kubeconfig" if "kubectl" in unread[0] else "container"
        text = f"Seatrial does not read {unread[0]} of {name}; without it, it could reach another {what}"
        raise Wrong(text, variables.line)
    if kind == KUBECTL:
        return _into_pod(name, variables, ssh, folder)
    target = next((variables[key] for key in (f"ansible_{kind}_host", "ansible_host") if variables.get(key)), name)
    return Connection(
        kind=kind,
        target="" if kind == LOCAL else str(target),
        user=str(ssh.get("user", "")),
        become=ssh.get("become") is True,
        program=str(variables.get(f"ansible_{kind}_executable") or ""),
    )


def _into_pod(name: str, variables: Lined, ssh: Mapping[str, object], folder: Path) -> Connection:
    said = {
        key: next((str(variables[word]) for word in words if variables.get(word) not in (None, "")), "")
        for key, words in _OF_PODS.items()
    }
    paths = [str(_beside(path, folder)) for path in said["kubeconfig"].split(os.pathsep) if path]
    return Connection(
        kind=KUBECTL,
        target=said["pod"] or str(variables.get("ansible_host") or name),
        become=ssh.get("become") is True,
        environment={"KUBECONFIG": os.pathsep.join(paths)} if paths else {},
        context=said["context"],
        namespace=said["namespace"],
        container=said["container"],
    )


def _port(name: str, key: str, value: object, line: int) -> int:
    text = str(value)
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise Wrong(f"{name} has an invalid {key}: {text!r}; allowed: a port from 1 to 65535", line)
    return int(text)


def _beside(value: object, folder: Path) -> object:
    if isinstance(value, list | tuple):
        return [_beside(path, folder) for path in value]
    return str(folder / Path(str(value)).expanduser())


def _from_arguments(variables: Lined) -> Iterator[tuple[str, object]]:
    """The supported options in Ansible's extra arguments to ssh."""
    for word in ("ansible_ssh_common_args", "ansible_ssh_extra_args"):
        try:
            arguments = shlex.split(str(variables.get(word) or ""))
        except ValueError as error:
            raise Wrong(f"{word}: {error}", variables.line) from None
        for flag, value in pairwise(arguments):
            key, _, option = value.partition("=")
            if flag == "-J":
                yield "jump", value
            elif flag == "-o" and key.lower() == "proxyjump":
                yield "jump", option
            elif flag == "-o" and key.lower() == "userknownhostsfile" and option != "/dev/null":
                yield "known_hosts", option
            elif flag == "-o" and key.lower() == "stricthostkeychecking" and option.lower() in ssh_config.ANY_KEY:
                yield "accept", True


def _with_jump(node: Node, known: Mapping[str, Node]) -> Mapping[str, object]:
    """The way to a node; `user@host:port,…` of its jump as mappings. A machine of the inventory is reached by its own
    record."""
    jump = node.ssh.get("jump")
    if jump in (None, "none"):
        return {key: value for key, value in node.ssh.items() if key != "jump"}
    if isinstance(jump, str):
        inherited = {key: node.ssh[key] for key in ("key", "known_hosts", "user") if key in node.ssh}
        ways: Mapping[str, object] = {}
        for hop in jump.split(","):  # the first is reached from here, each other one through its predecessor
            ways = _hop(hop.strip(), node, known, inherited) | ({"jump": ways} if ways else {})
        jump = ways
    if not isinstance(jump, Mapping):
        raise Wrong(f"invalid jump {jump!r} of {node.name}; allowed: user@host:port, or a mapping with a host")
    return {**node.ssh, "jump": dict(jump)}


def _hop(hop: str, node: Node, known: Mapping[str, Node], inherited: Mapping[str, object]) -> dict[str, object]:
    if hop in known and hop != node.name:
        return {key: value for key, value in known[hop].ssh.items() if key != "jump"}
    match = _JUMP.fullmatch(hop)
    if match is None:
        raise Wrong(f"invalid jump {hop!r} of {node.name}; allowed: user@host:port")
    own = {key: value for key, value in match.groupdict().items() if value}
    return {**inherited, **own, "host": match["host"].strip("[]"), "port": int(match["port"] or 22)}
