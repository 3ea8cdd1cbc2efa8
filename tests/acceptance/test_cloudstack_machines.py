"""Virtual machines of a CloudStack through the real command: a real etcd on them, and runs that are killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.containers_project import SERVICE
from tests.acceptance.harness import Project, assert_clean_leaves_nothing, kill_at_records, suite, until

from cloudstack_server.calls import catalog, client
from loopback.calls import named
from seatrial_stand_ins.cloudstack import CloudStackServer, PodmanMachines

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman")]

CLASSIC = Path(__file__).resolve().parents[2] / "examples" / "etcd" / "classic.yaml"
SETTINGS = '[providers.cloudstack]\ntemplate = "debian-12"\noffering = "small"\n'


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudStackServer]:
    with CloudStackServer(PodmanMachines(folder=tmp_path_factory.mktemp("machines"))) as server, named(server):
        yield server


def test_an_etcd_whose_leader_is_crashed_by_the_api_is_green_on_cloudstack(
    project: Project, cloud: CloudStackServer
) -> None:
    (project.folder / "seatrial.toml").write_text(SETTINGS)
    asked = ("--on", "cloudstack", "--run-test", "cloudstack-workflow-etcd_leader_crashed")
    done = project.seatrial("run", CLASSIC, *asked, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row["verdict"] for row in project.results()["results"]] == ["passed"]
    assert [given.get("forced") for command, given in cloud.cloud.calls if command == "stopVirtualMachine"] == ["true"]
    assert not cloud.cloud.machines
    assert not cloud.cloud.volumes
    assert project.left() == []
    files = [file for file in project.folder.rglob("*") if file.is_file()]
    assert [file for file in files if cloud.secret.encode() in file.read_bytes()] == []


@pytest.fixture
def stranger(cloud: CloudStackServer) -> Iterator[str]:
    """A machine that is somebody else's."""
    caller = client(cloud)
    made = caller.deployVirtualMachine(**catalog(caller), name="somebody-else", startvm=False)["virtualmachine"]
    yield made["id"]
    assert made["id"] in cloud.cloud.machines
    caller.destroyVirtualMachine(id=made["id"], expunge=True)


def one_machine(project: Project) -> list[object]:
    """A project with a document of one machine with a disk; the arguments of `run`."""
    (project.folder / "seatrial.toml").write_text(SETTINGS)
    more = {"parameters": {"cluster_size": 1, "data_volumes_per_node": 1}, "system": SERVICE}
    return [project.write("trial.json", suite("init", "deploy", "destroy", provider="cloudstack", **more))]


def test_a_run_that_is_killed_leaves_nothing_in_the_cloud_that_clean_does_not_destroy(
    tmp_path: Path, cloud: CloudStackServer, stranger: str
) -> None:
    def left(project: Project) -> list[str]:
        disks = [one.name for one in cloud.cloud.volumes.values() if one.kind == "DATADISK"]
        return [one.name for one in cloud.cloud.machines.values() if one.id != stranger] + disks

    # The third record says that the machine is made, the fifth that it is gone; a run that ends by itself has seven.
    assert kill_at_records(tmp_path, one_machine, [left, Project.left], when="after", first=3, step=3) == 2
    project = Project(tmp_path / "between")
    project.folder.mkdir()
    cloud.plants.slow = 5.0  # so long it is starting, and CloudStack would not destroy it
    process = project.start("run", *one_machine(project), "--format", "none")
    until(lambda: left(project), "the machine that is being made")
    process.kill()
    process.communicate(timeout=300)
    cloud.plants.slow = 0.0
    assert_clean_leaves_nothing(project, [left, Project.left], "killed while CloudStack made the machine")
