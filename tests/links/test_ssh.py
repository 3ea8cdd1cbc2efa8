from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncssh
import pytest
from tests.links.ssh_server import Server, serving

from seatrial.errors import CannotTell, LinkDown, LinkLost, LinkRefused, ToolMissing
from seatrial.links.ssh import SSHLink
from seatrial.links.ssh.endpoint import _failure, door
from seatrial.model.resource import Node
from seatrial.spi import Link


def on(folder: Path, act: Callable[[Server, SSHLink], Awaitable[None]], trial: str = "", **ssh: object) -> None:
    """Run `act` with a server and a link to it."""

    async def main() -> None:
        async with serving(folder) as server:
            link = SSHLink(server.node(**ssh), trial=trial)
            try:
                await act(server, link)
            finally:
                await link.close()

    asyncio.run(asyncio.wait_for(main(), 120))


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
        assert time.monotonic() - begun < 15  # half of the silence that would end it too
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
        assert (await link.run(["true"])).ok  # the login is part of a command's time
        with pytest.raises(TimeoutError, match=r"hang.*0\.2 s"):
            await link.run("hang", timeout=0.2)
        await asyncio.wait_for(server.cut.wait(), 30)
        assert (await link.run(["echo", "on"])).stdout == "on\n"

    on(tmp_path, act)


