"""An alarm: a command that runs after some time, even if Seatrial is dead by then."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from seatrial.links.process.table import pids, process_start, variables

MARK = "SEATRIAL_ALARM"
"""The variable with the name of an alarm, in all its processes."""

SCRIPT = '(sleep "$1"; shift; exec "$@") </dev/null >/dev/null 2>&1 &'
"""A process of nobody: it belongs to no supervisor, and no end of Seatrial reaches it."""


def set_alarm(name: str, seconds: float, argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Run a command after this many seconds, with these variables besides those of this process."""
    subprocess.run(
        ["sh", "-c", SCRIPT, "sh", f"{seconds:.3f}", *argv],
        env={**os.environ, **env, MARK: name},
        start_new_session=True,
        check=True,
    )


async def stop_alarm(name: str) -> None:
    """End it, also in the middle of its command; no such alarm is success."""
    while found := [pid for pid in pids() if variables(pid).get(MARK) == name and process_start(pid)]:
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.01)
