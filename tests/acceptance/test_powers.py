"""A missing power is refused when the document is read; under `power: guest` nothing is asked of the provider."""

from __future__ import annotations

import json
import re
import sys

import pytest
import yaml
from tests.acceptance.harness import Project, only, suite, validate

import seatrial
from seatrial.errors import NotSupported

STEPS = {
    "stop_node": ("stop_node, target_node: n11", "stop"),
    "start_node": ("start_node, target_node: n11", "start"),
    "stop_cluster": ("stop_cluster", "stop"),
    "start_cluster": ("start_cluster", "start"),
    "graceful": ("restart_node, target_node: n11, method: graceful", "graceful restart"),
    "reboot": ("restart_node, target_node: n11", "reboot in the guest"),
    "destroy": ("crash_node, target_node: n11, method: destroy", "crash"),
    "crash": ("crash_node, target_node: n11", "crash in the guest"),
}
API = ("stop_node", "start_node", "stop_cluster", "start_cluster", "graceful", "destroy")
GUEST = ("reboot", "crash")

LISTS_ONLY = """
from seatrial import provider
from seatrial.providers.local import Local
from seatrial.spi import Powers

@provider("lists_only")
class ListsOnly(Local):
    "No power but to list."
    powers = frozenset({Powers.LIST})
"""

DEPLOYER = """
  system:
    kind: command
    deploy: ["true"]
    destroy: ["true"]
    nodes: [n11]
    inventory: {file: inventory.ini}
"""


def lines(head: str) -> tuple[str, dict[str, int]]:
    """A suite per step, and the line of each step."""
    text, where = "test_suites:\n", {}
    for name, (step, _) in STEPS.items():
        text += f" {name}:{head}"
        text += "" if head.endswith("\n") else "\n"
        text += "  workflow:\n"
        text += f"   - {{step: {step}}}\n"
        where[name] = text.count("\n")
    assert set(yaml.safe_load(text)["test_suites"]) == set(STEPS)
    return text, where


@pytest.mark.parametrize(
    ("head", "refused", "told"),
    [
        ("\n  provider: ssh", API, "the provider 'ssh' does not have it"),
        ("\n  provider: local", (), ""),
        ("\n  provider: containers", (), ""),
        ("\n  provider: libvirt", (), ""),
        ("\n  provider: lists_only", (*API, *GUEST), "the provider 'lists_only' does not have it"),
        (DEPLOYER + "  provider: local", API, "the system 'command' does not have it over its nodes"),
        (DEPLOYER + "  provider: ssh", API, "the system 'command' does not have it over its nodes"),
        (
            "\n  provider: local\n  power: guest",
            ("stop_node", "start_node", "graceful", "destroy"),
            "but `power: guest` forbids it",
        ),
        ("\n  provider: ssh\n  power: guest", ("stop_node", "start_node", "graceful", "destroy"), "does not have"),
    ],
    ids=["ssh", "local", "containers", "libvirt", "none", "a deployer", "a deployer over ssh", "guest", "guest, ssh"],
)
def test_a_missing_power_is_refused_at_plan_time_with_file_and_line(
    project: Project, monkeypatch: pytest.MonkeyPatch, head: str, refused: tuple[str, ...], told: str
) -> None:
    (project.folder / "plugin.py").write_text(LISTS_ONLY)
    (project.folder / "seatrial.toml").write_text('plugins = ["plugin.py"]\n')
    text, where = lines(head)
    (project.folder / "trial.yaml").write_text(text)
    done = project.seatrial("check", "trial.yaml")
    found = {int(line): words for line, words in re.findall(r"error: trial\.yaml:(\d+):\d+: (.*)", done.stderr)}
    assert found.keys() == {where[name] for name in refused}, done.stderr
    for name in refused:
        assert f"needs the power {STEPS[name][1]!r}" in found[where[name]], found
        assert told in found[where[name]], found
    assert done.returncode == (2 if refused else 0)
    monkeypatch.chdir(project.folder)
    if refused:
        with pytest.raises(NotImplementedError) as raised:
            seatrial.plan("trial.yaml")
        assert isinstance(raised.value, NotSupported)
        run = project.seatrial("run", "trial.yaml")
        assert run.returncode == 2
        assert project.runs() == [], "nothing may be started"


def test_a_deployers_node_is_never_powered_by_a_provider_that_did_not_make_it(project: Project) -> None:
    # What `local` does inside its own nodes would reboot whatever machine the inventory names.
    # Nobody listens on port 1.
    system = {
        "kind": "command",
        "deploy": [
            sys.executable,
            "-c",
            "open('inventory.ini', 'w').write('[all]\\nn11 ansible_host=127.0.0.1 ansible_port=1')",
        ],
        "destroy": ["true"],
        "inventory": {"file": "inventory.ini"},
    }
    crash = {"step": "crash_node", "target_node": "n11", "method": "destroy"}
    project.write("trial.json", suite("deploy", crash, system=system))
    done = project.seatrial("run", "trial.json")
    assert done.returncode == 2
    assert "'command' does not have it over its nodes" in done.stderr


