"""`seatrial mcp` as an agent has it: the SDK's own client, over real standard input and output."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.harness import Project, until

from mcp import Client, StdioServerParameters, stdio_client

SECRET = "hunter2-hunter2"

PIPELINE = {
    "pipeline": {
        "name": "Shop",
        "secrets": {"required": ["TOKEN"]},
        "stages": {
            "build": {
                "checks": {"site": {"run": "echo built with $TOKEN; echo $TOKEN >site.txt", "artifacts": ["*.txt"]}}
            },
            "quality": {
                "needs": ["build"],
                "checks": {
                    "mypy": {
                        "run": "echo 'app/views.py:45: error: wrong type  [assignment]'; exit 1",
                        "problems": "mypy",
                    },
                    "pytest": {"run": ["true"], "needs": ["mypy"]},
                },
            },
        },
    }
}

LONG = {"pipeline": {"stages": {"long": {"checks": {"sleeps": {"run": ["sleep", "600"]}}}}}}

SCENARIO = {
    "test_suites": {
        "one_node": {
            "provider": "local",
            "parameters": {"cluster_size": 1},
            "workflow": [{"step": "init"}, {"step": "deploy"}, {"step": "validate", "checks": ["cluster_status"]}],
        }
    }
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "shop"
    folder.mkdir()
    return Project(folder)


class Agent:
    """A client, and all that it was ever told."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.told = ""

    async def call(self, tool: str, /, **arguments: Any) -> Any:
        """The answer of a tool: its data, or its text."""
        answer = await self.client.call_tool(tool, arguments)
        text = "".join(getattr(one, "text", "") for one in answer.content)
        self.told += text + json.dumps(answer.structured_content)
        assert not answer.is_error, text
        structured: Any = answer.structured_content
        if structured is None:
            return text
        return structured.get("result", structured) if set(structured) == {"result"} else structured

    async def refused(self, tool: str, /, **arguments: Any) -> str:
        """What a tool says that will not."""
        answer = await self.client.call_tool(tool, arguments)
        text = "".join(getattr(one, "text", "") for one in answer.content)
        self.told += text
        assert answer.is_error, text
        return text


def command(project: Project, *arguments: str) -> StdioServerParameters:
    environment = {
        **project.environment, "TOKEN": SECRET, "SEATRIAL_CACHE_DIR": str(project.folder.parent / "cache"),
        "PID_FILE": str(project.folder.parent / "pid"),
    }  # fmt: skip
    # The shell leaves its pid, which is the server's: the SDK keeps it to itself.
    start = 'echo $$ >"$PID_FILE"; exec "$@"'
    words = [sys.executable, "-m", "seatrial", "mcp", str(project.folder), *arguments]
    return StdioServerParameters(command="/bin/sh", args=["-c", start, "sh", *words], env=environment, cwd="/")


@asynccontextmanager
async def agent(project: Project, *arguments: str) -> AsyncIterator[Agent]:
    async with Client(stdio_client(command(project, *arguments))) as client:
        yield Agent(client)


def played(work: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(240):
            await work()

    asyncio.run(limited())


def test_an_agent_finds_the_checks_runs_them_and_reads_what_failed(project: Project) -> None:
    project.write("pipeline.json", PIPELINE)
    heard: list[tuple[float, float | None]] = []

    async def heard_of(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total))

    async def play() -> None:
        async with agent(project, "--allow-run") as one:
            held = await one.call("list_documents")
            assert held["pipelines"][0]["checks"] == ["build/site", "quality/mypy", "quality/pytest"]
            begun = await one.call("run_pipeline", wait_seconds=0)
            run = begun["run"]
            assert not begun["finished"]
            answer = await one.client.call_tool(
                "watch_run", {"run": run, "until_finished": True}, progress_callback=heard_of
            )
            seen = answer.structured_content
            assert seen is not None
            assert (seen["finished"], seen["verdict"], seen["exit_code"]) == (True, "failed", 1)
            assert heard[-1] == (3, 3)
            one.told += str(seen)

            # From its beginning by little steps: nothing is missed, nothing comes twice.
            cursor, lines, finished = 0, [], False
            while not finished:
                part = await one.call("watch_run", run=run, cursor=cursor, wait_seconds=0)
                cursor, finished = part["cursor"], part["finished"]
                lines += part["events"]
            assert lines == seen["events"]
            assert [line for line in lines if "step_finished quality/pytest skipped" in line]

            text = await one.call("read_result", run=run)
            assert "failed quality/mypy" in text
            assert "app/views.py:45: error: wrong type [assignment]" in text
            log = text.partition("log: ")[2].splitlines()[0]
            assert "app/views.py:45" in await one.call("read_log", run=run, file=log)
            built = await one.call("read_log", file="artifacts/logs/build-site.log")
            assert "built with ***" in built
            assert json.loads(await one.call("read_result", form="json"))["exit_code"] == 1
            assert "Quality Stage ✗" in await one.call("read_result", form="full")
            assert "has no argument 'format': did you mean 'form'?" in await one.refused("read_result", format="json")
            assert "has no argument 'stage'" in await one.refused("run_pipeline", stage="quality")
            assert [(one["verdict"], one["exit_code"]) for one in await one.call("list_runs")] == [("failed", 1)]
            # What the product left among the artifacts holds the secret: it is named, and not shown.
            assert "can contain secrets" in await one.refused("read_log", file="artifacts/build/site/site.txt")

            again = await one.call("run_pipeline", only=["quality/pytest"])
            assert again["finished"]
            assert "PASSED exit=0 passed=1" in again["result"]
            assert SECRET not in one.told

    played(play)
    assert project.left() == []
    assert len(project.runs()) == 2


