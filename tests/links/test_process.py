from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.errors import CannotTell, ToolMissing
from seatrial.links import process
from seatrial.links.process import TimedOut, run
from seatrial.model.values import argv_of
from seatrial.spi import Finished


def ran(*argv: str, **options: object) -> Finished:
    return asyncio.run(run(list(argv), **options))  # type: ignore[arg-type]


def until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.002)


def gone(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_program_comes_back_with_its_exit_code_and_both_streams() -> None:
    done = ran("sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.exit_code, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_no_shell_touches_the_arguments() -> None:
    assert ran("echo", "$HOME", "a  b", ";").stdout == "$HOME a  b ;\n"


def test_a_string_becomes_words_for_the_shell_and_a_list_stays() -> None:
    assert ran(*argv_of("echo $((2 * 3)) | cat")).stdout == "6\n"
    assert argv_of(("a", "b c")) == ("a", "b c")


def test_folder_and_environment_are_those_that_were_given(tmp_path: Path) -> None:
    done = ran("/bin/sh", "-c", "pwd; echo $ONLY $HOME", cwd=tmp_path, env={"ONLY": "this"})
    assert done.stdout == f"{tmp_path}\nthis\n"


def test_a_program_that_reads_gets_its_input_and_then_the_end() -> None:
    text = "x" * 300_000
    assert ran("cat", input=text).stdout == text
    assert ran("cat").stdout == ""


def test_a_program_that_does_not_want_its_input_is_not_an_error() -> None:
    assert ran("true", input="x" * 300_000).exit_code == 0


def test_a_program_that_dies_of_a_signal_has_an_exit_code_like_a_shells() -> None:
    assert ran("sh", "-c", "kill -9 $$").exit_code == 137


def test_bytes_that_are_no_text_are_shown_and_do_not_fail() -> None:
    assert ran("printf", r"a\377b").stdout == "a\ufffdb"


def test_a_missing_program_is_named_with_what_to_do() -> None:
    with pytest.raises(ToolMissing, match=r"'no-such-program'.*install"):
        ran("no-such-program", "-x")


def test_a_file_that_may_not_be_executed_is_a_missing_tool(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    with pytest.raises(ToolMissing, match="chmod"):
        ran(str(tmp_path / "plain"))


def test_a_missing_folder_is_not_taken_for_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(CannotTell, match="folder") as caught:
        ran("true", cwd=tmp_path / "gone")
    assert not isinstance(caught.value, ToolMissing)


def test_the_process_id_is_told_before_the_end_and_leads_a_group_of_its_own() -> None:
    told: list[int] = []
    done = ran("sh", "-c", "ps -o pgid= -p $$", started=told.append)
    assert [int(done.stdout)] == told
    assert told[0] != os.getpgrp()


def test_a_program_that_takes_too_long_is_ended_with_its_children_and_what_it_said_is_kept() -> None:
    begun = time.monotonic()
    with pytest.raises(TimedOut, match=r"2 s") as caught:  # long enough for it to say something
        ran("sh", "-c", "sleep 60 & echo $!; echo err >&2; wait", timeout=2)
    assert time.monotonic() - begun < 30
    assert caught.value.stderr == "err\n"
    until(lambda: gone(int(caught.value.stdout)))


def test_a_group_that_ignores_the_first_signal_is_killed_after_the_grace() -> None:
    with pytest.raises(TimedOut) as caught:
        ran("sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait; wait", timeout=2, grace=0.2)
    until(lambda: gone(int(caught.value.stdout)))


def test_a_child_that_puts_things_in_order_has_the_grace_though_its_parent_is_dead(tmp_path: Path) -> None:
    tidy = tmp_path / "tidy"
    slow = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"
    child = f"trap '{slow}; echo done > {tidy}; exit' TERM; sleep 60 & wait"
    with pytest.raises(TimedOut):
        ran("sh", "-c", 'sh -c "$CHILD" & wait', env={**os.environ, "CHILD": child}, timeout=2, grace=60)
    assert tidy.read_text() == "done\n"


def test_cancelling_ends_the_group() -> None:
    pids: list[int] = []

    async def main() -> None:
        up = asyncio.Event()

        def started(pid: int) -> None:
            pids.append(pid)
            up.set()

        task = asyncio.create_task(run(["sleep", "60"], started=started))
        await up.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert gone(pids[0])


def test_cancelling_twice_kills_at_once() -> None:
    pids: list[int] = []

    async def main() -> None:
        up = asyncio.Event()
        asyncio.get_running_loop()

        def started(pid: int) -> None:
            pids.append(pid)
            up.set()

        task = asyncio.create_task(run(["sh", "-c", "trap '' TERM; sleep 60; sleep 60"], started=started, grace=30))
        await up.wait()
        task.cancel()
        asyncio.get_running_loop().call_later(0.1, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    begun = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - begun < 20  # the grace is 30 s
    assert gone(pids[0])


def test_a_callback_that_raises_does_not_leave_the_program_behind() -> None:
    pids: list[int] = []

    def started(pid: int) -> None:
        pids.append(pid)
        raise RuntimeError("the ledger is full")

    with pytest.raises(RuntimeError, match="ledger"):
        ran("sleep", "60", started=started)
    assert gone(pids[0])


def test_a_program_left_in_the_background_on_purpose_is_not_waited_for_and_lives() -> None:
    begun = time.monotonic()
    done = ran("sh", "-c", "sleep 60 & echo $!")
    assert time.monotonic() - begun < 30
    pid = int(done.stdout)
    try:
        assert not gone(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_long_output_keeps_its_beginning_and_its_end_and_the_file_has_all_of_it(tmp_path: Path) -> None:
    script = "import sys\nfor i in range(600_000): sys.stdout.write(f'{i:08}\\n')"
    whole = tmp_path / "whole"
    done = ran(sys.executable, "-c", script, whole=whole)
    assert done.stdout.startswith("00000000\n00000001\n")
    assert done.stdout.endswith("00599999\n")
    assert "bytes left out" in done.stdout
    assert len(done.stdout) < process.KEEP + 100
    assert whole.stat().st_size == 600_000 * 9


def test_no_line_of_one_stream_stands_in_the_middle_of_one_of_the_other(tmp_path):
    script = (
        "import os\n"
        "for at in range(200):\n"
        "    os.write(1, b'one ' * 20 + b'half')\n"
        "    os.write(2, b'two ' * 700 + b'half')\n"
        "    os.write(1, b' and the rest\\n')\n"
        "    os.write(2, b' and the rest\\n')\n"
        "os.write(1, b'no end')\n"
    )
    whole = tmp_path / "whole"
    ran(sys.executable, "-c", script, whole=whole)
    lines = whole.read_text().splitlines()
    assert lines.count("one " * 20 + "half and the rest") == 200
    assert lines.count("two " * 700 + "half and the rest") == 200
    assert lines.count("no end") == 1
    assert len(lines) == 401


def test_a_full_disk_under_the_output_file_is_an_error_and_not_silence() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OSError, match="No space"):
        ran("sh", "-c", "yes | head -c 300000", whole=Path("/dev/full"))


def test_no_file_descriptor_is_left_open() -> None:
    async def main() -> int:
        await run(["true"])
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            await run(["true"], input="x")
            with pytest.raises(ToolMissing):
                await run(["no-such-program"])
        return len(list(Path("/proc/self/fd").iterdir())) - before

    assert asyncio.run(main()) == 0


def test_many_runs_cost_little_more_than_the_spawns_themselves() -> None:
    """Processor time, with that of the programs, against the plainest spawn: the best of a few rounds each."""

    def spent() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used)

    async def ours() -> float:
        begun = spent()
        for _ in range(100):
            await run(["/bin/true"])
        return spent() - begun

    def plain() -> float:
        begun = spent()
        for _ in range(100):
            os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)
        return spent() - begun

    rounds = [(asyncio.run(ours()), plain()) for _ in range(5)]
    assert min(mine for mine, _ in rounds) < 2 * min(theirs for _, theirs in rounds)


def test_what_was_printed_right_before_it_was_cancelled_is_kept(tmp_path):
    whole, printed = tmp_path / "whole", tmp_path / "printed"

    async def scene():
        begun = asyncio.Event()
        command = ["sh", "-c", f"echo so far; echo more >&2; : >{printed}; exec sleep 60"]
        task = asyncio.create_task(run(command, whole=whole, started=lambda _: begun.set()))
        await begun.wait()
        until(printed.exists)  # it blocks the loop, so that nothing can be read before it is cancelled
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(scene())
    assert sorted(whole.read_text().splitlines()) == ["more", "so far"]
