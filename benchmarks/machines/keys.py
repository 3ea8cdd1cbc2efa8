"""Keys as one makes them by hand, and logging in as one does by hand: with OpenSSH's own command."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from pathlib import Path

from benchmarks.measure import RunFailed

AGAIN = 0.02
"""Seconds between two attempts to log in."""


def make(folder: Path, name: str) -> Path:
    """A key pair without a passphrase."""
    path = folder / name
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path


async def logged_in(address: str, key: Path, host_key: Path, *, within: float) -> float:
    """Try to run `true` there until it works; the moment at which it had (clock of `time.perf_counter`)."""
    known = host_key.with_name(f"known-{address}")
    known.write_text(f"{address} {host_key.with_suffix('.pub').read_text()}")
    options = {
        "UserKnownHostsFile": str(known),
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": "20",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    argv = ["ssh", "-F", "none", "-q", "-i", str(key), *words, f"root@{address}", "true"]
    end = time.perf_counter() + within
    while time.perf_counter() < end:
        if await _speaks(address):
            asked = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.DEVNULL)
            if await asked.wait() == 0:
                return time.perf_counter()
        await asyncio.sleep(AGAIN)
    raise RunFailed(f"by hand: {address} did not let us in within {within:g} s")


async def _speaks(address: str) -> bool:
    """Whether an SSH server greets there: looking so is cheaper than a whole `ssh`, for the side of the hand."""
    try:
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection(address, 22)
            greeting = await reader.read(4)
            writer.close()
            return greeting == b"SSH-"
    except (OSError, TimeoutError):
        return False


async def call(*argv: str, env: dict[str, str] | None = None) -> str:
    """What a program printed; RunFailed when it ended badly."""
    process = await asyncio.create_subprocess_exec(
        *argv, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    if process.returncode:
        raise RunFailed(f"by hand: {' '.join(argv)} ended with {process.returncode}: {err.decode()[-500:]}")
    return out.decode()


async def attempt(*argv: str, env: dict[str, str] | None = None) -> None:
    """The same for cleaning up: whatever it ended with."""
    with contextlib.suppress(RunFailed):
        await call(*argv, env=env)
