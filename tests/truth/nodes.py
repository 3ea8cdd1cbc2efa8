"""Rows of nodes on this host: services that misbehave, outages, and what is looked at inside a node."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.acceptance.harness import Document, Project, suite, validate
from tests.truth.case import Case
from tests.truth.documents import LETTERS, command

QUICK = {"retry": {"timeout": "15s"}}
SLOW_DEPLOY = {"deadlines": {"deploy": 8}}
MISSING = ["no-such-program-of-ours"]


def row(what: str, look: str, letter: str, *steps: Document | str, **more: Any) -> Case:
    """A row of a suite that is deployed on nodes of its own: `size` of them, with a service that does `misbehave`."""
    planted, right = LETTERS[letter]
    parameters: Document = {"cluster_size": more.pop("size", 1)}
    if misbehave := more.pop("misbehave", ""):
        parameters["misbehave"] = misbehave
    keys = {key: more.pop(key) for key in ("deadlines", "system") if key in more}
    document = suite("init", "deploy", *steps, parameters=parameters, **keys)
    return Case(system="local", what=what, look=look, planted=planted, right=right, document=document, **more)


ALL = ("cluster_status", "ssh_connectivity", "all_nodes_running", "database_running", "admin_ui_accessible")


def _services() -> Iterator[Case]:
    """The sample's own misbehaviours."""
    yield row("nothing", "every check of the whole", "P", validate(*ALL, "data_integrity", **QUICK), size=3)
    for what, word in (
        ("the service lies about its health", "lie_about_health"), ("the service never comes up", "never_up"),
        ("the service answers slowly", "slow"), ("one node's service is missing", "missing_node"),
        ("the service ends at once", "exit_at_start"),
    ):  # fmt: skip
        yield row(what, "deploy", "F", misbehave=word, size=3, **SLOW_DEPLOY)
    yield row(
        "the service loses acknowledged writes",
        "data_integrity",
        "F",
        validate("data_integrity", **QUICK),
        misbehave="lose_writes",
        size=3,
        category="product",
        words="data_integrity",
    )
    yield row(
        "the admin UI is gone",
        "admin_ui_accessible",
        "F",
        validate("admin_ui_accessible", **QUICK),
        misbehave="no_admin_ui",
        category="product",
    )


def _outages() -> Iterator[Case]:
    """One of three nodes is off, or all of them."""
    for how, step in (
        ("one node is stopped", {"step": "stop_node", "target_node": "n12"}),
        ("one node crashed", {"step": "crash_node", "target_node": "n12", "method": "destroy"}),
    ):
        for check, letter in (
            ("cluster_status", "F"), ("cluster_degraded", "P"), ("all_nodes_running", "F"),
            ("node_status:n12:stopped", "P"), ("node_status:n12", "F"), ("health_status[n12].service!=ok", "P"),
            ("database_running", "F"),
            ("vms_powered_off", "F"), ("ssh_connectivity", "F"),
        ):  # fmt: skip
            if how == "one node is stopped" or check in ("cluster_status", "node_status:n12:stopped"):
                yield row(how, check, letter, step, validate(check), size=3)
    for check, letter in (("cluster_status_stopped", "P"), ("database_down", "P"), ("cluster_status", "F"),
                          ("cluster_critical", "F"), ("health_status[*].ssh!=ok", "P")):  # fmt: skip
        yield row("every node is stopped", check, letter, "stop_cluster", validate(check), size=2)
    back = ({"step": "stop_node", "target_node": "n12"}, {"step": "start_node", "target_node": "n12"})
    yield row(
        "nothing, after an outage",
        "data_integrity",
        "P",
        *back,
        validate("data_integrity", "cluster_status", **QUICK),
        size=3,
    )
    yield row("nothing", "cluster_status==destroyed", "P", "destroy", validate("cluster_status==destroyed"))
    yield row("nothing is up after destroy", "cluster_status", "F", "destroy", validate("cluster_status"))
    yield row("the wrong state is expected", "cluster_critical", "F", validate("cluster_critical"), size=1)
    yield row(
        "a part that nobody measures", "health_status[*].cos_ssh==ok", "R", validate("health_status[*].cos_ssh==ok")
    )
    kill = command("pkill -9 -f 'seatrial.sample.service.* n1[1] ' || true", on="n11", shell="sh")
    yield row(
        "the service is killed inside its node",
        "health_status[n11].service!=ok",
        "P",
        kill,
        validate("health_status[n11].service!=ok", **QUICK),
    )
    yield row(
        "the service is killed inside its node",
        "cluster_status",
        "F",
        kill,
        validate("health_status[n11].service!=ok", **QUICK),
        validate("cluster_status"),
    )
    refused = command(": > ../authorized_keys", on="n12")
    yield row(
        "the SSH key is refused",
        "restart_node",
        "U",
        refused,
        {"step": "restart_node", "target_node": "n12"},
        size=2,
        words="n12",
    )


