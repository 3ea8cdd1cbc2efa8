from __future__ import annotations

import asyncio
import dataclasses
import os
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncssh
import pytest
from tests.links.ssh_server import Server, serving

from seatrial.errors import LinkDown, LinkLost, LinkRefused
from seatrial.links.ssh import SSHLink
from seatrial.model.resource import Node
from seatrial.spi import Link


def on(folder: Path, act: Callable[[Server, SSHLink], Awaitable[None]], **ssh: object) -> None:
    """Run `act` with a server and a link to it."""

    async def main() -> None:
        async with serving(folder) as server:
            link = SSHLink(server.node(**ssh))
            try:
                await act(server, link)
            finally:
                await link.close()

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_command_comes_back_with_its_exit_code_and_both_streams(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        assert isinstance(link, Link)
        done = await link.run("echo out; echo err >&2; exit 7")
        assert (done.exit_code, done.stdout, done.stderr) == (7, "out\n", "err\n")

    on(tmp_path, act)


def test_a_list_is_quoted_and_a_string_goes_to_the_shell(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        assert (await link.run(["echo", "$HOME; *"])).stdout == "$HOME; *\n"
        assert (await link.run("echo $((1 + 1))")).stdout == "2\n"

    on(tmp_path, act)


def test_input_and_environment_reach_the_command_and_no_input_is_an_end(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        assert (await link.run(["cat"], input="a\nb")).stdout == "a\nb"
        assert (await link.run(["cat"])).stdout == ""
        assert (await link.run('echo "$X"', env={"X": "it's"})).stdout == "it's\n"

    on(tmp_path, act)


def test_many_commands_share_one_connection(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        await asyncio.gather(*(link.run(["true"]) for _ in range(5)))
        await link.run(["true"])
        assert server.logins == 1

    on(tmp_path, act)


def test_a_crash_in_the_middle_of_a_command_is_a_lost_link_at_once_and_never_an_exit_code(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        running = asyncio.create_task(link.run("hang"))
        await server.running.wait()
        begun = time.monotonic()
        await server.crash()
        with pytest.raises(LinkLost, match="hang"):
            await running
        assert time.monotonic() - begun < 1
        with pytest.raises(LinkDown, match="refused"):
            await link.run(["true"])
        await server.start()
        assert (await link.run(["echo", "back"])).stdout == "back\n"
        assert server.logins == 2

    on(tmp_path, act)


def test_a_command_that_dies_of_a_signal_has_an_exit_code_like_a_shells(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        assert (await link.run("die")).exit_code == 137

    on(tmp_path, act)


def test_a_command_that_takes_too_long_is_ended_there_and_the_link_goes_on(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        with pytest.raises(TimeoutError, match=r"hang.*0\.2 s"):
            await link.run("hang", timeout=0.2)
        await asyncio.wait_for(server.cut.wait(), 5)
        assert (await link.run(["echo", "on"])).stdout == "on\n"

    on(tmp_path, act)


def test_another_host_key_than_the_recorded_one_is_refused(tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode()

    async def act(server: Server, link: SSHLink) -> None:
        with pytest.raises(LinkRefused, match="identity"):
            await link.run(["true"])
        assert server.logins == 0

    on(tmp_path, act, known_host=other)


def test_a_known_host_line_may_begin_with_host_names(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        link.known_host = f"[127.0.0.1]:22 {server.known_host}"
        assert (await link.run(["true"])).ok

    on(tmp_path, act)


@pytest.mark.parametrize("line", ["", "nonsense", "ssh-ed25519 AAAA"])
def test_without_a_usable_recorded_host_key_nobody_is_let_near(tmp_path: Path, line: str) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        with pytest.raises(LinkRefused, match="known_host"):
            await link.run(["true"])
        assert server.logins == 0

    on(tmp_path, act, known_host=line)


def test_an_accepted_host_key_is_recorded_and_another_is_then_refused(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        assert (await link.run(["true"])).ok
        assert link.known_host.split()[:2] == server.known_host.split()[:2]
        await server.crash()
        server.host_key = asyncssh.generate_private_key("ssh-ed25519")
        await server.start()
        with pytest.raises(LinkRefused, match="identity"):
            await link.run(["true"])

    on(tmp_path, act, known_host="", accept=True)


def test_a_key_that_the_node_does_not_know_is_refused(tmp_path: Path) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "other"))

    async def act(server: Server, link: SSHLink) -> None:
        with pytest.raises(LinkRefused, match="refuses the key"):
            await link.run(["true"])

    on(tmp_path, act, key=str(tmp_path / "other"))


def test_a_key_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        with pytest.raises(LinkRefused, match="gone"):
            await link.run(["true"])

    on(tmp_path, act, key=str(tmp_path / "gone"))


def test_the_users_own_agent_and_settings_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home" / ".ssh"
    home.mkdir(parents=True)
    (home / "config").write_text("Host *\n  Port 1\n  User nobody\n")
    monkeypatch.setenv("HOME", str(home.parent))
    asked = tmp_path / "agent"
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(asked))
        agent.listen()
        agent.setblocking(False)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(asked))

        async def act(server: Server, link: SSHLink) -> None:
            assert (await link.run(["true"])).ok

        on(tmp_path, act)
        with pytest.raises(BlockingIOError):
            agent.accept()


def test_a_peer_that_accepts_and_says_nothing_is_down_after_the_connect_timeout(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            node = server.node(port=silent.getsockname()[1])
            quiet = SSHLink(node, connect_timeout=0.3)
            with pytest.raises(LinkDown):
                await quiet.run(["true"])

    on(tmp_path, act)


def test_a_node_without_ssh_is_refused() -> None:
    with pytest.raises(LinkRefused, match="no SSH"):
        asyncio.run(SSHLink(Node(name="n11")).run(["true"]))


def test_files_go_both_ways_and_a_missing_one_is_named(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        local = tmp_path / "local"
        local.write_bytes(os.urandom(70_000))
        await link.put(local, "/there")
        await link.get("/there", tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == local.read_bytes()
        with pytest.raises(FileNotFoundError, match="nowhere"):
            await link.get("/nowhere", tmp_path / "never")

    on(tmp_path, act)


def test_a_closed_link_is_made_again_when_it_is_needed(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        await link.run(["true"])
        await link.close()
        await link.close()
        assert (await link.run(["true"])).ok
        assert server.logins == 2

    on(tmp_path, act)


def test_a_record_is_read_by_its_keys(tmp_path: Path) -> None:
    node = Node(name="n12", ssh={"host": "192.0.2.7"})
    assert str(SSHLink(node)) == "n12 (root@192.0.2.7:22)"
    assert str(SSHLink(dataclasses.replace(node, ssh={"host": "h", "port": "2222", "user": "u"}))) == "n12 (u@h:2222)"
