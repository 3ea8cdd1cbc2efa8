"""The first mistakes of people with a configuration or with playbooks: what is wrong, where, and what to write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.acceptance.harness import Project

MAIN = """\
variable "size" {
  type    = number
  default = 2
}
resource "terraform_data" "web" { count = var.size }
output "nodes" { value = { web1 = { host = "127.0.0.1", ansible_connection = "local" } } }
"""
STEPS = "test_suites: {first: {workflow: [{step: deploy}, {step: validate, checks: [ssh_connectivity]}]}}\n"
TERRAFORM = "system:\n  kind: terraform\n  folder: infra\n" + STEPS
PLAY = "- hosts: web\n  gather_facts: false\n  tasks:\n    - ansible.builtin.command: 'true'\n"
HOSTS = "[web]\nweb1 ansible_connection=local\n"
PLAYBOOKS = "  deploy: site.yml\n  destroy: remove.yml\n"
ANSIBLE = f"system:\n  kind: ansible\n  folder: site\n{PLAYBOOKS}  inventory: hosts.ini\n{STEPS}"

Mistake = tuple[str, Mapping[str, str], str, str]
"""The document, files of the project, what is wrong with its place, and what to write."""


def more(document: str, line: str) -> str:
    """A document with one more line in its system."""
    return document.replace("  folder:", f"  {line}\n  folder:", 1)


def step(document: str, line: str) -> str:
    return document.replace("{step: validate", f"{{{line}}}, {{step: validate")


IN_TERRAFORM: dict[str, Mistake] = {
    "no output names the nodes": (
        TERRAFORM, {"infra/main.tf": MAIN.replace('"nodes"', '"ips"')},
        "2:3: the configuration has no output 'nodes', so nothing names the nodes", "add `output 'nodes'`"),
    "a variable has no value": (
        TERRAFORM, {"infra/vars.tf": '# where\nvariable "region" {\n  type = string\n}\n'},
        "2:3: the variable 'region' (vars.tf:2) has no default", "write `variables: {region: …}`"),
    "a variable has another name": (
        more(TERRAFORM, "variables: {sise: 3}"), {}, "3:21: the configuration declares no variable 'sise'",
        "did you mean 'size'?"),
    "the folder has another name": (
        TERRAFORM.replace("infra", "terraform"), {}, "3:11: there is no folder 'terraform' beside the document",
        "folders with a configuration: infra"),
    "the document is beside the folder": (
        TERRAFORM.replace("folder: infra", "folder: ."), {}, "3:11: '.' holds no configuration",
        "*.tofu.json; here: infra"),
    "the key has another name": (
        more(TERRAFORM, "vars: {size: 3}"), {}, "3:3: unknown key 'vars' of system 'terraform'",
        "did you mean 'variables'?"),
    "the backend is named": (
        more(TERRAFORM, "backend: s3"), {}, "3:12: 's3' is not allowed", "allowed: configured, own"),
    "the state is in Terraform Cloud": (
        more(TERRAFORM, "backend: configured"),
        {"infra/main.tf": 'terraform {\n  cloud {\n    organization = "acme"\n  }\n}\n' + MAIN},
        "3:12: main.tf:2 has a `cloud` block", "leave `backend` out"),
    "a file of values is elsewhere": (
        more(TERRAFORM, "variable_files: [prod.tfvars]"), {"infra/lab.tfvars": "size = 1\n"},
        "3:19: there is no file 'prod.tfvars' in 'infra'", "files there: lab.tfvars"),
    "nothing stops a node": (
        step(TERRAFORM, "step: stop_node, target_node: web1"), {}, "needs the power 'stop'",
        "write `stop_node:` (a command) or `power: {variable: NAME}` into `system:`"),
    "a container cannot crash from inside": (
        step(more(TERRAFORM, "inventory: {variables: {ansible_connection: podman}}"),
             "step: crash_node, target_node: web1"), {}, "needs the power 'crash in the guest'",
        "write `crash_node:` (for steps with `method: destroy`)"),
    "nothing measures the service": (
        TERRAFORM.replace("ssh_connectivity", "cluster_status"), {}, "the check 'cluster_status' can never tell",
        "write `health:` into `system:`"),
}  # fmt: skip

IN_ANSIBLE: dict[str, Mistake] = {
    "there is no playbook that destroys": (
        ANSIBLE.replace("  destroy: remove.yml\n", ""), {}, "2:3: system 'ansible' needs the key 'destroy'",
        "`destroy: …` is the name of a file, or a list of names. The playbook that removes the system; it must also"),
    "there is no inventory key": (
        ANSIBLE.replace("  inventory: hosts.ini\n", ""), {}, "2:3: system 'ansible' needs the key 'inventory'",
        "The inventory, a file or a folder"),
    "the inventory has another name": (
        ANSIBLE.replace("hosts.ini", "inventory.ini"), {}, "6:14: there is no inventory 'inventory.ini' in 'site'",
        "add `creates_machines: true`"),
    "the inventory is a list of hosts": (
        ANSIBLE.replace("hosts.ini", '"web1,web2,"'), {}, "6:14: there is no inventory 'web1,web2,'",
        "write these hosts into a file, one a line, and name it; files here: hosts.ini"),
    "the key has another name": (
        ANSIBLE.replace("  deploy:", "  playbook:"), {}, "unknown key 'playbook' of system 'ansible'",
        "system 'ansible' needs the key 'deploy'"),
    "the rule has another name": (
        more(ANSIBLE, "rule: majorty"), {}, "3:9: unknown rule 'majorty'", "did you mean 'majority'? rules: all"),
    "the playbook has another name": (
        ANSIBLE.replace("deploy: site.yml", "deploy: main.yml"), {}, "4:11: there is no playbook 'main.yml' in 'site'",
        "files here: remove.yml, site.yml"),
    "the playbook is not YAML": (
        ANSIBLE, {"site/site.yml": "- hosts: web\n  tasks:\n\t- command: x\n"},
        "4:11: site/site.yml:3: it is not YAML", "found character '\\t' that cannot start any token"),
    "the playbook is a file of tasks": (
        ANSIBLE, {"site/site.yml": "---\n- name: x\n  ansible.builtin.command: x\n"},
        "4:11: site/site.yml:2: a play needs `hosts`", "write `- hosts: GROUP`"),
    "a play has a misspelt key": (
        ANSIBLE, {"site/site.yml": PLAY.replace("  tasks:", "  task:")},
        "4:11: site/site.yml:3: a play has no key 'task'", "did you mean 'tasks'?"),
    "hosts is misspelt": (
        ANSIBLE, {"site/site.yml": PLAY.replace("- hosts:", "- host:")},
        "4:11: site/site.yml:1: a play has no key 'host'", "did you mean 'hosts'?"),
    "a play has the key of a task": (
        ANSIBLE, {"site/site.yml": PLAY.replace("  tasks:", "  when: true\n  tasks:")},
        "4:11: site/site.yml:3: a play has no key 'when'", "it belongs to a task, below `tasks:`"),
    "a task has a misspelt key": (
        ANSIBLE, {"site/site.yml": PLAY + "      registr: done\n"},
        "4:11: site/site.yml:5: a task has no key 'registr'", "did you mean 'register'?"),
    "a block has a misspelt key": (
        ANSIBLE, {"site/site.yml": PLAY + "    - rescu: []\n      block:\n        - ansible.builtin.command: x\n"},
        "4:11: site/site.yml:5: a block has no key 'rescu'", "did you mean 'rescue'?"),
    "arguments are beside their module": (
        ANSIBLE, {"site/site.yml": PLAY + "    - copy:\n      src: a\n      dest: b\n"},
        "4:11: site/site.yml:6: a task has no key 'src'", "indent the arguments of the module below `copy:`"),
    "a task has two modules": (
        ANSIBLE, {"site/site.yml": PLAY + "      shell: x\n"},
        "4:11: site/site.yml:5: a task has one module, and this one has 'ansible.builtin.command' and 'shell'",
        "begin another `- `"),
    "the tasks are no list": (
        ANSIBLE, {"site/site.yml": "- hosts: web\n  tasks:\n    ansible.builtin.command: x\n"},
        "4:11: site/site.yml:2: `tasks` is a list", "write `- ` before each task"),
    "nobody gives the password of a vault": (
        ANSIBLE, {"site/group_vars/web.yml": "$ANSIBLE_VAULT;1.1;AES256\n3030\n"},
        "2:3: group_vars/web.yml is encrypted by Ansible's vault", "write `vault_password_file: FILE`"),
    "an address is a template": (
        ANSIBLE, {"site/hosts.ini": "[web]\nweb1 ansible_host={{ip}}\n"},
        "hosts.ini:2: ansible_host of web1 is the template '{{ip}}'", "write the value itself"),
    "the connection has another name": (
        ANSIBLE, {"site/hosts.ini": "[web]\nweb1 ansible_connection=podmna\n"},
        "hosts.ini:2: web1 has the connection 'podmna'", "did you mean 'podman'? ways in: ssh, local, docker"),
    "the inventory is empty": (
        ANSIBLE, {"site/hosts.ini": "[web]\n"}, "hosts.ini: the inventory has no hosts", "6:14"),
    "the hosts are of no group": (
        more(ANSIBLE, "hosts: 'wbe:!web1'"), {}, "no group or host of hosts.ini is named 'wbe'", "did you mean 'web'?"),
    "the node has another name": (
        step(ANSIBLE, "step: restart_node, target_node: wbe1"), {},
        "unknown node 'wbe1'", "did you mean 'web1'? nodes: web1"),
    "nothing stops a node": (
        step(ANSIBLE, "step: stop_node, target_node: web1"), {}, "needs the power 'stop'",
        "write `stop: FILE` into `system:`"),
}  # fmt: skip
CASES = {
    **{f"terraform: {name}": mistake for name, mistake in IN_TERRAFORM.items()},
    **{f"ansible: {name}": mistake for name, mistake in IN_ANSIBLE.items()},
}
FILES = {"infra/main.tf": MAIN, "site/site.yml": PLAY, "site/remove.yml": PLAY, "site/hosts.ini": HOSTS}


def checked(folder: Path, document: str, files: Mapping[str, str]) -> tuple[int, str]:
    for name, text in {**FILES, **files, "a.yaml": document}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    done = Project(folder).seatrial("check", "a.yaml")
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", CASES)
def test_a_first_mistake_is_named_with_its_place_and_what_to_write(name: str, tmp_path: Path) -> None:
    document, files, wrong, remedy = CASES[name]
    code, said = checked(tmp_path, document, files)
    assert code == 2, said
    assert "error: a.yaml:" in said
    assert wrong in said
    assert remedy in said


def test_a_misspelt_module_of_ansible_is_a_warning_with_its_line(tmp_path: Path) -> None:
    tasks = PLAY.replace("builtin.command", "builtin.comand") + "    - ansible.builtin.of_a_newer_ansible: {}\n"
    code, said = checked(tmp_path, ANSIBLE, {"site/site.yml": tasks})
    assert code == 0
    assert "site/site.yml:4: Ansible has no module 'ansible.builtin.comand'; did you mean 'ansible.builtin.comm" in said
    assert said.count("warning") == 1


def warned(tmp_path: Path, play: str, **files: str) -> str:
    code, said = checked(tmp_path, ANSIBLE, {"site/site.yml": play, **files})
    assert code == 0, said
    return said


def test_a_play_for_a_group_that_the_inventory_does_not_have_is_a_warning_with_its_line(tmp_path: Path) -> None:
    said = warned(tmp_path, PLAY + PLAY.replace("hosts: web", "hosts: [wbe, 'localhost']"))
    assert "4:3: site/site.yml:5: no group or host of hosts.ini is named 'wbe'; did you mean 'web'? there: " in said
    assert said.count("warning") == 1
    made = "    - ansible.builtin.add_host: {name: x, groups: fresh}\n" + PLAY.replace("hosts: web", "hosts: fresh")
    assert "warning" not in warned(tmp_path, PLAY + made)
    assert "warning" not in warned(tmp_path, PLAY.replace("hosts: web", "hosts: '{{ where }}'"))


def test_a_host_without_a_way_in_is_a_warning_with_its_line(tmp_path: Path) -> None:
    hosts = {"site/hosts.ini": HOSTS + "w1\n[web:vars]\nansible_connection=winrm\n"}
    said = warned(tmp_path, PLAY, **hosts)
    assert "6:3: site/hosts.ini:5: w1 cannot be reached by 'winrm'; allowed: ssh, local, docker" in said
    assert 'leave it out, as in `hosts: "all:!NAME"`' in said
    assert said.count("warning") == 1


def test_what_only_ansible_knows_of_a_playbook_is_no_mistake(tmp_path: Path) -> None:
    tasks = """\
    - some.collection.module: {a: b}
      register: x
      with_new_lookup: [1]
    - {module_of_ours: {}, vars: {when: 1}}
    - {<<: *defaults, registr: x}
    - {local_action: command true, until: x}
  handlers: [{listen: x, debug: {msg: x}}]
  validate_argspec: x
