"""Nodes from inventories."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.errors import CannotTell
from seatrial.systems import inventory

INI = """
# three nodes
[db]
n11 ansible_host=10.0.0.11 ansible_port=2222 client_port=8080 note='two words'
n[12:13] ansible_host=10.0.0.12

[db:vars]
ansible_user=ubuntu
ansible_ssh_private_key_file = keys/id

[all:vars]
ansible_user=nobody
"""
YAML = """
all:
  vars: {ansible_user: ubuntu, ansible_ssh_private_key_file: keys/id}
  children:
    db:
      hosts:
        n11: {ansible_host: 10.0.0.11, ansible_port: 2222, client_port: 8080, note: two words}
        n[12:13]: {ansible_host: 10.0.0.12}
"""
LISTED = """{"_meta": {"hostvars": {
 "n11": {"ansible_host": "10.0.0.11", "ansible_port": 2222, "client_port": 8080, "note": "two words",
         "ansible_user": "ubuntu", "ansible_ssh_private_key_file": "keys/id"},
 "n12": {"ansible_host": "10.0.0.12", "ansible_user": "ubuntu", "ansible_ssh_private_key_file": "keys/id"},
 "n13": {"ansible_host": "10.0.0.12", "ansible_user": "ubuntu", "ansible_ssh_private_key_file": "keys/id"}}},
 "db": {"hosts": ["n11", "n12", "n13"]}}"""
PLAIN = """[{"name": "n11", "host": "10.0.0.11", "port": 2222, "user": "ubuntu", "key": "keys/id", "client_port": 8080,
 "note": "two words"}, {"name": "n12", "host": "10.0.0.12", "user": "ubuntu", "key": "keys/id"},
 {"name": "n13", "host": "10.0.0.12", "user": "ubuntu", "key": "keys/id"}]"""


@pytest.mark.parametrize("text", [INI, YAML, LISTED, PLAIN], ids=["ini", "yaml", "ansible-inventory", "list"])
def test_every_form_gives_the_same_nodes(text):
    first, second, third = inventory.read(text, "inventory", Path("/deploy"))
    assert (first.name, first.address) == ("n11", "10.0.0.11")
    assert {key: first.ssh.get(key) for key in ("host", "port", "user", "key")} == {
        "host": "10.0.0.11",
        "port": 2222,
        "user": "ubuntu",
        "key": "/deploy/keys/id",
    }
    assert first.ports == {"client": 8080}
    assert first.detail["note"] == "two words"
    assert (second.name, third.name) == ("n12", "n13")
    assert second.ssh["port"] == 22
    assert second.ports == {}


@pytest.mark.parametrize(
    ("text", "style", "said"),
    [
        ("", "auto", "names no nodes"),
        ("[db]\n", "auto", "names no nodes"),
        ("[]", "auto", "names no nodes"),
        ("[db]\nn11 what", "auto", "line 2: 'what' is not KEY=VALUE"),
        ("{broken", "json", "cannot be read as json"),
        ("a: [", "yaml", "cannot be read as yaml"),
        ("n11 ansible_port=ssh", "auto", "a port that is no number"),
        ('[{"host": "x"}]', "auto", "no mapping with a name"),
    ],
)
def test_an_inventory_that_cannot_be_used_says_why(text, style, said):
    with pytest.raises(CannotTell, match=said):
        inventory.read(text, "hosts", Path("/deploy"), style)


def test_a_local_connection_has_no_ssh():
    (node,) = inventory.read("n11 ansible_connection=local ansible_host=127.0.0.1", "hosts", Path("/deploy"))
    assert (dict(node.ssh), node.address) == ({}, "127.0.0.1")
