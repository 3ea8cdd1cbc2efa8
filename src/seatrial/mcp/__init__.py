"""The MCP server for agents, on standard input and output.

`tools` defines the tools, `queries` and `run_progress` read projects and runs, `run_processes` starts and stops runs,
and `worker` is the process of one run. Only `serve` and `tools` import the SDK, when the server starts.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from seatrial.errors import ExtraMissing, UsageError


def serve(folder: Path, *, allow_run: bool) -> int:
    """Serve a project until the client disconnects; ExtraMissing without the SDK."""
    try:
        import mcp
    except ImportError as error:
        raise ExtraMissing(
            f"the MCP SDK is not installed ({error}): pip install 'seatrial[mcp]', then start `seatrial mcp` again"
        ) from error
    del mcp
    try:
        os.chdir(folder)
    except OSError as error:
        raise UsageError(f"could not enter {folder}: {error.strerror}; give the folder of a project") from error
    from seatrial.app.project import find
    from seatrial.mcp.run_processes import RunProcesses
    from seatrial.mcp.tools import server_of

    find()  # report invalid settings before a client sends a request
    processes = RunProcesses(Path.cwd())

    async def run_server() -> None:
        try:
            await server_of(processes, allow_run=allow_run).run_stdio_async()
        finally:
            await processes.close()

    asyncio.run(run_server())
    sys.stderr.flush()
    return 0
