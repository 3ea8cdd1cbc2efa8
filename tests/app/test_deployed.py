"""A deployed system in Python: calls are steps of the run, verdicts are exceptions, and nothing stays."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import seatrial
from seatrial.app.blocking import BlockingCluster, BlockingNode
from seatrial.app.cluster import Cluster, ClusterNode
from seatrial.errors import CannotTell, DocumentError, NothingSelected, NotSupported, ProductFailed, UsageError

pytestmark = pytest.mark.filterwarnings("error")

DOCUMENT = """\
provider: local
parameters: {cluster_size: 2}
test_suites:
  pair:
    power: POWER
    workflow:
      - {step: set, id: prepare, values: {x: 1}}
      - {step: deploy}
      - {step: wait, for: 0.01s}
      - {step: validate, checks: [cluster_critical], description: left to Python}
"""

STOPPED = {"node_status:n11:stopped": {"n11": "stopped"}}

PLUGIN = """\
import seatrial

@seatrial.check("undecided")
def undecided(context) -> bool:
    raise RuntimeError("the meter is broken")

@seatrial.check("wrong")
def wrong(context) -> bool:
    return False
"""


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine."""

    @functools.wraps(test)
    def run(*args: Any, **fixtures: Any) -> None:
        asyncio.run(test(*args, **fixtures))

    return run


@pytest.fixture
def document(tmp_path: Path) -> Path:
    (tmp_path / "seatrial.toml").write_text('plugins = ["plugin.py"]\n')
    (tmp_path / "plugin.py").write_text(PLUGIN)
    file = tmp_path / "x.yaml"
    file.write_text(DOCUMENT.replace("POWER", "api"))
    return file


def results(document: Path) -> dict[str, Any]:
    (file,) = (document.parent / ".seatrial" / "runs").glob("*/results.json")
    results: dict[str, Any] = json.loads(file.read_text())
    return results


def nothing_left(document: Path) -> bool:
    return not list((document.parent / ".seatrial" / "ledger").glob("*.jsonl"))


@on_a_loop
async def test_nodes_powers_and_checks_are_steps_of_the_run(document: Path, tmp_path: Path) -> None:
    async with seatrial.deployed(document) as cluster:
        assert cluster.names == ("n11", "n12")
        assert len(cluster) == 2
        assert "n11" in cluster
        assert [node.name for node in cluster] == ["n11", "n12"]
        assert cluster.outputs["deploy"]["nodes"] == ["n11", "n12"]
        with pytest.raises(UsageError, match="no step 'deplyo' that ended; did you mean 'deploy'"):
            cluster.outputs["deplyo"]
        with pytest.raises(UsageError, match=r"the node n11 has no port 'clinet'; did you mean 'client'\? ports: "):
            cluster["n11"].ports["clinet"]
        assert cluster["n11"].ports.get("none") is None
        assert cluster.parameters == {"cluster_size": 2}
        said = await cluster["n11"].run("sh", "-c", "echo to be; echo or not >&2; exit 7")
        assert (said.exit_code, said.stdout, said.stderr, said.ok) == (7, "to be\n", "or not\n", False)
        assert (await cluster["n12"].run("echo $((6 * 7)) | cat")).stdout == "42\n"
        (tmp_path / "there").write_text("written here")
        await cluster["n11"].put(tmp_path / "there", "there")
        await cluster["n11"].get("there", tmp_path / "back")
        assert (tmp_path / "back").read_text() == "written here"
        async with asyncio.TaskGroup() as both:
            both.create_task(cluster["n11"].stop())
            both.create_task(cluster["n12"].run("true"))
        assert await cluster.check("node_status:n11:stopped", within="10s") == STOPPED
        assert (await cluster["n11"].start())["nodes"] == ["n11"]
        assert (await cluster.step("wait", for_="1ms")) == {}
    row = results(document)["results"][0]
    assert row["verdict"] == "passed"
    *before, python = row["workflow_steps"]
    assert [step["step_type"] for step in before] == ["set", "deploy", "wait"], "the rest is left to Python"
    kinds = [step["step_type"] for step in python["steps"]]
    assert kinds == ["run", "run", "put", "get", "stop_node", "run", "validate", "start_node", "wait"]
    assert nothing_left(document)


