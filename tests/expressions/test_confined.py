"""Patterns and expressions of users over other people's text: they end, whatever they are."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import LimitReached
from seatrial.expressions import bind, confined, evaluate_apart, fill_apart
from seatrial.expressions.confined import Refused, search

FOR_EVER = "(a+)+$"
TEXT = "a" * 60 + "!"
LOOPS = "l.map(a, l.map(b, l.map(c, a + b + c)))"
MANY = {"l": list(range(400))}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined, "SECONDS", 0.2)
    monkeypatch.setattr(confined, "PATIENCE", 100)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """No worker of another test, and none left for one."""
    confined._close()
    yield
    confined._close()


def workers() -> list[int]:
    """The processes of this one that are workers."""
    children = (pid for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split())
    return [int(pid) for pid in children if "worker.py" in command(pid)]


def command(pid: str) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def test_where_a_pattern_matches_first() -> None:
    assert asyncio.run(search("a+", ["xaab", "none", "", "é a"])) == [(1, 3), None, None, (2, 3)]


def test_any_text_reaches_the_pattern_and_any_value_the_expression() -> None:
    assert asyncio.run(search("^.$", ["\udcff", "\0", "𝄞"])) == [(0, 1)] * 3
    values = {"x": {"n": None, "b": True, "i": -(2**40), "f": 1.5, "l": [1, "é"], "bytes": b"\xff"}}
    for key, value in values["x"].items():
        assert asyncio.run(evaluate_apart(f"[x].map(one, one['{key}'])[0]", values)) == value


@pytest.mark.parametrize("pattern", ["(", "a{2,1}", "(?P<a>x)(?P<a>y)"])
def test_an_invalid_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(Refused):
        asyncio.run(search(pattern, ["x"]))


@pytest.mark.parametrize(
    "work, written",
    [
        (lambda: search(FOR_EVER, [TEXT]), FOR_EVER),
        (lambda: search(r"(\w+\s?)*$", ["x" * 50 + "."]), r"(\w+\s?)*$"),
        (lambda: evaluate_apart(LOOPS, MANY), LOOPS),
        (lambda: fill_apart(f"${{{{ {LOOPS} }}}}", lambda: bind(f"${{{{ {LOOPS} }}}}", MANY)), LOOPS),
        (lambda: search("a{99999999999999999999}", ["x"]), "a{99999999999999999999}"),
        (lambda: search("(" * 5000 + ")" * 5000, ["x"]), "(" * 5000 + ")" * 5000),
    ],
)
def test_what_takes_for_ever_ends_at_its_limit_and_says_what_to_do(
    short: None, work: Callable[[], Coroutine[Any, Any, object]], written: str
) -> None:
    with pytest.raises(LimitReached) as caught:
        asyncio.run(work())
    assert caught.value.written == written
    assert written[:40] in str(caught.value)
    assert ": repeat nothing" in str(caught.value) or ": look at fewer" in str(caught.value)
    assert not workers() or "memory" in str(caught.value)


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.5])
def test_a_time_limit_outside_ends_it_at_once(seconds: float) -> None:
    async def limited() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await search(FOR_EVER, [TEXT])

    asyncio.run(limited())
    confined._threads().submit(int).result()
    until = time.monotonic() + confined.SECONDS * 0.8
    while workers() and time.monotonic() < until:  # the kernel ends what it killed, and a thread reaps it
        os.sched_yield()
    assert not workers()


def test_everything_else_goes_on_meanwhile(short: None) -> None:
    async def both() -> int:
        turns = 0
        work = asyncio.create_task(search(FOR_EVER, [TEXT]))
        while not work.done():
            turns += 1
            await asyncio.sleep(0.001)
        assert isinstance(work.exception(), LimitReached)
        return turns

    assert asyncio.run(both()) > 10


def test_where_everything_else_stands_still_the_limit_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined, "SECONDS", 600.0)

    async def fill() -> object:
        return bind(f"${{{{ {LOOPS} }}}}", MANY)

    with pytest.raises(LimitReached, match=r"(than 0.5|within 3) s.* a step `set` may take 600 s .*{{ vars.NAME }}`"):
        asyncio.run(fill())
    assert not workers()


def test_the_next_ones_have_a_worker_again(short: None) -> None:
    async def many() -> list[object]:
        bad = [search(FOR_EVER, [TEXT]) for _ in range(6)]
        good = [search("b", [f"{at}b"]) for at in range(20)]
        return await asyncio.gather(*bad, *good, return_exceptions=True)

    answers = asyncio.run(many())
    assert all(isinstance(one, LimitReached) for one in answers[:6])
    assert [one[0] is not None for one in answers[6:]] == [True] * 20  # type: ignore[index]
    assert len(workers()) <= confined.WORKERS


def test_a_worker_is_used_again_and_replaced_when_it_was_killed() -> None:
    asyncio.run(search("a", ["a"]))
    (first,) = workers()
    asyncio.run(search("a", ["a"]))
    assert workers() == [first]
    os.kill(first, signal.SIGKILL)
    assert asyncio.run(search("a", ["a"])) == [(0, 1)]


def test_too_much_memory_is_a_limit_too() -> None:
    joined = f"[x].map(a, [{', '.join(['a + a + a'] * 30)}])"
    with pytest.raises(LimitReached, match="memory"):
        asyncio.run(evaluate_apart(joined, {"x": "x" * 20_000_000}))


def test_a_worker_ends_with_seatrial_even_when_it_is_killed() -> None:
    program = (
        "import asyncio; from seatrial.expressions import confined as c; c.SECONDS = 1; c.PATIENCE = 2\n"
        f"asyncio.run(c.search('a', ['a'])); print(c._idle[0]._process.pid, flush=True)\n"
        f"asyncio.run(c.search({FOR_EVER!r}, [{TEXT!r}]))"
    )
    running = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert running.stdout
    with running, running.stdout:
        pid = int(running.stdout.readline())
        pidfd = os.pidfd_open(pid)
        running.kill()
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        assert poll.poll(30_000), "it still runs"
    finally:
        os.close(pidfd)


def test_quick_expressions_need_no_worker() -> None:
    names = {"json": {"items": [1, 2]}, "body": "x"}
    assert asyncio.run(evaluate_apart("json.items.size() == 2 && body + 'y' == 'xy'", names)) is True
    assert not workers()
    assert asyncio.run(evaluate_apart("json.items.all(x, x > 0)", names)) is True
    assert len(workers()) == 1
