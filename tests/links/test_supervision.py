"""Programs under a supervisor: whatever they leave is known, and can be ended whole."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import CannotTell, ToolMissing
from seatrial.links.process import TimedOut, cgroups, process_start, programs, run, spawned
from seatrial.links.process.supervision import Supervisor, end_trial
from seatrial.links.process.table import descendants

DAEMON = "env -i setsid sleep 600 >/dev/null 2>&1 & echo $!"
"""It leaves its group, loses its tag, and its parent ends."""


def until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.002)


@pytest.fixture(params=["cgroup", "subreaper"])
def supervisor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    if request.param == "subreaper":
        monkeypatch.setattr(cgroups, "parents", list)
    made = Supervisor(f"test-{os.getpid()}", {"SEATRIAL_STEP_TAG": f"test{os.getpid()}", "SEATRIAL_RUN_ID": "rtest"})
    if request.param == "cgroup" and not made.cgroup:
        made.close()
        pytest.skip("no cgroup can be made here")
    try:
        yield made
    finally:
        end_trial(made.pid, made.started, made.cgroup)
        made.close()


def test_a_daemon_without_group_tag_and_parent_ends_with_the_trial(supervisor: Supervisor) -> None:
    done = asyncio.run(run(["sh", "-c", DAEMON], under=supervisor))
    assert done.left
    pid = int(done.stdout)
    assert process_start(pid)
    end_trial(supervisor.pid, supervisor.started, supervisor.cgroup)
    assert process_start(pid) == process_start(supervisor.pid) == ""
    assert not supervisor.cgroup or not Path(supervisor.cgroup).exists()


def test_what_timed_out_is_dead_at_once_and_earlier_daemons_live(supervisor: Supervisor) -> None:
    earlier = int(asyncio.run(run(["sh", "-c", DAEMON], under=supervisor)).stdout)
    with pytest.raises(TimedOut) as caught:
        asyncio.run(run(["sh", "-c", f"{DAEMON}; wait"], timeout=2, under=supervisor))
    assert process_start(int(caught.value.stdout)) == ""
    assert process_start(earlier)


def test_a_daemon_that_keeps_the_output_open_does_not_hold_the_end_up(supervisor: Supervisor) -> None:
    begun = time.monotonic()
    done = asyncio.run(run(["sh", "-c", "sleep 600 & echo deployed"], under=supervisor))
    assert (done.stdout, done.left) == ("deployed\n", True)
    assert time.monotonic() - begun < 60


def test_a_chain_of_forks_is_caught_by_its_cgroup(supervisor: Supervisor) -> None:
    if not supervisor.cgroup:
        pytest.skip("only a cgroup catches it")
    chain = "import os, time\nwhile True:\n    if os.fork():\n        os._exit(0)\n    os.setsid(); time.sleep(0.001)\n"
    asyncio.run(run(["python3", "-c", chain], under=supervisor))
    end_trial(supervisor.pid, supervisor.started, supervisor.cgroup)
    assert not Path(supervisor.cgroup).exists()


def test_programs_answer_as_without_a_supervisor(supervisor: Supervisor, tmp_path: Path) -> None:
    async def scene() -> None:
        done = await run(["sh", "-c", "pwd; echo $A; cat; exit 3"], cwd=tmp_path, env={"A": "b"}, input="in\n",
                         under=supervisor)  # fmt: skip
        assert (done.exit_code, done.stdout, done.left) == (3, f"{tmp_path}\nb\nin\n", False)
        assert (await run(["sh", "-c", "kill -9 $$"], under=supervisor)).exit_code == 137
        with pytest.raises(ToolMissing, match="no-such-program"):
            await run(["no-such-program"], under=supervisor)
        with pytest.raises(CannotTell, match="folder"):
            await run(["true"], cwd=tmp_path / "gone", under=supervisor)
        large = {f"V{number}": "x" * 1000 for number in range(500)}
        assert len((await run(["env"], env={**os.environ, **large}, under=supervisor)).stdout) > 500_000

    asyncio.run(scene())


def test_one_supervisor_serves_many_commands_until_one_leaves_something_or_it_is_killed(supervisor: Supervisor) -> None:
    def parent(line: str = "") -> int:
        return int(asyncio.run(run(["sh", "-c", f"{line} echo $PPID"], under=supervisor)).stdout.split()[-1])

    first = parent()
    assert parent() == parent() == first
    with pytest.raises(ToolMissing):
        asyncio.run(run(["no-such-program"], under=supervisor))
    assert parent(f"{DAEMON};") == first
    second = parent()
    assert second != first  # which waits for the daemon
    assert process_start(first)
    os.kill(second, 9)
    until(lambda: process_start(second) == "")
    assert parent() not in (first, second)


def test_a_timeout_ends_the_programs_of_its_own_command_alone(supervisor: Supervisor) -> None:
    async def scene() -> None:
        longer = asyncio.create_task(run(["sh", "-c", "setsid sleep 2; echo done"], under=supervisor))
        for _ in range(3):
            with pytest.raises(TimedOut):
                await run(["sh", "-c", "setsid sleep 600"], timeout=0.2, under=supervisor)
        assert (await longer).stdout == "done\n"

    asyncio.run(scene())


def test_a_killed_supervisor_is_an_error_and_no_exit_code(supervisor: Supervisor) -> None:
    async def scene() -> None:
        def kill(_: int) -> None:
            for pid in [supervisor.pid, *descendants(supervisor.pid)]:
                os.kill(pid, 9)

        with pytest.raises(CannotTell, match="supervisor"):
            await run(["sleep", "600"], started=kill, under=supervisor)

    asyncio.run(scene())


def test_without_seatrial_it_waits_for_its_last_child_and_ends(supervisor: Supervisor) -> None:
    pid = int(asyncio.run(run(["sh", "-c", DAEMON], under=supervisor)).stdout)
    supervisor.close()
    assert process_start(supervisor.pid)
    os.kill(pid, 9)
    until(lambda: process_start(supervisor.pid) == "")


def test_a_lost_trial_is_found_by_its_supervisor(supervisor: Supervisor) -> None:
    asyncio.run(run(["sh", "-c", DAEMON], under=supervisor))
    found = {one.trial: one.detail["pid"] for one in asyncio.run(programs.find("rtest"))}
    assert found[f"test{os.getpid()}"] == supervisor.pid


class Maker:
    """As much of a context as makes a supervisor."""

    trial_id = f"t{os.getpid()}again"

    def environment(self) -> dict[str, str]:
        return {}

    async def make(self, kind: str, name: str, create: Any, **_: object) -> Any:
        return await create()


def test_a_supervisor_that_something_killed_is_let_go_when_another_takes_its_place() -> None:
    first = asyncio.run(spawned.supervised(Maker()))
    os.kill(first.pid, 9)
    until(lambda: not first.alive)
    second = asyncio.run(spawned.supervised(Maker()))
    try:
        assert second.alive
        assert first._door.fileno() == -1
    finally:
        end_trial(second.pid, second.started, second.cgroup)
        spawned.let_go(Maker.trial_id)
