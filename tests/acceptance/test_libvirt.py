"""Real virtual machines through the real command: the classic workflows, what is killed, planted, and broken."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from tests.acceptance.containers_project import cache_of_tests
from tests.acceptance.harness import (
    Document,
    Project,
    assert_clean_leaves_nothing,
    killed_at_record,
    only,
    until,
    validate,
)
from tests.acceptance.libvirt_project import POOL, left_in_libvirt, on_libvirt, one_machine, there, virsh
from tests.backends import tables
from tests.backends.machines import daemon

from seatrial.providers.libvirt import xml
from seatrial.providers.libvirt.probing import SECTOR
from seatrial.providers.libvirt.settings import LibvirtSettings

pytestmark = [pytest.mark.slow, pytest.mark.backend("libvirt")]

CLASSIC = Path(__file__).resolve().parents[2] / "examples" / "etcd" / "classic.yaml"
RECORDS = 16
"""Of the ledger of a run of one machine."""
NODE_IS_INTENDED, NODE_IS_MADE = 8, 9
"""The records that say so: what is killed before the second has not waited for a boot."""


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    cache_of_tests(monkeypatch, tmp_path_factory)


# One suite at a time: where machines are emulated, six at once are too slow for a leader's heartbeat. And the machines
# boot once: every later suite starts from the snapshot of what the first one deployed.
@tables.ON_MACHINES
def test_the_classic_workflows_of_a_real_etcd_are_green_also_from_a_snapshot(project: Project, libvirtd: str) -> None:
    on_libvirt(project, libvirtd, memory=192)
    classic = yaml.safe_load(CLASSIC.read_text())
    suites = tables.part("classic", classic["test_suites"], one_in=2)
    classic["test_suites"] = {name: suite for name, suite in classic["test_suites"].items() if name in suites}
    document = project.write("classic.json", {**classic, "reuse": "snapshot"})
    done = project.seatrial("run", document, "--on", "libvirt", "--parallel", "1", timeout=1500)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = project.results()["results"]
    assert [row["verdict"] for row in rows] == ["passed"] * len(suites)
    assert [one["data"]["op"] for one in project.events() if one["kind"] == "cluster"].count("reused") == len(
        suites
    ) - 1
    assert len({row["workflow_steps"][1]["outputs"]["deployed_by"] for row in rows}) == 1
    assert left_in_libvirt(libvirtd)(project) == []
    assert project.left() == []


# Killed


# Before the boot: any record. After it: what is done stands before each record, so that "before" is the state that only
# a kill can leave.
@pytest.mark.table
@pytest.mark.parametrize(
    ("record", "when"),
    [(record, when) for record in range(1, NODE_IS_MADE) for when in ("before", "after")]
    + [(record, "before") for record in (NODE_IS_MADE, 10, 11)],
)
def test_killed_at_any_record_nothing_is_left_after_clean(
    project: Project, libvirtd: str, record: int, when: str
) -> None:
    on_libvirt(project, libvirtd)
    document = project.write("trial.json", one_machine())
    assert killed_at_record(project, document, record, when=when)
    told = _told_of(project)
    said = assert_clean_leaves_nothing(project, [left_in_libvirt(libvirtd), Project.left], f"{when} {record}")
    for kind, name in told:
        assert f"removed {kind} {name}" in said


def _told_of(project: Project) -> list[tuple[str, str]]:
    """Kind and name of all that the ledger of a dead run says is, or may be, there."""
    out = {}
    for file in (project.folder / ".seatrial" / "ledger").glob("*.jsonl"):
        for record in map(json.loads, file.read_text().splitlines()[1:]):  # the first one says its version
            out[record["kind"], record["name"]] = record["op"] != "given_back"
    return [key for key, there in out.items() if there]


def test_killed_while_a_machine_boots_nothing_is_left_after_clean(project: Project, libvirtd: str) -> None:
    on_libvirt(project, libvirtd)
    running = project.start("run", project.write("trial.json", one_machine()), "--format", "none")
    until(lambda: "running" in virsh(libvirtd, "list"), "the machine's start", 240)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    there = left_in_libvirt(libvirtd)(project)
    parts = {name.rpartition(".")[2] for name in there if name.startswith("volume")}
    assert parts == {"labels", "root", "seed", "console"}, there
    assert {"machine", "network"} <= {name.partition(" ")[0] for name in there}
    assert_clean_leaves_nothing(project, [left_in_libvirt(libvirtd), Project.left], "killed in the boot")


def test_a_boot_sector_whose_writer_was_killed_is_written_again(project: Project, libvirtd: str) -> None:
    on_libvirt(project, libvirtd)
    name = "seatrial-cache-guest-" + hashlib.blake2b(SECTOR, digest_size=4).hexdigest()
    for _ in range(2):
        done = project.seatrial("doctor", "libvirt", "--deadline", "180s")
        assert done.returncode == 0, done.stdout + done.stderr
        virsh(libvirtd, "vol-wipe", "--pool", POOL, name)  # as of one who was killed before the first byte


def test_a_try_of_this_machine_that_was_killed_is_given_back_by_clean_and_by_the_next_try(
    project: Project, libvirtd: str
) -> None:
    on_libvirt(project, libvirtd)
    for command in (["clean"], ["doctor", "libvirt", "--deadline", "180s"]):
        trying = project.start("doctor", "libvirt")
        until(lambda: "seatrial-probe-" in virsh(libvirtd, "net-list", "--name"), "the try's network", 240)
        trying.send_signal(signal.SIGKILL)
        trying.communicate()
        name = virsh(libvirtd, "net-list", "--name")
        assert name.startswith("seatrial-probe-")
        done = project.seatrial(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        assert left_in_libvirt(libvirtd)(project) == []
        assert command != ["clean"] or f"removed network {name}" in done.stdout


# Planted leaks


@pytest.fixture
def mine(libvirtd: str) -> Iterator[dict[str, str]]:
    """A machine, a network and a volume of the user's own, called as if they were of ours."""
    tail = uuid.uuid4().hex[:12]
    names = {"machine": f"t1-n11-{tail}", "network": f"seatrial-{tail}", "volume": f"seatrial.{tail}.n11.root"}
    _feed(libvirtd, "define", f"<domain type='qemu'><name>{names['machine']}</name><memory>65536</memory>"
          "<os><type arch='x86_64'>hvm</type></os></domain>")  # fmt: skip
    _feed(libvirtd, "net-define", f"<network><name>{names['network']}</name><bridge name='seau{tail[:8]}'/></network>")
    yield names
    virsh(libvirtd, "undefine", names["machine"])
    virsh(libvirtd, "net-undefine", names["network"])


