"""Faults that last for a time: begun by `inject`, ended by `heal`, by their time, and by the end of the suite."""

from __future__ import annotations

import json
import re
import signal

import pytest
from tests.acceptance.compose_project import BUSY, SITE, WEB, Here, service
from tests.acceptance.containers_project import cache_of_tests, left_in_podman, on_containers, one_container
from tests.acceptance.harness import Document, Project, assert_clean_leaves_nothing, only, suite, until, validate

pytestmark = pytest.mark.slow

ASK: Document = {
    "check": "http",
    "url": '${{ "http://127.0.0.1:" + string(nodes["web"].ports["8000"]) + "/" }}',
    "status": 200,
}
AT_EACH_OTHER: Document = {
    "check": "command",
    "on": "db",
    "command": "python3 -c 'import urllib.request; urllib.request.urlopen(\"http://web:8000\", timeout=3)'",
}
CUT_OFF = AT_EACH_OTHER | {"command": f"timeout 2 {AT_EACH_OTHER['command']}"}
"""Its name server answers late for a name that is gone."""
INSIDE: Document = {"check": "command", "on": "web", "command": "true"}
SERVICES = {"web": WEB, "db": service(SITE), "third": service()}


def inject(fault: str, **more: object) -> Document:
    return {"step": "inject", "fault": fault, "target_node": "web", **more}


def states(here: Here) -> list[str]:
    """What the engine says of the containers of this project: state and networks."""
    label = f"label=seatrial.project={here.project.folder}"
    names = here.engine("ps", "--all", "--quiet", "--filter", label).stdout.split()
    form = "{{.State.Status}} {{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}"
    return [here.engine("container", "inspect", "--format", form, name).stdout.strip() for name in names]


def test_a_paused_and_a_disconnected_node_are_measured_and_both_are_healed(here: Here) -> None:
    here.write(
        SERVICES,
        {"step": "heal", "allow_failure": True},
        inject("disconnect", networks=["back"], allow_failure=True),
        validate("cluster_status", ASK, AT_EACH_OTHER, retry=BUSY),
        inject("pause"),
        validate("node_status:web:paused", "health_status[web].service!=ok", "cluster_degraded", retry=BUSY),
        {"step": "validate", "checks": [INSIDE], "expect": "failure"},
        {"step": "heal"},
        validate("cluster_status", ASK, AT_EACH_OTHER, retry=BUSY),
        inject("disconnect"),
        validate(
            "node_status:web:unreachable", "health_status[web].network!=ok", "cluster_degraded",
            INSIDE, "health_status[web].ssh==ok", retry=BUSY,
        ),
        {"step": "validate", "checks": [CUT_OFF], "expect": "failure"},
        {"step": "heal", "target_node": "web", "fault": "disconnect"},
        validate("cluster_status", "health_status[*].network==ok", ASK, AT_EACH_OTHER, retry=BUSY),
    )  # fmt: skip
    row = here.run()
    assert (row["verdict"], row["code"]) == ("passed", 0), (row["error"], row["evidence"], row["said"])
    _, nothing, nowhere, *_ = row["workflow_steps"]
    assert re.search("nothing to heal: no step `inject` gave a fault to .*web", nothing["error"])
    assert "web is not on the network back; its networks: " in nowhere["error"]


def test_a_fault_ends_when_its_time_is_up_also_with_seatrial_dead(here: Here) -> None:
    here.write(
        SERVICES,
        inject("pause", **{"for": "20s"}),
        {"step": "inject", "fault": "disconnect", "target_node": "db", "for": "20s"},
        {"step": "wait", "for": 300},
    )
    running = here.project.start("run", "trial.json", "--format", "none")
    until(lambda: "paused" in str(states(here)) and any(one == "running" for one in states(here)), "the faults", 180)
    running.send_signal(signal.SIGKILL)
    running.communicate()

    def healed() -> bool:
        found = states(here)
        return len(found) == 3 and all(one.startswith("running ") and "_default" in one for one in found)

    until(healed, "the end of both faults", 180)
    assert_clean_leaves_nothing(here.project, [here.left, Project.left], "killed with faults")


def test_both_faults_at_once_end_with_the_suite_and_with_clean_after_sigkill(here: Here) -> None:
    faults = [inject("pause"), inject("disconnect"), validate("node_status:web:paused")]
    here.write(SERVICES, *faults, {"step": "wait", "for": "${{ parameters.wait }}"}, parameters={"wait": 0})
    row = here.run("--keep", "always", kept=True)
    assert row["verdict"] == "passed", (row["error"], row["evidence"], row["said"])
    assert all(one.startswith("running ") and "_default" in one for one in states(here)), "kept, and healed"
    assert here.project.seatrial("clean", "--all", timeout=200).returncode == 0
    assert here.left() == Project.left(here.project) == []

    running = here.project.start("run", "trial.json", "--format", "none", "--set", "wait=300")
    until(lambda: any(one == "paused" for one in states(here)), "both faults", 180)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert_clean_leaves_nothing(here.project, [here.left, Project.left], "killed with both faults")


@pytest.mark.backend("podman")
def test_nodes_of_the_provider_have_both_faults_too(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache_of_tests(monkeypatch, tmp_path_factory)
    on_containers(project)
    faults = [
        {"step": "inject", "fault": "pause", "target_node": "n11"},
        validate("node_status:n11:paused"),
        {"step": "heal"},
        validate("node_status:n11", "ssh_connectivity", retry=BUSY),
        {"step": "inject", "fault": "disconnect", "target_node": "n11"},
        validate("node_status:n11:unreachable", retry=BUSY),
        {"step": "heal"},
        validate("node_status:n11", "ssh_connectivity", retry=BUSY),
    ]
    project.write("trial.json", one_container(*faults))
    done = project.seatrial("run", "trial.json", "--format", "none")
    row = only(project.results()["results"])
    assert (row["verdict"], done.returncode) == ("passed", 0), (row["error"], row["evidence"])
    assert project.left() == left_in_podman(project) == []


@pytest.mark.parametrize(
    ("step", "more", "said"),
    [
        (
            inject("pause"),
            {},
            "trial.json:1:[0-9]+: the step 'inject' needs the power 'heal'; the provider 'local' does",
        ),
        (inject("disconnect"), {}, "needs the power 'disconnect, heal'; the provider 'local' does not have it"),
        (
            inject("pause"),
            {"provider": "containers", "power": "guest"},
            "the power 'pause', but `power: guest` forbids",
        ),
        (inject("pause", networks=["a"]), {}, "only the fault `disconnect` has `networks`"),
        (inject("pause", **{"for": 0}), {}, "a fault lasts longer than 0 s"),
        (inject("flood"), {}, "'flood'"),
        ({"step": "inject", "target_node": "web"}, {}, "needs the key 'fault'"),
    ],
)
def test_a_fault_that_nobody_can_inject_is_refused_before_the_run(
    project: Project, step: Document, more: Document, said: str
) -> None:
    document = suite("init", "deploy", {**step, "target_node": "n11"}, **{"provider": "local", **more})
    (project.folder / "trial.json").write_text(json.dumps(document))
    done = project.seatrial("check", "trial.json")
    assert done.returncode == 2, done.stdout
    assert re.search(said, done.stderr), done.stderr
