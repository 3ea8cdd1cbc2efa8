"""A user's pattern or expression over other people's text: in a process that can be killed.

`re` takes exponential time for some patterns, a CEL expression takes as long as its nested loops, and neither can be
interrupted from within its process: a step's time limit, Ctrl-C and every other task would wait for it. All of them go
through this door. Measured: 30 ms for the first, 0.2 ms for each later one.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import importlib.util
import marshal
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from seatrial.errors import CannotTell, LimitReached
from seatrial.expressions import worker
from seatrial.expressions.worker import LENGTH, MEMORY, Job

SECONDS = 5.0
"""Seconds of processor time for one pattern or expression."""

AT_ONCE = 0.5
"""The same where everything else stands still meanwhile: for settings that a system fills in while it works."""

PATIENCE = 6
"""It may take this many times as long on a busy machine."""

WORKERS = 4
"""Jobs at a time."""

T = TypeVar("T")

_PROGRAM = Path(worker.__file__)


class Refused(ValueError):
    """The library's error: an invalid pattern, or an expression without a value."""


class Killed(CannotTell):
    """Something killed a worker."""


async def search(pattern: str, texts: Sequence[str]) -> list[tuple[int, int] | None]:
    """Where a regular expression matches first in each text: its start and its end; None: nowhere.

    The time limit is for all texts together. Raises LimitReached at it, Refused for an invalid pattern.
    """
    return list(await _apart(("search", pattern, list(texts))))


async def evaluate(expression: str, values: Mapping[str, Any]) -> Any:
    """The value of a CEL expression over plain values. Raises LimitReached at its limits, Refused when it has no
    value."""
    return await _apart(("evaluate", expression, (cel_folder(), dict(values))))


def evaluate_now(expression: str, values: Mapping[str, Any]) -> Any:
    """As `evaluate`, for texts that are filled in without waiting. In the thread of an event loop everything else
    stands still meanwhile, so its limit is AT_ONCE there."""
    job: Job = ("evaluate", expression, (cel_folder(), dict(values)))
    thread = getattr(_local, "thread", None)
    if thread is not None:
        return thread.run(_Call(job))
    return _Call(job, AT_ONCE if _in_loop() else None).run()


async def in_thread(work: Callable[[], T]) -> T:
    """What `evaluate_now` is part of, while everything else goes on."""
    thread = _Thread()
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads(), thread.work, work)
    except asyncio.CancelledError:
        thread.cancel()
        raise


_local = threading.local()


