"""Real machines through the real command: what happens when one goes down, does not, or never comes up."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.acceptance.containers_project import cache_of_tests, engine, left_in_podman, on_containers
from tests.acceptance.harness import Document, Project, only, suite, until
from tests.backends import tables
from tests.backends.machines import machines

podman = pytest.mark.backend("podman")
libvirt = pytest.mark.backend("libvirt")
pytestmark = pytest.mark.slow

SYSTEM: Document = {
    "kind": "processes",
    "service": {"command": ["sleep", "100000"]},
    "health": {"command": ["true"], "timeout": "120s"},
}
DEAF = "for name in reboot poweroff; do ln -sf /bin/true /sbin/$name; ln -sf /bin/true /usr/sbin/$name; done"
LOST = ("the connection was interrupted while", "the container went down during")
AT_ONCE = 60.0
"""Seconds from the end of the call that took the power away, on a busy machine; the command would take 300."""


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    cache_of_tests(monkeypatch, tmp_path_factory)


def on_libvirt(project: Project, uri: str, settings: dict[str, Any] | None = None) -> None:
    """Write the project's settings."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in (settings or machines(uri)).items()]
    (project.folder / "seatrial.toml").write_text("\n".join(["[providers.libvirt]", *lines]) + "\n")


def nodes(count: int, provider: str, *steps: Document, **more: Any) -> Document:
    """A document with one suite on so many nodes."""
    return {
        "system": SYSTEM,
        **suite("init", "deploy", *steps, provider=provider, parameters={"cluster_size": count}, **more),
    }


def trials(project: Project) -> set[str]:
    """The ids that names of what its newest run made carry."""
    return {event["trial"] for event in project.events() if event.get("trial")}


def ours(uri: str, project: Project) -> list[str]:
    """All at the daemon that belongs to the newest run: machines, networks, files."""
    import libvirt as library

    from seatrial.providers.libvirt import volumes

    connection = library.open(uri)
    try:
        found = [domain.name() for domain in connection.listAllDomains()]
        found += [network.name() for network in connection.listAllNetworks()]
        for pool in connection.listAllStoragePools(library.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
            found += volumes.look(pool)
    finally:
        connection.close()
    assert trials(project)
    return [name for name in found if any(trial in name for trial in trials(project))]


def running(uri: str, project: Project) -> list[str]:
    """The names of its machines that have power."""
    names = virsh(uri, "list", "--name").split()
    return [name for name in names if any(trial in name for trial in trials(project))]


def virsh(uri: str, *words: str) -> str:
    done = subprocess.run(["virsh", "-q", "-c", uri, *words], capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, f"virsh {' '.join(words)}: {done.stderr}"
    return done.stdout


def console(uri: str, project: Project) -> str:
    """What the machines of this project wrote on their serial ports."""
    import libvirt as library

    from seatrial.providers.libvirt import console

    connection = library.open(uri)
    try:
        return "".join(
            console.read(connection, pool, name)
            for pool in connection.listAllStoragePools(library.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)
            for name in pool.listVolumes()
            if name.endswith("console") and any(trial in name for trial in trials(project))
        )
    finally:
        connection.close()


@contextmanager
def going(project: Project, document: Document) -> Iterator[subprocess.Popen[str]]:
    """A run that goes on meanwhile, and is broken off when the test fails before its end."""
    process = project.start("run", project.write("trial.json", document), "--format", "none")
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=300)


def steps(project: Project, type: str) -> list[dict[str, Any]]:
    """The data of the ends of all steps of this type, with when each ended."""
    ends = [event for event in project.events() if event["kind"] == "step_finished"]
    return [{**event["data"], "at": event["at"]} for event in ends if event["data"]["type"] == type]


def on_node(**more: Any) -> Document:
    """A command on the node n11."""
    return {"step": "custom_command", "on": "n11", **more}


def assert_lost(project: Project, process: subprocess.Popen[str], killed: float, within: float) -> None:
    """The command on the node ended at once, as a link that was lost: not as an exit code, and not as a failure."""
    process.wait(timeout=300)
    row = only(project.results()["results"])
    assert (process.returncode, row["verdict"]) == (3, "unknown"), row
    ended = steps(project, "custom_command")[-1]
    assert ended["verdict"] == "unknown"
    assert any(words in ended["error"] for words in LOST), ended
    assert "exit_code" not in ended.get("outputs", {})
    assert ended["at"] - killed < within


@podman
@pytest.mark.parametrize("ssh", ["yes", "no"])
def test_a_command_on_a_container_that_is_killed_ends_at_once_as_a_lost_link(project: Project, ssh: str) -> None:
    on_containers(project, ssh=ssh)
    command = on_node(custom_command=["sleep", "300"])
    container: list[str] = []

    def sleeps() -> bool:
        container[:] = engine("ps", "--quiet", "--filter", f"label=seatrial.project={project.folder}").split()
        return bool(container) and "sleep 300\n" in f"{engine('top', container[0], 'args')}\n"

    with going(project, nodes(1, "containers", command)) as process:
        until(sleeps, "the command on the node")
        engine("kill", container[0])
        assert_lost(project, process, time.time(), AT_ONCE)
    assert left_in_podman(project) == []
    assert project.left() == []


@tables.ON_MACHINES
@libvirt
def test_a_guest_that_ignores_reboot_fails_and_a_command_on_one_that_loses_power_is_lost(
    project: Project, libvirtd: str
) -> None:
    on_libvirt(project, libvirtd)
    workflow: list[Document] = [
        on_node(custom_command=DEAF),
        {"step": "restart_node", "target_node": "n11", "allow_failure": True},
        on_node(custom_command="echo the command runs >/dev/ttyS0; exec sleep 300"),
    ]
    with going(project, nodes(1, "libvirt", *workflow, deadlines={"restart": 15})) as process:
        until(lambda: "the command runs" in _console_or_end(libvirtd, project, process), "the command", 240)
        (machine,) = running(libvirtd, project)
        virsh(libvirtd, "destroy", machine)
        assert_lost(project, process, time.time(), AT_ONCE)
    restarted = only(steps(project, "restart_node"))
    assert restarted["verdict"] == "failed", restarted
    assert "n11 did not go down" in restarted["error"]
    assert ours(libvirtd, project) == []
    assert project.left() == []


def _console_or_end(uri: str, project: Project, process: subprocess.Popen[str]) -> str:
    assert process.poll() is None, project.results()
    return console(uri, project) if project.events() else ""


# While it is deployed


def interrupted(project: Project, document: Document, stand: Callable[[], int]) -> None:
    """Ctrl-C as soon as three nodes stand, of which none is through with its start."""
    with going(project, document) as process:
        until(lambda: process.poll() is not None or stand() == 3, "three nodes", 240)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=300) == 130, project.results()
    assert only(project.results()["results"])["verdict"] != "passed"
    assert project.left() == []


