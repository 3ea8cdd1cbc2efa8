"""A compose file as it is, through the real command: Docker Compose on Docker, podman-compose on Podman."""

from __future__ import annotations

import json
import signal
import socket
from dataclasses import dataclass

import pytest
from scripts.images.engines import IMAGE
from tests.acceptance.compose_project import BUSY, FAST, SITE, WEB, Here, in_podman, service
from tests.acceptance.harness import Document, Project, assert_clean_leaves_nothing, until, validate

pytestmark = pytest.mark.slow


def test_services_are_nodes_with_leased_ports_checks_inside_and_powers_and_nothing_is_left(here: Here) -> None:
    ask = {
        "check": "http",
        "url": '${{ "http://127.0.0.1:" + string(nodes["web"].ports["8000"]) + "/" }}',
        "status": 200,
    }
    inside = {
        "check": "command",
        "on": "web",
        "command": 'test "$GIVEN" = told && test -n "$E2E_RUN_ID"',
    }
    with socket.create_server(("127.0.0.1", 0)) as taken:  # the file's own port, and nobody needs it
        here.write(
            {
                "web": {
                    **WEB,
                    "ports": [f"{taken.getsockname()[1]}:8000"],
                    "environment": {"GIVEN": "${WORD}"},
                    "container_name": "fixed",
                    "volumes": ["data:/data"],
                },
                "worker": service(scale=2),
                "setup": service("exit 0"),
                "unused": service(profiles=["debug"]),
                "after": service(depends_on={"setup": {"condition": "service_completed_successfully"}}),
            },
            validate(
                *(
                    "cluster_status",
                    "all_nodes_running",
                    "ssh_connectivity",
                    "health_status[*].service==ok",
                    inside,
                    ask,
                ),
                retry=BUSY,
            ),
            {"step": "crash_node", "target_node": "worker-2", "method": "destroy"},
            validate("cluster_degraded", "node_status:worker-2:stopped", "node_status:worker-1:running", retry=BUSY),
            {"step": "start_node", "target_node": "worker-2"},
            validate("cluster_status", retry=BUSY),
            {"step": "stop_node", "target_node": "web"},
            validate("node_status:web:stopped", "health_status[web].service!=ok"),
            {"step": "destroy"},
            system={"env": {"WORD": "told"}},
            top={"volumes": {"data": {"name": "of-all-trials"}}, "networks": {"default": {"name": "of-all-trials"}}},
        )
        before = (here.project.folder / "compose.yaml").read_text()
        row = here.run()
    assert (row["verdict"], row["code"]) == ("passed", 0), (row["error"], row["said"])
    assert (here.project.folder / "compose.yaml").read_text() == before


def test_killed_while_the_tool_works_the_project_goes_with_clean(here: Here) -> None:
    slow = service("sleep 100000", healthcheck={"test": ["CMD", "false"], **FAST, "retries": 1000})
    here.write(
        {
            "db": {**slow, "volumes": ["data:/data"]},
            "web": service(depends_on={"db": {"condition": "service_healthy"}}),
        },
        top={"volumes": {"data": {}}},
    )
    running = here.project.start("run", "trial.json", "--format", "none")
    until(lambda: len(here.left()) >= 3, "the first container, its volume and its network", 240)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    said = assert_clean_leaves_nothing(here.project, [here.left, Project.left], "killed in `up`")
    assert "project" in said


@dataclass(frozen=True)
class Fault:
    """What is planted, and what has to come out."""

    services: Document
    verdict: str
    said: str
    """A part of the error."""
    system: Document | None = None
    seconds: int = 180
    """The deadline of `deploy`."""


WRONG = {"http": "http://${{ node.address }}:${{ node.ports['8000'] }}/", "that": "body.contains('welcome')"}