- import_playbook: other.yml
  when: x
  task: x
"""
    play = PLAY.replace("  tasks:", "  vars: &defaults {a: b}\n  tasks:") + tasks
    assert "warning" not in warned(tmp_path, play)
    assert "site/site.yml:2: the plays of ansible-core 2.20 have no key 'new_in_3'" in warned(
        tmp_path, PLAY.replace("  gather", "  new_in_3: x\n  gather")
    )


def test_a_document_below_the_settings_of_another_project_says_so(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "seatrial.toml").write_text('[services.db]\nimage = "db"\n')
    document = "services: [db]\n" + STEPS
    (tmp_path / "shop" / "a.yaml").write_text(document)
    told = "shop/a.yaml: shop/seatrial.toml is not read, although this document is below it: the current folder has "
    remedy = "change to its folder: `cd shop`, and name the document a.yaml"
    done = Project(tmp_path).seatrial("check", "shop/a.yaml")
    assert done.returncode == 2
    assert f"error: {told}no seatrial.toml\n    {remedy}\nerror: shop/a.yaml:1:" in done.stderr
    (tmp_path / "shop" / "a.yaml").write_text(document.removeprefix("services: [db]\n"))
    (tmp_path / "seatrial.toml").write_text("")
    done = Project(tmp_path).seatrial("check", "shop/a.yaml")
    assert done.returncode == 0, done.stderr
    assert f"warning: {told}seatrial.toml; {remedy}\n" in done.stderr


PATTERNS = ("web", "web:!localhost", "web1,all", "w*:&web", "~w.*", "web[0]", "$group")


@pytest.mark.parametrize(
    "document",
    [
        TERRAFORM,
        ANSIBLE,
        *(more(ANSIBLE, f"hosts: '{pattern}'") for pattern in PATTERNS),
        *(more(ANSIBLE, f"rule: {rule}") for rule in ("any", "healthy >= total - 1", "healthy >= parameters.needed")),
    ],
)
def test_without_a_mistake_there_is_no_problem(document: str, tmp_path: Path) -> None:
    assert checked(tmp_path, document, {})[0] == 0
