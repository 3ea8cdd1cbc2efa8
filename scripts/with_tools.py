"""Runs a command with the tools of `make backends` on PATH, and with a Podman that starts containers on this machine.

`python -m scripts.with_tools seatrial run …`
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.real_tools import tools

from seatrial.errors import ToolMissing
from seatrial.links.containers import engines


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment of the command: what the machine lacks is left out, and the command says so itself."""
    programs = [tool.path.parent for tool in tools().values() if tool.path.exists()]
    path = os.pathsep.join([str(Path(sys.executable).parent), *map(str, programs), given.get("PATH", os.defpath)])
    try:
        podman = asyncio.run(engines.find("podman")).extra
    except ToolMissing:
        podman = {}
    return {**given, "PATH": path, **podman}


def main(argv: Sequence[str]) -> None:
    """Become the command."""
    os.execvpe(argv[0], list(argv), environment(os.environ))


if __name__ == "__main__":
    main(sys.argv[1:])
