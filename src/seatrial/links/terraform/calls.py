"""Calls that change something: `init`, `plan`, `apply`, `destroy`.

The tool writes into files, not into pipes: it goes on when Seatrial dies (a write to a closed pipe would end it, and a
resource that is being made would be in no state). To break it off, the tool alone gets SIGINT: it ends what it is at,
keeps the state and releases the lock. Its plugins and provisioners must not get a signal of their own.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from seatrial.errors import CannotTell, LeftBehind, Overrun, StepFailed
from seatrial.links import process
from seatrial.links.output import end
from seatrial.links.process.supervision import Supervisor
from seatrial.links.process.table import process_start
from seatrial.links.terraform import configuration
from seatrial.links.terraform.messages import Messages, in_words
from seatrial.links.terraform.tool import Tool
from seatrial.model.frozen import frozen
from seatrial.spi import Finished
from seatrial.spi.concurrency import finish

# The tool waits for a line before it begins: by then the ledger knows its process. If Seatrial dies first, it ends.
_GATE = 'out=$1 err=$2; shift 2; read -r _ && exec "$@" </dev/null >"$out" 2>"$err"'

LOOK = 0.1
"""Seconds between looks at what the tool has written."""

GRACE = 60.0
"""Seconds for the tool to end in order after SIGINT."""

UNREACHABLE = (
    "is the name right, and can this machine reach the server? Once `{tool} init` has worked in your folder, trials "
    "take the providers from there"
)

Started = Callable[[int], Awaitable[None]]
"""Called with the process id before the tool begins."""


@frozen
class Call:
    """A call, ready to run."""

    tool: Tool
    words: tuple[str, ...]
    """The verb with its arguments; `-json` is among them."""
    cwd: Path
    environment: Mapping[str, str]
    timeout: float
    log: Path
    """A file for the tool's messages; its standard error is beside it, with `.err`."""
    source: str = ""
    """The folder to name in errors, before the name of a file."""
    grace: float = GRACE

    @property
    def verb(self) -> str:
        return self.words[0]


async def run(call: Call, under: Supervisor, output: Callable[[bytes], None], started: Started) -> Messages:
    """Run it to its end, and hand what it says on to `output`, in words, as it comes.

    StepFailed with the tool's own errors when it fails, Overrun when it takes too long; CannotTell when somebody holds
    the lock of its state, when something else ended it, or when a registry did not answer.
    """
    messages, follower = Messages(call.verb, call.source), _Follower(call.log)
    call.log.parent.mkdir(parents=True, exist_ok=True)
    call.log.unlink(missing_ok=True)
    pid = 0

    async def known(number: int) -> None:
        nonlocal pid
        pid = number
        await started(number)

    def hand_on() -> None:
        for line in follower.lines():
            if words := messages.read(line):
                output(f"{words}\n".encode())

    errors = call.log.with_suffix(".err")
    argv = ["/bin/sh", "-c", _GATE, "sh", str(call.log), str(errors), call.tool.program, *call.words]
    work = asyncio.create_task(
        process.run(argv, cwd=call.cwd, env=call.environment, input="\n", started=known, under=under)
    )
    work.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # a caller that is cancelled asks not
    limit = asyncio.timeout(call.timeout)
    try:
        async with limit:
            while not (await asyncio.wait({work}, timeout=LOOK))[0]:
                hand_on()
    except (asyncio.CancelledError, TimeoutError):
        _interrupt(pid)
        await finish(work, call.grace)
        hand_on()
        if not limit.expired():
            raise
        said = in_words(messages.errors)
        text = f"{call.verb}: {call.tool} did not end within {call.timeout:g} s{said and ': ' + said}"
        raise Overrun(text, evidence=_tail(errors)) from None
    hand_on()
    messages.locate(partial(configuration.place_of_provider, call.cwd))
    return judged(call.verb, call.tool, work.result(), messages, _tail(errors))


def judged(verb: str, tool: Tool, done: Finished, messages: Messages, stderr: str) -> Messages:
    """The messages of a call that succeeded, or the error that it means; see `run`."""
    if done.ok:
        return messages
    said = in_words(messages.errors)
    evidence = "\n".join(map(str, messages.errors)) or stderr
    if locked := next((error for error in messages.errors if error.locked), None):
        raise CannotTell(f"{verb}: somebody else holds the lock of the state: {locked}", evidence=evidence)
    text = f"{verb}: {said or f'{tool} {done.ended}: {_last(stderr)}'}"
    if done.accident:
        raise CannotTell(f"{text}: {done.accident}", evidence=evidence)
    if verb == "init" and messages.errors and all(error.unreachable for error in messages.errors):
        raise CannotTell(f"{text}; {UNREACHABLE.format(tool=tool.name)}", evidence=evidence)
    raise StepFailed(text, evidence=evidence)


async def break_off(pid: int, started: str, patience: float) -> None:
    """End a call of a dead Seatrial in order: SIGINT, and SIGKILL only after `patience` seconds. LeftBehind when even
    this does not end it."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + patience
    _interrupt(pid if process_start(pid) == started else 0)
    while process_start(pid) == started:
        if clock() > deadline + GRACE:
            raise LeftBehind(f"process {pid} did not end after SIGKILL")
        if clock() > deadline:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(LOOK)


def interrupted(log: Path) -> dict[str, str]:
    """Resource to action, begun and never ended, by the messages of a call; none when there are no messages."""
    messages = Messages()
    with suppress(FileNotFoundError):
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            messages.read(line)
    return messages.working


def _interrupt(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if pid:
            os.kill(pid, signal.SIGINT)


class _Follower:
    """The lines of a file that grows."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = 0
        self._begun = b""

    def lines(self) -> list[str]:
        """The whole lines since the last time."""
        try:
            with self._file.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return []
        self._read += len(data)
        *lines, self._begun = (self._begun + data).split(b"\n")
        return [line.decode(errors="replace") for line in lines]


def _tail(file: Path) -> str:
    try:
        return end(file.read_text(encoding="utf-8", errors="replace").strip(), 4000)
    except FileNotFoundError:
        return ""


def _last(text: str) -> str:
    return text.splitlines()[-1] if text else "it said nothing"