def test_one_call_runs_waits_and_answers_and_another_searches_the_log(project: Project) -> None:
    noise = (
        "for n in 1 2 3 4 5 6 7 8 9; do echo line $n; done; echo 'FAILED tests/a.py::b - wrong'; echo $TOKEN; exit 1"
    )
    document: Any = {
        "pipeline": {"secrets": {"required": ["TOKEN"]}, "stages": {"s": {"checks": {"c": {"run": noise}}}}}
    }
    project.write("pipeline.json", document)

    async def play() -> None:
        async with agent(project, "--allow-run") as one:
            answer = await one.call("run_pipeline")
            assert answer["finished"]
            text = answer["result"]
            assert "FAILED exit=1 failed=1" in text
            assert "tests/a.py: b: wrong" in text
            assert len(text) < 1500
            log = text.partition("log: ")[2].splitlines()[0]
            found = await one.call("read_log", file=log, pattern="line [37]$", context=1)
            assert found.splitlines()[1:] == [
                "2-line 2",
                "3:line 3",
                "4-line 4",
                "--",
                "6-line 6",
                "7:line 7",
                "8-line 8",
            ]
            assert "11 lines in total, 2 like 'line [37]$'" in found
            last = await one.call("read_log", file=log, pattern="^line", lines=1, context=0)
            assert last.splitlines()[1:] == ["9:line 9"]
            first = await one.call("read_log", file=log, pattern="^line", lines=2, skip=1, from_end=False, context=0)
            assert first.splitlines()[1:] == ["2:line 2", "3:line 3"]
            assert "0 like 'nothing'" in await one.call("read_log", file=log, pattern="nothing")
            assert "invalid pattern '('" in await one.refused("read_log", file=log, pattern="(")
            assert SECRET not in one.told

    played(play)


def test_a_pattern_that_would_take_for_ever_ends_and_says_so(project: Project) -> None:
    document: Any = {"pipeline": {"stages": {"s": {"checks": {"c": {"run": f"echo {'a' * 60}b; exit 1"}}}}}}
    project.write("pipeline.json", document)

    async def play() -> None:
        async with agent(project, "--allow-run") as one:
            log = (await one.call("run_pipeline"))["result"].partition("log: ")[2].splitlines()[0]
            searching = asyncio.ensure_future(one.refused("read_log", file=log, pattern="^(a+)+$"))
            assert await one.call("list_runs")  # nobody else waits
            assert "(a+)+" in await searching

    played(play)


def test_a_run_longer_than_the_wait_goes_on(project: Project) -> None:
    project.write("pipeline.json", LONG)

    async def play() -> None:
        async with agent(project, "--allow-run") as one:
            answer = await one.call("run_pipeline", wait_seconds=0.5)
            assert not answer["finished"]
            assert "watch_run" in answer["next"]
            assert (await one.call("stop_run", run=answer["run"]))["ended"]

    played(play)
    assert project.left() == []


