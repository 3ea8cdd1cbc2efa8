"""The system `ansible` with the real Ansible: what it does, and the verdicts of planted faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.acceptance.harness import Project, processes_of, suite, until, validate

pytestmark = pytest.mark.backend("ansible")

SECRET = "hush-hush-4711"
HOSTS = "[web]\nn1\nn2\n[web:vars]\nansible_connection=local\nansible_python_interpreter=/usr/bin/python3\n"


def play(*tasks: Mapping[str, Any], hosts: str = "web") -> str:
    """A playbook."""
    return yaml.safe_dump([{"hosts": hosts, "gather_facts": False, "tasks": list(tasks)}], sort_keys=False)


def shell(line: str, **more: Any) -> dict[str, Any]:
    return {"name": line, "ansible.builtin.shell": {"cmd": line}, **more}


UP = "{{ work }}/{{ inventory_hostname }}.up"
FILES = {
    "hosts.ini": HOSTS,
    "deploy.yml": play(shell(f"touch {UP}")),
    "stop.yml": play(shell(f"rm {UP}")),
    "start.yml": play(shell(f"touch {UP}")),
    "destroy.yml": play(shell(f"rm -f {UP}")),
}
"""Two hosts that are this machine; their service is a file."""

GOOD = play(
    {"name": "A parameter is data", "ansible.builtin.assert": {"that": "word == '{' ~ '{ 1 + 1 }' ~ '}'"}},
    {"name": "A variable is Ansible's", "ansible.builtin.assert": {"that": "sum | int == 2"}},
    shell("! cat /proc/[0-9]*/cmdline 2>/dev/null | grep -aq 'hush-hush-471[1]'"),
    {"name": "Try", "block": [shell("exit 3")], "rescue": [shell("true")]},
    shell("exit 4", ignore_errors=True),
    shell(f"touch {UP}"),
)
TOKEN = {"token": "${{ secrets.TOKEN }}"}
ONLY_SSH = "[web]\nn1 ansible_host=127.0.0.1\n[web:vars]\nansible_python_interpreter=/usr/bin/python3\n"
UNREACHABLE = ONLY_SSH.replace("127.0.0.1", "127.0.0.1 ansible_port=1")
NOTHING = play({"name": "Nothing", "ansible.builtin.debug": {"msg": "hello"}}, hosts="localhost")
DEPLOY = ({"step": "deploy"},)
SCRIPT = """\
#!/bin/sh
echo '{"web": {"hosts": ["n1"], "vars": {"ansible_connection": "local"}}}'
"""
OWN_BIN = "the folder bin of the suite"

Fault = tuple[Mapping[str, str], Mapping[str, Any], tuple[Any, ...], str, str]
FAULTS: dict[str, Fault] = {
    "a_failing_task": (
        {"deploy.yml": play(shell("true"), shell("echo so it is >&2; exit 7"))}, {}, DEPLOY, "failed",
        ": non-zero return code: so it is (a_failing_task/deploy.yml:7)"),
    "an_undefined_variable": (
        {"deploy.yml": play(shell("echo {{ nobody_has_this }}"))}, {}, DEPLOY, "failed",
        "'nobody_has_this' is undefined"),
    "an_unreachable_host": (
        {"hosts.ini": UNREACHABLE, "deploy.yml": play(shell("true"))}, {}, DEPLOY, "unknown",
        "task 'true' on n1: Task failed: Failed to connect"),
    "unreachable_and_failed": (
        {"hosts.ini": HOSTS + UNREACHABLE.replace("n1 ", "n3 ansible_connection=ssh "),
         "deploy.yml": play(shell("exit 5"))}, {}, DEPLOY, "failed", "and unreachable: "),
    "a_broken_file_of_tasks": (
        {"deploy.yml": play({"ansible.builtin.import_tasks": "tasks.yml"}), "tasks.yml": "- name: x\n  shell: [\n"},
        {}, DEPLOY, "failed", "a_broken_file_of_tasks/tasks.yml"),
    "no_host_matches": (
        {"deploy.yml": play(shell("true"), hosts="db")}, {}, DEPLOY, "unknown",
        "did nothing: no host matches `hosts: db` (no_host_matches/deploy.yml:1); groups and hosts: n1, n2, web"),
    "no_host_of_a_script_matches": (
        {"hosts.sh": SCRIPT, "deploy.yml": play(shell("true"), hosts="wbe")}, {"inventory": "hosts.sh"}, DEPLOY,
        "unknown", "(no_host_of_a_script_matches/deploy.yml:1); did you mean 'web'? groups and hosts: n1, web"),
    "a_misspelt_key_in_a_file_of_tasks": (
        {"deploy.yml": play({"ansible.builtin.import_tasks": "tasks.yml"}),
         "tasks.yml": "- shell: 'true'\n  registr: x\n"}, {}, DEPLOY, "failed",
        "; did you mean 'register'?"),
    "an_empty_inventory_is_written": (
        {"deploy.yml": play(shell("echo [web] > {{ work }}/hosts.ini"), hosts="localhost")},
        {"inventory": "$deployment_dir/hosts.ini"}, DEPLOY, "unknown", "hosts.ini: the inventory has no nodes"),
    "host_vars_and_group_vars": (
        {"hosts.ini": ONLY_SSH, "host_vars/n1.yml": "ansible_port: 2\n", "group_vars/web.yml": "ansible_user: bob\n",
         "deploy.yml": NOTHING, "destroy.yml": NOTHING}, {"health": None},
        ({"step": "deploy", "allow_failure": True, "timeout": 30}, validate("ssh_connectivity")), "failed",
        "n1 (bob@127.0.0.1:2)"),
    "a_wrong_vault_password": (
        {"host_vars/n1.yml": "vault", "password": "right", "wrong": "wrong"}, {"vault_password_file": "wrong"}, DEPLOY,
        "unknown", "Decryption failed"),
    "no_variables_at_all": ({"deploy.yml": play(shell("exit 9"))}, {"variables": None}, DEPLOY, "failed", "'exit 9'"),
    "the_tool_is_missing": ({}, {"env": {"PATH": "/nowhere"}}, DEPLOY, "unknown", "`pip install ansible-core`"),
    "the_tool_is_too_old": (
        {"bin/ansible-playbook": "#!/bin/sh\necho 'ansible-playbook 2.9.27'\n"}, {"env": {"PATH": OWN_BIN}}, DEPLOY,
        "unknown", "is 2.9; ansible-core 2.15 or newer is needed"),
    "no_log": (
        {"deploy.yml": play(shell("echo {{ token }}; exit 6", no_log=True))}, {"variables": {**TOKEN, "work": "x"}},
        DEPLOY, "failed", "hidden by no_log"),
    "it_takes_too_long": (
        {"deploy.yml": play(shell("sleep 61"))}, {"timeouts": {"deploy": 5}}, DEPLOY, "failed",
        "did not end within 5 s"),
}  # fmt: skip


def system(folder: str, **more: Any) -> dict[str, Any]:
    verbs = {verb: f"{verb}.yml" for verb in ("deploy", "stop", "start", "destroy")}
    own = {
        "kind": "ansible",
        "folder": folder,
        "inventory": "hosts.ini",
        "variables": {"work": "$deployment_dir"},
        **verbs,
    }
    probe = {"command": ["test", "-e", "$deployment_dir/${{ node.name }}.up"]}
    return {key: value for key, value in {**own, "health": probe, "poll": 0.1, **more}.items() if value is not None}


def laid_out(folder: Path, files: Mapping[str, str], programs: Path) -> None:
    """Write the files of one suite; those that are `vault` are encrypted with the right password."""
    for name, text in {**FILES, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x: 1\n" if text == "vault" else text)
        if name.startswith("bin/") or text.startswith("#!"):
            (folder / name).chmod(0o755)
    for name in (name for name, text in files.items() if text == "vault"):
        words = ["encrypt", "--vault-password-file", str(folder / "password"), str(folder / name)]
        subprocess.run([str(programs / "ansible-vault"), *words], check=True, capture_output=True)


def environment(project: Project, programs: Path) -> dict[str, str]:
    return {**project.environment, "PATH": f"{programs}:{os.environ['PATH']}", "TOKEN": SECRET}


@pytest.fixture(scope="module")
def programs(tool: Callable[[str], Path]) -> Path:
    """The folder with Ansible's programs."""
    return tool("ansible").parent


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Iterator[tuple[Project, dict[str, Any]]]:
    """All planted faults in one run."""
    project = Project(tmp_path_factory.mktemp("faults"))
    suites: dict[str, Any] = {}
    for name, (files, settings, steps, _, _) in FAULTS.items():
        laid_out(project.folder / name, files, programs)
        own = {"env": {"PATH": str(project.folder / name / "bin")}} if OWN_BIN in str(settings) else {}
        trial = suite(*steps, system=system(name, **{**settings, **own}))["test_suites"]["trial"]
        suites[name] = trial
    path, env = project.write("faults.json", {"test_suites": suites}), environment(project, programs)
    done = project.seatrial("run", path, "--parallel", 4, "--format", "json", env=env, timeout=600)
    assert done.returncode in (1, 3, 4), done.stdout + done.stderr
    results = json.loads(done.stdout)["results"]
    yield project, {name: next(row for row in results if f"-{name}-" in row["deployment_id"]) for name in FAULTS}
    assert processes_of(project.folder) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_has_its_verdict_and_says_where(name, faults):
    row = faults[1][name]
    *_, verdict, words = FAULTS[name]
    assert row["verdict"] == verdict, json.dumps(row, indent=1)
    assert words in json.dumps(row, ensure_ascii=False).replace('\\"', '"'), json.dumps(row, indent=1)


