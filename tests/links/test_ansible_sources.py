"""Ansible's inventories with group_vars and host_vars: Seatrial's own reader says the same as `ansible-inventory`."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest

from seatrial.errors import CannotTell
from seatrial.links import inventory, process
from seatrial.links.inventory import sources

LAYOUTS = {
    "host_vars change the port": {
        "hosts.ini": "[web]\nn1 ansible_host=127.0.0.1 ansible_port=22\nn2\n",
        "host_vars/n1.yml": "ansible_port: 2201\n",
    },
    "group_vars change the user, the nearer group wins": {
        "hosts.ini": "[web]\nn1\n[db]\nn2\n[site:children]\nweb\ndb\n"
        "[site:vars]\nansible_user=site\n[web:vars]\nx=ini\n",
        "group_vars/all.yml": "ansible_user: everybody\ny: all\n",
        "group_vars/web/10-user.yml": "ansible_user: web\n",
        "group_vars/web/20-more.yaml": "x: file\n",
        "group_vars/web/notes.txt": "no: variables\n",
        "group_vars/site": "y: site\nx: site\n",
    },
    "siblings by name, and by priority": {
        "hosts.yml": """
all:
  children:
    b: {hosts: {n1: , n2: {z: own}}, vars: {x: b, y: b, z: b}}
    a: {hosts: {n1: , n2: }, vars: {x: a, y: a, z: a}}
    c: {hosts: {n1: }, vars: {ansible_group_priority: 0, x: c, y: c}}
  vars: {x: all}
""",
        "group_vars/all/a.yml": "y: all\n",
        "host_vars/n2": "z: beside\n",
    },
    "a folder with several files": {
        "prod/10-web.ini": "[web]\nn[1:2] x=ini\n",
        "prod/20-db.yml": "db: {hosts: {n3: {x: yaml}}, vars: {y: db}}\nweb: {vars: {y: web}}\n",
        "prod/notes.md": "# no inventory\n",
        "prod/group_vars/web.yml": "z: web\n",
        "prod/host_vars/n2.json": '{"x": "json"}',
    },
    "hosts that no group has": {"hosts.ini": "n1\nn2 x=1\n", "group_vars/ungrouped.yml": "y: alone\n"},
    "variables beside the playbook": {
        "inventories/prod/hosts.ini": "[web]\nn1 x=inventory\nn2\n",
        "inventories/prod/group_vars/web.yml": "x: group\ny: group\n",
        "group_vars/web.yml": "y: play\n",
        "host_vars/n1.yml": "x: play\n",
    },
}


def laid_out(folder: Path, files: dict[str, str]) -> list[Path]:
    """Write the files; the inventories among them."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    if any(name.startswith("prod/") for name in files):
        return [folder / "prod"]
    return [folder / name for name in files if Path(name).name.startswith("hosts")]