def test_an_agent_runs_a_scenario_on_local_while_it_looks_elsewhere(project: Project) -> None:
    project.write("scenario.json", SCENARIO)
    project.write("broken.json", {"test_suites": {"x": {"provider": "locall", "workflow": [{"step": "ini"}]}}})

    async def play() -> None:
        async with agent(project, "--allow-run") as one:
            held = await one.call("check_documents", paths=["broken.json"])
            assert not held["ok"]
            assert {problem["line"] for problem in held["problems"]} == {1}
            assert "did you mean 'local'" in str(held["problems"])
            assert "broken.json:1:" in await one.refused("run_scenarios", documents=["broken.json"])
            begun = await one.call("run_scenarios", documents=["scenario.json"])
            # A call that waits keeps nobody from asking something else.
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(one.call("watch_run", run=begun["run"], until_finished=True))
                held = await one.call("list_documents", paths=["scenario.json"])
                assert held["suites"][0]["test_id"] == "local-workflow-one_node"
                assert not waiting.done()
            seen = waiting.result()
            assert (seen["verdict"], seen["exit_code"]) == ("passed", 0), seen
            assert "local-workflow-one_node: passed" in await one.call("read_result")

    played(play)
    assert project.left() == []


def test_a_call_that_is_cancelled_ends_and_a_run_that_is_stopped_gives_back(project: Project) -> None:
    project.write("pipeline.json", LONG)

    async def play() -> None:
        async with agent(project, "--allow-run") as one:
            run = (await one.call("run_pipeline", wait_seconds=0))["run"]
            watching = asyncio.ensure_future(one.call("watch_run", run=run, until_finished=True, wait_seconds=600))
            while not [line for line in project.events() if line["kind"] == "step_started"]:
                await asyncio.sleep(0.02)
            watching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await watching
            seen = await one.call("watch_run", run=run, wait_seconds=0)
            assert not seen["finished"]
            assert "still running" in await one.call("read_result", run=run)
            stopped = await one.call("stop_run", run=run)
            assert (stopped["ended"], stopped["exit_code"]) == (True, 143)
            seen = await one.call("watch_run", run=run, until_finished=True)
            assert (seen["finished"], seen["exit_code"]) == (True, 143)
            assert "this server did not start the run" in await one.refused("stop_run", run="r000")

    played(play)
    assert project.left() == []


@pytest.mark.parametrize("how", ["it closes the session", "it and its server are killed"])
def test_when_the_client_goes_away_its_run_ends_and_gives_everything_back(project: Project, how: str) -> None:
    project.write("pipeline.json", LONG)

    async def play() -> None:
        async with agent(project, "--allow-run") as one:
            await one.call("run_pipeline", wait_seconds=0)
            while not [line for line in project.events() if line["kind"] == "step_started"]:
                await asyncio.sleep(0.02)
            if how.endswith("killed"):
                os.kill(int((project.folder.parent / "pid").read_text()), signal.SIGKILL)

    played(play)
    until(lambda: project.left() == [], "the end of all that it started", 60)
    assert project.results()["interrupted"] == "SIGTERM"


def test_without_leave_to_run_it_only_looks(project: Project) -> None:
    project.write("pipeline.json", PIPELINE)

    async def play() -> None:
        async with agent(project) as one:
            tools = (await one.client.list_tools()).tools
            assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
            assert {tool.name for tool in tools} == {
                "list_documents", "check_documents", "list_runs", "watch_run", "read_result", "read_log",
            }  # fmt: skip
            assert "start it with --allow-run" in (one.client.instructions or "")
            assert "run_pipeline" in await one.refused("run_pipeline")
            assert (await one.call("check_documents"))["pipelines"][0]["secrets"] == ["TOKEN"]
            for name, key in (("pipeline", "pipeline"), ("scenario", "test_suites")):
                (held,) = (await one.client.read_resource(f"seatrial://schema/{name}")).contents
                assert key in json.loads(getattr(held, "text", ""))["properties"]

    played(play)
    assert project.runs() == []


def test_no_link_in_a_folder_leads_out_of_the_project(project: Project) -> None:
    outside = project.folder.parent / "outside.yaml"
    outside.write_text("words of another project\n")
    scenarios = project.folder / "scenarios"
    scenarios.mkdir()
    (scenarios / "link.yaml").symlink_to(outside)
    left_out = "not read: scenarios/link.yaml leads out of the project by a link"

    async def play() -> None:
        async with agent(project, "--allow-run") as one:
            assert left_out in await one.refused("check_documents", paths=["scenarios"])
            assert left_out in await one.refused("run_scenarios", documents=["scenarios"])
            wait = {"step": "custom_command", "custom_command": ["true"]}
            (scenarios / "own.json").write_text(json.dumps({"test_suites": {"one": {"workflow": [wait]}}}))
            for paths in (["scenarios"], ["."], []):
                answer = await one.call("check_documents", paths=paths)
                assert "another project" not in json.dumps(answer)
                assert [suite["name"] for suite in answer["suites"]] == ["one"], answer
                assert answer["warnings"] == [left_out]
            begun = await one.call("run_scenarios", documents=["scenarios"])
            ended = await one.call("watch_run", run=begun["run"], until_finished=True)
            assert ended["exit_code"] == 0

    played(play)


