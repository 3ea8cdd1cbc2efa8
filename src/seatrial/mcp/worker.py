"""The process of one run started by an agent. It reads its orders from standard input.

A separate process keeps runs and plugins from blocking the server and from writing into the protocol. When standard
input ends, the server is gone, and the run ends as after SIGTERM: it cleans up.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.errors import SeatrialError
from seatrial.model.event import Event

Say = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class RunIdReporter:
    """Sends the run id to the server."""

    say: Say

    def on(self, event: Event) -> None:
        if event.kind == "run_started":
            self.say({"run_id": event.run})

    def close(self) -> None:
        """Nothing to close."""


def main() -> int:
    # The output of plugins goes to standard error: the server reads standard output.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(2, 1)
    request = json.loads(sys.stdin.buffer.readline())

    def say(message: Mapping[str, Any]) -> None:
        with suppress(OSError):  # the server is gone
            out.write(json.dumps(message) + "\n")
            out.flush()

    try:
        code = asyncio.run(_run(request, say))
    except SeatrialError as error:
        say({"refused": f"{error}\n{error.evidence}".rstrip(), "exit_code": error.exit_code})
        return error.exit_code
    except Exception as error:  # noqa: BLE001  the server must get the reason
        say({"refused": f"{type(error).__name__}: {error}", "exit_code": 3})
        return 3
    say({"exit_code": code})
    return code


async def _run(request: Mapping[str, Any], say: Say) -> int:
    from seatrial.app.run_options import RunOptions

    asyncio.get_running_loop().add_reader(0, _on_input)
    arguments: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in request["options"].items()
    }
    reporters = (RunIdReporter(say),)
    if request["what"] == "pipeline":
        from seatrial.app.preflight import PreflightOptions, preflight

        document = arguments.pop("document", "")
        run = RunOptions(format="none", reporters=reporters)
        options = PreflightOptions(document=Path(document) if document else None, **arguments, run=run)
        return (await preflight(options)).exit_code
    from seatrial.app.run import run_documents

    paths = [Path(path) for path in arguments.pop("documents", ())]
    confined = RunOptions(**arguments, confined=True, format="none", reporters=reporters)
    return (await run_documents(paths, confined)).exit_code


def _on_input() -> None:
    """End the run when standard input ends."""
    if os.read(0, 4096):
        return
    asyncio.get_running_loop().remove_reader(0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):  # the client may have closed them, too
        os.dup2(nowhere, number)
    os.close(nowhere)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
