"""Into real containers by the engine's exec; the container of these tests is Podman's."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from scripts.images.engines import IMAGE

from seatrial.errors import CannotTell, LinkDown, LinkLost
from seatrial.links.containers import Engine
from seatrial.links.containers.engines import find
from seatrial.links.containers.exec import ExecLink
from seatrial.links.process import TimedOut
from seatrial.spi import BreaksOff, Link

pytestmark = pytest.mark.backend("podman")

INIT = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"


class Box:
    """One container, and what a test does to it from outside."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.name = f"seatrial-test-{uuid.uuid4().hex[:12]}"
        self.link = ExecLink(engine, self.name, "n11")

    async def make(self, folder: Path) -> None:
        label = f"seatrial.project={folder}"
        argv = ["run", "--detach", "--pull=never", "--network=none", "--name", self.name, "--label", label]
        await self.engine.call(*argv, IMAGE, "sh", "-c", INIT, what="making a container")

    async def do(self, *argv: str) -> None:
        await self.engine.call(*argv, self.name, what=" ".join(argv))

    async def runs(self, word: str) -> None:
        """Wait until a process with this word in its command line runs in it."""
        async with asyncio.timeout(30):
            while not (await self.engine.run("exec", self.name, "pgrep", "-f", word)).ok:
                await asyncio.sleep(0.05)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("SEATRIAL_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))


def on(folder: Path, act: Callable[[Box], Awaitable[None]]) -> None:
    """Run `act` with a container."""

    async def main() -> None:
        box = Box(await find("podman"))
        try:
            await box.make(folder)
            await act(box)
        finally:
            await box.engine.run("rm", "--force", "--time", "0", box.name)

    asyncio.run(asyncio.wait_for(main(), 120))


def test_a_command_comes_back_with_its_exit_code_and_both_streams(tmp_path):
    async def act(box):
        assert isinstance(box.link, Link)
        assert isinstance(box.link, BreaksOff)
        done = await box.link.run("echo out; echo err >&2; exit 7")
        assert (done.exit_code, done.stdout, done.stderr) == (7, "out\n", "err\n")
        assert (await box.link.run(["echo", "$HOME; *"])).stdout == "$HOME; *\n"
        assert (await box.link.run(["sh", "-c", "kill -s KILL $$"])).exit_code == 137
        assert (await box.link.run(["no-such-command"])).exit_code in (126, 127)

    on(tmp_path, act)


def test_input_reaches_the_command_and_no_input_is_an_end(tmp_path):
    async def act(box):
        assert (await box.link.run(["cat"], input="a\nb")).stdout == "a\nb"
        assert (await box.link.run(["cat"], timeout=20)).stdout == ""

    on(tmp_path, act)


def test_variables_reach_the_command_alone_and_never_the_engine(tmp_path):
    async def act(box):
        strange = {"PATH": "/nowhere", "CONTAINERS_CONF": "/nowhere", "DOCKER_HOST": "nowhere", "X": "it's\n$Y"}
        done = await box.link.run(
            ["/bin/sh", "-c", 'echo "$PATH $CONTAINERS_CONF $DOCKER_HOST $X"; /usr/bin/env'], env=strange
        )
        assert done.stdout.startswith("/nowhere /nowhere nowhere it's\n$Y\n"), done
        assert "SEATRIAL_GIVEN" not in done.stdout

    on(tmp_path, act)


def test_a_variables_value_is_in_no_argument_list(tmp_path):
    async def act(box):
        running = asyncio.create_task(box.link.run(["sleep", "987"], env={"TOKEN": "hush-hush"}, timeout=90))
        await box.runs("sleep 987")
        words = b"\n".join(_command_lines())
        assert b"sleep\x00987" in words
        assert b"hush-hush" not in words
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    on(tmp_path, act)


def _command_lines() -> list[bytes]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes())
        except OSError:
            continue
    return lines


