"""A parameter that nothing reads changes nothing: it is named, with its place and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.loading.conftest import Planner

from seatrial.app.planning import plan_documents
from seatrial.app.run_options import RunOptions
from seatrial.errors import UsageError
from seatrial.model.scenario import Plan

COMMAND = "{kind: command, deploy: ./up, destroy: ./down, status: ./up%s}"
SYSTEMS = {
    "processes": "",
    "command": COMMAND % "",
    "compose": "{kind: compose, files: [c.yaml]}",
    "ansible": "{kind: ansible, deploy: d.yml, destroy: d.yml, inventory: [h.ini], parameters_as_variables: false}",
    "terraform": "{kind: terraform}",
}
FILES = {
    "c.yaml": "services: {web: {image: x}}\n",
    "d.yml": "- {hosts: all}\n",
    "h.ini": "n1\n",
    "main.tf": 'variable "region" { default = "eu" }\noutput "nodes" { value = {} }\n',
}


def planned(folder: Path, text: str, **options: object) -> Plan:
    for name, content in FILES.items():
        (folder / name).write_text(content)
    for script in ("up", "down"):
        (folder / script).write_text("#!/bin/sh\n")
        (folder / script).chmod(0o755)
    document = folder / "a.yaml"
    document.write_text(text)
    return plan_documents([document], RunOptions(project=folder, **options))  # type: ignore[arg-type]


def text_of(system: str, parameters: str, *, step: str = "{step: deploy}", more: str = "") -> str:
    system = system and f"system: {system}\n"
    return f"parameters: {parameters}\n{system}{more}workflow: [{step}]\n"


@pytest.mark.parametrize("kind", SYSTEMS)
def test_every_system_warns_of_it_with_place_and_nearest_name(kind: str, tmp_path: Path) -> None:
    more = "provider: containers\n" if kind == "compose" else ""
    plan = planned(tmp_path, text_of(SYSTEMS[kind], "{zone: b, memory_bg: 4}", more=more))
    zone, memory = (one for one in plan.warnings if "nothing reads" in one)
    assert "a.yaml:1:14: nothing reads the parameter 'zone': use it as ${{ parameters.zone }}" in zone
    assert "a.yaml:1:23: nothing reads the parameter 'memory_bg': did you mean 'memory_gb'?" in memory


READ = {
    "by the number of nodes": ("", "{cluster_size: 3}", "{step: deploy}"),
    "by a step": ("", "{zone: b}", '{step: custom_command, command: [echo, "${{ parameters.zone }}"]}'),
    "by an expression": ("", "{zone: b}", "{step: deploy, if: 'parameters.zone == \"b\"'}"),
    "by all of them": ("", "{zone: b}", "{step: deploy, if: '\"zone\" in parameters'}"),
    "by a check": ("", "{zone: b}", "{step: validate, checks: [{check: command, command: x, "
                   'contains: "${{ parameters.zone }}"}]}'),
    "by a verb": ("{kind: command, deploy: 'up ${{ parameters.zone }}', destroy: down, status: ./up}", "{zone: b}",
                  "{step: deploy}"),
    "by flags": (COMMAND % ", parameters_as_flags: [deploy]", "{zone: b}", "{step: deploy}"),
    "by another provider": ("", "{libvirt_memory_gb: 8, cloudstack_offering: large}", "{step: deploy}"),
    "by a matrix": ("", "{zone: [a, b]}", "{step: deploy}"),
    "by a variable of the configuration": ("{kind: terraform}", "{region: eu}", "{step: deploy}"),
    "by variables of a playbook": ("{kind: ansible, deploy: d.yml, destroy: d.yml, inventory: [h.ini]}", "{zone: b}",
                                   "{step: deploy}"),
}  # fmt: skip


@pytest.mark.parametrize("how", READ)
def test_what_is_read_is_no_warning(how: str, tmp_path: Path) -> None:
    system, parameters, step = READ[how]
    plan = planned(tmp_path, text_of(system, parameters, step=step))
    assert [one for one in plan.warnings if "nothing reads" in one] == []


def test_an_override_without_any_use_is_refused(tmp_path: Path) -> None:
    text = text_of("", "{zone: b}")
    with pytest.raises(UsageError, match=r"no suite has the parameter 'cluster_sise': did you mean 'cluster_size'\?"):
        planned(tmp_path, text, overrides={"cluster_sise": "4"})
    assert planned(tmp_path, text, overrides={"cluster_size": "4"}).suites[0].nodes == 4
    assert planned(tmp_path, text, overrides={"zone": "c"}).suites[0].parameters["zone"] == "c"


def test_a_plugin_may_read_any(plan_of: Planner) -> None:
    plan = plan_of("parameters: {zone: b}\nworkflow: [{step: deploy}]\n")
    assert plan.warnings == ()
