"""The MCP server: a face for agents, over standard input and output.

`tools` is what it offers, `looking` reads projects and runs, `fleet` starts runs and ends them, `worker` is the process
of one run. The SDK is imported here and in `tools` alone, when the server starts.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from seatrial.errors import ExtraMissing, UsageError


def serve(folder: Path, *, allow_run: bool) -> int:
    """Serve a project until the client goes away; ExtraMissing without the SDK."""
    try:
        import mcp
    except ImportError as error:
        raise ExtraMissing(
            f"the MCP SDK is not installed ({error}): pip install 'seatrial[mcp]', and start `seatrial mcp` again"
        ) from error
    del mcp
    try:
        os.chdir(folder)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be entered ({error.strerror}); name the folder of a project") from error
    from seatrial.app.project import find
    from seatrial.mcp.run_processes import Fleet
    from seatrial.mcp.tools import server_of

    find()  # wrong settings are told before a client waits for an answer
    fleet = Fleet(Path.cwd())

    async def served() -> None:
        try:
            await server_of(fleet, allow_run=allow_run).run_stdio_async()
        finally:
            await fleet.close()

    asyncio.run(served())
    sys.stderr.flush()
    return 0
