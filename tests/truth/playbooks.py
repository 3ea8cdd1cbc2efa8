"""Rows of the system `ansible`, with the real Ansible: the hosts are this machine, their service is a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.acceptance.harness import Document, Project, suite, validate
from tests.truth.case import Case
from tests.truth.configurations import path_with
from tests.truth.documents import LETTERS, command

HOSTS = "[web]\nn11\nn12\n[web:vars]\nansible_connection=local\nansible_python_interpreter=/usr/bin/python3\n"
BY_SSH = "[web]\nn11 ansible_host=127.0.0.1 ansible_port=1\n"
UP = "echo well >../{{ inventory_hostname }}.up"
DOWN = "rm -f ../{{ inventory_hostname }}.up"


def play(*tasks: str, hosts: str = "web") -> str:
    """A playbook of commands; a task may have more keys behind `;;`."""
    lines = [f"- hosts: {hosts}", "  gather_facts: false", "  tasks:"]
    for task in tasks:
        line, _, more = task.partition(";;")
        lines += [f"    - name: {line!r}", f"      ansible.builtin.shell: {line!r}"]
        lines += [f"      {key.strip()}" for key in more.split(";") if key.strip()]
    return "\n".join(lines) + "\n"


NOTHING = play("true", hosts="localhost")
FILES = {
    "site/hosts.ini": HOSTS, "site/deploy.yml": play(UP), "site/destroy.yml": play(DOWN), "site/stop.yml": play(DOWN),
    "site/start.yml": play(UP),
}  # fmt: skip
SYSTEM: Document = {
    "kind": "ansible", "folder": "site", "inventory": "hosts.ini", "rule": "all", "poll": 0.1,
    **{verb: f"{verb}.yml" for verb in ("deploy", "destroy", "stop", "start")},
    "health": {"command": ["grep", "-q", "well", "${{ node.name }}.up"]},
}  # fmt: skip
WELL = validate("cluster_status", "health_status[*].service==ok")
HURT = {"step": "stop_node", "target_node": "n12"}


@contextmanager
def here(project: Project) -> Iterator[Mapping[str, Any]]:
    """Ansible is on PATH."""
    yield {"env": {"PATH": path_with("ansible", project)}}


def row(
    what: str, look: str, letter: str, *steps: Document | str, deploy: str = "", files: Mapping[str, str] = {},
    words: str = "", category: str = "", within: int = 60, first: Document | str = "deploy", **system: Any,
) -> Case:  # fmt: skip
    planted, right = LETTERS[letter]
    settings = {key: value for key, value in {**SYSTEM, **system}.items() if value is not None}
    own = {f"site/{name}": text for name, text in ({"deploy.yml": deploy} if deploy else {}).items()}
    return Case(
        system="ansible", what=what, look=look, planted=planted, right=right, words=words, category=category,
        document=suite(first, *steps, system=settings, deadlines={"deploy": within, "stop": within}),
        files={**FILES, **own, **{f"site/{name}": text for name, text in files.items()}}, around=here,
        backend="ansible",
    )  # fmt: skip


ANYWAY: Document = {"step": "deploy", "allow_failure": True, "timeout": 15}


def written(text: str, letter: str, what: str, words: str) -> Case:
    """`deploy` writes the inventory itself."""
    deploy = play(f'echo "{text}" >$D/hosts.ini', hosts="localhost").replace("$D", "{{ work }}")
    return row(what, "deploy", letter, deploy=deploy, inventory="$deployment_dir/hosts.ini", words=words,
               variables={"work": "$deployment_dir"}, destroy="nothing.yml",
               files={"nothing.yml": NOTHING})  # fmt: skip


CASES = [
    row("nothing", "the whole", "P", WELL),
    row("a machine is unreachable", "deploy", "U", destroy="nothing.yml", words="on n11: ",
        files={"hosts.ini": BY_SSH, "nothing.yml": NOTHING}),
    row("host_vars change the port", "ssh_connectivity", "F", validate("ssh_connectivity"), health=None,
        first=ANYWAY, deploy=NOTHING, destroy="nothing.yml",
        files={"hosts.ini": "[web]\nn11 ansible_host=127.0.0.1\n", "host_vars/n11.yml": "ansible_port: 2\n",
               "nothing.yml": NOTHING}, words="127.0.0.1:2"),
    row("the service is down", "health", "F", command("rm n12.up"), validate("health_status[*].service==ok")),
    row("the service is down", "cluster_status", "F", command("rm n12.up"), validate("cluster_status")),
    row("the service gives a wrong answer", "health", "F", command("echo ill >n12.up"),
        validate("health_status[*].service==ok")),
    row("stop stops nothing", "stop_node", "F", HURT, within=15, files={"stop.yml": play("true")}),
    row("the tool is missing", "deploy", "U", env={"PATH": "/nowhere"}, words="pip install ansible-core"),
    row("a collection is not installed", "deploy", "U", files={"requirements.yml": "collections: [acme.cloud]\n"},
        deploy="- {hosts: web, gather_facts: false, tasks: [{acme.cloud.machine: {name: x}}]}\n",
        words="`ansible-galaxy install -r requirements.yml`"),
    row("a role is not installed", "deploy", "U", deploy="- {hosts: web, gather_facts: false, roles: [acme.web]}\n",
        words="the role 'acme.web' was not found"),
    row("a task fails", "deploy", "F", deploy=play("true", "echo no such disk >&2; exit 7"), words="no such disk"),
    row("a task fails on one host of two", "deploy", "F", deploy=play(UP, "test {{ inventory_hostname }} = n11"),
        words="on n12"),
    row("a failed task is ignored", "health", "F", validate("health_status[*].service==ok"), first=ANYWAY,
        deploy=play("exit 3;;ignore_errors: true")),
    row("a failed task is ignored, and the service is up", "the whole", "P", WELL,
        deploy=play("exit 3;;ignore_errors: true", UP)),
    row("the task that deploys is skipped", "health", "F", validate("health_status[*].service==ok"), first=ANYWAY,
        deploy=play("true", f"{UP};;when: false")),
    row("no host matches the play", "deploy", "U", deploy=play(UP, hosts="db"),
        words="no host matches `hosts: db` (site/deploy.yml:1)"),
    row("the playbook is broken", "deploy", "R", deploy="- hosts: web\n  tasks: [\n", words="it is not YAML"),
    row("a file of tasks is broken", "deploy", "F", files={"tasks.yml": "- name: x\n  shell: [\n"},
        deploy="- {hosts: web, gather_facts: false, tasks: [{ansible.builtin.import_tasks: tasks.yml}]}\n",
        words="tasks.yml"),
    row("the inventory is broken", "deploy", "R", files={"hosts.ini": "[web\nn11\n"}, words="hosts.ini:1"),
    row("the inventory is empty", "deploy", "R", files={"hosts.ini": "[web]\n"}, words="the inventory has no hosts"),
    written("[web]", "U", "the written inventory is empty", "the inventory has no nodes"),
    written("[web", "U", "the written inventory is broken", "hosts.ini"),
    row("a playbook takes too long", "deploy", "F", deploy=play("sleep 60"), timeouts={"deploy": 4},
        category="timeout"),
    row("destroy fails", "the end of the suite", "L", WELL, files={"destroy.yml": play("exit 4")}),
]  # fmt: skip