@pytest.mark.parametrize("how", ["timeout", "cancel"])
def test_a_command_whose_time_is_up_is_ended_in_the_container_too(how, tmp_path):
    async def act(box):
        command = "echo so far; sleep 987 & env -i setsid sleep 985 & sleep 986"
        running = asyncio.create_task(box.link.run(command, timeout=3 if how == "timeout" else 90))
        await box.runs("sleep 986")
        if how == "cancel":
            running.cancel()
        with pytest.raises(TimedOut if how == "timeout" else asyncio.CancelledError) as ended:
            await running
        if isinstance(ended.value, TimedOut):
            assert ended.value.stdout == "so far\n"
        left = await box.engine.run("exec", box.name, "pgrep", "-fl", "sleep 98")
        assert not left.ok, left.stdout

    on(tmp_path, act)


@pytest.mark.parametrize("how", [("kill", "--signal", "KILL"), ("stop", "--time", "5"), ("restart", "--time", "0")])
def test_a_container_that_goes_down_ends_its_command_at_once_as_a_lost_link(how, tmp_path):
    async def act(box):
        running = asyncio.create_task(box.link.run(["sleep", "987"], timeout=90))
        await box.runs("sleep 987")
        await box.do(*how)
        begun = time.monotonic()
        with pytest.raises(LinkLost, match="went down during `sleep 987`"):
            await running
        assert time.monotonic() - begun < 5

    on(tmp_path, act)


def test_a_container_that_is_removed_under_a_command_is_a_lost_link(tmp_path):
    async def act(box):
        running = asyncio.create_task(box.link.run(["sleep", "987"], timeout=90))
        await box.runs("sleep 987")
        await box.do("rm", "--force", "--time", "0")
        with pytest.raises(LinkLost):
            await running
        with pytest.raises(LinkDown, match="the container does not exist"):
            await box.link.run(["true"])

    on(tmp_path, act)


def test_what_is_known_to_be_down_is_broken_off_at_once(tmp_path):
    async def act(box):
        running = asyncio.create_task(box.link.run(["sleep", "987"], timeout=90))
        await box.runs("sleep 987")
        begun = time.monotonic()
        box.link.abort()
        with pytest.raises(LinkLost):
            await running
        assert time.monotonic() - begun < 5
        assert (await box.link.run(["true"])).ok

    on(tmp_path, act)


def test_a_stopped_or_frozen_container_is_down_and_does_not_hang(tmp_path):
    async def act(box):
        sent = tmp_path / "sent"
        sent.write_text("x")
        # Podman calls a killed one stopped until its monitor has tidied up.
        for how, word in (("pause", "paused"), ("unpause", ""), ("kill", "exited|stopped")):
            await box.do(how)
            if not word:
                assert (await box.link.run(["true"])).ok
                continue
            begun = time.monotonic()
            with pytest.raises(LinkDown, match=word):
                await box.link.run(["true"], timeout=60)
            with pytest.raises(LinkDown, match=word):
                await box.link.put(sent, "/tmp/x")
            assert time.monotonic() - begun < 15

    on(tmp_path, act)


def test_files_go_both_ways_byte_for_byte(tmp_path):
    async def act(box):
        sent, back = tmp_path / "sent", tmp_path / "back"
        sent.write_bytes(bytes(range(256)) * 5000)
        await box.link.put(sent, "/tmp/a file")
        await box.link.get("/tmp/a file", back)
        assert back.read_bytes() == sent.read_bytes()
        with pytest.raises(FileNotFoundError, match="/tmp/none"):
            await box.link.get("/tmp/none", back)
        with pytest.raises(FileNotFoundError, match="nowhere"):
            await box.link.put(tmp_path / "nowhere", "/tmp/x")
        with pytest.raises(CannotTell, match="/none/such/x"):
            await box.link.put(sent, "/none/such/x")

    on(tmp_path, act)


def test_an_engine_that_is_not_there_is_no_exit_code(tmp_path):
    link = ExecLink(Engine("/nowhere/podman", "podman"), "any", "n11")
    with pytest.raises(CannotTell, match="/nowhere/podman"):
        asyncio.run(link.run(["true"]))
