"""The node's SSH server, spoken to by real clients."""

import asyncio
import os
import shutil
import subprocess

import asyncssh
import pytest


def test_a_command_has_its_output_errors_and_exit_status(make, mode):
    machine = make(mode=mode).power_on()
    result = machine.ssh("echo out; echo err >&2; exit 3")
    assert (result.stdout, result.stderr, result.exit_status) == ("out\n", "err\n", 3)


def test_a_command_reads_what_the_client_sends(make):
    machine = make().power_on()
    text = "x" * 3_000_000
    assert machine.ssh("cat", input=text).stdout == text
    assert machine.ssh("wc -c", input=text).stdout.strip() == "3000000"


def test_a_command_ended_by_a_signal_says_which(make):
    assert make().power_on().ssh("kill -KILL $$").exit_signal[0] == "KILL"


def test_a_shell_without_a_command_reads_its_commands(make):
    assert make().power_on().ssh(None, input="echo $((6 * 7))\n").stdout == "42\n"


def test_a_command_runs_in_the_home_of_the_node(make):
    machine = make().power_on()
    assert machine.ask("pwd; echo $HOME").split() == [f"{machine.folder}/home"] * 2


def test_a_background_process_does_not_hold_the_session_open(make, mark, asleep, until):
    machine = make().power_on()
    assert machine.ssh(f"sleep {mark} & echo started", timeout=30).stdout == "started\n"
    until(lambda: asleep(mark), "the command in the background")


def test_a_client_that_goes_takes_its_command_with_it(make, mode, mark, asleep, until):
    machine = make(mode=mode).power_on()

    async def go() -> None:
        async with machine.connect() as connection:
            process = await connection.create_process(f"sleep {mark} & echo sleeping; wait")
            assert await process.stdout.readline() == "sleeping\n"
            until(lambda: asleep(mark), "the command")  # the shell says so before it has become a sleep
            connection.abort()

    asyncio.run(go())
    until(lambda: asleep(mark) == [], "the command is gone")


def test_a_signal_from_the_client_reaches_the_command(make):
    machine = make().power_on()

    async def go() -> str:
        async with asyncio.timeout(30), machine.connect() as connection:
            process = await connection.create_process(
                "trap 'echo caught; exit 0' USR1; echo ready; while :; do sleep 0.01; done"
            )
            assert await process.stdout.readline() == "ready\n"
            process.send_signal("USR1")
            return str(await process.stdout.readline())

    assert asyncio.run(go()) == "caught\n"


def test_the_clients_environment_is_taken_but_the_nodes_own_wins(make):
    machine = make().power_on()
    result = machine.ssh("echo $COLOUR $SEATRIAL_NODE", env={"COLOUR": "green", "SEATRIAL_NODE": "another"})
    assert result.stdout == f"green {machine.tag}\n"


def test_files_go_in_and_out_by_sftp(make, tmp_path):
    machine = make().power_on()
    (tmp_path / "in").write_bytes(b"\0\1\2" * 100_000)

    async def go() -> None:
        async with machine.connect() as connection, connection.start_sftp_client() as sftp:
            await sftp.put(str(tmp_path / "in"), "data")
            await sftp.get("data", str(tmp_path / "out"))

    asyncio.run(go())
    assert (tmp_path / "out").read_bytes() == (machine.folder / "home/data").read_bytes() == b"\0\1\2" * 100_000


def test_a_fifo_among_the_files_is_no_file_and_does_not_stop_the_server(make, tmp_path):
    machine = make().power_on()
    os.mkfifo(machine.folder / "home/fifo")
    (machine.folder / "home/link").symlink_to("fifo")

    async def go() -> None:
        async with asyncio.timeout(60), machine.connect() as connection, connection.start_sftp_client() as sftp:
            for name in ("fifo", "link"):
                with pytest.raises(asyncssh.SFTPFailure, match="not a regular file"):
                    await sftp.open(name)
            with pytest.raises(asyncssh.SFTPError, match="Not a regular file"):
                await asyncssh.scp((connection, "fifo"), str(tmp_path / "out"))

    asyncio.run(go())
    assert machine.ssh("echo on").stdout == "on\n"


@pytest.mark.skipif(shutil.which("scp") is None, reason="needs the OpenSSH client")
@pytest.mark.parametrize("protocol", [[], ["-O"]])
def test_files_go_in_by_openssh_scp(make, tmp_path, protocol):
    machine = make().power_on()
    machine.key.write_private_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o600)
    host = f"[{machine.address}]:{machine.port} {machine.host_key.export_public_key().decode()}"
    (tmp_path / "known").write_text(host)
    (tmp_path / "in").write_text("hello")
    options = [f"-oUserKnownHostsFile={tmp_path / 'known'}", "-oStrictHostKeyChecking=yes", "-oBatchMode=yes"]
    argv = ["scp", *protocol, "-q", "-F", "/dev/null", *options, "-i", str(tmp_path / "key"), "-P", str(machine.port)]
    subprocess.run([*argv, str(tmp_path / "in"), f"root@{machine.address}:copy"], check=True, timeout=60)
    assert (machine.folder / "home/copy").read_text() == "hello"


def test_another_key_is_refused(make):
    machine = make().power_on()

    async def go() -> None:
        async with machine.connect(client_keys=[asyncssh.generate_private_key("ssh-ed25519")]):
            pass

    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(go())


def test_a_password_is_refused(make):
    machine = make().power_on()

    async def go() -> None:
        async with machine.connect(client_keys=None, agent_path=None, password="secret"):
            pass

    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(go())


def test_another_host_key_is_noticed(make):
    machine = make().power_on()
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    known = asyncssh.import_known_hosts(f"[{machine.address}]:{machine.port} {other}")

    async def go() -> None:
        async with machine.connect(known_hosts=known):
            pass

    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        asyncio.run(go())


def test_a_wrong_word_to_the_init_lists_the_right_ones(make):
    result = make().power_on().ssh("seatrial-init dance")
    assert result.exit_status == 2
    assert "allowed: boot-id, status, start NAME" in result.stderr
