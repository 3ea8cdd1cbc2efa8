"""Instances of Google Cloud through the real command: a real etcd on them, and runs that are killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.containers_project import SERVICE
from tests.acceptance.harness import Project, kill_and_clean, kill_and_clean_elsewhere, suite

from gcp_server.calls import AT, Client, ours
from loopback.calls import named
from seatrial_stand_ins.gcp import GoogleServer
from seatrial_stand_ins.machines.podman import PodmanMachines

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman"), pytest.mark.xdist_group("gcp-acceptance")]

CLASSIC = Path(__file__).resolve().parents[2] / "examples" / "etcd" / "classic.yaml"
SETTINGS = """[providers.gcp]
image = "ubuntu-os-cloud/ubuntu-2404-lts-amd64"
size = "e2-small"
zone = "europe-west3-a"
"""


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleServer]:
    with GoogleServer(PodmanMachines(folder=tmp_path_factory.mktemp("machines"))) as server, named(server):
        yield server


def test_an_etcd_whose_leader_is_crashed_by_the_api_is_green_on_google_cloud(
    project: Project, google: GoogleServer
) -> None:
    (project.folder / "seatrial.toml").write_text(SETTINGS)
    asked = ("--on", "gcp", "--run-test", "gcp-workflow-etcd_leader_crashed")
    done = project.seatrial("run", CLASSIC, *asked, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row["verdict"] for row in project.results()["results"]] == ["passed"]
    power = [name for name, _ in google.cloud.calls if name.endswith((".reset", ".stop", ".start"))]
    assert power == ["instances.reset", "instances.stop", "instances.start"]
    assert ours(google) == []
    assert project.left() == []
    secret = google.credentials.key_file("")["private_key"].splitlines()[2].encode()
    files = [file for file in project.folder.rglob("*") if file.is_file()]
    assert [file for file in files if secret in file.read_bytes() or b"ya29." in file.read_bytes()] == []


def one_machine(project: Project) -> list[object]:
    """A project with a document of one instance with a disk; the arguments of `run`."""
    (project.folder / "seatrial.toml").write_text(SETTINGS)
    more = {"parameters": {"cluster_size": 1, "data_volumes_per_node": 1}, "system": SERVICE}
    return [project.write("trial.json", suite("init", "deploy", "destroy", provider="gcp", **more))]


@pytest.mark.table
@pytest.mark.parametrize("when, record", [(when, record) for when in ("before", "after") for record in range(1, 13)])
def test_killed_at_any_record_and_cleaned_nothing_is_left_in_the_project(
    when: str, record: int, tmp_path: Path, google: GoogleServer
) -> None:
    with Client(google) as client:
        client.make("seatrial-somebody-else", labels={"seatrial-node": "n11"})
        strangers = set(ours(google))

        def left(project: Project) -> list[str]:
            return sorted(set(ours(google)) - strangers)

        assert kill_and_clean(tmp_path, one_machine, [left, Project.left], when=when, record=record)
        assert set(ours(google)) == strangers
        client.do("instances.delete", **AT, instance="seatrial-somebody-else")


def test_a_killed_run_is_cleaned_from_another_machine_by_its_labels_alone(tmp_path: Path, google: GoogleServer) -> None:
    kill_and_clean_elsewhere(
        tmp_path, one_machine, "gcp", record=7, stands=lambda: any("/instances/" in path for path in ours(google))
    )
    assert ours(google) == []
