"""The end of a command on a node: when the command ends, and when its time is up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from tests.links.ssh_server import Server
from tests.links.test_ssh import on

from seatrial.errors import CannotTell, LinkDown
from seatrial.links.process import TimedOut
from seatrial.links.ssh import SSHLink, ending
from seatrial.links.ssh.wire import FIRST, order

TRIAL = f"t{os.getpid()}"
"""Tests of other workers are on the same machine: each ends its own trial's processes alone."""


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def until(path: Path) -> str:
    """The content of a file, once it has one."""
    async with asyncio.timeout(30):
        while not (path.exists() and path.read_text().strip()):
            await asyncio.sleep(0.01)
    return path.read_text().strip()


def test_a_command_ends_when_it_ends_and_not_when_a_process_that_it_left_closes_its_output(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        begun = time.monotonic()
        done = await link.run("sleep 300 & echo $!; echo err >&2; exit 5", timeout=60)
        assert time.monotonic() - begun < 10
        assert (done.exit_code, done.stderr) == (5, "err\n")
        pid = done.stdout.strip()
        assert alive(pid)
        assert (await link.run(ending.of_trial(TRIAL))).ok
        assert not alive(pid)

    on(tmp_path, act, trial=TRIAL)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "sleep 300 & echo $! >{0}; wait",
        "trap '' TERM HUP; sh -c 'echo $$ >{0}; trap \"\" TERM; while :; do sleep 1; done'",
        "setsid sh -c 'echo $$ >{0}; exec sleep 300' & sleep 300",
        "(env -i setsid sh -c 'echo $$ >{0}; exec sleep 300' >/dev/null 2>&1 &) ; sleep 300",
        "env -i setsid sh -c '(sh -c \"echo \\$\\$ >{0}; exec sleep 300\" &)' >/dev/null 2>&1; sleep 300",
    ],
)
def test_what_timed_out_is_dead_before_anything_else_begins(tmp_path: Path, command: str) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        other = (await link.run("sleep 300 >/dev/null 2>&1 & echo $!")).stdout.strip()
        running = link.run(f"echo so far; echo err >&2; {command.format(tmp_path / 'pid')}", timeout=3)
        with pytest.raises(TimedOut, match=r"did not end within 3 s") as late:
            await running
        assert (late.value.stdout, late.value.stderr) == ("so far\n", "err\n")
        assert not alive(await until(tmp_path / "pid"))
        assert alive(other), "another command's process was ended"
        assert (await link.run(ending.of_trial(TRIAL))).ok
        assert not alive(other)

    on(tmp_path, act, trial=TRIAL)