class _Thread:
    """A thread that works on several calls, one after another, as long as somebody waits for it."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._cancelled = False

    def work(self, work: Callable[[], T]) -> T:
        _local.thread = self
        try:
            return work()
        finally:
            _local.thread = None

    def run(self, call: _Call) -> Any:
        self._calls.append(call)
        if self._cancelled:
            call.cancel()
        return call.run()

    def cancel(self) -> None:
        self._cancelled = True
        for call in self._calls:
            call.cancel()


def _in_loop() -> bool:
    try:
        return asyncio.get_running_loop() is not None
    except RuntimeError:
        return False


@functools.cache
def cel_folder() -> str:
    """The folder of the CEL library."""
    spec = importlib.util.find_spec("cel")
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise ImportError("the CEL library is missing: install common-expression-language")
    return places[0]


async def _apart(job: Job) -> Any:
    call = _Call(job)
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads(), call.run)
    except asyncio.CancelledError:
        call.cancel()
        raise


@functools.cache
def _threads() -> ThreadPoolExecutor:
    # Their own, because host names are looked up in the loop's.
    return ThreadPoolExecutor(WORKERS, "confined")


class _Call:
    """One job, in a thread that may wait for it."""

    def __init__(self, job: Job, seconds: float | None = None) -> None:
        self._job = job
        self._seconds = seconds or SECONDS
        self._worker: _Worker | None = None
        self._cancelled = False
        self._lock = threading.Lock()

    def run(self) -> Any:
        """Its value; LimitReached, Refused."""
        try:
            kind, value = self._ask(_idle.pop() if _idle else _Worker())
        except Killed:
            if self._cancelled:
                raise
            kind, value = self._ask(_Worker())  # something killed the worker since its last job
        if kind in ("MemoryError", "RecursionError", "OverflowError"):
            raise _reached(self._job, f"did not fit into its memory ({kind})")
        if kind:
            raise Refused(f"{kind}: {value}")
        return value

    def _ask(self, worker: _Worker) -> tuple[str, Any]:
        with self._lock:
            self._worker = worker
            if self._cancelled:
                worker.kill()
        answer = worker.ask(self._job, self._seconds)
        with self._lock:
            self._worker = None
            _idle.append(worker)
        return answer

    def cancel(self) -> None:
        """Kill its worker: nobody waits for the value."""
        with self._lock:
            self._cancelled = True
            if self._worker is not None:
                self._worker.kill()


class _Worker:
    """One process for jobs; it ends when its standard input is closed."""

    def __init__(self) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, cwd="/", env={}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise CannotTell(f"the process for patterns and expressions could not be started: {error}") from error
        assert self._process.stdin
        assert self._process.stdout
        self._in, self._out = self._process.stdin, self._process.stdout

    def ask(self, job: Job, seconds: float) -> tuple[str, Any]:
        """The kind of an error (empty: none) and the value, or the error's text."""
        import pickle  # takes a tenth of the time before a run starts, and most runs need none

        data = marshal.dumps(((seconds, seconds * PATIENCE), job))
        try:
            self._in.write(len(data).to_bytes(LENGTH, "big") + data)
            self._in.flush()
            until = time.monotonic() + seconds * PATIENCE
            size = int.from_bytes(self._read(LENGTH, until), "big")
            kind, value = pickle.loads(self._read(size, until))
            return kind, value
        except (EOFError, BrokenPipeError, ValueError):
            ended = -self.end()
        except BaseException:
            self.kill()
            self.end()
            raise
        if ended == signal.SIGPROF:
            raise _reached(job, f"took more than {seconds:g} s of processor time", seconds)
        if ended == signal.SIGALRM:
            raise _reached(job, f"did not end within {seconds * PATIENCE:g} s", seconds)
        if ended == signal.SIGABRT:
            raise _reached(job, f"did not fit into {MEMORY // 1024**2} MiB of memory")
        raise Killed(f"the process for patterns and expressions was killed (signal {ended})")

    def _read(self, size: int, until: float) -> bytes:
        data = b""
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        while len(data) < size:
            if not poll.poll(max(until - time.monotonic(), 0) * 1000):
                os.kill(self._process.pid, signal.SIGALRM)
            part = os.read(self._out.fileno(), size - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()

    def end(self) -> int:
        """End it and return its status: 0, or minus a signal."""
        with suppress(OSError):
            self._in.close()
        self._out.close()
        return self._process.wait()


_idle: list[_Worker] = []
"""Workers without a job. They belong to this process, as its compiled expressions do."""


@atexit.register
def _close() -> None:
    while _idle:
        _idle.pop().end()


def _reached(job: Job, what: str, seconds: float = SECONDS) -> LimitReached:
    kind, text, given = job
    shown = text if len(text) <= 120 else f"{text[:120]}…"
    if kind == "search":
        size = sum(map(len, given))
        hint = "repeat nothing that itself repeats, such as (a+)+, and name what may stand between"
        return LimitReached(f"the regular expression `{shown}` {what} on {size} characters: {hint}", written=text)
    hint = "look at fewer values, with fewer of map, filter, all and exists within each other"
    if seconds == AT_ONCE:
        hint += f"; a step `set` may take {SECONDS:g} s for it, and `${{{{ vars.NAME }}}}` is its value here"
    return LimitReached(f"the expression `{shown}` {what}: {hint}", written=text)