def test_a_secret_is_in_no_file_of_the_run(faults):
    files = [path for path in (faults[0].folder / ".seatrial").rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_a_node_is_stopped_and_started_by_its_playbooks_and_each_task_is_told(tmp_path, programs):
    project = Project(tmp_path)
    laid_out(tmp_path / "site", {"deploy.yml": GOOD}, programs)
    variables = {"work": "$deployment_dir", "sum": "{{ 1 + 1 }}", **TOKEN}
    document = suite(
        "deploy",
        validate("cluster_status", "all_nodes_running", "health_status[*].service==ok"),
        {"step": "stop_node", "target_node": "n1"},
        validate("cluster_degraded", "health_status[n1].service!=ok", "health_status[n2].service==ok"),
        {"step": "start_node", "target_node": "n1"},
        validate("cluster_status"),
        system=system("site", variables=variables, rule="any"),
        parameters={"word": "{{ 1 + 1 }}"},
    )
    done = project.seatrial(
        "run", project.write("good.json", document), env=environment(project, programs), timeout=400
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = [event["data"]["text"] for event in project.events() if event["kind"] == "log"]
    assert any(text.startswith("stop: rm ") and text.endswith(": changed on n1 (site/stop.yml:4)") for text in told), (
        told
    )
    assert any(text.startswith("deploy: exit 4: ignored on n") for text in told), told
    assert project.left() == []


def test_a_kept_cluster_is_taken_up_and_what_a_node_cannot_do_is_refused_before_it_is_announced(tmp_path, programs):
    project = Project(tmp_path)
    laid_out(tmp_path / "site", {}, programs)
    document = suite(
        "deploy",
        {"step": "stop_node", "target_node": "n1"},
        {"step": "restart_node", "target_node": "n2"},
        validate("cluster_degraded", "health_status[n1].service!=ok"),
        {"step": "start_node", "target_node": "n1"},
        validate("cluster_status"),
        system=system("site", rule="any"),
    )
    path, env = project.write("kept.json", document), environment(project, programs)
    refused = project.seatrial("run", path, "--keep", "failed", env=env, timeout=400)
    assert refused.returncode == 3, refused.stdout + refused.stderr
    assert "n2 has `local` in the inventory, not SSH, so it cannot reboot in the guest" in refused.stdout
    assert [one["data"]["fault"] for one in project.events() if one["kind"] == "fault"] == ["stop"]
    here = project.seatrial("shell", "last", "n1", "--", "echo", "here", env=env)
    assert (here.returncode, here.stdout) == (0, "here\n"), here.stderr
    done = project.seatrial("step", "last", "4..", "--keep", "never", env=env, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.left() == []


def test_a_run_killed_in_the_middle_of_deploy_is_given_back_from_the_ledger(tmp_path, programs):
    project = Project(tmp_path)
    begun = tmp_path / "begun"
    files = {"deploy.yml": play(shell(f"touch {UP}"), shell(f"touch {begun}; sleep 600", throttle=1))}
    laid_out(
        tmp_path / "site",
        {**files, "destroy.yml": play(shell(f"touch {tmp_path}/gone-{{{{ token }}}}; rm -f {UP}"))},
        programs,
    )
    document = suite("deploy", system=system("site", variables={"work": str(tmp_path), **TOKEN}))
    path, env = project.write("kill.json", document), environment(project, programs)
    run = project.start("run", path, env=env)
    until(begun.exists, "the second task", 120)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert (tmp_path / "n1.up").exists()
    ledgers = b"".join(file.read_bytes() for file in (tmp_path / ".seatrial" / "ledger").glob("*"))
    assert SECRET.encode() not in ledgers
    cleaned = project.seatrial("clean", env=env, timeout=400)
    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert not (tmp_path / "n1.up").exists()
    assert (tmp_path / f"gone-{SECRET}").exists()
    assert project.left() == []
    assert processes_of(tmp_path) == []