SERVICE = {"check": "process", "matching": "seatrial.sample.service.* n11 "}
FILESYSTEM = {"check": "disk_size", "path": "/", "of": "filesystem"}
FLOOD = "head -c 3000000 /dev/zero | tr '\\0' a; "
FLOODED = {"check": "command", "on": "n11", "lacks": "ERROR", "command": FLOOD + "echo ERROR; " + FLOOD}


def _on(check: str, **keys: Any) -> Document:
    return {"check": check, "on": "n11", **keys}


INSIDE: list[tuple[str, str, Any, str, str]] = [
    ("nothing", "mount", "mount:/proc", "P", ""),
    ("nothing is mounted there", "mount", "mount:/no/such/volume", "F", "nothing is mounted at /no/such/volume"),
    ("an option is missing", "mount", _on("mount", path="/proc", options=["rw", "dirsync"]), "F", "without option"),
    ("it is mounted", "mount, mounted: false", _on("mount", path="/proc", mounted=False), "F", ""),
    ("the disk is too small", "disk_size", {**FILESYSTEM, "at_least": "9000TiB"}, "F", "9000TiB"),
    ("the disk is large enough", "disk_size", {**FILESYSTEM, "at_least": "1MiB"}, "P", ""),
    ("nobody took the mark", "disk_size", {**FILESYSTEM, "grown_since": "never"}, "U", "has set mark 'never'"),
    ("the program does not run", "process", "process:no-such-program-of-ours", "F", "0 processes of"),
    ("the program runs", "process", SERVICE, "P", ""),
    ("it runs too often", "process", {**SERVICE, "count": 0}, "F", "expected 0"),
    ("it runs too short a time", "process", {**SERVICE, "running_for": "1h"}, "F", ""),
    ("the file belongs to somebody else", "file", _on("file", path="/proc/version", owner="nobody"), "F", "owner"),
    ("the file is missing", "file", _on("file", path="/nowhere"), "F", ""),
    ("the file is a device", "file", _on("file", path="/dev/zero", lacks="ERROR"), "U", ""),
    ("it ends with 1", "command", _on("command", command="exit 1"), "F", ""),
    ("it is killed", "command", _on("command", command="kill -9 $$"), "U", ""),
    ("its program is missing", "command", _on("command", command=MISSING), "U", MISSING[0]),
    ("its output was cut", "command", FLOODED, "U", ""),
    ("the key's file is missing", "ssh_key", {"check": "ssh_key", "key": "nowhere", "login": "refused"}, "U", ""),
]  # fmt: skip
"""What is planted, the check, its letter, and words that have to be said."""

ENGINE = """#!/bin/sh
case $1 in
ps) echo web-1 ;;
inspect) echo '["PATH=/bin", "TOKEN=as-it-was-last-year"]' ;;
esac
"""
SECRET = {
    "check": "container_env", "container": "web-*", "variable": "TOKEN", "secret": "${{ secrets.TRUTH_TOKEN }}",
}  # fmt: skip