@on_a_loop
async def test_failed_is_an_assertion_and_unknown_is_not(document: Path) -> None:
    async def look() -> None:
        async with seatrial.deployed(document, until="prepare") as cluster:
            with pytest.raises(AssertionError, match="wrong: expected True, seen False"):
                await cluster.check("wrong")
            await cluster.check("undecided")

    with pytest.raises(CannotTell, match="the meter is broken") as unknown:
        await look()
    assert not isinstance(unknown.value, AssertionError)
    row = results(document)["results"][0]
    assert (row["verdict"], row["error"]) == ("unknown", "python: undecided: could not be measured: RuntimeError: the "
                                              "meter is broken")  # fmt: skip


@pytest.mark.parametrize(
    ("raised", "verdict", "error"),
    [(AssertionError("7 is not 8"), "failed", "python: 7 is not 8"),
     (KeyError("x"), "unknown", "python: the Python that uses the cluster raised KeyError: 'x'"),
     (CannotTell("no power"), "unknown", "python: no power")],
)  # fmt: skip
@on_a_loop
async def test_the_end_of_the_block_is_the_verdict_of_the_run(
    document: Path, raised: Exception, verdict: str, error: str
) -> None:
    with pytest.raises(type(raised)) as seen:
        async with seatrial.deployed(document, until="prepare"):
            raise raised
    row = results(document)["results"][0]
    assert (row["verdict"], row["error"]) == (verdict, error)
    assert any(note.startswith("report: ") for note in seen.value.__notes__)


@on_a_loop
async def test_a_block_that_measured_nothing_is_no_pass(document: Path) -> None:
    with pytest.raises(CannotTell, match="nothing that decides was measured"):
        async with seatrial.deployed(document, until="prepare"):
            pass


@on_a_loop
async def test_a_missing_power_and_a_wrong_name_are_refused_with_the_line_of_the_call(document: Path) -> None:
    document.write_text(DOCUMENT.replace("POWER", "guest"))
    async with seatrial.deployed(document) as cluster:
        with pytest.raises(NotSupported, match=r"test_deployed.py:\d+:1: the step 'stop_node' needs the power 'stop'"):
            await cluster["n11"].stop()
        with pytest.raises(DocumentError, match=r"(?s)test_deployed.py:\d+:1: unknown check 'cluster_statos'.*did you "
                                                "mean 'cluster_status'"):  # fmt: skip
            await cluster.check("cluster_statos")
        with pytest.raises(DocumentError, match="unknown node 'n13'"):
            await cluster.step("crash_node", target_node="n13")
        with pytest.raises(UsageError, match="no node 'n13'; did you mean 'n1"):
            cluster["n13"]
        with pytest.raises(UsageError, match="`within` or `retry`"):
            cluster.check("wrong", within=1, retry={"timeout": 1})
        with pytest.raises(UsageError, match=r"run\(\) takes words"):
            cluster["n11"].run(["true"])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="the cluster is gone"):
        cluster["n11"]


@on_a_loop
async def test_a_call_without_await_is_an_error_and_the_run_does_not_pass(document: Path) -> None:
    with pytest.raises(UsageError, match=r"test_deployed.py:\d+: check\('wrong'\)\n +nothing was done: write `await`"):
        async with seatrial.deployed(document) as cluster:
            cluster.check("wrong")
    assert results(document)["results"][0]["verdict"] == "unknown"
    assert nothing_left(document)


@on_a_loop
async def test_a_cancelled_block_is_cleaned_up_and_has_no_verdict(document: Path) -> None:
    async def too_long() -> None:
        async with asyncio.timeout(None) as limit, seatrial.deployed(document) as cluster:
            limit.reschedule(0)
            await cluster["n11"].run("sleep", "30")

    with pytest.raises(TimeoutError):
        await too_long()
    assert results(document)["results"][0]["verdict"] == "unknown"
    assert nothing_left(document)


@on_a_loop
async def test_the_time_limit_of_the_suite_interrupts_the_block(document: Path) -> None:
    document.write_text(DOCUMENT.replace("power: POWER", "timeout: 200ms"))
    with pytest.raises(ProductFailed, match=r"the suite did not end within 0.2 s"):
        async with seatrial.deployed(document, until="prepare"):
            await asyncio.sleep(30)


@on_a_loop
async def test_a_deployment_that_fails_fails_on_entering_with_the_reason(document: Path) -> None:
    document.write_text(DOCUMENT.replace("{step: deploy}", "{step: custom_command, id: go, command: [sh, -c, exit 3]}")
                        .replace("POWER", "api"))  # fmt: skip
    with pytest.raises(ProductFailed, match="exit code 3"):
        async with seatrial.deployed(document, until="go"):
            pytest.fail("it never stood")