def test_a_cancelled_command_is_dead_too(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        running = asyncio.create_task(link.run(f"setsid sh -c 'echo $$ >{tmp_path / 'pid'}; exec sleep 300' & wait"))
        pid = await until(tmp_path / "pid")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not alive(pid)

    on(tmp_path, act)


def test_with_one_session_at_a_time_a_timed_out_command_is_ended_all_the_same(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        server.max_sessions = 2  # one of each connection: the server of the tests counts all together
        with pytest.raises(TimedOut):
            await link.run(f"echo $$ >{tmp_path / 'pid'}; exec sleep 300", timeout=3)
        assert not alive(await until(tmp_path / "pid"))
        assert (await link.run(["true"])).ok

    on(tmp_path, act)


def test_what_cannot_be_ended_is_unknown_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stays(numbers: object) -> str:
        return "echo 'these processes do not end: 7 (db)' >&2; exit 46"

    async def act(server: Server, link: SSHLink) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(ending, "of_commands", stays)
            with pytest.raises(
                CannotTell, match=r"did not end within 3 s, and could not be ended: .*do not end: 7 \(db\)"
            ):
                await link.run(f"echo $$ >{tmp_path / 'pid'}; exec sleep 300", timeout=3)
            with pytest.raises(CannotTell, match="do not end"):  # nothing begins beside it
                await link.run(["true"])
        pid = await until(tmp_path / "pid")
        assert alive(pid)
        assert (await link.run(["true"])).ok
        assert not alive(pid)

    on(tmp_path, act)


def test_a_command_that_timed_out_on_a_silent_node_is_ended_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        async def silent(*_: object) -> None:
            raise LinkDown("n11 does not answer")

        with monkeypatch.context() as patched:
            patched.setattr(SSHLink, "_end", silent)
            with pytest.raises(TimedOut):
                await link.run(f"echo $$ >{tmp_path / 'pid'}; exec sleep 300", timeout=3)
        pid = await until(tmp_path / "pid")
        assert alive(pid)
        assert (await link.run(["true"])).ok
        assert not alive(pid)

    on(tmp_path, act)


def test_the_way_of_the_ending_command_itself_is_spared(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        # The very command belongs to the trial that it ends.
        done = await link.run(f"echo before; {ending.of_trial(TRIAL)}\necho after")
        assert done.stdout == "before\nafter\n"

    on(tmp_path, act, trial=TRIAL)


CHAIN = """
read -r now _ </proc/uptime
[ "${now%.*}" -lt "$1" ] || exit
echo "$2" >counter
$3 sh chain.sh "$1" $(($2 + 1)) $3 >/dev/null 2>&1 &
"""
"""Each process begins the next one and ends; it counts them in a file, until an uptime."""


def as_user(user: int) -> dict[str, Any]:
    return {"user": user, "group": user, "extra_groups": []} if user else {}


@pytest.mark.parametrize("session", ["", "setsid"])
@pytest.mark.parametrize("user", [0, 65534])
@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts programs of another user")
def test_a_chain_of_forks_is_ended_whatever_its_session(user: int, session: str) -> None:
    until = float(Path("/proc/uptime").read_text().split()[0]) + 40
    with tempfile.TemporaryDirectory(prefix="seatrial-chain-") as name:  # the other user does not reach `tmp_path`
        Path(name).chmod(0o777)
        Path(name, "chain.sh").write_text(CHAIN)
        begun = order(f"sh chain.sh {until:.0f} 1 {session}", None, sudo=False, number=FIRST + os.getpid())
        subprocess.run(["/bin/sh", "-c", begun.line], cwd=name, check=True, capture_output=True, **as_user(user))
        begins = time.monotonic() + 20
        while count(name) < 50:
            assert time.monotonic() < begins, "the chain did not begin"
        script = ending.of_commands([begun.number])
        done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, **as_user(user))
        assert (done.returncode, done.stderr) == (0, "")
        last = count(name)
        time.sleep(0.5)  # a process of it lives for about a hundredth of that
        assert count(name) == last


def count(folder: str) -> int:
    """How many processes a chain had; the file may just be written."""
    with contextlib.suppress(OSError, ValueError):
        return int(Path(folder, "counter").read_text())
    return 0


def test_what_begins_faster_than_it_is_ended_remains(tmp_path: Path) -> None:
    begun = order("sleep 300 >/dev/null 2>&1 & echo $!", None, sudo=False, number=FIRST + os.getpid())
    done = subprocess.run(["/bin/sh", "-c", begun.line], capture_output=True, text=True)
    pid = re.sub(r"<[^>]*>", "", done.stdout).strip()
    try:
        # A look that sees nothing, and a newest process that is there again and again.
        script = ending.of_commands([begun.number])
        script = script.replace("clock; begun=$now", "look() { alive=; }; kill() { :; }; clock; begun=$now")
        script = script.replace("-lt 1000 ]", "-lt 50 ]")
        loads = f"read -r _ _ _ _ p _ <{tmp_path}/loadavg"
        (tmp_path / "loadavg").write_text(f"0 0 0 1/1 {pid}\n")
        left = subprocess.run(
            ["/bin/sh", "-c", script.replace("read -r _ _ _ _ p _ </proc/loadavg", loads)],
            capture_output=True,
            text=True,
        )
        assert left.returncode == ending.REMAIN
        assert f"new processes begin faster than they are ended, such as {pid}" in left.stderr
    finally:
        os.kill(int(pid), 9)
