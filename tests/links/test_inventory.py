"""Nodes from inventories."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from seatrial.errors import CannotTell, NeverTold
from seatrial.links import inventory
from seatrial.model.resource import Connection

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
        ("", "auto", "inventory has no nodes"),
        ("[db]\n", "auto", "inventory has no nodes"),
        ("[]", "auto", "inventory has no nodes"),
        ("[db]\nn11 what", "auto", "hosts:2: .*'what' is not KEY=VALUE: a value with spaces needs quotes"),
        ("[db]\nn11 ansible_host={{ ip }}", "auto", "hosts:2: .*'ip' is not KEY=VALUE: write the value itself"),
        ("{broken", "json", "cannot be read as json"),
        ("a: [", "yaml", "cannot be read as yaml"),
        ("n11 ansible_port=ssh", "auto", "hosts:1: .*has an invalid port: 'ssh'"),
        ('[{"host": "x"}]', "auto", "is not a mapping with a name"),
    ],
)
def test_an_inventory_that_cannot_be_used_says_why(text, style, said):
    with pytest.raises(CannotTell, match=said):
        inventory.read(text, "hosts", Path("/deploy"), style)


@pytest.mark.parametrize(("host", "address"), [("", "127.0.0.1"), ("ansible_host=127.0.0.9", "127.0.0.9")])
def test_a_local_connection_is_a_way_in_without_ssh(host, address):
    (node,) = inventory.read(f"n11 ansible_connection=local {host}", "hosts", Path("/deploy"))
    assert (dict(node.ssh), node.address) == ({}, address)
    assert node.connection == Connection(kind="local")
    assert not node.proves_itself


@pytest.mark.parametrize(
    ("variables", "connection"),
    [
        ("ansible_connection=podman", Connection(kind="podman", target="n11")),
        ("ansible_connection=containers.podman.podman ansible_host=web-1", Connection(kind="podman", target="web-1")),
        ("ansible_connection=community.docker.docker_api", Connection(kind="docker", target="n11")),
        ("ansible_connection=docker ansible_user=app", Connection(kind="docker", target="n11", user="app")),
        ("ansible_connection=docker ansible_become=yes", Connection(kind="docker", target="n11", become=True)),
        ("ansible_connection=docker ansible_docker_host=c1 ansible_host=x", Connection(kind="docker", target="c1")),
        ("ansible_connection=kubernetes.core.kubectl", Connection(kind="kubectl", target="n11")),
        ("ansible_connection=kubectl ansible_kubectl_pod=web-0 ansible_host=10.0.0.1 ansible_kubectl_namespace=shop "
         "ansible_kubectl_container=main ansible_kubectl_context=c ansible_kubectl_kubeconfig=config",
         Connection(kind="kubectl", target="web-0", namespace="shop", container="main", context="c",
                    environment={"KUBECONFIG": "/deploy/config"})),
        ("ansible_connection=winrm", Connection(kind="winrm", target="n11")),
        ("ansible_connection=ansible.builtin.ssh", None),
        ("ansible_connection=paramiko", None),
    ],
)  # fmt: skip
def test_a_connection_of_ansible_is_a_way_in(variables, connection):
    (node,) = inventory.read(f"n11 {variables}", "hosts", Path("/deploy"))
    assert node.connection == connection
    assert bool(node.ssh) == (connection is None)
    assert node.proves_itself


@pytest.mark.parametrize(
    ("word", "near"),
    [("podmna", "podman"), ("containers.podman.podmna", "podman"), ("lcoal", "local"), ("sssh", "ssh")],
)
def test_a_misspelt_connection_is_refused_for_good_with_the_nearest_one(word, near):
    with pytest.raises(NeverTold, match=f"hosts:2: .* n11 has the connection '{word}'; did you mean '{near}'?"):
        inventory.read(f"# hosts\nn11 ansible_connection={word}", "hosts", Path("/deploy"))


@pytest.mark.parametrize(
    "word", ["winrm", "libssh", "network_cli", "oc", "lxc", "lxd", "incus", "zone", "jail", "chroot", "aws_ssm", "psrp",
             "community.general.machinectl", "community.docker.nsenter", "httpapi", "netconf", "buildah", "qubes"],
)  # fmt: skip
def test_a_connection_that_only_ansible_has_is_no_mistake(word):
    (node,) = inventory.read(f"n11 ansible_connection={word}", "hosts", Path("/deploy"))
    assert node.connection is not None


def test_another_engine_than_the_default_is_refused_and_not_guessed():
    with pytest.raises(CannotTell, match=r"hosts:1: .* does not read ansible_docker_extra_args of n11"):
        inventory.read("n11 ansible_connection=docker ansible_docker_extra_args='-H x'", "hosts", Path("/deploy"))


@pytest.mark.parametrize(
    ("variable", "why"),
    [
        ("ansible_kubectl_token=abc", "does not read ansible_kubectl_token of n11; .* another pod; .* the kubeconfig"),
        ("ansible_kubectl_host=https://c", "does not read ansible_kubectl_host of n11"),
        ("ansible_kubectl_extra_args=--as=me", "does not read ansible_kubectl_extra_args of n11"),
        ("ansible_kubectl_pod='{{ pod }}'", "ansible_kubectl_pod of n11 is the template"),
    ],
)
def test_another_pod_or_user_than_the_variables_say_is_refused_and_not_guessed(variable, why):
    with pytest.raises(CannotTell, match=why) as refused:
        inventory.read(f"n11 ansible_connection=kubectl {variable}", "hosts", Path("/deploy"))
    assert "abc" not in str(refused.value)


def one(text: str, style: str = "auto", folder: Path = Path("/deploy")):
    (node,) = inventory.read(text, "hosts", folder, style)
    return node


CONFIG = """
# machines of the team
Host *.example.org !n13
    User nobody