def test_under_power_guest_the_cluster_is_shut_down_from_inside_and_a_person_must_power_on(
    project: Project,
) -> None:
    # A provider whose API would break the run: nothing may be asked of it.
    (project.folder / "plugin.py").write_text(
        "from seatrial import provider\n"
        "from seatrial.providers.local import Local\n"
        '@provider("hands_off")\n'
        "class HandsOff(Local):\n"
        '    "Its API may not be used."\n'
        "    async def stop(self, node): raise AssertionError('stop by API')\n"
        "    async def crash(self, node): raise AssertionError('crash by API')\n"
    )
    document = suite(
        "init",
        "deploy",
        "stop_cluster",
        validate("cluster_status_stopped", "vms_powered_off"),
        "start_cluster",
        power="guest",
        parameters={"cluster_size": 2},
    )
    project.write("trial.json", document)
    arguments = ("run", "trial.json", "--plugin", "plugin.py", "--on", "hands_off", "--format", "plain")
    done = project.seatrial(*arguments)
    row = only(project.results()["results"])
    steps = {step["step_type"]: step for step in row["workflow_steps"]}
    assert [steps[name]["status"] for name in ("stop_cluster", "validate", "start_cluster")] == [
        "completed",
        "completed",
        "failed",
    ], row
    assert done.returncode == 3
    assert "a person must power on n11, n12" in steps["start_cluster"]["error"]
    assert "a person must power on n11, n12" in done.stdout
    assert project.left() == []


YARD = """
from dataclasses import replace
from pathlib import Path
from seatrial import provider
from seatrial.model.cluster import PowerState
from seatrial.model.reading import measured
from seatrial.providers.ssh import SSH
from seatrial.spi import Powers

@provider("yard")
class Yard(SSH):
    "Knows the machine at 127.0.0.11, whoever made it."
    powers = frozenset({Powers.LIST, Powers.STOP, Powers.START, Powers.CRASH})
    reaches_any_node = False
    async def adopt(self, nodes):
        known = {"127.0.0.11": "7"}
        return [replace(one, adopted=True, detail={"slot": known[one.address]}) if one.address in known else one
                for one in nodes]
    async def state(self, node):
        return PowerState.STOPPED if Path(f"off-{node.detail['slot']}").exists() else PowerState.RUNNING
    async def power_reading(self, node):
        return measured(await self.state(node), by="the yard")
    async def crash(self, node):
        Path(f"off-{node.detail['slot']}").touch()
    stop = crash
    async def start(self, node):
        Path(f"off-{node.detail['slot']}").unlink()
"""


def test_a_provider_has_its_powers_over_the_deployers_machines_that_it_recognises_and_over_no_other(
    project: Project,
) -> None:
    (project.folder / "plugin.py").write_text(YARD)
    (project.folder / "seatrial.toml").write_text('plugins = ["plugin.py"]\n')
    inventory = "".join(f"n{n} ansible_host=127.0.0.{n} ansible_connection=local\n" for n in (11, 12, 13))
    deploy = f"open('inventory.ini', 'w').write({inventory!r})"
    well = {name: {"ssh": "ok", "service": "ok"} for name in ("n11", "n12", "n13")}
    system = {
        "kind": "command",
        "deploy": [sys.executable, "-c", deploy],
        "destroy": "rm -f inventory.ini",
        "health": f"test -e inventory.ini && echo '{json.dumps(well)}' || echo '{{}}'",
        "inventory": {"file": "inventory.ini"},
    }
    document = suite(
        "deploy",
        {"step": "crash_node", "target_node": "n11", "method": "destroy"},
        validate("node_status:n11:stopped", "node_status:n12:running", "cluster_degraded"),
        {"step": "start_node", "target_node": "n11"},
        validate("cluster_status"),
        {"step": "crash_node", "target_node": "n12", "method": "destroy"},
        provider="yard",
        system=system,
    )
    project.write("trial.json", document)
    done = project.seatrial("run", "trial.json", "--format", "plain")
    row = only(project.results()["results"])
    told = [(step["step_type"], step["status"], step.get("error")) for step in row["workflow_steps"]]
    assert [status for _, status, _ in told] == ["completed"] * 5 + ["failed"], told
    assert "the provider does not know n12 at 127.0.0.12: it neither created nor recognised it" in told[-1][2]
    assert (row["verdict"], row["category"]) == ("unknown", "unsupported")
    assert done.returncode == 3
    assert project.left() == []
