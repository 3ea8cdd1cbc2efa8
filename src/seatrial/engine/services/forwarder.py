"""The program of a port-forward: `python -m seatrial.engine.services.forwarder WHAT`, with WHAT as JSON.

It says in the file `forward.json` of its folder where new connections go, or why they cannot.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import SeatrialError
from seatrial.links.paths import write_whole

STATE = "forward.json"


async def forward(what: Mapping[str, Any]) -> None:
    """Carry connections until SIGTERM."""
    from seatrial.links.kubernetes import Access, connect
    from seatrial.links.kubernetes.forwarding import Forward, target

    access = Access(
        kubeconfig=str(what["kubeconfig"]), context=str(what["context"]), namespace=str(what["namespace"])
    )  # fmt: skip
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    cluster = await connect(access)
    try:
        carried = Forward(
            cluster, target(str(what["to"])), what["port"],
            say=say,
            tell=lambda state: write_whole(Path(STATE), json.dumps(dict(state))),
        )  # fmt: skip
        await carried.serve("127.0.0.1", int(what["local"]))
    finally:
        await cluster.close()


def say(line: str) -> None:
    """A line for the service's log."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Run until SIGTERM; what is wrong is the last line."""
    try:
        asyncio.run(forward(json.loads(sys.argv[1])))
    except asyncio.CancelledError:
        return
    except (SeatrialError, ValueError) as error:
        say(str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
