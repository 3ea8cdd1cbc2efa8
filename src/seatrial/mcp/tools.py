"""The tools of the server: what an agent is offered, in the words that it reads."""

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
from seatrial.errors import SeatrialError, nearest
from seatrial.mcp import queries
from seatrial.mcp.run_processes import Fleet, Refused
from seatrial.mcp.run_progress import watched

T = TypeVar("T")

LOOKS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
STARTS = ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=True)

HOW = """\
Seatrial runs scenarios (build a system, break it, check it) and pipelines (the checks before a deploy).
Begin with list_documents. {begin} watch_run returns what happened since a cursor; call it again with the
cursor of its answer until `finished`. read_result says what failed, the first useful lines and where the log is;
read_log reads more. The resources seatrial://schema/pipeline and seatrial://schema/scenario say what may stand in a
document. Verdicts: passed; failed: the product did wrong; unknown: it could not be judged (a tool is
missing, the infrastructure broke), which is never a pass. Exit codes: 0 passed, 1 failed, 3 unknown, 4 something was
left behind, 5 nothing ran."""

MAY = "run_pipeline and run_scenarios start a run and return its id at once; at the end it gives back all that it made."
MAY_NOT = "This server only looks: it was started without --allow-run, so nothing can be run through it."

Run = Annotated[str, Field(description="The run's id, the beginning of it, or `last`.")]
Seconds = Annotated[float, Field(ge=0, le=600, description="Seconds to wait for news, 0 to 600.")]


class _Server(MCPServer[Any]):
    """A server that takes no argument which a tool does not have: left out in silence, an agent takes it for heeded."""

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        """ToolError names the nearest argument."""
        known = {tool.name: tool.input_schema.get("properties", {}) for tool in await self.list_tools()}
        for word in arguments:
            if name in known and word not in known[name]:
                raise ToolError(f"{name} takes no {word!r}: {nearest(word, known[name])}")
        return await super().call_tool(name, arguments, context)


def server_of(fleet: Fleet, *, allow_run: bool) -> MCPServer[Any]:
    """The server with its tools; those that start anything only where that is allowed."""
    server = _Server(
        "seatrial",
        title="Seatrial",
        version=__version__,
        instructions=HOW.format(begin=MAY if allow_run else MAY_NOT),
        log_level="WARNING",
    )
    looks, starts = _Looking(fleet), _Running(fleet)
    shown: list[Callable[..., Any]] = [looks.list_documents, looks.check_documents, looks.list_runs, looks.watch_run]
    for tool in shown:
        server.add_tool(tool, annotations=LOOKS)
    texts: list[Callable[..., Any]] = [looks.read_result, looks.read_log]
    for tool in texts:
        server.add_tool(tool, annotations=LOOKS, structured_output=False)
    running: list[Callable[..., Any]] = [starts.run_pipeline, starts.run_scenarios, starts.stop_run]
    for tool in running if allow_run else ():
        server.add_tool(tool, annotations=STARTS)
    for what in queries.SCHEMAS:
        server.resource(
            f"seatrial://schema/{what}",
            name=f"{what} schema",
            mime_type="application/schema+json",
            description=f"The JSON Schema of {what} documents, with what the project's plugins add.",
        )(_schema_of(what))
    return server


