"""`scripts/with-libvirtd COMMAND …`: run a command with its own libvirt daemon, and remove everything at its end."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from scripts.libvirtd.daemon import NoDaemon, start

USAGE = """\
usage: scripts/with-libvirtd COMMAND [ARGUMENT …]

Runs COMMAND with LIBVIRT_DEFAULT_URI naming a libvirt daemon of its own, whose machines this host reaches, and takes
the daemon and all its machines, networks and bridges away at the end, however it ends. For where no libvirtd runs:
in containers, in CI. Needs root. The exit code is COMMAND's, or 125 when the daemon could not be started.
"""
NOT_STARTED = 125
PR_SET_PDEATHSIG = 1


def main(argv: Sequence[str]) -> int:
    """Run the command; its exit code (128 + the signal's number when one ended it)."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE, end="", file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 2
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    received: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def hear(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        # Ctrl-C reaches the command by itself: both processes are in the terminal's foreground.
        if child is not None and number != signal.SIGINT:
            child.send_signal(number)

    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, hear)
    try:
        daemon = start()
    except NoDaemon as error:
        print(f"with-libvirtd: {error}", file=sys.stderr)
        return NOT_STARTED
    try:
        if received:
            return 128 + received[0]
        child = _run(argv, daemon.uri)
        if child is None:
            return 127
        daemon.serves(child.pid)
        code = child.wait()
        return code if code >= 0 else 128 - code
    finally:
        if said := daemon.stop():
            print(said, file=sys.stderr)


def _run(argv: Sequence[str], uri: str) -> subprocess.Popen[bytes] | None:
    bound = ["setpriv", "--pdeathsig", "TERM", "--"]
    try:
        return subprocess.Popen([*bound, *argv], env={**os.environ, "LIBVIRT_DEFAULT_URI": uri})
    except OSError as error:
        print(f"with-libvirtd: {argv[0]}: {error.strerror}", file=sys.stderr)
        return None