@pytest.mark.backend("ansible")
@pytest.mark.parametrize("name", LAYOUTS)
def test_the_own_reader_says_the_same_as_ansible_inventory(name, tmp_path, tool):
    found = laid_out(tmp_path, LAYOUTS[name])
    words = [str(tool("ansible").parent / "ansible-inventory"), *(word for path in found for word in ("-i", str(path)))]
    done = subprocess.run(
        [*words, "--list", "--playbook-dir", str(tmp_path)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    listed = json.loads(done.stdout)
    theirs = {host: variables for host, variables in listed["_meta"]["hostvars"].items() if host != "_meta"}
    ours = {host: dict(variables) for host, variables in sources.own(found, tmp_path).items()}

    def texts(hosts: dict) -> dict:
        return {host: {key: str(value) for key, value in own.items()} for host, own in hosts.items() if own}

    assert texts(ours) == texts(theirs)


def test_host_vars_beside_an_inventory_file_are_read(tmp_path):
    (path,) = laid_out(tmp_path, LAYOUTS["host_vars change the port"])
    first, second = inventory.read(path.read_text(), str(path), tmp_path)
    assert (first.ssh["port"], second.ssh["port"]) == (2201, 22)


WRONG = {
    "a vault's file": (
        {"hosts.ini": "n1\n", "host_vars/n1.yml": "$ANSIBLE_VAULT;1.1;AES256\n6132\n"},
        r"host_vars/n1.yml:1: .*encrypted by Ansible's vault, which only ansible-inventory can read",
    ),
    "a vault's value": (
        {
            "hosts.ini": "n1\n",
            "host_vars/n1.yml": "a: 1\nansible_user: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6132\n",
        },
        r"host_vars/n1.yml:2: .*ansible_user of n1 is encrypted",
    ),
    "a template": (
        {"hosts.ini": "[web]\nn1\n", "group_vars/web.yml": "\nansible_host: '{{ private_ip }}'\n"},
        r"group_vars/web.yml:2: .*ansible_host of n1 is the template",
    ),
    "a template in the inventory": (
        {"hosts.ini": "[web]\n\nn1 ansible_port={{base}}\n"},
        r"hosts.ini:3: .*ansible_port of n1 is the template",
    ),
    "broken YAML": (
        {"hosts.ini": "n1\n", "host_vars/n1.yml": "a: 1\nb: [\n"},
        r"host_vars/n1.yml:3: .*expected the node content",
    ),
    "a list": ({"hosts.ini": "n1\n", "group_vars/all.yml": "- 1\n"}, r"group_vars/all.yml:1: .*not variables"),
    "a plugin": (
        {"hosts.yml": "plugin: amazon.aws.aws_ec2\n"},
        r"hosts.yml: .*the configuration of the plugin amazon.aws.aws_ec2",
    ),
    "no hosts": ({"hosts.ini": "[web]\n"}, "hosts.ini: the inventory has no nodes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_only_ansible_can_read_is_refused_with_its_file_and_line(name, tmp_path):
    files, said = WRONG[name]
    (path,) = laid_out(tmp_path, files)
    with pytest.raises(CannotTell, match=said):
        inventory.read(path.read_text(), str(path), tmp_path)


def test_an_encrypted_value_of_another_variable_is_left_out(tmp_path):
    files = {"hosts.ini": "n1\n", "host_vars/n1.yml": "secret: !vault |\n  $ANSIBLE_VAULT\nport_base: '{{ x }}'\n"}
    (path,) = laid_out(tmp_path, files)
    (node,) = inventory.read(path.read_text(), str(path), tmp_path)
    assert node.detail == {"port_base": "{{ x }}"}


def asked(found: list[Path], folder: Path, program: Path) -> list:
    async def run(words, more):
        return await process.run(words, env={**os.environ, **more}, cwd=folder, timeout=60)

    return asyncio.run(inventory.of_ansible(found, run, folder, program=str(program)))


@pytest.mark.backend("ansible")
@pytest.mark.parametrize("name", ["broken YAML", "a template", "no hosts", "a list"])
def test_ansibles_own_tool_refuses_the_same_with_the_file(name, tmp_path, tool):
    found = laid_out(tmp_path, WRONG[name][0])
    file = list(WRONG[name][0])[-1] if name != "a template" else "ansible_host of n1 is the template"
    with pytest.raises(CannotTell, match=Path(file).name):
        asked(found, tmp_path, tool("ansible").parent / "ansible-inventory")


@pytest.mark.backend("ansible")
def test_hosts_without_any_variable_are_nodes_too(tmp_path, tool):
    found = laid_out(tmp_path, {"hosts.ini": "[web]\nn1\nn2 x=1\n"})
    nodes = asked(found, tmp_path, tool("ansible").parent / "ansible-inventory")
    assert sorted(node.name for node in nodes) == ["n1", "n2"]


def test_a_script_is_refused_without_ansible(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    script = tmp_path / "hosts"
    script.write_text("#!/bin/sh\necho '{}'\n")
    script.chmod(0o755)

    async def run(words, more):
        raise AssertionError("it is not installed")

    with pytest.raises(CannotTell, match=r"hosts:1: .*a program, which only ansible-inventory can run"):
        asyncio.run(inventory.of_ansible([script], run, tmp_path))
