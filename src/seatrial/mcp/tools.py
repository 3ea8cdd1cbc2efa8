"""The tools of the server, with the descriptions for agents."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from seatrial import __version__
from seatrial.app.schemas import schema_text
from seatrial.errors import SeatrialError, nearest
from seatrial.expressions import search
from seatrial.mcp import queries
from seatrial.mcp.run_processes import RunProcesses
from seatrial.mcp.run_progress import finished, watched

T = TypeVar("T")

LOOKS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
STARTS = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=True)

HOW = """\
Seatrial runs scenarios (deploy a system, break it, check it) and pipelines (checks before a deployment).
Start with list_documents. {begin} watch_run returns the events since a cursor; call it again with the
cursor of its answer until `finished`. read_result reports failures, with the first useful lines and the path of the
log; read_log returns more lines, or searches. seatrial://schema/pipeline and seatrial://schema/scenario describe the
documents. Verdicts: passed; failed: the product did wrong; unknown: not judged (a missing tool, broken
infrastructure), never a pass. Exit codes: 0 passed, 1 failed, 3 unknown, 4 resources left behind, 5 nothing ran."""

MAY = (
    "run_pipeline waits for the result and returns it in short; run_scenarios starts a run and returns its id "
    "immediately. A run cleans up at its end."
)
MAY_NOT = "This server is read-only: to run anything, start it with --allow-run."

Paths = Annotated[list[str], Field(description="Documents of the project. Default: all documents in its settings.")]
Run = Annotated[str, Field(description="The run id, the start of one, or `last`.")]
Seconds = Annotated[float, Field(ge=0, le=600, description="Seconds to wait for events, 0 to 600.")]


class _Server(MCPServer[Any]):
    """A server that rejects unknown arguments; an agent would believe that an ignored one had an effect."""

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        known = {tool.name: tool.input_schema.get("properties", {}) for tool in await self.list_tools()}
        for word in arguments:
            if name in known and word not in known[name]:
                raise ToolError(f"{name} has no argument {word!r}: {nearest(word, known[name])}")
        return await super().call_tool(name, arguments, context)


def server_of(processes: RunProcesses, *, allow_run: bool) -> MCPServer[Any]:
    """The server with its tools; with `allow_run` also those to start and stop runs."""
    server = _Server(
        "seatrial",
        title="Seatrial",
        version=__version__,
        instructions=HOW.format(begin=MAY if allow_run else MAY_NOT),
        log_level="WARNING",
    )
    tools = _Tools(processes)
    data: list[Callable[..., Any]] = [tools.list_documents, tools.check_documents, tools.list_runs, tools.watch_run]
    texts: list[Callable[..., Any]] = [tools.read_result, tools.read_log]
    runs: list[Callable[..., Any]] = [tools.run_pipeline, tools.run_scenarios, tools.stop_run]
    for tool in data + texts:
        server.add_tool(tool, annotations=LOOKS, structured_output=False if tool in texts else None)
    for tool in runs if allow_run else ():
        server.add_tool(tool, annotations=STARTS)
    for what in ("pipeline", "scenario"):
        server.resource(
            f"seatrial://schema/{what}",
            name=f"{what} schema",
            mime_type="application/schema+json",
            description=f"The JSON Schema of {what} documents, including the project's plugins.",
        )(_schema_of(what))
    return server


def _schema_of(what: str) -> Callable[[], Awaitable[str]]:
    async def read() -> str:
        return await _aside(schema_text, of=what)

    return read


@contextmanager
def _tool_errors() -> Iterator[None]:
    """Turn errors into ToolError with their messages and places."""
    try:
        yield
    except SeatrialError as error:
        raise ToolError(f"{error}\n{error.evidence}".rstrip()) from error


async def _aside(work: Callable[..., T], *values: Any, **named: Any) -> T:
    """Read files and plugins in a thread, so that other requests are not blocked."""
    with _tool_errors():
        return await asyncio.to_thread(partial(work, *values, **named))


class _Tools:
    def __init__(self, processes: RunProcesses) -> None:
        self._processes = processes

    async def list_documents(
        self,
        paths: Paths = [],  # noqa: B006  the SDK generates a schema from it
    ) -> dict[str, Any]:
        """List the suites (with test ids) and pipelines (with checks, `stage/check`) of the project. Starts nothing."""
        return queries.in_short(await _aside(queries.documents, self._processes.folder, paths))

    async def check_documents(self, paths: Paths = []) -> dict[str, Any]:  # noqa: B006
        """Validate documents and return the whole plan: `ok`, all problems with file, line, column and hint, and the
        steps or checks of each suite and pipeline. Starts nothing."""
        return await _aside(queries.documents, self._processes.folder, paths)

    async def list_runs(
        self, most: Annotated[int, Field(ge=1, le=200, description="Maximum number of runs.")] = 10
    ) -> list[dict[str, Any]]:
        """List the newest runs of the project with verdict and exit code, including those started elsewhere."""
        return await _aside(queries.runs, most)

    async def watch_run(
        self,
        ctx: Context[Any, Any],
        run: Run = "last",
        cursor: Annotated[int, Field(ge=0, description="The cursor of the last answer; 0 for the first call.")] = 0,
        wait_seconds: Seconds = 30,
        until_finished: Annotated[
            bool, Field(description="Wait for the end of the run instead of the first event.")
        ] = False,
    ) -> dict[str, Any]:
        """Return the events of a run since the cursor, as soon as there are any, or after `wait_seconds`. If the answer
        is `finished`, it has a verdict and an exit code. Otherwise call it again with the new cursor."""
        with _tool_errors():
            progress = ctx.report_progress
            return await watched(run, cursor, wait=wait_seconds, until_end=until_finished, progress=progress)

    async def read_result(
        self,
        run: Run = "last",
        form: Annotated[
            Literal["compact", "full", "json"],
            Field(description="compact: failures and the next step; full: everything; json: as JSON."),
        ] = "compact",
    ) -> str:
        """Return the result of a run: failures, the first useful lines, the path of the log, and the command to run a
        failed part again."""
        return await _aside(queries.result, run, form)

    async def read_log(
        self,
        file: Annotated[str, Field(description="The path after `log:` in read_result, or a path in the run's folder.")],
        run: Run = "last",
        lines: Annotated[int, Field(ge=1, le=2000, description="Maximum number of lines.")] = 100,
        from_end: Annotated[bool, Field(description="Count from the end of the file.")] = True,
        skip: Annotated[int, Field(ge=0, description="Lines to skip, to continue after an earlier call.")] = 0,
        pattern: Annotated[
            str, Field(description="A regular expression of Python: return only the lines like it, with their numbers.")
        ] = "",
        context: Annotated[int, Field(ge=0, le=50, description="With `pattern`: lines around each match.")] = 2,
    ) -> str:
        """Return lines of a log or report of a run, with all secrets masked; or search it with `pattern`: `lines`,
        `skip` and `from_end` then count matches. Files of the product are not available."""
        name, content = await _aside(queries.log, run, file)
        part = queries.Part(lines=lines, from_end=from_end, skip=skip)
        if not pattern:
            return f"{name}: {len(content)} lines in total\n{queries.cut(content, part)}\n"
        try:
            with _tool_errors():
                places = [at for at, one in enumerate(await search(pattern, content)) if one is not None]
        except ValueError as error:
            raise ToolError(f"invalid pattern {pattern!r}: {error}") from error
        text = queries.matching(content, places, part, context)
        return f"{name}: {len(content)} lines in total, {len(places)} like {pattern!r}\n{text}\n"

    async def run_pipeline(
        self,
        ctx: Context[Any, Any],
        document: Annotated[str, Field(description="The pipeline file. Default: the project's.")] = "",
        only: Annotated[list[str], Field(description="Run only these: `stage` or `stage/check`.")] = [],  # noqa: B006
        from_stage: Annotated[str, Field(description="Run this stage and all later ones.")] = "",
        changed_since: Annotated[
            str, Field(description="A commit or branch: run only checks affected by later changes.")
        ] = "",
        parameters: Annotated[dict[str, Any], Field(description="Parameters to override those of the document.")] = {},  # noqa: B006
        fail_fast: Annotated[bool, Field(description="Stop at the first check that does not pass.")] = False,
        on_this_machine: Annotated[
            bool, Field(description="Run every check on this machine, without containers.")
        ] = False,
        use_cache: Annotated[bool, Field(description="Use cached results of checks with unchanged inputs.")] = True,
        wait_seconds: Annotated[
            float, Field(ge=0, le=600, description="Seconds to wait for the result; 0: return the run id immediately.")
        ] = 45,
    ) -> dict[str, Any]:
        """Run the checks of a pipeline, wait, and return the result in short: failed checks with their first useful
        lines and the paths of their logs. If it takes longer, the answer is not `finished`; `next` says how to go on.
        """
        with _tool_errors():
            path = str(queries.inside(self._processes.folder, document)) if document else ""
            options = {
                "document": path, "only": only, "from_": from_stage, "changed_since": changed_since,
                "parameters": parameters, "fail_fast": fail_fast, "host": on_this_machine,
                "cache": use_cache,
            }  # fmt: skip
            run = await self._processes.start("pipeline", options)
            if not wait_seconds or not await finished(run, wait=wait_seconds, progress=ctx.report_progress):
                return {**_begun(run), "finished": False}
        return {"run": run, "finished": True, "result": await _aside(queries.result, run, "compact")}

    async def run_scenarios(
        self,
        documents: Annotated[list[str], Field(description="Scenario files. Default: the project's.")] = [],  # noqa: B006
        tests: Annotated[list[str], Field(description="Run only suites with these test ids or names.")] = [],  # noqa: B006
        on: Annotated[
            str, Field(description="Run all suites on this provider (`local`, `containers`, …) instead of their own.")
        ] = "",
        parameters: Annotated[dict[str, Any], Field(description="Parameters to override those of the documents.")] = {},  # noqa: B006
        parallel: Annotated[int | None, Field(ge=1, description="Maximum number of suites to run in parallel.")] = None,
        fail_fast: Annotated[
            bool, Field(description="Start no more suites after the first one that does not pass.")
        ] = False,
    ) -> dict[str, Any]:
        """Start scenarios: deploy systems, break them, check them, and clean up. Returns the run id immediately.
        Continue with watch_run and read_result."""
        with _tool_errors():
            paths = [str(queries.inside(self._processes.folder, path)) for path in documents]
            options = {
                "documents": paths, "tests": tests, "on": on,
                "overrides": parameters, "parallel": parallel, "fail_fast": fail_fast,
            }  # fmt: skip
            return _begun(await self._processes.start("scenarios", options))

    async def stop_run(self, run: Run = "last", wait_seconds: Seconds = 30) -> dict[str, Any]:
        """Stop a run started by this server, and wait until it has cleaned up and ended."""
        with _tool_errors():
            process = self._processes.process(run)
            process.end()
            try:
                async with asyncio.timeout(wait_seconds):
                    await process.ended.wait()
            except TimeoutError:
                note = "the run is still cleaning up; use watch_run to wait for its end"
                return {"run": process.run, "ended": False, "note": note}
            return {"run": process.run, "ended": True, "exit_code": process.last_message.get("exit_code")}


def _begun(run: str) -> dict[str, Any]:
    return {"run": run, "next": f"watch_run(run={run!r}, until_finished=true), then read_result"}
