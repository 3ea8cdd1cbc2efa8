"""Runs a deployer's command; a timeout or a cancellation ends its whole process group.

Not links.process.run: the ledger must know the process before the program begins. Deployers create resources that
outlive this process, and a cleanup after SIGKILL must end the deployer first.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import CannotTell, Overrun, StepFailed, ToolMissing
from seatrial.spi import Finished

GRACE = 2.0
"""Seconds from SIGTERM to SIGKILL: deployers save their state in between."""

LINGER = 0.25
"""Seconds to read output after the program's end if a daemon it left holds the pipe."""

TAIL = 4000
"""Characters of output in an error's evidence."""

# The program waits for a line before it begins: by then the ledger knows its process. If Seatrial dies first, it ends.
_GATE = 'read -r _ && exec "$@" </dev/null'


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A command, ready to run; JSON values, so that the ledger can keep it."""

    verb: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    timeout: float
    accept: tuple[int, ...] = (0,)


Started = Callable[[int], Awaitable[None]]
"""Called with the process id before the program begins."""


def flags_of(parameters: Mapping[str, object]) -> list[str]:
    """Parameters as a deployer's flags: `cluster_size: 3` is `--cluster-size 3`, true the bare flag, false nothing."""
    argv: list[str] = []
    for name, value in parameters.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            argv.append(flag)
        elif isinstance(value, Mapping):
            raise CannotTell(f"the parameter {name!r} is a mapping and cannot be the flag {flag}")
        elif value is not None and value is not False:
            argv += [flag, ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]
    return argv


async def run(call: Call, started: Started | None = None) -> Finished:
    """Run it to its end. StepFailed when it fails, Overrun when it takes too long, ToolMissing when the program is
    missing."""
    _require_program(call)
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", _GATE, "sh", *call.argv),
        cwd=call.cwd,
        env=dict(call.env),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    printed: tuple[bytearray, bytearray] = (bytearray(), bytearray())
    try:
        async with asyncio.timeout(call.timeout):
            if started is not None:
                await started(process.pid)
            await _finish(process, printed)
    except TimeoutError:
        text = f"{call.verb}: {' '.join(call.argv)} did not end within {call.timeout:g} s"
        raise Overrun(text, evidence=(_text(printed[0]) + _text(printed[1]))[-TAIL:]) from None
    finally:
        await _end(process)
    stdout, stderr = _text(printed[0]), _text(printed[1])
    return _accepted(call, Finished(exit_code=process.returncode or 0, stdout=stdout, stderr=stderr))


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the group if its leader is alive: in order, then by force."""
    try:
        if process.returncode is None:
            _signal(process, signal.SIGTERM)
            async with asyncio.timeout(GRACE):
                await process.wait()
    except TimeoutError:
        pass  # the force below
    finally:
        if process.returncode is None:
            _signal(process, signal.SIGKILL)
            await asyncio.shield(process.wait())
        # A daemon of the product may hold the pipes open; stop reading.
        if (transport := getattr(process, "_transport", None)) is not None:
            transport.close()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _accepted(call: Call, done: Finished) -> Finished:
    if done.exit_code in call.accept:
        return done
    evidence = (done.stdout + done.stderr)[-TAIL:]
    if done.exit_code == 127 and call.argv[:2] == ("/bin/sh", "-c"):
        why = f"{call.verb}: the shell did not find the program: {done.stderr.strip()[-200:]}"
        raise ToolMissing(why, evidence=evidence)
    ended = f"was ended by signal {-done.exit_code}" if done.exit_code < 0 else done.ended
    last = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2][:200]
    raise StepFailed(f"{call.verb}: {' '.join(call.argv)} {ended}{last and ': ' + last}", evidence=evidence)


async def _finish(process: asyncio.subprocess.Process, printed: Sequence[bytearray]) -> None:
    """Let the program begin, read its output, and wait for its own end: a daemon it leaves may keep the pipes."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(b"\n")
        await process.stdin.drain()
    process.stdin.close()
    streams = zip((process.stdout, process.stderr), printed, strict=True)
    reading = [asyncio.ensure_future(_take(stream, into)) for stream, into in streams]
    try:
        await process.wait()
        await asyncio.wait(reading, timeout=LINGER)
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


async def _take(stream: asyncio.StreamReader | None, into: bytearray) -> None:
    assert stream is not None
    while chunk := await stream.read(65536):
        into += chunk


def _text(printed: bytearray) -> str:
    return bytes(printed).decode("utf-8", "replace")


def _require_program(call: Call) -> None:
    program = call.argv[0]
    if not Path(call.cwd).is_dir():
        raise CannotTell(f"{call.verb}: the working folder {call.cwd} does not exist")
    where = str(Path(call.cwd) / program) if "/" in program else program
    if shutil.which(where, path=call.env.get("PATH", os.defpath)) is None:
        raise ToolMissing(f"{call.verb}: program {program!r} not found; install it, or correct the command")
