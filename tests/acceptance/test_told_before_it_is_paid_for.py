"""What can never be told is refused by `check`, with its place and what to write instead; nothing is started."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.acceptance.harness import Project

HEAD = "system: {{kind: command, deploy: touch ran, destroy: 'true', {keys}}}\ntest_suites:\n  s:\n    workflow:\n"
INVENTORY = "inventory: {file: hosts.ini}"
NEITHER = "neither `health` nor `status` is declared in the system's settings"
NO_NODES = "nothing names the nodes: `inventory` is not declared"


def document(keys: str, step: str) -> str:
    return HEAD.format(keys=keys) + f"      - {step}\n"


def check(name: str) -> str:
    return f"{{step: validate, checks: [{name}]}}"


REFUSED = {
    "no inventory and no status": ("", "{step: deploy}", "5:9", "neither `inventory` nor", "`inventory: {"),
    "names of nodes without an inventory": ("status: s, nodes: [r1]", "{step: deploy}", "1:", "no use", "`inventory"),
    "a node that nothing names": ("status: s", "{step: stop_node, target_node: r1}", "5:9", NO_NODES, "`inventory"),
    "a check of nodes that nothing names": ("status: s", check("all_nodes_running"), "5:35", NO_NODES, "`inventory"),
    "a check inside nodes without a way in": ("status: s", check("'process:sshd'"), "5:35", NO_NODES, "`inventory"),
    "a service that nothing measures": (INVENTORY, check("database_running"), "5:35", NEITHER, "`{tcp: PORT}`"),
    "a whole that nothing measures": (INVENTORY, check("cluster_critical"), "5:35", NEITHER, "ssh_connectivity"),
    "a state that nothing measures": (INVENTORY, check("cluster_status==running"), "5:35", NEITHER, "`health:`"),
    "records of no database": (INVENTORY, check("data_integrity"), "5:35", "declares no `data`", "`data: {write"),
    "an admin UI of nobody": (INVENTORY, check("admin_ui_accessible"), "5:35", "no `admin` UI", "`admin: URL`"),
    "a power by the other method": (
        "status: s, crash_node: c", "{step: crash_node, target_node: '*'}", "5:", "crash in the guest",
        "`method: destroy`",
    ),
    "a restart by the other method": (
        "status: s, restart_node: c", "{step: restart_node, target_node: '*'}", "5:", "reboot in the guest",
        "`method: graceful`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_can_never_be_told_is_refused_with_its_place_and_a_remedy(project: Project, what: str) -> None:
    keys, step, place, why, remedy = REFUSED[what]
    (project.folder / "a.yaml").write_text(document(keys, step))
    done = project.seatrial("run", "a.yaml", "--format", "plain")
    assert done.returncode == 2, done.stdout + done.stderr
    problems = re.split(r"^error: ", done.stderr, flags=re.MULTILINE)
    assert any(one.startswith(f"a.yaml:{place}") and why in one and remedy in one for one in problems), done.stderr
    assert not (project.folder / "ran").exists()


@pytest.mark.parametrize(
    ("keys", "step"),
    [
        (INVENTORY, "{step: deploy}"),
        (INVENTORY, check("ssh_connectivity, all_nodes_running, cluster_status==destroyed, cluster_status!=running")),
        (INVENTORY, "{step: validate, checks: [ssh_connectivity], allow_failures: [database_running, data_integrity]}"),
        (INVENTORY, "{step: validate, checks: [ssh_connectivity, cluster_status], allow_failures: [cluster_status]}"),
        (INVENTORY + ", health: {tcp: 80}", check("database_running, cluster_degraded")),
        ("status: s", check("cluster_status, database_down")),
        ("", "{step: deploy, allow_failure: true}"),
        (INVENTORY + ", crash_node: c", "{step: crash_node, target_node: '*', method: destroy}"),
    ],
)
def test_what_may_be_told_and_what_does_not_decide_is_accepted(project: Project, keys: str, step: str) -> None:
    (project.folder / "a.yaml").write_text(document(keys, step))
    done = project.seatrial("check", "a.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_deployment_without_a_way_in_ends_its_wait_at_once(project: Project) -> None:
    """Nothing measures anything: the deadline of 10 minutes is not used."""
    deploy = "deploy: \"echo 'n1 ansible_connection=local' > hosts.ini\""
    text = document(f"{INVENTORY}, timeouts: {{deploy: 10m}}", "{step: deploy}").replace("deploy: touch ran", deploy)
    (project.folder / "a.yaml").write_text(text)
    done = project.seatrial("run", "a.yaml", "--format", "plain")
    assert done.returncode == 3, done.stdout + done.stderr
    result: dict[str, Any] = project.results()["results"][0]
    assert NEITHER in result["workflow_steps"][0]["error"]
    assert result["duration"] < 120
    assert project.left() == []


def test_a_parameter_that_was_a_flag_once_is_named_with_its_place(project: Project) -> None:
    keys = INVENTORY + ", init: 'i ${{ parameters.used }}'"
    text = "parameters: {size: 3, used: 1}\n" + document(keys, "{step: init}")
    (project.folder / "a.yaml").write_text(text)
    done = project.seatrial("check", "a.yaml")
    assert "warning: a.yaml:1:14: nothing reads the parameter 'size'" in done.stderr
    assert "`parameters_as_flags: [init]`" in done.stderr
    assert "'used'" not in done.stderr