FAULTS: dict[str, Fault] = {
    "a service that ends at once": Fault(
        {"web": service("echo mayday; exit 7"), "db": service()}, "failed", "exit code 7: mayday (compose.yaml:1)"
    ),
    "a service that is down": Fault(
        {"web": service(healthcheck={"test": ["CMD-SHELL", "echo refused; exit 1"], **FAST}), "db": service()},
        "failed", "the health check of web ended with exit code 1: refused", seconds=25,
    ),
    "a service that crashes again and again": Fault(
        {"web": service("exit 3", restart="always"), "db": service()}, "failed", "web", seconds=25
    ),
    "a wrong answer": Fault(
        {"web": service(SITE, ports=["8000"])}, "failed", "false: body.contains('welcome')",
        {"health": {"web": WRONG}}, seconds=25,
    ),
    "a dependency that is never healthy": Fault(
        {
            "db": service(healthcheck={"test": ["CMD", "false"], **FAST}),
            "web": service(depends_on={"db": {"condition": "service_healthy"}}),
        },
        "failed", "db", seconds=25,
    ),
    "a job that fails": Fault(
        {"job": service("echo no schema; exit 4"), "web": service()},
        "failed", "exit code 4: no schema", {"jobs": ["job"]},
    ),
    "an image that is missing": Fault(
        {"db": service(), "web": {**service(), "image": "localhost/seatrial-no-such:1"}}, "unknown",
        "compose.yaml:1: the service web needs the image localhost/seatrial-no-such:1, which is not in ",
    ),
    "a registry that does not answer": Fault(
        {"web": {**service(), "image": "registry.invalid/seatrial:1"}}, "unknown",
        "the registry registry.invalid does not answer: is its name right, and can this machine reach it",
    ),
    "a tool that is missing": Fault(
        {"web": service()}, "unknown", "compose-nowhere is not installed", {"tool": "compose-nowhere"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_it_gets_its_verdict_with_the_reason_and_nothing_is_left(here: Here, fault: str) -> None:
    planted = FAULTS[fault]
    here.write(planted.services, system=planted.system, deadlines={"deploy": planted.seconds})
    row = here.run()
    told = f"{row['error']} {row['evidence']}"
    assert row["verdict"] == planted.verdict, told
    assert planted.said in told


def test_a_fixed_port_that_is_taken_says_nothing_about_the_product(here: Here) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        here.write({"web": service(ports=[f"127.0.0.1:{number}:8000"])}, system={"ports": "fixed"})
        row = here.run()
    assert row["verdict"] == "unknown", row["error"]
    assert str(number) in f"{row['error']} {row['evidence']}"


def test_a_registry_that_never_answers_says_nothing_about_the_product(here: Here) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        registry = f"127.0.0.1:{silent.getsockname()[1]}"
        here.write({"web": {**service(), "image": f"{registry}/x:1"}}, deadlines={"deploy": 8})
        row = here.run()
    assert row["verdict"] == "unknown", row["error"]
    assert "compose.yaml:1: the service web" in row["error"]
    assert f"the registry {registry}" in row["error"]


def test_a_container_removed_by_others_is_missed(here: Here) -> None:
    mine = f"--filter label=seatrial.project={here.project.folder} --filter label=com.docker.compose.service=web"
    program = "docker" if here.engine is not in_podman else "podman"
    remove = {"step": "custom_command", "custom_command": f"{program} rm --force $({program} ps --quiet {mine})"}
    here.write(
        {"web": service(), "db": service()}, remove, validate("node_status:db:running"), validate("all_nodes_running")
    )
    row = here.run()
    assert row["verdict"] == "failed", row["error"]
    assert "web" in row["error"]
    assert [step["status"] for step in row["workflow_steps"]] == ["completed", "completed", "completed", "failed"]


def test_a_kept_cluster_is_entered_and_its_steps_run_again_in_another_process(here: Here) -> None:
    look = {"check": "command", "on": "web", "command": "test -e /tmp/fixed"}
    here.write(
        {"web": WEB, "db": service()},
        validate(look),
        validate("cluster_status", "node_status:web", retry=BUSY),
        {"step": "crash_node", "target_node": "db", "method": "destroy"},
        validate("node_status:db:stopped", "cluster_status!=running", retry=BUSY),
        {"step": "start_node", "target_node": "db"},
        validate("cluster_status", retry=BUSY),
    )
    row = here.run("--keep", "failed", kept=True)
    assert (row["verdict"], row["code"]) == ("failed", 1), row["error"]
    inside = here.project.seatrial("shell", "last", "web", "--", "sh", "-c", "touch /tmp/fixed; echo $E2E_RUN_ID")
    assert (inside.returncode, inside.stdout.strip()) == (0, row["trial_id"]), inside.stderr
    again = here.project.seatrial("step", "last", "2..", "--keep", "never", timeout=400)
    assert again.returncode == 0, again.stdout + again.stderr
    assert here.left() == Project.left(here.project) == []


FILES = {
    "Dockerfile": f"FROM {IMAGE}\nCOPY conf.txt /built\n",
    "more.yaml": "services: {extra: {extends: {file: base.yaml, service: common}}}\n",
    "over.yaml": "services: {db: {environment: {OVER: 'yes'}}}\n",
    "web.env": "W=1\n",
    ".env": "FROM_ENV=dotenv\n",
    "conf.txt": "conf\n",
    "pass.txt": "secret\n",
}


def test_builds_includes_extends_profiles_several_files_configs_and_secrets_are_as_the_tool_has_them(
    here: Here,
) -> None:
    for name, text in FILES.items():
        (here.project.folder / name).write_text(text)
    base: Document = {"common": service()}
    (here.project.folder / "base.yaml").write_text(json.dumps({"services": base}))
    common: Document = {"extends": {"file": "base.yaml", "service": "common"}}
    after = {"setup": {"condition": "service_completed_successfully"}, "db": {"condition": "service_healthy"}}

    def inside(node: str, text: str) -> Document:
        return {"check": "command", "on": node, "command": text}

    here.write(
        {
            "web": {
                **common, "build": ".", "image": "mine/web:dev", "env_file": ["web.env"], "depends_on": after,
                "environment": {"FROM_ENV": "${FROM_ENV}"}, "secrets": ["pass"],
                "configs": [{"source": "conf", "target": "/etc/conf"}],
            },
            "worker": {**common, "image": "mine/web:dev", "depends_on": ["web"], "deploy": {"replicas": 2}},
            "db": {**common, "restart": "always", "healthcheck": {"test": ["CMD", "true"], **FAST}},
            "setup": service("true"),
            "debug": {**common, "profiles": ["debug"]},
            "off": {**common, "profiles": ["never"]},
        },
        validate(
            "cluster_status",
            "node_status:web,worker-1,worker-2,db,debug,extra",
            inside("web", 'test -e /built && test "$W" = 1 && test "$FROM_ENV" = dotenv'),
            inside("web", "grep -q secret /run/secrets/pass"),
            inside("web", f"grep -q conf /etc/conf {'|| true' if here.engine is in_podman else ''}"),
            inside("worker-2", "test -e /built"),
            inside("db", 'test "$OVER" = yes'),
            retry=BUSY,
        ),
        {"step": "crash_node", "target_node": "db", "method": "destroy"},
        validate("node_status:db:stopped"),
        {"step": "start_node", "target_node": "db"},
        system={"files": ["compose.yaml", "over.yaml"], "profiles": ["debug"]},
        top={
            "include": ["more.yaml"],
            "configs": {"conf": {"file": "./conf.txt"}},
            "secrets": {"pass": {"file": "./pass.txt"}},
        },
    )  # fmt: skip
    row = here.run()
    assert (row["verdict"], row["code"]) == ("passed", 0), (row["error"], row["evidence"], row["said"])
    warned = "does not put `configs` into containers: web" in json.dumps(here.project.events())
    assert warned is (here.engine is in_podman)
    images = here.engine("image", "ls", "--format", "{{.Repository}}").stdout
    assert row["trial_id"] not in images
    assert "mine/web" not in images, "the name in the file is the user's own"