Host n11 web?
    HostName 10.0.0.11
    Port 2222
    IdentityFile ~/keys/%h
    IdentityFile keys/second
    UserKnownHostsFile known
    ProxyJump gate
Host gate
    HostName=gate.example.org
    User porter
Host *
    User ubuntu
    Port 22
Match exec "touch /tmp/never"
    Port 1
"""


def test_an_openssh_configuration_names_machines_and_patterns_are_none():
    first, gate = inventory.read(CONFIG, "config", Path("/deploy"))
    assert (first.name, gate.name) == ("n11", "gate")
    assert first.ssh["host"] == "10.0.0.11"
    assert (first.ssh["port"], first.ssh["user"]) == (2222, "ubuntu")
    assert first.ssh["key"] == [str(Path.home() / "keys/10.0.0.11"), "/deploy/keys/second"]
    assert first.ssh["known_hosts"] == "/deploy/known"
    assert first.ssh["jump"] == {"host": "gate.example.org", "port": 22, "user": "porter"}
    assert gate.ssh == {"host": "gate.example.org", "port": 22, "user": "porter"}


@pytest.mark.parametrize(
    ("value", "accepted"),
    [("no", True), ("off", True), ("accept-new", True), ("yes", False), ("ask", False), ("", False)],
)
def test_an_inventory_that_checks_no_host_keys_accepts_the_first_one(value: str, accepted: bool) -> None:
    option = f"-o StrictHostKeyChecking={value} " if value else ""
    ini = f"n11 ansible_ssh_common_args='{option}-o UserKnownHostsFile=/dev/null'"
    line = f"  StrictHostKeyChecking {value}\n" if value else ""
    for text in (ini, f"Host n11\n{line}  UserKnownHostsFile=/dev/null\n"):
        node = one(text)
        assert node.ssh.get("accept", False) is accepted
        assert "known_hosts" not in node.ssh


def test_an_openssh_configuration_includes_others(tmp_path):
    (tmp_path / "more.d").mkdir()
    (tmp_path / "more.d/a").write_text("Host n12\n  Port 23\n")
    node = one("Include more.d/*\n", folder=tmp_path)
    assert (node.name, node.ssh["port"]) == ("n12", 23)


@pytest.mark.parametrize(
    "text",
    [
        "n11 ansible_host=h ansible_ssh_common_args='-o ProxyJump=u@gate:2200'",
        "n11 ansible_host=h ansible_ssh_common_args='-J u@gate:2200'",
        '[{"name": "n11", "host": "h", "jump": "u@gate:2200"}]',
    ],
)
def test_a_jump_host_is_read(text):
    assert one(text).ssh["jump"] == {"host": "gate", "port": 2200, "user": "u"}


def test_a_chain_of_jumps_is_gone_through_in_its_order():
    jump = one('[{"name": "n11", "host": "h", "jump": "a,u@b:23", "key": "k"}]').ssh["jump"]
    first = {"host": "a", "port": 22, "key": "/deploy/k"}
    assert jump == {"host": "b", "port": 23, "user": "u", "key": "/deploy/k", "jump": first}


def test_become_is_read_as_ansible_means_it():
    assert one("n11 ansible_become=yes").ssh["become"] is True
    assert one("n11 ansible_become=false").ssh["become"] is False
    assert "become" not in one("n11").ssh


def test_a_port_may_stand_behind_a_host():
    nodes = inventory.read("n[1:2].example.org:2222 client_port=8", "hosts", Path("/deploy"))
    assert [(node.name, node.ssh["port"], node.ports["client"]) for node in nodes] == [
        ("n1.example.org", 2222, 8),
        ("n2.example.org", 2222, 8),
    ]


def test_variables_of_nearer_groups_win():
    text = """
    [east]
    n11
    n12 ansible_user=own
    [all:vars]
    ansible_user=everybody
    ansible_port=23
    [site:children]
    east
    [site:vars]
    ansible_user=site
    key=k
    [east:vars]
    ansible_user=east
    """
    first, second = inventory.read(text, "hosts", Path("/deploy"))
    assert (first.ssh["user"], first.ssh["port"], first.ssh["key"]) == ("east", 23, "/deploy/k")
    assert second.ssh["user"] == "own"


@pytest.mark.parametrize(
    ("text", "style", "said"),
    [
        ("ok\n[db\n", "ini", "hosts:2: .*invalid section"),
        ("[db:hosts]\nn11", "ini", "hosts:1: .*unknown section"),
        ("n11\n[db:vars]\nuser", "ini", "hosts:3: .*not KEY=VALUE"),
        ("n[1:]", "ini", "hosts:1: .*invalid host range"),
        ("n[3:1]", "ini", "hosts:1: .*has no hosts"),
        ("n[1:99999999999]", "ini", "hosts:1: .*more than 10000"),
        ("n[1:3:0]", "ini", "hosts:1: .*has no hosts"),
        ("n11 'x", "ini", "hosts:1: .*No closing quotation"),
        ("all:\n  hosts:\n    n11: {ansible_port: ssh}\n", "yaml", "hosts:3: .*has an invalid (ansible_)?port: 'ssh'"),
        ("all:\n  hosts:\n    n11: what\n", "yaml", "hosts:2: .*the host n11 is 'what'"),
        ("all:\n  hosts:\n    n11: [\n", "yaml", r"hosts:\d: .*cannot be read as yaml"),
        ("all:\n  children: 3\n", "yaml", "hosts:1: .*the children of all"),
        ("a: &a\n  children: {b: *a}\n", "yaml", "its own child|recursive|cannot be read"),
        ("- name: n11\n- name: n11\n", "yaml", "hosts:2: .*duplicate name"),
        ('{"all":\n oops}', "json", "hosts:2: .*cannot be read as json"),
        ("Host n11\n  Port ssh\n", "auto", "has an invalid port: 'ssh'"),
        ("Host n11\n  Port\n", "auto", "hosts:2: .*is not KEYWORD VALUE"),
        ("n11 ansible_port=70000", "auto", "hosts:1: .*1 to 65535"),
        ("n11 ansible_ssh_common_args='-J u@g:x'", "auto", "allowed: user@host:port"),
        ("n11 ansible_ssh_common_args='-J \"'", "auto", "hosts:1: .*ansible_ssh_common_args"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(text, style, said):
    with pytest.raises(CannotTell, match=said):
        inventory.read(text, "hosts", Path("/deploy"), style)


def test_a_list_in_settings_holds_names_or_mappings():
    first, second = inventory.listed(["10.0.0.1", {"name": "n12", "host": "h", "port": 23}], "hosts", Path("/deploy"))
    assert (first.name, first.address, first.ssh["port"]) == ("10.0.0.1", "10.0.0.1", 22)
    assert (second.name, second.address, second.ssh["port"]) == ("n12", "h", 23)
    with pytest.raises(CannotTell, match="duplicate name 'a'"):
        inventory.listed(["a", "a"], "providers.ssh.hosts", Path("/deploy"))


NAMES = st.from_regex(r"[a-z][a-z0-9.-]{0,8}", fullmatch=True)
WORDS = st.text("abcXYZ019 '\"\\#=é/~$", min_size=1, max_size=12).filter(lambda text: text.strip() == text)
MACHINES = st.dictionaries(
    NAMES, st.fixed_dictionaries({"ansible_port": st.integers(1, 65535), "ansible_user": WORDS}), min_size=1, max_size=5
)


@given(MACHINES)
def test_all_forms_say_the_same_of_the_same_machines(machines):
    import shlex

    lines = [f"{name} " + " ".join(f"{key}={shlex.quote(str(value))}" for key, value in own.items()) for name, own in
             machines.items()]  # fmt: skip
    tree = {"all": {"hosts": machines}}
    forms = {
        "ini": "\n".join(["[db]", *lines]),
        "yaml": yaml.safe_dump(tree, sort_keys=False, allow_unicode=True),
        "json": json.dumps(tree),
    }
    read = {style: inventory.read(text, "hosts", Path("/deploy"), style) for style, text in forms.items()}
    for nodes in read.values():
        assert {node.name: (node.ssh["port"], node.ssh["user"]) for node in nodes} == {
            name: (own["ansible_port"], own["ansible_user"]) for name, own in machines.items()
        }


@given(st.integers(0, 2000), st.integers(0, 50), st.integers(1, 5), st.integers(1, 5))
def test_a_range_holds_both_its_ends(begin, length, step, width):
    text = f"n[{str(begin).zfill(width)}:{begin + length}:{step}]"
    names = [node.name for node in inventory.read(text, "hosts", Path("/deploy"))]
    assert names == [
        "n" + str(one).zfill(max(width, len(str(begin)))) for one in range(begin, begin + length + 1, step)
    ]


@given(st.text(max_size=200), st.sampled_from(["auto", *inventory.STYLES]))
def test_no_text_breaks_the_reader(text, style):
    said = ""
    try:
        inventory.read(text, "hosts", Path("/nowhere"), style)
    except CannotTell as error:
        said = str(error)
    assert not said or said.startswith("hosts:")


@pytest.mark.parametrize("name", ["a b", "n11;touch x", "-rf", "../n11", ".n11", "$(id)", "n11,n12", "n\n1", "*"])
def test_a_name_that_is_no_word_is_refused(name: str) -> None:
    text = json.dumps({"all": {"hosts": {name: {"ansible_host": "127.0.0.1"}}}})
    with pytest.raises(CannotTell, match="invalid host name"):
        inventory.read(text, "hosts", Path("/deploy"), "json")


@pytest.mark.parametrize("name", ["n11", "db_1", "db-1.example.org", "10.0.0.5", "2001:db8::1", "_x"])
def test_names_as_inventories_have_them_are_taken(name: str) -> None:
    text = json.dumps({"all": {"hosts": {name: {"ansible_host": "127.0.0.1"}}}})
    assert [node.name for node in inventory.read(text, "hosts", Path("/deploy"), "json")] == [name]
