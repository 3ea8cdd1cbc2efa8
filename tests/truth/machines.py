"""Rows of the provider `ssh`: machines that exist, as SSH servers on loopback. No row may switch one off: the commands
run on this host."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncssh
from tests.acceptance.harness import Document, Project, suite, until, validate
from tests.links.ssh_server import Server
from tests.truth.case import Case
from tests.truth.documents import LETTERS, command

MACHINE = 'mount --bind "$0/boot_id" /proc/sys/kernel/random/boot_id && touch "$0/up" && exec sleep 1000'
"""The first process of a machine: with a boot id and processes of its own, which end with it."""

ON_IT = 'cd "$0" && exec /bin/sh -c "$1"'
"""The login shell there: in the machine's folder."""

SERVICE: Document = {"kind": "processes", "service": {"command": ["sleep", "1000"]}, "health": {"command": ["true"]}}
NAMES = ("n11", "n12")
DOWN = "touch down; until test -e is-down; do sleep 0.05; done"
UP = "rm -f down; while test -e is-down; do sleep 0.05; done"
"""Commands beside the document: after them the machine n12 does not answer, or answers again."""


@contextlib.contextmanager
def _machine(folder: Path) -> Iterator[tuple[str, ...]]:
    """The namespaces of a machine; the words before a command that runs in them."""
    folder.mkdir(parents=True)
    (folder / "boot_id").write_text(f"{uuid.uuid4()}\n")
    argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", MACHINE, str(folder)]
    with subprocess.Popen(argv) as process:
        try:
            until((folder / "up").exists, "the machine's first process")
            (first,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            yield ("nsenter", "--target", first, "--mount", "--pid", "/bin/sh", "-c", ON_IT, str(folder))
        finally:
            process.kill()


@contextlib.contextmanager
def _machines(project: Project, plant: Callable[[dict[str, Server]], None]) -> Iterator[Mapping[str, Any]]:
    """Two machines with their inventory; n12 goes down when there is a file `down`."""
    servers: dict[str, Server] = {}
    ready, over = threading.Event(), threading.Event()

    async def main() -> None:
        with contextlib.ExitStack() as machines:
            for name in NAMES:
                folder = project.folder / "machines" / name
                servers[name] = Server(folder, shell=machines.enter_context(_machine(folder)))
                await servers[name].start()
            ready.set()
            down = False
            while not over.is_set():
                await asyncio.sleep(0.01)
                if down is not (project.folder / "down").exists():
                    down = not down
                    await (servers["n12"].crash if down else servers["n12"].start)()
                    (project.folder / "is-down").touch() if down else (project.folder / "is-down").unlink()
            for name in NAMES[:1] if down else NAMES:
                await servers[name].crash()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert ready.wait(20)
    try:
        lines, known = [], []
        plant(servers)
        for name, server in servers.items():
            known.append(f"[127.0.0.1]:{server.port} {server.known_host}\n")
            lines.append(f"{name} ansible_host=127.0.0.1 ansible_port={server.port} ansible_user=root "
                         f"ansible_private_key_file={server.folder}/key known_hosts={project.folder}/known "
                         f"folder={server.folder}/seatrial\n")  # fmt: skip
        (project.folder / "known").write_text("".join(known))
        (project.folder / "hosts.ini").write_text("".join(lines))
        (project.folder / "seatrial.toml").write_text('[providers.ssh]\ninventory = "hosts.ini"\nsilence = 4\n')
        yield {}
    finally:
        over.set()
        thread.join()


def row(what: str, look: str, letter: str, *steps: Document | str, plant: Any = lambda servers: None,
        system: Document = SERVICE, deployed: bool = True, **more: Any) -> Case:  # fmt: skip
    planted, right = LETTERS[letter]
    before = ("init", "deploy") if deployed else ()
    document = suite(*before, *steps, provider="ssh", system=system, parameters={"cluster_size": 2},
                     deadlines={"deploy": 6, "start": 6})  # fmt: skip
    return Case(system="ssh", what=what, look=look, planted=planted, right=right, document=document,
                around=lambda project: _machines(project, plant), backend="namespaces", **more)  # fmt: skip


def another_host_key(servers: dict[str, Server]) -> None:
    servers["n12"].host_key = asyncssh.generate_private_key("ssh-ed25519")  # the inventory is written from it


def another_user_key(servers: dict[str, Server]) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(servers["n12"].folder / "key"))


def nobody_listens(servers: dict[str, Server]) -> None:
    servers["n12"].port = 1