def test_no_path_leads_out_of_the_project_or_out_of_a_run(project: Project) -> None:
    outside = project.folder.parent / "outside.json"
    outside.write_text(json.dumps(PIPELINE))
    (project.folder / "link.json").symlink_to(outside)
    project.write("pipeline.json", PIPELINE)
    done = project.seatrial("preflight", env={**project.environment, "TOKEN": SECRET})
    assert done.returncode == 1, done.stderr
    run = project.runs()[0]
    suite = next(one for one in run.iterdir() if one.is_dir())
    logs = suite / "artifacts" / "logs"
    (logs / "link.log").symlink_to(outside)
    (logs / "folder.log").mkdir()
    os.mkfifo(logs / "pipe.log")
    state = suite / "state"
    state.mkdir()
    (state / "raw.log").write_text(SECRET)

    async def play() -> None:
        async with agent(project, "--allow-run") as one:
            for path in ("../outside.json", str(outside), "link.json", "/etc/passwd"):
                assert "is not in the project" in await one.refused("check_documents", paths=[path])
                assert "is not in the project" in await one.refused("run_pipeline", document=path)
                assert "is not in the project" in await one.refused("run_scenarios", documents=[path])
            place = f"{suite.name}/artifacts/logs"
            for file in (
                "../../../outside.json", "/etc/passwd", str(outside), f"{place}/link.log", f"{place}/folder.log",
                f"{place}/pipe.log", f"{place}/../../state/raw.log", f"{suite.name}/state/raw.log", "artifacts/../x",
                f"{suite.name}/artifacts/build/site/site.txt", "", ".", "ledger.jsonl",
                "artifacts/logs/../../state/raw.log",
            ):  # fmt: skip
                said = await one.refused("read_log", file=file)
                assert "quality-mypy.log" in said, file
            for name in ("../../outside", "", ".", "rX", str(run), str(outside.parent)):
                for tool in ("read_result", "watch_run"):
                    assert "list_runs returns the ids" in await one.refused(tool, run=name), name
                await one.refused("read_log", run=name, file="results.json")
            whole = await one.call("read_log", file=str(run / "results.json"), lines=2000)
            assert '"verdict":"failed"' in whole
            few = await one.call("read_log", file="results.json", lines=2, from_end=False, skip=1)
            assert len(few.splitlines()) == 3
            assert SECRET not in one.told

    played(play)


def test_nothing_but_the_protocol_is_on_standard_output(project: Project) -> None:
    (project.folder / "noisy.py").write_text("import os\nprint('noise')\nos.system('echo more noise')\n")
    (project.folder / "seatrial.toml").write_text('plugins = ["noisy.py"]\n')
    project.write("scenario.json", SCENARIO)
    server = project.start("mcp", stdin=subprocess.PIPE)
    assert server.stdin is not None
    asked: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": {
            "name": "list_documents", "arguments": {"paths": ["scenario.json"]}}},
    ]  # fmt: skip
    server.stdin.write("".join(json.dumps({"jsonrpc": "2.0", **one}) + "\n" for one in asked))
    server.stdin.flush()
    assert server.stdout is not None
    answers = [json.loads(server.stdout.readline()) for _ in range(2)]
    began = time.monotonic()
    out, err = server.communicate(timeout=90)
    assert time.monotonic() - began < 30
    assert out == ""
    assert [one["id"] for one in answers] == [1, 2]
    assert "local-workflow-one_node" in answers[1]["result"]["content"][0]["text"]
    assert err.count("noise") == 2
    assert server.returncode == 0


def test_without_the_sdk_it_names_the_extra(project: Project) -> None:
    code = "import sys; sys.modules['mcp'] = None; from seatrial.cli import main; sys.exit(main(['mcp']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'seatrial[mcp]'" in done.stderr
    assert done.stdout == ""
    assert project.seatrial("mcp", "nowhere").returncode == 2
