"""The process of one run that an agent started: told what to do on its standard input, which is its life line.

It is a process of its own, so that nothing that a run or a plugin does can block the server, or get between the words
of the protocol. When its standard input ends the server is gone, however it went: then the run is ended as by SIGTERM,
and gives everything back.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from seatrial.errors import DocumentError, SeatrialError
from seatrial.model.event import Event

Say = Callable[[Mapping[str, Any]], None]


class Announced:
    """The reporter that tells the server how the run is called."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def on(self, event: Event) -> None:
        """Tell the run's id as soon as there is one."""
        if event.kind == "run_started":
            self._say({"run_id": event.run})

    def close(self) -> None:
        """There is nothing to let go of."""


def main() -> int:
    """Run what is asked for and return the exit code."""
    # What a plugin prints goes where messages go: the server reads our words alone.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = json.loads(sys.stdin.buffer.readline())

    def say(told: Mapping[str, Any]) -> None:
        _write(out, told)

    try:
        code = asyncio.run(_run(asked, say))
    except SeatrialError as error:
        problems = [asdict(one) for one in error.problems] if isinstance(error, DocumentError) else []
        text = f"{error}\n{error.evidence}".rstrip()
        say({"refused": text, "problems": problems, "exit_code": error.exit_code})
        return error.exit_code
    except Exception as error:  # noqa: BLE001  the server has to hear why there is no run
        say({"refused": f"{type(error).__name__}: {error}", "problems": [], "exit_code": 3})
        return 3
    say({"exit_code": code})
    return code


def _write(out: TextIO, told: Mapping[str, Any]) -> None:
    try:
        out.write(json.dumps(told) + "\n")
        out.flush()
    except OSError:  # the server is gone: there is nobody to tell
        return


async def _run(asked: Mapping[str, Any], say: Say) -> int:
    asyncio.get_running_loop().add_reader(0, _heard)
    wanted: dict[str, Any] = {
        name: tuple(one) if isinstance(one, list) else one for name, one in asked["options"].items()
    }
    announced = (Announced(say),)
    if asked["what"] == "pipeline":
        from seatrial.app.preflight import PreflightOptions, preflight
        from seatrial.app.run_options import RunOptions

        document = wanted.pop("document", "")
        options = PreflightOptions(
            document=Path(document) if document else None,
            **wanted,
            run=RunOptions(format="none", reporters=announced),
        )
        return (await preflight(options)).exit_code
    from seatrial.app.run import run_documents
    from seatrial.app.run_options import RunOptions

    paths = [Path(one) for one in wanted.pop("documents", ())]
    return (await run_documents(paths, RunOptions(**wanted, format="none", reporters=announced))).exit_code


def _heard() -> None:
    """The life line ended."""
    if os.read(0, 4096):
        return
    asyncio.get_running_loop().remove_reader(0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):  # what the client kept of our messages may be closed too
        os.dup2(nowhere, number)
    os.close(nowhere)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