def no_key(servers: dict[str, Server]) -> None:
    Path(servers["n12"].folder / "key").unlink()


def one_session(servers: dict[str, Server]) -> None:
    for server in servers.values():
        server.max_sessions = 1


def slow_login(servers: dict[str, Server]) -> None:
    for server in servers.values():
        server.slow_login = 0.7


def on(text: str | list[str], **more: Any) -> Document:
    return {"check": "command", "command": text, "on": "n12", **more}


CUT = "head -c 3000000 /dev/zero | tr '\\0' a; "
MISSING = ["no-such-program-of-ours"]

LOOKS: list[tuple[str, str, Any, str]] = [
    ("nothing", "command", on("echo well", contains="well"), "P"),
    ("it ends with 1", "command", on("exit 1"), "F"),
    ("its first line fails", "command", on("false\necho well"), "F"),
    ("it is killed", "command", on("kill -9 $$"), "U"),
    ("it crashes", "command", on("kill -SEGV $$"), "F"),
    ("its program is missing", "command", on(MISSING), "U"),
    ("the program of its text is missing", "command", on("no-such-program-of-ours"), "U"),
    ("it takes too long", "command", on("sleep 20", timeout=0.5), "X"),
    ("its output was cut", "command lacks", on(CUT + "echo ERROR; " + CUT, lacks="ERROR"), "U"),
    ("a forbidden text is there", "command lacks", on("echo ERROR", lacks="ERROR"), "F"),
    ("the file is missing", "file", {"check": "file", "on": "n12", "path": "/nowhere"}, "F"),
    ("the file is a device", "file", {"check": "file", "on": "n12", "path": "/dev/zero", "lacks": "ERROR"}, "U"),
    ("the program does not run", "process", {"check": "process", "on": "n12", "name": "no-such-program"}, "F"),
    ("nothing is mounted there", "mount", "mount[n12]:/no/such/volume", "F"),
]


def _alone() -> Iterator[Case]:
    for check in ("cluster_status", "ssh_connectivity", "all_nodes_running", "database_running"):
        yield row("nothing", check, "P", validate(check))
    for what, plant, letter in (
        ("the host key is another", another_host_key, "U"), ("the key is refused", another_user_key, "U"),
        ("nobody listens", nobody_listens, "U"), ("the key's file is missing", no_key, "U"),
        ("one session at a time", one_session, "P"), ("a login takes long", slow_login, "P"),
    ):  # fmt: skip
        yield row(what, "deploy", letter, plant=plant)
    many = [on("true", name=f"c{number}") for number in range(12)]
    yield row("one session at a time", "twelve checks at once", "P", validate(*many), plant=one_session)
    for what, look, check, letter in LOOKS:
        yield row(what, f"{look} on a machine", letter, validate(check))


def _down() -> Iterator[Case]:
    def down(look: str, letter: str, step: Document) -> Case:
        """The machine answers again at the end, so that its claim can be given back."""
        guarded = {"step": "group", "steps": [command(DOWN), step], "finally": [command(UP)]}
        return row("a machine goes down", look, letter, guarded)

    for check, letter in (
        ("ssh_connectivity", "F"), ("all_nodes_running", "F"), ("cluster_status", "F"), ("database_running", "X"),
        ("node_status:n12:unreachable", "P"), ("node_status:n12:stopped", "X"), ("health_status[n12].ssh!=ok", "P"),
        ("health_status[*].ssh!=ok", "F"), ("vms_powered_off", "F"), ("node_status:n11", "P"),
    ):  # fmt: skip
        yield down(check, letter, validate(check))
    yield down("a command on it", "X", validate(on("true")))
    yield down("an expected failure of a command on it", "U", {**command("exit 1", on="n12"), "expect": "failure"})
    absent = {"check": "file", "on": "n12", "path": "/nowhere", "exists": False}
    yield down("a file on it that must not exist", "X", validate(absent))


def _services() -> Iterator[Case]:
    for what, keys, letter in (
        ("the service is never healthy", {"health": {"command": ["false"]}}, "F"),
        ("the service's program is missing", {"service": {"command": MISSING}}, "X"),
        ("the program of the health is missing", {"health": {"command": MISSING}}, "U"),
        ("the program of the health is killed", {"health": {"command": "kill -9 $$"}}, "U"),
        ("the service needs what is missing", {"service": {"command": ["sleep", "1000"], "needs": ["false"]}}, "X"),
    ):  # fmt: skip
        yield row(what, "deploy", letter, system={**SERVICE, **keys})


CASES = [*_alone(), *_down(), *_services()]