def test_what_cannot_be_deployed_is_refused_in_words(document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no option 'keeep'; did you mean 'keep'"):
        seatrial.deployed(document, keeep="failed")
    with pytest.raises(UsageError, match=r"for a parameter of the document: parameters=.'cluster_size': "):
        seatrial.deployed(document, cluster_size=3)
    with pytest.raises(UsageError, match=r"nothing is deployed yet: write `with seatrial.deployed"):
        seatrial.deployed(document)["n11"]
    with pytest.raises(AttributeError, match="nothing is deployed yet"):
        seatrial.deployed(document).check("cluster_status")
    with pytest.raises(UsageError, match=r"no file nowhere.yaml in "):
        seatrial.deployed("nowhere.yaml")
    monkeypatch.chdir(document.parent)
    name = Path(__file__).name
    with pytest.raises(UsageError, match=f"there is one beside your code: .*{name}"):
        seatrial.deployed(name)
    with pytest.raises(UsageError, match="no suite 'pear'"), seatrial.deployed(document, suite="pear"):
        pass
    two = document.read_text() + document.read_text().split("test_suites:\n")[1].replace("pair", "other")
    document.write_text(two)
    with pytest.raises(UsageError, match="2 suites: pair, other\n    choose one: suite='pair'"), \
         seatrial.deployed(document):  # fmt: skip
        pass
    with pytest.raises(UsageError, match="no suite 'pear'"), seatrial.deployed(document, suite="pear"):
        pass
    with pytest.raises(UsageError, match="has no step 'prepaid'; did you mean 'prepare'"), \
         seatrial.deployed(document, suite="pair", until="prepaid"):  # fmt: skip
        pass
    document.write_text(DOCUMENT.replace("      - {step: deploy}\n", "").replace("POWER", "api"))
    with pytest.raises(UsageError, match="no step `deploy`"), seatrial.deployed(document):
        pass
    document.write_text(DOCUMENT.replace("power: POWER", "requirements: {min_memory_gb: 999999}"))
    with pytest.raises(NothingSelected, match="999999"), seatrial.deployed(document):
        pass


@pytest.mark.parametrize(("awaited", "plain"), [(Cluster, BlockingCluster), (ClusterNode, BlockingNode)])
def test_the_plain_cluster_has_the_methods_of_the_other_one(awaited: type, plain: type) -> None:
    def methods(owner: type) -> dict[str, list[inspect.Parameter]]:
        found = {name: value for name, value in vars(owner).items() if callable(value) and not name.startswith("_")}
        return {name: list(inspect.signature(value).parameters.values()) for name, value in found.items()}

    assert methods(awaited) == methods(plain)


def test_plain_functions_use_the_same_cluster_and_each_call_waits(document: Path) -> None:
    with seatrial.deployed(document, parameters={"cluster_size": 1}) as cluster:
        assert cluster.names == ("n11",)
        assert cluster["n11"].run("echo", "hi").stdout == "hi\n"
        with pytest.raises(AssertionError, match="expected 'critical', seen 'running'"):
            cluster.check("cluster_critical")
        with pytest.raises(AttributeError, match=r"its nodes have it: cluster\['n11'\].crash"):
            cluster.crash()
        with pytest.raises(AttributeError, match="a cluster has no 'checks'; did you mean 'check'"):
            cluster.checks("cluster_status")
        assert repr(cluster) == "<cluster n11>"
        cluster["n11"].crash(method="destroy")
        assert cluster.check("node_status:n11:stopped", within=10) == STOPPED
    assert results(document)["verdict"] == "passed"
    assert nothing_left(document)
    with pytest.raises(UsageError, match="the cluster is gone"):
        cluster.check("cluster_status")


@on_a_loop
async def test_an_await_in_a_plain_block_is_told_what_to_write(document: Path) -> None:
    with pytest.raises(TypeError) as caught, seatrial.deployed(document, parameters={"cluster_size": 1}) as cluster:
        await cluster.check("cluster_status")  # type: ignore[misc]
    assert any("leave `await` out, or write `async with`" in note for note in caught.value.__notes__)
    assert nothing_left(document)


def test_an_interrupted_plain_block_is_cleaned_up(document: Path) -> None:
    with pytest.raises(KeyboardInterrupt), seatrial.deployed(document, parameters={"cluster_size": 1}):
        raise KeyboardInterrupt
    assert results(document)["results"][0]["verdict"] == "unknown"
    assert nothing_left(document)
