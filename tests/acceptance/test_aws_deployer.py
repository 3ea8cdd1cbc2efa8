"""The classic workflows of the older framework, with `provider: aws` and a deployer's own command line: the deployer
makes the instances, Seatrial recognises and powers them. Green, and never green when AWS lies about their power."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.acceptance.harness import Document, Project, only, validate
from tests.backends import tables

from aws_server.calls import client, machine, named
from seatrial_stand_ins.aws import AwsServer
from seatrial_stand_ins.machines.podman import PodmanMachines

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman"), pytest.mark.xdist_group("aws-deployer")]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DEPLOYER = [sys.executable, str(Path(__file__).with_name("aws_deployer.py"))]
SETTINGS = '[providers.aws]\nadopt_tag = "deployer=notes"\n'
RETRY = {"max_attempts": 30, "delay_seconds": 1}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsServer]:
    with AwsServer(PodmanMachines(folder=tmp_path_factory.mktemp("machines"))) as running, named(running):
        yield running


@pytest.fixture
def aws(server: AwsServer) -> Iterator[AwsServer]:
    """The same server for all tests, honest at the beginning of each."""
    server.calls.clear()
    yield server
    server.plants.goes_on = server.plants.graceful = server.plants.comes_back_new = False


def system() -> Document:
    """The deployer's verbs; health and records are those of a real etcd on its usual port."""
    text = (EXAMPLES / "etcd" / "classic.yaml").read_text().replace("${{ node.ports.client }}", "2379")
    etcd = yaml.safe_load(text)["system"]
    return {
        "kind": "command",
        "cwd": "$deployment_dir",
        **{verb: [*DEPLOYER, verb] for verb in ("init", "deploy", "status", "destroy")},
        "parameters_as_flags": ["init"],
        "inventory": {"file": "inventory.ini"},
        "creates_machines": True,
        **{key: etcd[key] for key in ("health", "rule", "data")},
    }


def ran(project: Project, suites: Document, **more: Any) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and the row of each suite."""
    (project.folder / "seatrial.toml").write_text(SETTINGS)
    given = {"provider": "aws", "test_type": "workflow", **more}
    document = {"system": system(), "test_suites": {name: {**suite, **given} for name, suite in suites.items()}}
    done = project.seatrial("run", project.write("aws.json", document), "--parallel", "3", timeout=400)
    rows = {row["name"]: row for row in project.results()["results"]}
    assert set(rows) == set(suites), done.stdout + done.stderr
    return done.returncode, rows


def alive(aws: AwsServer) -> list[str]:
    return [one.id for one in aws.instances.known.values() if one.state != "terminated"]


def acts(aws: AwsServer, action: str) -> list[str | None]:
    return [given.get("SkipOsShutdown") for name, given in aws.calls if name == action]


CRASHED: Document = {
    "parameters": {"cluster_size": 1},
    "workflow": [
        {"step": "init"}, {"step": "deploy"}, validate("cluster_status", "data_integrity", retry=RETRY),
        {"step": "crash_node", "target_node": "n11", "method": "destroy"},
        validate("node_status:n11:stopped"),
        {"step": "start_node", "target_node": "n11"},
        validate("cluster_status", "all_nodes_running", "data_integrity", retry=RETRY),
        {"step": "restart_node", "target_node": "n11", "method": "graceful"},
        validate("cluster_status", "data_integrity", retry=RETRY),
        {"step": "destroy"},
    ],
}  # fmt: skip


@tables.ON_ENGINES
def test_the_classic_workflows_pass_on_machines_that_the_deployer_made(project: Project, aws: AwsServer) -> None:
    stranger = str(machine(client(), "notes-of-somebody-else")["InstanceId"])
    classic = json.loads((EXAMPLES / "classic" / "classic.json").read_text())["test_suites"]
    aws.calls.clear()
    code, rows = ran(project, classic)
    left = alive(aws)
    client().terminate_instances(InstanceIds=[stranger])
    assert code == 0, [(row["verdict"], row["error"]) for row in rows.values()]
    # All three nodes stop and start; one stops, one crashes from inside; two crash by the API.
    assert sorted(map(str, acts(aws, "StopInstances"))) == ["None"] * 4 + ["true"] * 2
    assert acts(aws, "RunInstances") == [None] * 9
    assert (left, project.left()) == ([stranger], [])


def test_a_crash_and_a_graceful_restart_of_a_deployers_machine_are_green(project: Project, aws: AwsServer) -> None:
    code, rows = ran(project, {"crashed": CRASHED})
    assert code == 0, rows["crashed"]["error"]
    assert acts(aws, "StopInstances") == ["true", None]
    assert (alive(aws), project.left()) == ([], [])


@pytest.mark.parametrize(
    ("lie", "method", "said"),
    [
        ("goes_on", "destroy", "it still runs commands: its power is on"),
        ("goes_on", "graceful", "it still runs commands: its power is on"),
        ("graceful", "destroy", "was shut down in an orderly way"),
        ("comes_back_new", "destroy", "shows another host key than the recorded one"),
        ("comes_back_new", "graceful", "shows another host key than the recorded one"),
    ],
)
def test_an_aws_that_lies_is_never_green(lie: str, method: str, said: str, project: Project, aws: AwsServer) -> None:
    begin = CRASHED["workflow"][:3]
    steps = {"destroy": CRASHED["workflow"][3:6], "graceful": CRASHED["workflow"][7:8]}[method]
    setattr(aws.plants, lie, True)
    suite = {**CRASHED, "workflow": [*begin, *steps], "deadlines": {"start": 60, "restart": 60}}
    code, rows = ran(project, {"crashed": suite})
    row = only(list(rows.values()))
    assert (code, row["verdict"], row["category"]) == (3, "unknown", "infrastructure"), row["error"]
    assert said in row["error"]
    assert (alive(aws), project.left()) == ([], [])