def _feed(uri: str, command: str, text: str) -> None:
    argv = ["virsh", "-q", "-c", uri, command, "/dev/stdin"]
    subprocess.run(argv, input=text, text=True, capture_output=True, timeout=180, check=True)


@tables.ON_MACHINES
def test_what_a_dead_run_made_and_never_recorded_is_found_and_given_back(
    project: Project, libvirtd: str, mine: dict[str, str]
) -> None:
    on_libvirt(project, libvirtd)
    # First, for a run that begins gives back what dead ones left.
    living = project.start("run", project.write("living.json", one_machine({"step": "wait", "for": "900s"})))
    try:
        until(lambda: _waits(project), "the living run's wait", 300)
        nets = set(virsh(libvirtd, "net-list", "--name").split())
        assert killed_at_record(project, project.write("trial.json", one_machine()), NODE_IS_INTENDED, when="after")
        network = only([one for one in virsh(libvirtd, "net-list", "--name").split() if one not in nets])
        labels = xml.network_labels(virsh(libvirtd, "net-dumpxml", network))
        run, trial = labels["seatrial.run"], labels["seatrial.trial"]
        virsh(libvirtd, "vol-create-as", POOL, mine["volume"], "1M")
        leaks = _plant(libvirtd, network, labels)
        said = project.seatrial("clean")
        assert said.returncode == 0, said.stdout
        for leak in leaks:
            assert f"found {leak}" in said.stdout
            assert f"removed {leak}" in said.stdout
        assert f"removed network {network}" in said.stdout
        assert "still active" in said.stdout
        assert not [one for one in there(libvirtd, {run}) if trial in one]
        assert set(virsh(libvirtd, "net-list", "--name").split()) == nets
        alive = there(libvirtd, {project.runs()[0].name})
        kinds = [one.partition(" ")[0] for one in alive if one.partition(" ")[0] != "network"]
        assert kinds == ["machine", *["volume"] * 4], alive
        assert virsh(libvirtd, "domstate", mine["machine"]) == "shut off"
        assert mine["network"] in virsh(libvirtd, "net-list", "--all", "--name")
        assert mine["volume"] in virsh(libvirtd, "vol-list", POOL)
        virsh(libvirtd, "vol-delete", "--pool", POOL, mine["volume"])
    finally:
        os.killpg(living.pid, signal.SIGINT)
        living.communicate(timeout=300)
    assert len((project.runs()[0] / "ledger.jsonl").read_text().splitlines()) == RECORDS + 1
    assert_clean_leaves_nothing(project, [left_in_libvirt(libvirtd), Project.left], "after the living run")


