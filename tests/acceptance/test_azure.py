"""Machines of Azure through the real command: a real etcd on them, runs that are killed, lies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.containers_project import SERVICE
from tests.acceptance.harness import Project, kill_and_clean, kill_and_clean_elsewhere, suite

from loopback.calls import named
from seatrial_stand_ins.azure import AzureServer
from seatrial_stand_ins.clouds.things import Machine, Thing
from seatrial_stand_ins.machines import Wanted
from seatrial_stand_ins.machines.podman import PodmanMachines

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman"), pytest.mark.xdist_group("azure-acceptance")]

CLASSIC = Path(__file__).resolve().parents[2] / "examples" / "etcd" / "classic.yaml"
SETTINGS = """[providers.azure]
image = "Debian:debian-12:12-gen2:latest"
size = "Standard_B1s"
location = "westeurope"
"""
VMS = "Microsoft.Compute/virtualMachines"
FOREIGN = 20


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureServer]:
    with AzureServer(PodmanMachines(folder=tmp_path_factory.mktemp("machines"))) as server, named(server):
        yield server


@pytest.fixture
def strangers(azure: AzureServer) -> Iterator[None]:
    """Groups and machines of somebody else, with names and tags much like ours."""
    tags = {"seatrial": "yes", "seatrial.runs": "r1m8p7mhy800z3jv78h0ay8p"}
    for number in range(FOREIGN):
        group = f"foreign-seatrial-r1m8p7mhy800z3jv78h0ay{number:02}"
        told = {"location": "westeurope", "properties": {"provisioningState": "Succeeded"}}
        azure.groups.add(Thing(id=group, name=group, told=told, labels=tags), always=True)
        name = f"seatrial-t1m8p7mhy{number:02}-n11"
        id = azure.id(group, VMS, name)
        machine = Machine(
            id=id.lower(), name=name, labels=dict(tags), state="off",
            wanted=Wanted(id=name, name=name, template="x", cpus=1, memory_mib=1, root_size=1),
            told={
                "id": id, "name": name, "type": VMS, "location": "westeurope", "properties": {}, "_asked": {},
                "_failed": (), "_deallocated": True, "_serial": "", "_cards": [], "_disks": [],
            },
        )  # fmt: skip
        azure.machines.add(machine, always=True)
    yield
    foreign = [id for shelf in (azure.groups, azure.machines) for id in shelf if "foreign-" in str(id)]
    assert len(foreign) == FOREIGN * 2
    for one in foreign:
        azure.groups.pop(one, None)
        azure.machines.pop(one, None)


def left(server: AzureServer) -> list[str]:
    """What of Seatrial is in the subscription."""
    shelves = [server.groups, *server.shelves.values()]
    return [str(id) for shelf in shelves for id in shelf if "foreign-" not in str(id)]


def test_an_etcd_whose_leader_is_crashed_by_the_api_is_green_on_azure(project: Project, azure: AzureServer) -> None:
    (project.folder / "seatrial.toml").write_text(SETTINGS)
    before = len(azure.calls)
    asked = ("--on", "azure", "--run-test", "azure-workflow-etcd_leader_crashed")
    done = project.seatrial("run", CLASSIC, *asked, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row["verdict"] for row in project.results()["results"]] == ["passed"]
    names = [name for name, _ in azure.calls[before:]]
    assert names.count(f"{VMS}/write") == 3
    assert names.count(f"{VMS}/powerOff/action") == 1
    assert (left(azure), project.left(), azure.wrong) == ([], [], [])
    files = [file for file in project.folder.rglob("*") if file.is_file()]
    secrets = (azure.secret.encode(), azure.token.encode())
    assert [file for file in files if any(secret in file.read_bytes() for secret in secrets)] == []


def one_machine(project: Project) -> list[object]:
    """A project with a document of one machine with a disk; the arguments of `run`."""
    (project.folder / "seatrial.toml").write_text(SETTINGS)
    more = {"parameters": {"cluster_size": 1, "data_volumes_per_node": 1}, "system": SERVICE}
    return [project.write("trial.json", suite("init", "deploy", "destroy", provider="azure", **more))]


@pytest.mark.table
@pytest.mark.parametrize("when, record", [(when, record) for when in ("before", "after") for record in range(1, 10)])
def test_killed_at_any_record_and_cleaned_nothing_is_left_in_the_subscription(
    when: str, record: int, tmp_path: Path, azure: AzureServer, strangers: None
) -> None:
    listers = [lambda _: left(azure), Project.left]
    assert kill_and_clean(tmp_path, one_machine, listers, when=when, record=record)


def test_a_killed_run_is_cleaned_from_another_machine_by_its_tags_alone(
    tmp_path: Path, azure: AzureServer, strangers: None
) -> None:
    kill_and_clean_elsewhere(
        tmp_path, one_machine, "azure", record=5, stands=lambda: any("virtualmachines" in id for id in left(azure))
    )
    assert left(azure) == []


@pytest.mark.parametrize("lie", ["goes_on", "graceful"])
def test_a_crash_that_is_none_is_unknown(lie: str, project: Project, azure: AzureServer) -> None:
    (project.folder / "seatrial.toml").write_text(SETTINGS)

    class Everything(set[str]):
        def __contains__(self, name: object) -> bool:
            return True

    setattr(azure.plants, lie, Everything())
    steps = ("init", "deploy", {"step": "crash_node", "target_node": "n11", "method": "destroy"},
             {"step": "start_node", "target_node": "n11"})  # fmt: skip
    more = {"parameters": {"cluster_size": 1}, "system": SERVICE}
    document = project.write("trial.json", suite(*steps, provider="azure", **more))
    try:
        done = project.seatrial("run", document, timeout=600)
    finally:
        setattr(azure.plants, lie, set())
    said = {"goes_on": "it still runs commands", "graceful": "was shut down in an orderly way"}[lie]
    assert (done.returncode, said in project.results()["results"][0]["error"]) == (3, True), done.stdout
    assert (left(azure), project.left()) == ([], [])