def _schema_of(what: str) -> Callable[[], Awaitable[str]]:
    async def read() -> str:
        return await _aside(queries.schema, what)

    return read


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong, in our own words: they are made for who has to mend it."""
    try:
        yield
    except Refused as error:
        lines = [
            f"{one['file']}:{one['line']}:{one['column']}: {one['message']} {one['hint']}" for one in error.problems
        ]
        raise ToolError("\n".join(lines) or str(error)) from error
    except SeatrialError as error:
        raise ToolError(f"{error}\n{error.evidence}".rstrip()) from error


async def _aside(work: Callable[..., T], *values: Any, **named: Any) -> T:
    """Reading files and plugins takes its time: others are served meanwhile."""
    with _told():
        return await asyncio.to_thread(partial(work, *values, **named))


class _Looking:
    """What only looks."""

    def __init__(self, fleet: Fleet) -> None:
        self._folder = fleet.folder

    async def list_documents(
        self,
        paths: Annotated[
            list[str], Field(description="Documents of the project; without any, all that the project names.")
        ] = [],  # noqa: B006  the SDK makes a schema of it
    ) -> dict[str, Any]:
        """List the scenarios (as suites, with their test ids) and pipelines (with their checks, `stage/check`) of the
        project, in short. Nothing is started."""
        return queries.in_short(await _aside(queries.documents, self._folder, paths))

    async def check_documents(
        self,
        paths: Annotated[
            list[str], Field(description="Documents of the project; without any, all that the project names.")
        ] = [],  # noqa: B006
    ) -> dict[str, Any]:
        """Check documents and show the whole plan: `ok`, every problem with file, line, column and hint, and of each
        suite and pipeline its steps or checks, with what they run and need. Nothing is started."""
        return await _aside(queries.documents, self._folder, paths)

    async def list_runs(
        self, most: Annotated[int, Field(ge=1, le=200, description="How many, the newest first.")] = 10
    ) -> list[dict[str, Any]]:
        """List the newest runs of the project with verdict and exit code, also those that were not started here."""
        return await _aside(queries.runs, most)

    async def watch_run(
        self,
        ctx: Context[Any, Any],
        run: Run = "last",
        cursor: Annotated[int, Field(ge=0, description="The cursor of the last answer; 0 at first.")] = 0,
        wait_seconds: Seconds = 30,
        until_finished: Annotated[
            bool, Field(description="Wait for the end of the run (or for the time), not for the first news.")
        ] = False,
    ) -> dict[str, Any]:
        """What happened in a run since the cursor: returns as soon as there is news, or when the time is up. `finished`
        says that all of it was told; then there are a verdict and an exit code. Call it again with the new cursor."""
        with _told():
            return await watched(
                run, cursor, wait=wait_seconds, until_end=until_finished, progress=partial(_progress, ctx)
            )

    async def read_result(
        self,
        run: Run = "last",
        form: Annotated[
            Literal["compact", "full", "json"],
            Field(description="compact: what did not pass and what to do next; full: all of it; json: as data."),
        ] = "compact",
    ) -> str:
        """How a run ended: what failed, the first useful lines, where the log is, how to run it alone again."""
        return await _aside(queries.result, run, form)

    async def read_log(
        self,
        file: Annotated[
            str, Field(description="As read_result names it after `log:`, or its path in the run's folder.")
        ],
        run: Run = "last",
        lines: Annotated[int, Field(ge=1, le=2000, description="How many lines.")] = 100,
        from_end: Annotated[bool, Field(description="Count from the end of the file.")] = True,
        skip: Annotated[int, Field(ge=0, description="Lines to leave out before, to read on.")] = 0,
    ) -> str:
        """Lines of a log or report of a run, with every secret hidden. Files that the product made are not shown."""
        told = await _aside(queries.log, run, file, lines=lines, from_end=from_end, skip=skip)
        return f"{told['file']}: {told['lines_in_file']} lines in all\n{told['text']}\n"


class _Running:
    """What starts and stops runs."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def run_pipeline(
        self,
        document: Annotated[str, Field(description="The pipeline; without it the project's.")] = "",
        only: Annotated[list[str], Field(description="Only these: `stage` or `stage/check`.")] = [],  # noqa: B006
        from_stage: Annotated[str, Field(description="This stage and those after it.")] = "",
        changed_since: Annotated[
            str, Field(description="A commit or branch: only what the changes since it can affect.")
        ] = "",
        parameters: Annotated[dict[str, Any], Field(description="Parameters over those of the document.")] = {},  # noqa: B006
        fail_fast: Annotated[bool, Field(description="Stop at the first check that did not pass.")] = False,
        on_this_machine: Annotated[bool, Field(description="No containers, whatever the document says.")] = False,
        use_cache: Annotated[bool, Field(description="Take results of checks whose inputs have not changed.")] = True,
    ) -> dict[str, Any]:
        """Start the checks of a pipeline, and return the run's id at once; then watch_run, and read_result."""
        with _told():
            path = str(queries.inside(self._fleet.folder, document)) if document else ""
            options = {
                "document": path, "only": only, "from_": from_stage, "changed_since": changed_since,
                "parameters": parameters, "fail_fast": fail_fast, "host": on_this_machine,
                "cache": use_cache,
            }  # fmt: skip
            return _begun(await self._fleet.start("pipeline", options))

    async def run_scenarios(
        self,
        documents: Annotated[list[str], Field(description="Documents; without any the project's.")] = [],  # noqa: B006
        tests: Annotated[list[str], Field(description="Only suites with these test ids or names.")] = [],  # noqa: B006
        on: Annotated[
            str, Field(description="Run on this provider (`local`, `containers`, …), whatever they say.")
        ] = "",
        parameters: Annotated[dict[str, Any], Field(description="Parameters over those of the documents.")] = {},  # noqa: B006
        parallel: Annotated[int | None, Field(ge=1, description="So many suites at a time.")] = None,
        fail_fast: Annotated[bool, Field(description="Start no more suites after one that did not pass.")] = False,
    ) -> dict[str, Any]:
        """Start scenarios: systems are built, broken and checked, and given back. Returns the run's id at once; then
        watch_run, and read_result."""
        with _told():
            paths = [str(queries.inside(self._fleet.folder, one)) for one in documents]
            options = {
                "documents": paths, "tests": tests, "on": on,
                "overrides": parameters, "parallel": parallel, "fail_fast": fail_fast,
            }  # fmt: skip
            return _begun(await self._fleet.start("scenarios", options))

    async def stop_run(
        self,
        ctx: Context[Any, Any],
        run: Run = "last",
        wait_seconds: Seconds = 30,
    ) -> dict[str, Any]:
        """Stop a run that this server started: it gives back all that it made, and then ends. Waits for that."""
        with _told():
            ship = self._fleet.ship(run)
            ship.end()
            try:
                async with asyncio.timeout(wait_seconds):
                    await ship.ended.wait()
            except TimeoutError:
                return {
                    "run": ship.run,
                    "ended": False,
                    "note": "it is still giving things back; watch_run tells when it ends",
                }
            return {"run": ship.run, "ended": True, "exit_code": ship.told.get("exit_code")}


def _begun(run: str) -> dict[str, Any]:
    return {"run": run, "next": f"watch_run(run={run!r}, until_finished=true), then read_result"}


async def _progress(ctx: Context[Any, Any], done: int, of: int, message: str) -> None:
    await ctx.report_progress(done, of, message)