def _plant(uri: str, network: str, labels: Mapping[str, str]) -> list[str]:
    """A volume, a machine and a network of a run that its ledger does not know; how `clean` has to name them."""
    run, trial = labels["seatrial.run"], labels["seatrial.trial"]
    volume, other = f"seatrial.{run}.{trial}.n19.seed", _another(network)
    virsh(uri, "vol-create-as", POOL, volume, "1M")
    node = {**labels, "seatrial.node": "n18"}
    _feed(
        uri,
        "define",
        xml.domain(
            xml.Machine(name=f"leak-{trial}", kvm=False, memory_mib=32, disks=[], labels=node), LibvirtSettings()
        ),
    )
    _feed(uri, "net-create", xml.network(other, "sealeak0", "10.127.251.0/24", labels, nat=False))
    return [f"node {trial}-n18", f"volume {volume}", f"network {other}"]


def _another(network: str) -> str:
    """The name of another trial's network."""
    return network[:-3] + ("abc" if network[-3:] != "abc" else "xyz")


def _waits(project: Project) -> bool:
    return any(one["kind"] == "step_started" and one["data"].get("type") == "wait" for one in project.events())


# Broken


@pytest.fixture
def small_disk(libvirtd: str, tmp_path: Path) -> Iterator[Path]:
    """A folder that is a disk of its own, where the daemon is: the copies of the images, and little room besides."""
    folder = tmp_path / "disk"
    folder.mkdir()
    inside = ["nsenter", "--mount", f"--target={daemon(libvirtd)}"]
    subprocess.run([*inside, "mount", "-t", "tmpfs", "-o", "size=400M", "tmpfs", folder], check=True)
    yield folder
    subprocess.run([*inside, "umount", folder], check=True)


@tables.ON_MACHINES
def test_no_room_on_this_host_is_unknown_and_says_what_to_do(project: Project, libvirtd: str, small_disk: Path) -> None:
    on_libvirt(project, libvirtd, folder=str(small_disk))
    error = _ends(project, one_machine(), 3, "unknown")
    assert "no disk space for the machine" in error
    assert "free some, or set providers.libvirt.folder elsewhere" in error
    assert left_in_libvirt(libvirtd)(project) == []


@tables.ON_MACHINES
def test_a_disk_of_this_host_that_fills_up_under_a_machine_is_unknown_and_says_so(
    project: Project, libvirtd: str, small_disk: Path
) -> None:
    on_libvirt(project, libvirtd, folder=str(small_disk), room_mb=1)
    fill = "dd if=/dev/urandom of=/var/lib/seatrial/x bs=1M count=500; sync"
    look = validate({"check": "command", "command": ["sh", "-c", fill], "on": "n11", "timeout": "180s"})
    error = _ends(project, one_machine(look), 3, "unknown")
    assert "free some disk space, or set providers.libvirt.folder elsewhere" in error
    assert left_in_libvirt(libvirtd)(project) == []


def _ends(project: Project, document: Document, code: int, verdict: str) -> str:
    """Run it: so it has to end, and nothing of ours is left. What is said of it."""
    done = project.seatrial("run", project.write("trial.json", document), "--format", "none", timeout=600)
    row = only(project.results()["results"])
    assert (done.returncode, row["verdict"]) == (code, verdict), f"{row['error']} {row['evidence']}"
    assert project.left() == []
    return f"{row['error']} {row['evidence']}"
