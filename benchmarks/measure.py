"""Run one whole process and say what it cost."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


class RunFailed(Exception):
    """A run of a contestant did not do its work; its number would mean nothing."""


@dataclass(frozen=True)
class Cost:
    """What a process and the children it waited for took: seconds of clock and CPU, peak MB of the largest."""

    wall: float
    cpu: float
    peak_mb: float


def cost(argv: tuple[str, ...], folder: Path, environment: dict[str, str], deadline: float) -> Cost:
    """Run `argv` in `folder`, its output in `folder/output`; raise RunFailed when it ends badly or too late."""
    with (folder / "output").open("wb") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(
            argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0
        )
        usage, status = _wait(process, begun + deadline)
        wall = time.perf_counter() - begun
    # Popen must not wait for a child that is already reaped.
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        said = (folder / "output").read_text(errors="replace")[-2000:]
        raise RunFailed(f"{' '.join(argv)} ended with {process.returncode} after {wall:.1f} s:\n{said}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _wait(process: subprocess.Popen[bytes], deadline: float) -> tuple[resource.struct_rusage, int]:
    """Wait in the kernel, so that looking costs the contestant nothing; an alarm ends a run that overstays."""

    def too_late(signum: int, frame: object) -> None:
        os.killpg(process.pid, signal.SIGKILL)

    before = signal.signal(signal.SIGALRM, too_late)
    signal.setitimer(signal.ITIMER_REAL, max(0.001, deadline - time.perf_counter()))
    try:
        _, status, usage = os.wait4(process.pid, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return usage, status