@contextlib.contextmanager
def _engine(project: Project) -> Iterator[dict[str, Any]]:
    """A node with an engine in whose one container a stale secret is."""
    programs = project.folder / "programs"
    programs.mkdir()
    (programs / "podman").write_text(ENGINE)
    (programs / "podman").chmod(0o755)
    yield {"env": {"PATH": f"{programs}:{os.environ['PATH']}", "TRUTH_TOKEN": "as-it-is-now"}}


@contextlib.contextmanager
def _no_engine(project: Project) -> Iterator[dict[str, Any]]:
    """A node without any."""
    programs = project.folder / "programs"
    programs.mkdir()
    for folder in ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        for program in Path(folder).glob("*"):
            link = programs / program.name
            if program.name not in ("docker", "podman") and not link.is_symlink():
                link.symlink_to(program)
    yield {"env": {"PATH": str(programs), "TRUTH_TOKEN": "as-it-is-now"}}


@contextlib.contextmanager
def _full_disk(project: Project) -> Iterator[dict[str, Any]]:
    """The run's folder on a file system of 64 KiB; where mounting is not allowed, a limit on the size of files."""
    folder = project.folder / ".seatrial" / "runs"
    folder.mkdir(parents=True)
    argv = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(argv, capture_output=True, check=False).returncode:
        import resource

        yield {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (48 * 1024, 48 * 1024))}
        return
    try:
        yield {}
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _inside() -> Iterator[Case]:
    for what, look, check, letter, words in INSIDE:
        yield row(what, f"{look} on a node", letter, validate(check), words=words)
    yield row(
        "the disk did not grow",
        "disk_size",
        "F",
        validate({"check": "disk_size", "path": "/", "of": "filesystem", "mark": "before"}),
        validate({"check": "disk_size", "path": "/", "of": "filesystem", "grown_since": "before"}),
    )
    yield row("the secret in a container is another", "container_env", "F", validate(SECRET), around=_engine)
    yield row(
        "the node has no such engine",
        "container_env",
        "U",
        validate({**SECRET, "engine": "docker"}),
        around=_no_engine,
        words="none of these: docker",
    )
    full = suite(*[command(["printf", "x" * 9000]) for _ in range(40)])
    planted, right = LETTERS["U"]
    yield Case(
        system="local",
        what="the disk is full in the run's folder",
        look="custom_command",
        planted=planted,
        right=right,
        document=full,
        around=_full_disk,
        words="cannot be written",
    )


PLUGIN = '''
from pathlib import Path
from seatrial import provider
from seatrial.providers.local import Local

@provider("ignores_power")
class IgnoresPower(Local):
    """Its guests take every order to go down, and stay up."""
    async def guest_reboot(self, node):
        reboot = Path(node.detail["folder"]) / "sbin" / "reboot"
        reboot.write_text("#!/bin/sh\\nexit 0\\n")
        await super().guest_reboot(node)
    async def guest_crash(self, node):
        return "rebooting"
    async def crash(self, node):
        pass
    async def stop(self, node):
        pass
'''


def _deaf() -> Iterator[Case]:
    """Machines that do not obey."""
    for look, keys in (
        ("restart_node", {}), ("crash_node", {}), ("crash_node", {"method": "destroy"}), ("stop_node", {}),
    ):  # fmt: skip
        step = {"step": look, "target_node": "n11", **keys}
        yield row("the machine does not obey", f"{look} {keys.get('method', '')}".strip(), "F", step,
                  deadlines={"restart": 3, "stop": 3}, files={"deaf.py": PLUGIN},
                  arguments=("--plugin", "deaf.py", "--on", "ignores_power"))  # fmt: skip


CASES = [*_services(), *_outages(), *_inside(), *_deaf()]
