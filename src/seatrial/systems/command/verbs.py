"""Runs a deployer's command; a timeout or a cancellation ends all of its processes, after a while for its own locks.

The ledger must know the process before the program begins: deployers create resources that outlive this process, and a
cleanup after SIGKILL must end the deployer first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from seatrial.errors import CannotTell, Overrun, StepFailed, ToolMissing
from seatrial.links import process
from seatrial.links.output import beginning, end
from seatrial.links.paths import shown
from seatrial.links.process.supervision import Supervisor
from seatrial.model.values import SHELL
from seatrial.spi import Finished
from seatrial.spi.link import NO_PROGRAM, NOT_FOUND, shell_complaint
from seatrial.spi.output import Output
from seatrial.systems.command.programs import obstacle
from seatrial.systems.command.status_parsing import TAIL

MEASURING = ("status", "health")
"""Verbs that measure."""

LOOKING = (*MEASURING, "inventory")
"""Verbs that change nothing, and are called again and again."""

ANSWER = 64 * 1024 * 1024
"""Bytes kept of what a looking verb prints; of a longer answer, Seatrial cannot judge anything."""

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
    grace: float = 10.0
    """Seconds to end by itself after SIGTERM."""


class Killed(CannotTell):
    """Something else than the deployer ended a verb."""


_ERROR = re.compile(r"\b(error|fatal|panic)\b", re.IGNORECASE)

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


async def run(call: Call, under: Supervisor, output: Output, started: Started | None = None) -> Finished:
    """Run it to its end; processes it leaves are children of the supervisor. `output` gets what it prints. StepFailed
    when it fails, Overrun when it takes too long, ToolMissing when the program is missing, CannotTell when something
    else ended it."""
    require_program(call)
    argv, keep = ["/bin/sh", "-c", _GATE, "sh", *call.argv], ANSWER if call.verb in LOOKING else process.KEEP
    try:
        done = await process.run(
            argv, cwd=call.cwd, env=call.env, timeout=call.timeout, input="\n", started=started, keep=keep,
            output=output.add, under=under, grace=call.grace,
        )  # fmt: skip
    except process.TimedOut as error:
        text = f"{call.verb}: {' '.join(call.argv)} did not end within {call.timeout:g} s{_where(output)}"
        raise Overrun(text, evidence=end(error.stdout + error.stderr, TAIL)) from None
    return _accepted(call, done, output)


def _where(output: Output) -> str:
    return f" (its output is in {shown(output.file)})"


def _accepted(call: Call, done: Finished, output: Output) -> Finished:
    if done.exit_code in call.accept:
        return done
    evidence = end(done.stdout + done.stderr, TAIL)
    if done.exit_code == NOT_FOUND and (call.argv[:2] == SHELL or NO_PROGRAM.search(done.stderr)):
        said = end(done.stderr.strip(), 200)
        why = f"{call.verb}: a program that it needs was not found in the folder {call.cwd} or on the PATH: {said}"
        raise ToolMissing(why + _where(output), evidence=evidence)
    if complaint := shell_complaint(call.argv, done.stderr):
        text = f"{call.verb}: the shell could not run the command: {complaint}{_where(output)}"
        raise ToolMissing(text, evidence=evidence)
    ended = done.ended + (f" ({done.signal})" if done.signal else "")
    last = beginning(_telling(output.masked(done.stderr.strip() or done.stdout.strip())), 200)
    text = f"{call.verb}: {' '.join(call.argv)} {ended}{last and ': ' + last}"
    if done.accident:
        raise Killed(f"{text}: {done.accident}{_where(output)}", evidence=evidence)
    raise StepFailed(text + _where(output), evidence=evidence)


def _telling(text: str) -> str:
    """The last line with an error, else the last line: hints often follow an error."""
    lines = text.splitlines()
    return next((line for line in reversed(lines) if _ERROR.search(line)), lines[-1] if lines else "")


def require_program(call: Call) -> None:
    """ToolMissing when the program cannot begin, CannotTell when the working folder is: nothing begins then."""
    if not Path(call.cwd).is_dir():
        raise CannotTell(f"{call.verb}: the working folder {call.cwd} does not exist")
    if why := obstacle(call.argv[0], call.cwd, call.env.get("PATH", os.defpath)):
        raise ToolMissing(f"{call.verb}: {why}")