@podman
def test_ctrl_c_while_three_containers_are_made_leaves_nothing(project: Project) -> None:
    on_containers(project)

    def stand() -> int:
        return len(engine("ps", "--quiet", "--filter", f"label=seatrial.project={project.folder}").split())

    # Never healthy, so the deployment goes on until it is broken off.
    never = {**SYSTEM, "health": {"command": ["false"]}}
    interrupted(project, {**nodes(3, "containers"), "system": never}, stand)
    assert left_in_podman(project) == []


@libvirt
def test_ctrl_c_while_three_machines_boot_leaves_nothing(project: Project, libvirtd: str) -> None:
    on_libvirt(project, libvirtd)
    interrupted(project, nodes(3, "libvirt"), lambda: len(running(libvirtd, project)))
    assert ours(libvirtd, project) == []


@libvirt
def test_a_machine_that_dies_while_it_boots_is_unknown_and_its_console_is_kept(project: Project, libvirtd: str) -> None:
    on_libvirt(project, libvirtd)
    with going(project, nodes(1, "libvirt")) as process:
        until(lambda: _console_or_end(libvirtd, project, process).strip(), "the kernel's first words", 240)
        (machine,) = running(libvirtd, project)
        virsh(libvirtd, "destroy", machine)
        process.wait(timeout=300)
    row = only(project.results()["results"])
    assert (process.returncode, row["verdict"]) == (3, "unknown"), row
    assert "the machine n11 did not come up: it went off while it booted: shut off (destroyed)" in row["error"]
    assert kept_console(project).strip()
    assert ours(libvirtd, project) == []
    assert project.left() == []


@podman
def test_a_container_that_dies_while_it_starts_is_unknown_and_its_console_is_kept(project: Project) -> None:
    on_containers(project, command="image", options=["--entrypoint", '["/bin/sh", "-c", "echo mayday; exit 7"]'])
    done = project.seatrial("run", project.write("trial.json", nodes(1, "containers")), "--format", "none")
    row = only(project.results()["results"])
    assert (done.returncode, row["verdict"]) == (3, "unknown"), row
    assert "ended with exit code 7; it said: mayday" in row["error"]
    assert "mayday" in kept_console(project)
    assert left_in_podman(project) == []
    assert project.left() == []


def kept_console(project: Project) -> str:
    """What of a node's console is in the artifacts of the newest run."""
    files = [file for file in project.runs()[-1].glob("*/artifacts/**/*") if "console" in file.name]
    assert files, [str(file) for file in project.runs()[-1].glob("*/artifacts/**/*")]
    return "".join(file.read_text() for file in files)


# Images


@libvirt
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "the file does not exist: name a disk image"),
        (b"no image, but a few words\n", "it is neither qcow2 nor a raw disk with a boot sector (26 bytes)"),
        (b"\x1f\x8bpacked", "it is compressed: gzip -d"),
        # A disk whose loader says that there is no system.
        (b"\xcd\x18".ljust(510, b"\0") + b"\x55\xaa" + bytes(2**20 - 512), "its firmware found nothing to boot"),
    ],
    ids=["missing", "text", "compressed", "no loader"],
)
def test_a_wrong_image_is_said_is_unknown_and_nothing_is_left(
    project: Project, libvirtd: str, content: bytes | None, told: str
) -> None:
    image = project.folder / "image.qcow2"
    if content is not None:
        image.write_bytes(content)
    on_libvirt(project, libvirtd, {"uri": libvirtd, "image": str(image), "memory": 64, "accelerate": "tcg"})
    done = project.seatrial("run", project.write("trial.json", nodes(1, "libvirt")), "--format", "none")
    row = only(project.results()["results"])
    assert told in row["error"], row
    assert (done.returncode, row["verdict"]) == (3, "unknown"), done.stderr
    assert ours(libvirtd, project) == []
    assert project.left() == []
