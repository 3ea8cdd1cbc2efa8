"""The sessions of a connection: a server that allows few of them is no fault of the node."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.links.ssh_server import Server
from tests.links.test_ssh import on

from seatrial.errors import CannotTell, LinkDown, LinkLost
from seatrial.links.ssh import SSHLink, places


@pytest.mark.parametrize("allowed", [10, 2, 1])
@pytest.mark.parametrize("many", [12, 60])
def test_all_commands_run_however_few_sessions_the_server_allows(tmp_path: Path, allowed: int, many: int) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        server.max_sessions = allowed
        done = await asyncio.gather(*(link.run(["echo", str(turn)], timeout=5) for turn in range(many)))
        assert [one.stdout for one in done] == [f"{turn}\n" for turn in range(many)]
        assert server.most_sessions <= allowed
        assert server.logins == 1
        # The limit is learned: the next ones are sent one after the other and not refused again and again.
        before = server.refused
        await asyncio.gather(*(link.run(["true"], timeout=5) for _ in range(many)))
        assert server.refused - before <= 3 * many

    on(tmp_path, act)


def test_copies_take_a_session_too(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        server.max_sessions = 2
        (tmp_path / "local").write_text("x")
        await asyncio.gather(
            *(link.put(tmp_path / "local", f"{tmp_path}/copy{turn}") for turn in range(8)),
            *(link.run(["true"]) for _ in range(8)),
        )
        assert len(list(tmp_path.glob("copy*"))) == 8
        assert server.most_sessions <= 2

    on(tmp_path, act)


def test_a_server_that_opens_no_session_at_all_is_unknown_and_never_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatrial.links.ssh.WAIT", 0.3)

    async def act(server: Server, link: SSHLink) -> None:
        server.max_sessions = 0
        with pytest.raises(CannotTell, match=r"opened no session within .*MaxSessions") as refused:
            await link.run(["true"])
        assert not isinstance(refused.value, LinkDown | LinkLost)

    on(tmp_path, act)


def test_waiting_for_a_session_is_no_silence_of_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        server.max_sessions = 1
        long = asyncio.create_task(link.run("wait 3"))
        async with asyncio.timeout(20):
            while not server._sessions:
                await asyncio.sleep(0.01)
        assert (await link.run(["true"], timeout=2)).ok  # its own time begins with its session
        assert (await long).ok
        monkeypatch.setattr("seatrial.links.ssh.WAIT", 0.2)
        long = asyncio.create_task(link.run("wait 1"))
        await asyncio.sleep(0)
        with pytest.raises(CannotTell, match="no session") as waited:
            await link.run(["true"], timeout=0.5)
        assert not isinstance(waited.value, LinkDown | LinkLost)
        await long

    on(tmp_path, act)


def test_a_place_is_given_back_once(tmp_path: Path) -> None:
    async def main() -> None:
        some = places.Places()
        some.limit = 1
        end = asyncio.get_running_loop().time() + 0.1
        give_back = await some.take(end, "n11")
        give_back()
        give_back()
        await some.take(end, "n11")
        with pytest.raises(CannotTell, match="allows 1 at a time"):
            await some.take(end, "n11")

    asyncio.run(main())


def test_a_new_connection_does_not_interrupt_commands_on_an_old_one_that_answers_again(tmp_path: Path) -> None:
    async def act(server: Server, link: SSHLink) -> None:
        begun, end = tmp_path / "begun", tmp_path / "end"
        waiting = f"touch {begun}; until [ -e {end} ]; do sleep 0.02; done; echo still here"
        running = asyncio.create_task(link.run(waiting, timeout=20))
        while not begun.exists():
            await asyncio.sleep(0.01)
        await link._connection.renew()  # as after a pause of the node, during which the old one was given up
        end.touch()
        done = await running
        assert (done.exit_code, done.stdout) == (0, "still here\n")
        assert (await link.run(["true"])).ok

    on(tmp_path, act)
