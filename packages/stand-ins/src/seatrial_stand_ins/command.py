"""A server with machines as a command, until a signal ends it."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from seatrial_stand_ins.machines.podman import IMAGE, PodmanMachines


def main(server: Callable[..., AbstractContextManager[Any]], program: str, arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or SIGHUP, then remove everything created."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--machines", choices=("podman", "none"), default="podman", help="kind of machines")
    parser.add_argument("--image", default=IMAGE, help="image of the containers")
    parser.add_argument("--option", action="append", default=[], help="additional option of `podman run`; repeatable")
    parser.add_argument("--folder", default="", help="folder for machines (default: the temporary folder)")
    parser.add_argument("--environment", type=Path, help="file for the clients' variables")
    given = parser.parse_args(arguments)
    machines = PodmanMachines(given.image, options=given.option, folder=given.folder)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    with server(machines if given.machines == "podman" else None, host=given.host, port=given.port) as running:
        lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in running.environment.items())
        if given.environment is not None:
            write(given.environment, lines)
            lines = f"{running.url}\n"
        sys.stdout.write(lines)
        sys.stdout.flush()
        ended.wait()
    return 0


def write(file: Path, text: str) -> None:
    """Written atomically and readable only by its owner: it holds the token."""
    handle, aside = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    with os.fdopen(handle, "w") as opened:
        opened.write(text)
    Path(aside).replace(file)