def test_another_host_key_than_the_recorded_one_is_refused(tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode()

    async def act(server: Server, link: SSHLink) -> None:
        with pytest.raises(LinkRefused, match="another host key"):
            await link.run(["true"])
        assert server.logins == 0

    on(tmp_path, act, known_host=other)


def test_a_known_host_line_may_begin_with_host_names(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        link.known_host = f"[127.0.0.1]:22 {server.known_host}"
        assert (await link.run(["true"])).ok

    on(tmp_path, act)


def test_a_silent_machine_is_down_also_without_its_host_key_or_ours(tmp_path: Path) -> None:
    """Nobody has to be trusted to be silent: a deployer removes its keys together with the machine."""

    async def act(server: Server, link: SSHLink) -> None:
        await server.crash()
        stranger = SSHLink(server.node(known_host=""))
        keyless = SSHLink(server.node(key=str(tmp_path / "removed")))
        for silent in (stranger, keyless):
            with pytest.raises(LinkDown):
                await silent.run(["true"])

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
        with pytest.raises(LinkRefused, match="another host key"):
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


def test_a_peer_that_accepts_and_says_nothing_is_down_after_the_login_timeout(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            node = server.node(port=silent.getsockname()[1])
            quiet = SSHLink(node, login_timeout=0.3)
            with pytest.raises(LinkDown):
                await quiet.run(["true"])

    on(tmp_path, act)


def test_a_node_that_accepts_the_connection_may_be_slow_to_speak(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        visits: list[asyncio.Task[None]] = []

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(2.5)
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", server.port)
            await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))

        def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            visits.append(asyncio.ensure_future(slow(reader, writer)))

        async with await asyncio.start_server(visited, "127.0.0.1", 0) as proxy:
            node = server.node(port=proxy.sockets[0].getsockname()[1])
            link = SSHLink(node, connect_timeout=1)
            assert (await link.run(["true"])).ok
            await link.close()
            with pytest.raises(LinkDown, match=r"accepts connections, but did not speak SSH within 0\.2 s"):
                await SSHLink(node, login_timeout=0.2).run(["true"])
            await asyncio.gather(*visits)

    on(tmp_path, act)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


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


def test_whoever_knows_that_a_node_went_down_ends_what_runs_there_at_once(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        running = asyncio.create_task(link.run("hang"))
        await server.running.wait()
        begun = time.monotonic()
        link.abort()
        with pytest.raises(LinkLost, match="hang"):
            await running
        assert time.monotonic() - begun < 15  # half of the silence that would end it too
        assert (await link.run(["echo", "back"])).stdout == "back\n"
        assert server.logins == 2

    on(tmp_path, act)


def test_all_who_want_a_connection_wait_for_one_login_and_it_goes_on_when_one_gives_up(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        server.slow_login = 0.6
        impatient = asyncio.create_task(link.run(["true"], timeout=0.2))
        patient = [asyncio.create_task(link.run(["true"])) for _ in range(3)]
        with pytest.raises(LinkDown, match=r"0\.2 s"):
            await impatient
        assert all(done.ok for done in await asyncio.gather(*patient))
        assert server.logins == 1
        assert server.greetings == 1

    on(tmp_path, act)


def test_a_login_that_is_let_go_is_a_lost_link_and_no_cancellation(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        server.slow_login = 10
        wanting = asyncio.create_task(link.run(["true"]))
        async with asyncio.timeout(20):
            while not server.greetings:
                await asyncio.sleep(0.01)
        link.abort()
        with pytest.raises(LinkLost, match="closed while it was being opened"):
            await wanting

    on(tmp_path, act)


def test_looking_at_a_port_that_is_forwarded_to_nobody_is_quick_and_finds_nobody(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def act(server: Server, link: SSHLink) -> None:
        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as proxy:
            port = proxy.sockets[0].getsockname()[1]
            with pytest.raises(LinkDown, match="closed the connection before it sent anything"):
                await SSHLink(server.node(port=port)).run(["true"])

    on(tmp_path, act)


def test_a_node_that_gets_ready_is_noticed_within_100_ms(tmp_path: Path) -> None:
    async def noticed(server: Server, link: SSHLink) -> float:
        await server.crash()
        await link.close()
        up = 0.0

        async def boot() -> None:
            nonlocal up
            await asyncio.sleep(0.5)
            await server.start()
            up = time.monotonic()

        booting = asyncio.create_task(boot())
        while True:
            try:
                await link.run(["true"])
                break
            except LinkDown:
                await asyncio.sleep(0.05)
        done = time.monotonic()
        await booting
        return done - up

    async def act(server: Server, link: SSHLink) -> None:
        seconds = []
        for _ in range(6):  # the best of some: a login takes the longer the busier this machine is
            seconds.append(await noticed(server, link))
            if seconds[-1] < 0.1 + 0.2:  # and one login
                return
        raise AssertionError(seconds)

    on(tmp_path, act)


def test_of_an_output_without_end_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        done = await link.run("echo first; head -c 9000000 /dev/zero | tr '\\0' x; echo last")
        assert done.stdout.startswith("first\n")
        assert done.stdout.endswith("xlast\n")
        assert "bytes left out" in done.stdout
        assert 4 * 1024 * 1024 <= len(done.stdout) < 4 * 1024 * 1024 + 200
        whole = await link.run("head -c 4000000 /dev/zero | tr '\\0' x")
        assert whole.stdout == "x" * 4_000_000

    on(tmp_path, act)


def test_more_commands_than_a_server_allows_on_a_connection_wait_for_their_turn(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        done = await asyncio.gather(*(link.run("sleep 0.1; echo on") for _ in range(25)))
        assert {one.stdout for one in done} == {"on\n"}
        assert server.most_sessions <= 10

    on(tmp_path, act)


def test_a_port_of_the_node_is_reached_through_a_forward_as_long_as_it_is_used(tmp_path: Path) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"inside")
        writer.close()

    async def act(server: Server, link: SSHLink) -> None:
        async with await asyncio.start_server(greet, "127.0.0.1", 0) as service:
            inner = service.sockets[0].getsockname()[1]
            async with link.forward("127.0.0.1", inner) as port:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                assert await reader.read() == b"inside"
                writer.close()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)

    on(tmp_path, act)


def test_a_node_behind_another_is_reached_through_it(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        gate = Server(_made(tmp_path / "gate"))
        await gate.start()
        try:
            behind = SSHLink(server.node(jump=dict(gate.node().ssh)))
            assert (await behind.run(["echo", "through"])).stdout == "through\n"
            assert (gate.logins, server.logins) == (1, 1)
            await behind.close()
            wrong = SSHLink(server.node(jump={**gate.node().ssh, "known_host": server.known_host}))
            with pytest.raises(LinkRefused, match="jump host"):
                await wrong.run(["true"])
            await wrong.close()
        finally:
            await gate.crash()

    on(tmp_path, act)


def test_a_jump_host_that_forbids_forwarding_is_blamed_and_not_the_node(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        gate = Server(_made(tmp_path / "gate"))
        await gate.start()
        behind = SSHLink(server.node(jump=dict(gate.node().ssh)))
        try:
            gate.forwards = False
            with pytest.raises(LinkRefused, match=r"jump host .*does not forward to 127\.0\.0\.1.*AllowTcpForwarding"):
                await behind.run(["true"])
            gate.forwards = True
            await server.crash()
            with pytest.raises(LinkDown, match=r"does not answer behind n11's jump host"):
                await behind.run(["true"])
            await server.start()
        finally:
            await behind.close()
            await gate.crash()

    on(tmp_path, act)


def test_a_node_without_a_common_cipher_is_not_taken_for_another_node(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        await server.crash()
        server.algorithms = {"encryption_algs": ["aes128-cbc"]}
        await server.start()
        with pytest.raises(LinkRefused, match=r"no algorithm in common.*aes128-cbc.*sshd_config") as refused:
            await link.run(["true"])
        assert "host key" not in str(refused.value)

    on(tmp_path, act)


@contextlib.asynccontextmanager
async def resetting(port: int, times: int) -> AsyncIterator[int]:
    """A port before this one that resets its first connections as soon as it spoke."""
    left = times

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError), contextlib.closing(writer):
            while data := await reader.read(65536):
                writer.write(data)

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, to = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(writer), contextlib.closing(to):  # also when the client resets it meanwhile
            await carry(reader, writer, back, to)

    async def carry(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamReader, to: asyncio.StreamWriter
    ) -> None:
        nonlocal left
        async with asyncio.TaskGroup() as both:
            both.create_task(forward(back, writer))
            if (first := await reader.read(65536)) and left:
                left -= 1
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                to.close()
                return
            to.write(first)
            both.create_task(forward(reader, to))

    async with await asyncio.start_server(meet, "127.0.0.1") as front:
        yield front.sockets[0].getsockname()[1]


@pytest.mark.parametrize("times", [1, 3])
def test_the_reason_of_a_server_that_resets_the_connection_is_asked_for_again(tmp_path: Path, times: int) -> None:
    async def act(server: Server, _: SSHLink) -> None:
        await server.crash()
        server.algorithms = {"encryption_algs": ["aes128-cbc"]}
        await server.start()
        node = server.node()
        async with resetting(int(str(node.ssh["port"])), times) as port:
            link = SSHLink(dataclasses.replace(node, ssh={**node.ssh, "port": port}))
            with pytest.raises(LinkRefused, match="no algorithm in common"):
                await link.run(["true"])
            await link.close()

    on(tmp_path, act)


def test_a_server_that_resets_every_connection_is_down(tmp_path: Path) -> None:
    async def act(server: Server, _: SSHLink) -> None:
        node = server.node()
        async with resetting(int(str(node.ssh["port"])), 1000) as port:
            link = SSHLink(dataclasses.replace(node, ssh={**node.ssh, "port": port}))
            with pytest.raises(LinkDown, match=r"reset|before the login"):
                await link.run(["true"])
            await link.close()

    on(tmp_path, act)


def test_a_server_that_accepts_the_key_and_lets_nobody_in_wants_a_second_factor(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        error = _failure(asyncssh.PermissionDenied("no"), door(server.node()), 20.0, accepted=True)
        assert isinstance(error, LinkRefused)
        assert "accepts the key, and wants a second factor" in str(error)

    on(tmp_path, act)


def test_a_fifo_is_no_file_to_copy_and_blocks_nobody(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        os.mkfifo(tmp_path / "fifo")
        for work in (link.get(f"{tmp_path}/fifo", tmp_path / "x"), link.put(tmp_path / "key", f"{tmp_path}/fifo")):
            with pytest.raises(CannotTell, match="fifo is not a regular file"):
                await work
        (tmp_path / "target").write_text("behind a link")
        (tmp_path / "link").symlink_to("target")
        await link.get(f"{tmp_path}/link", tmp_path / "copy")
        assert (tmp_path / "copy").read_text() == "behind a link"

    on(tmp_path, act)


SUDO = """#!/bin/sh
[ "$1 $2" = "-n --" ] || [ "$*" = "-n true" ] || exit 9
[ -e %s ] || { echo "sudo: a password is required" >&2; exit 1; }
[ "$1 $2" = "-n --" ] && shift 2 || shift
exec env BY_SUDO=1 "$@"
"""


def test_root_is_had_by_sudo_and_a_password_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = tmp_path / "allowed"
    sudo = _made(tmp_path / "bin") / "sudo"
    sudo.write_text(SUDO % allowed)
    sudo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sudo.parent}:{os.environ['PATH']}")

    async def act(server: Server, link: SSHLink) -> None:
        with pytest.raises(LinkRefused, match=r"tester may not run commands as root .*password is required"):
            await link.run(["true"])
        allowed.touch()
        assert (await link.run("echo $BY_SUDO $X", env={"X": "y"})).stdout == "1 y\n"
        assert (await link.run("echo sudo >&2; exit 3")).exit_code == 3
        local = tmp_path / "local"
        local.write_bytes(os.urandom(700_000))
        await link.put(local, f"{tmp_path}/there")
        await link.get(f"{tmp_path}/there", tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == local.read_bytes()
        with pytest.raises(FileNotFoundError, match="nowhere"):
            await link.get(f"{tmp_path}/nowhere", tmp_path / "never")
        assert not (tmp_path / "never").exists()
        root = SSHLink(server.node(become=True))
        assert (await root.run("echo ${BY_SUDO:-none}")).stdout == "none\n"
        await root.close()

    on(tmp_path, act, user="tester", become=True)


def test_a_sudo_that_wants_a_terminal_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sudo = _made(tmp_path / "bin") / "sudo"
    sudo.write_text('#!/bin/sh\necho "sudo: sorry, you must have a tty to run sudo" >&2; exit 1\n')
    sudo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sudo.parent}:{os.environ['PATH']}")

    async def act(server: Server, link: SSHLink) -> None:
        with pytest.raises(LinkRefused, match=r"in a terminal only .*Defaults:tester !requiretty"):
            await link.run(["true"])

    on(tmp_path, act, user="tester", become=True)


def test_a_node_without_sudo_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (_made(tmp_path / "bin") / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    async def act(server: Server, link: SSHLink) -> None:
        with pytest.raises(ToolMissing, match="sudo is not installed"):
            await link.sudo("true")

    on(tmp_path, act, user="tester")


def test_host_keys_are_found_in_a_file_of_known_hosts(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        known = tmp_path / "known"
        node = server.node(known_host="", known_hosts=str(known))
        wanted = rf"compare the key's fingerprint.*ssh-keyscan -p {server.port} 127\.0\.0\.1 >> {known}"
        for text in (None, "other.example.org ssh-ed25519 AAAA\n"):
            if text:
                known.write_text(text)
            with pytest.raises(LinkRefused, match=wanted):
                await SSHLink(node).run(["true"])
        assert server.logins == 0
        known.write_text(f"[127.0.0.1]:{server.port} {server.known_host}\n")
        known_by_file = SSHLink(node)
        assert (await known_by_file.run(["true"])).ok
        await known_by_file.close()
        other = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode()
        known.write_text(f"[127.0.0.1]:{server.port} {other}\n")
        with pytest.raises(LinkRefused, match="another host key"):
            await SSHLink(node).run(["true"])

    on(tmp_path, act)


def test_the_health_of_ten_nodes_is_looked_at_at_the_same_time(tmp_path: Path) -> None:
    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            servers = [await stack.enter_async_context(serving(_made(tmp_path / str(one)))) for one in range(10)]
            links = [SSHLink(server.node()) for server in servers]

            async def look(some: list[SSHLink]) -> float:
                begun = time.perf_counter()
                # As long as a machine of its own takes for a command; here all ten share two processors with us.
                assert all(done.ok for done in await asyncio.gather(*(link.run("wait 0.5") for link in some)))
                return time.perf_counter() - begun

            await look(links)
            one, ten = min([await look(links[:1]) for _ in range(3)]), min([await look(links) for _ in range(3)])
            for link in links:
                await link.close()
            assert ten <= 2 * one

    asyncio.run(asyncio.wait_for(main(), 60))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
