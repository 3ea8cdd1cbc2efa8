"""Machines of Hetzner Cloud and DigitalOcean through the real command: a real etcd, killed runs, lies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.containers_project import SERVICE
from tests.acceptance.harness import Project, kill_and_clean, kill_and_clean_elsewhere, suite

from seatrial_stand_ins.clouds.server import CloudServer
from seatrial_stand_ins.clouds.things import Machine
from seatrial_stand_ins.digitalocean import DigitalOceanServer
from seatrial_stand_ins.hetzner import HetznerServer
from seatrial_stand_ins.machines import Wanted
from seatrial_stand_ins.machines.podman import PodmanMachines

pytestmark = [pytest.mark.slow, pytest.mark.backend("podman"), pytest.mark.xdist_group("small-clouds")]

CLASSIC = Path(__file__).resolve().parents[2] / "examples" / "etcd" / "classic.yaml"
SERVERS: dict[str, type[CloudServer]] = {"hetzner": HetznerServer, "digitalocean": DigitalOceanServer}
SETTINGS = {
    "hetzner": '[providers.hetzner]\nimage = "debian-12"\nsize = "cx23"\nspread = true\n',
    "digitalocean": '[providers.digitalocean]\nimage = "debian-12-x64"\nsize = "s-1vcpu-1gb"\n',
}
CREATES = {"hetzner": "POST /servers", "digitalocean": "POST /droplets"}
FOREIGN = 20


@pytest.fixture(scope="module", params=list(SERVERS))
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(vendor: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    machines = PodmanMachines(folder=tmp_path_factory.mktemp("machines"))
    with SERVERS[vendor](machines) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture
def strangers(vendor: str, server: CloudServer) -> Iterator[None]:
    """Machines of somebody else, with names and labels much like ours."""
    told = {"_group": 0, "_private": "", "vpc_uuid": "", "region": None}
    for number in range(FOREIGN):
        name, id = f"seatrial-t1m8p7mhy{number:02}-n11", 90_000_000 + number
        wanted = Wanted(id=str(id), name=name, template="x", cpus=1, memory_mib=1, root_size=1)
        labels = {"seatrial": "yes", "seatrial-runs": "r1m8p7mhy800z3jv78h0ay8p"}
        tags = ["seatrial", "seatrial-run", f"seatrial-of-{number}"]
        machine = Machine(id=id, name=name, wanted=wanted, labels=labels, tags=tags, told=dict(told), state="off")
        server.machines.add(machine, always=True)
    yield
    foreign = [key for key in server.machines if int(key) >= 90_000_000]
    for key in foreign:
        del server.machines[key]
    assert len(foreign) == FOREIGN


def left(server: CloudServer) -> list[str]:
    """What of Seatrial is in the account."""
    shelves = [getattr(server, name, {}) for name in ("ssh_keys", "keys", "tags", "placement_groups")]
    own = [thing.name for id, thing in server.machines.items() if int(id) < 90_000_000]
    return own + [thing.name for shelf in shelves for thing in shelf.values()]


def test_an_etcd_whose_leader_is_crashed_by_the_api_is_green(
    project: Project, vendor: str, server: CloudServer
) -> None:
    (project.folder / "seatrial.toml").write_text(SETTINGS[vendor])
    asked = ("--on", vendor, "--run-test", f"{vendor}-workflow-etcd_leader_crashed")
    before = len(server.calls)
    done = project.seatrial("run", CLASSIC, *asked, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row["verdict"] for row in project.results()["results"]] == ["passed"]
    assert [call for call, _ in server.calls[before:]].count(CREATES[vendor]) == 3
    cuts = [one.command for one in server.operations.all.values() if one.command in ("stop_server", "power_off")]
    assert len(cuts) == 1
    assert (left(server), project.left()) == ([], [])
    files = [file for file in project.folder.rglob("*") if file.is_file()]
    assert [file for file in files if server.token.encode() in file.read_bytes()] == []


def one_machine(project: Project, vendor: str) -> list[object]:
    """A project with a document of one machine; the arguments of `run`."""
    (project.folder / "seatrial.toml").write_text(SETTINGS[vendor])
    more = {"parameters": {"cluster_size": 1}, "system": SERVICE}
    return [project.write("trial.json", suite("init", "deploy", "destroy", provider=vendor, **more))]


@pytest.mark.table
@pytest.mark.parametrize("when, record", [(when, record) for when in ("before", "after") for record in range(1, 8)])
def test_killed_at_any_record_and_cleaned_nothing_is_left_in_the_account(
    when: str, record: int, tmp_path: Path, vendor: str, server: CloudServer, strangers: None
) -> None:
    def make(project: Project) -> list[object]:
        return one_machine(project, vendor)

    listers = [lambda _: left(server), Project.left]
    assert kill_and_clean(tmp_path, make, listers, when=when, record=record)


def test_a_killed_run_is_cleaned_from_another_machine_by_its_labels_alone(
    tmp_path: Path, vendor: str, server: CloudServer, strangers: None
) -> None:
    kill_and_clean_elsewhere(
        tmp_path,
        lambda project: one_machine(project, vendor),
        vendor,
        record=4 if vendor == "hetzner" else 6,
        stands=lambda: bool(left(server)),
    )
    assert left(server) == []


@pytest.mark.parametrize("lie", ["goes_on", "graceful"])
def test_a_crash_that_is_none_is_unknown(lie: str, project: Project, vendor: str, server: CloudServer) -> None:
    (project.folder / "seatrial.toml").write_text(SETTINGS[vendor])

    class Everything(set[str]):
        def __contains__(self, name: object) -> bool:
            return True

    setattr(server.plants, lie, Everything())
    steps = ("init", "deploy", {"step": "crash_node", "target_node": "n11", "method": "destroy"},
             {"step": "start_node", "target_node": "n11"})  # fmt: skip
    more = {"parameters": {"cluster_size": 1}, "system": SERVICE}
    document = project.write("trial.json", suite(*steps, provider=vendor, **more))
    try:
        done = project.seatrial("run", document, timeout=600)
    finally:
        setattr(server.plants, lie, set())
    said = {"goes_on": "it still runs commands", "graceful": "was shut down in an orderly way"}[lie]
    assert (done.returncode, said in project.results()["results"][0]["error"]) == (3, True), done.stdout
    assert (left(server), project.left()) == ([], [])
