"""A command on its way to a node: every login shell reads the line alike, and only the command's output is output."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.links.ssh_server import Server
from tests.links.test_ssh import on

from seatrial.errors import LinkLost, LinkRefused
from seatrial.links.ssh import SSHLink
from seatrial.links.ssh.wire import Marked, numbers, order, rewritten, trial_class, unwrapped

NASTY = """printf '%s|' "$X" 'it''s' "a\\\\b" \\! $HOME\\n "`echo back`" '!!' '\\x' 'ü' "two
lines"; cat; exit 3
"""
VALUE = "it's ${X}\\n\n\\'"
SHELLS = [shutil.which(name) for name in ("sh", "bash", "dash", "tcsh", "fish", "zsh", "ksh")]


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shell])
def test_every_login_shell_starts_the_same_command(shell: str) -> None:
    sent = order(NASTY, {"X": VALUE}, sudo=False, number=50_001)
    whole = f"export X={shlex.quote(VALUE)}; {NASTY}"
    plain = subprocess.run(["/bin/sh", "-c", whole], input=b"in\nput", capture_output=True, check=False)
    given = sent.preface + b"in\nput"
    by_shell = subprocess.run([shell, "-c", sent.line], input=given, capture_output=True, check=False)
    assert b"${X}" not in sent.line.encode()
    kept = bytearray()
    marked = Marked(sent.token, kept.extend)
    marked.add(by_shell.stdout)
    assert marked.begun
    assert marked.ended
    assert (bytes(kept), by_shell.returncode) == (plain.stdout, plain.returncode)
    assert by_shell.returncode == 3


def test_a_line_gives_back_its_command_and_another_line_is_somebody_elses() -> None:
    sent = order(["echo", "it's", "\udcff"], None, sudo=True, number=7)
    found = unwrapped(sent.line)
    assert found is not None
    assert (found.command, found.number, found.sudo, found.token) == (sent.command, 7, True, sent.token)
    assert unwrapped("echo hi") is None
    assert rewritten("echo hi", str.upper) == "ECHO HI"
    changed = unwrapped(rewritten(sent.line, lambda text: text.replace("echo", "printf")))
    assert changed is not None
    assert changed.command.startswith("printf ")


def test_marks_are_found_wherever_the_output_is_cut() -> None:
    whole = b"greeting <x <tok 12>first <a> second</tok</tok>after"
    for size in range(1, len(whole)):
        kept = bytearray()
        marked = Marked("tok", kept.extend)
        for at in range(0, len(whole), size):
            marked.add(whole[at : at + size])
        assert (bytes(kept), marked.pid, marked.ended) == (b"first <a> second</tok", 12, True)


def test_output_without_an_end_is_kept_whole() -> None:
    kept = bytearray()
    marked = Marked("tok", kept.extend)
    marked.add(b"<tok 1>cut in the middle </t")
    marked.finish()
    assert bytes(kept) == b"cut in the middle </t"


def test_each_command_has_a_number_of_its_trials_class() -> None:
    taken = numbers("t1")
    some = [next(taken) for _ in range(990)]
    assert len(set(some)) == 990
    assert {(number - 50_000) % 1009 for number in some} == {trial_class("t1")}
    assert max(some) < 1_100_000


def test_the_greeting_of_a_login_shell_is_no_output(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        server.shell = ("/bin/sh", "-c", 'echo hello; printf "no end"; echo oops >&2; eval "$0"')
        done = await link.run("echo out; echo err >&2; exit 4")
        assert (done.exit_code, done.stdout, done.stderr) == (4, "out\n", "err\n")
        local = tmp_path / "local"
        local.write_bytes(b"\0\1" * 100_000)
        await link.put(local, f"{tmp_path}/there")
        await link.get(f"{tmp_path}/there", tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == (tmp_path / "there").read_bytes() == local.read_bytes()

    on(tmp_path, act)


def test_a_search_for_processes_does_not_find_itself(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        for command in ("pgrep -f no-such-server-here", ["pgrep", "-f", "no-such-server-here"]):
            done = await link.run(command, env={"X": "y"})
            assert (done.exit_code, done.stdout) == (1, "")
        seen = (await link.run("env; set")).stdout
        assert not any(name in seen for name in ("SEATRIAL_LINE", "SEATRIAL_ENV", "SEATRIAL_WIRE"))

    on(tmp_path, act)


def test_a_login_shell_that_runs_no_commands_is_told_with_its_words(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        server.shell = ("/bin/sh", "-c", "echo This account is currently not available.; exit 1")
        with pytest.raises(LinkRefused, match=r"login shell of root runs no commands \(exit code 1\): This account"):
            await link.run("true")
        with pytest.raises(LinkRefused, match="runs no commands"):
            await link.get("/etc/hostname", tmp_path / "never")
        assert not (tmp_path / "never").exists()

    on(tmp_path, act)


def test_a_message_shows_the_users_command_and_not_its_variables(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        running = asyncio.create_task(link.run(f"echo >{tmp_path}/begun; cat {fifo}", env={"E2E_RUN_ID": "t1"}))
        async with asyncio.timeout(30):
            while not (tmp_path / "begun").exists():
                await asyncio.sleep(0.01)
        link.abort()
        with pytest.raises(LinkLost, match="while `echo >") as lost:
            await running
        assert "E2E_RUN_ID" not in str(lost.value)
        fifo.write_text("the end")  # for the command that is still there

    on(tmp_path, act)
