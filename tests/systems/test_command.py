"""The system `command`: the example's deployer, and small shell scripts for what goes wrong."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.systems.fakes import Bare, FakeContext, settings, until

from seatrial.errors import CannotTell, NeverTold, Overrun, StepFailed, ToolMissing
from seatrial.model.cluster import PowerState
from seatrial.model.reading import Health
from seatrial.spi import Powers
from seatrial.systems.command import Command
from seatrial.systems.command.programs import obstacle
from seatrial.systems.command.settings import CommandSettings

EXAMPLE = Path(__file__).parents[2] / "examples" / "deployer"
MAPPING: dict[str, Any] = yaml.safe_load((EXAMPLE / "deployer.yaml").read_text())["system"]


MADE: list[FakeContext] = []


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No process of a test lives on after it."""
    MADE.clear()
    yield
    wanted = {f"E2E_RUN_ID={ctx.trial_id}".encode() for ctx in MADE}
    left = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if wanted & set(Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")):
                    left.append(Path(f"/proc/{entry}/cmdline").read_bytes())
            except OSError:
                continue
    assert left == []


def make(tmp_path, mapping, folder=EXAMPLE, **parameters) -> Any:
    system = Command(settings(CommandSettings, mapping), folder)
    MADE.append(FakeContext(tmp_path / "suite", system, Bare(tmp_path / "nodes"), **parameters))
    return MADE[-1]


def lives(pid: int) -> bool:
    """Whether a process is there and is no zombie (where nobody collects orphans, these stay)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids(ctx) -> list[int]:
    return [int(file.read_text().split()[0]) for file in ctx.deploy_dir.glob("*/pid")]


def test_the_example_deployer_is_driven_through_an_outage_and_given_back(tmp_path):
    async def scenario():
        ctx = make(tmp_path, MAPPING, cluster_size=3)
        system = ctx.system
        await system.init(ctx)
        assert (await system.status(ctx)).state.value == "initialized"
        await system.deploy(ctx)
        try:

            async def is_in(state):
                async def look():
                    return (await system.status(ctx)).state.value == state

                await until(look, state)

            await is_in("running")
            nodes = await system.nodes(ctx)
            assert [node.name for node in nodes] == ["n11", "n12", "n13"]
            await system.before_outage(ctx)
            assert await system.power(ctx, nodes[0], Powers.CRASH)
            await is_in("degraded")
            health = await system.health(ctx, nodes)
            assert health["n11"].power.value is PowerState.STOPPED
            assert health["n12"].parts["service"].ok
            report = await system.records(ctx)
            assert (report.acknowledged, report.read_from, dict(report.lost)) == (5, ("n12", "n13"), {})
            assert await system.power(ctx, nodes[1], Powers.STOP)
            await is_in("critical")
            assert (await system.status(ctx)).service.value is Health.NOT_OK
            assert await system.power_all(ctx, Powers.START)
            await is_in("running")
            assert not await system.power(ctx, nodes[1], Powers.PAUSE)
            alive = pids(ctx)
        finally:
            await system.destroy(ctx)
        assert len(alive) == 3
        assert not any(map(lives, alive))
        assert list(ctx.deploy_dir.iterdir()) == []
        assert list(ctx.resources) == [("process", ctx.trial_id)]  # of its programs: until the end of the trial
        assert (await system.status(ctx)).state.value == "destroyed"

    asyncio.run(scenario())


def test_a_deployment_is_given_back_from_its_record_alone(tmp_path):
    async def scenario():
        ctx = make(tmp_path, MAPPING, cluster_size=1)
        await ctx.system.init(ctx)
        await ctx.system.deploy(ctx)
        (pid,) = pids(ctx)
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert f"E2E_RUN_ID={ctx.trial_id}".encode() in environment
        record = ctx.resources[("deployment", ctx.deployment_id)]
        bare = object.__new__(Command)
        await bare.give_back(record)
        assert not lives(pid)
        await bare.give_back(record)  # gone already is success, as the deployer says

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("exit", StepFailed, "ended with exit code 1: deployer: quota exceeded"),
        ("hang", Overrun, "did not end within 2 s"),
    ],
)
def test_a_deployer_that_fails_or_hangs_is_the_products_fault(tmp_path, fault, error, said):
    async def scenario():
        ctx = make(tmp_path, {**MAPPING, "timeouts": {"deploy": 2}}, cluster_size=1, misbehave=fault)
        await ctx.system.init(ctx)
        with pytest.raises(error, match=said) as caught:
            await ctx.system.deploy(ctx)
        assert type(caught.value) is error
        assert ("deployment", ctx.deployment_id) in ctx.resources
        await ctx.give_back("deployment", ctx.deployment_id)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fault", "said"), [("broken_json", "status did not print JSON"), ("empty_inventory", "inventory has no nodes")]
)
def test_what_cannot_be_read_cannot_be_told(tmp_path, fault, said):
    async def scenario():
        ctx = make(tmp_path, MAPPING, cluster_size=1, misbehave=fault)
        await ctx.system.init(ctx)
        await ctx.system.deploy(ctx)
        try:
            with pytest.raises(CannotTell, match=said):
                await ctx.system.status(ctx)
        finally:
            await ctx.system.destroy(ctx)

    asyncio.run(scenario())


def shell(**verbs: Any) -> dict[str, Any]:
    return {"deploy": "true", "destroy": "true", **verbs}


def test_a_program_that_is_not_there_is_a_missing_tool(tmp_path):
    async def scenario():
        for deploy in (["no-such-deployer", "up"], ["./no-such.py"], "no-such-deployer up"):
            ctx = make(tmp_path / str(len(deploy)), shell(deploy=deploy))
            with pytest.raises(ToolMissing, match=r"deploy: .*(was not found|not found|correct it)"):
                await ctx.system.deploy(ctx)

    asyncio.run(scenario())


OBSTACLES = {
    "another name": ("./shp", "#!/bin/sh\n", 0o755, "program './shp' not found .*; did you mean './shop'"),
    "no ./ before it": ("shop", "#!/bin/sh\n", 0o755, "'shop' not found on the PATH; it is in .*: write './shop'"),
    "its arguments too": ("./shop deploy", "#!/bin/sh\n", 0o755, "not found .*; write the command as text"),
    "no execute permission": ("./shop", "#!/bin/sh\n", 0o644, "is not executable: `chmod [+]x "),
    "Windows line endings": ("./shop", "#!/bin/sh\r\ntrue\r\n", 0o755, "Windows line endings .*`sed -i"),
    "a missing interpreter": ("./shop", "#!/usr/bin/zzsh\n", 0o755, "names '/usr/bin/zzsh', which does not exist"),
    "a missing interpreter by env": ("./shop", "#!/usr/bin/env zzsh\n", 0o755, "'zzsh', which is not on the PATH"),
}


@pytest.mark.parametrize("what", OBSTACLES)
def test_a_program_that_cannot_begin_is_told_with_its_remedy(what, tmp_path):
    program, text, mode, said = OBSTACLES[what]
    (tmp_path / "shop").write_bytes(text.encode())
    (tmp_path / "shop").chmod(mode)
    assert re.search(said, obstacle(program, tmp_path, "/usr/bin:/bin"))


@pytest.mark.parametrize("text", ["#!/bin/sh\n", "#!/usr/bin/env sh\n", "#!/usr/bin/env -S sh -e\n", "true\n", "#! \n"])
def test_a_program_that_can_begin_has_no_obstacle(text, tmp_path):
    (tmp_path / "shop").write_text(text)
    (tmp_path / "shop").chmod(0o755)
    assert obstacle("./shop", tmp_path, "/usr/bin:/bin") == ""


def test_a_script_whose_own_tool_is_missing_is_no_failure_of_the_product(tmp_path):
    async def scenario():
        ctx = make(tmp_path, shell(deploy=["sh", "-c", "no-such-tool-of-ours up; exit $?"]))
        with pytest.raises(ToolMissing, match=r"a program that it needs was not found .*no-such-tool-of-ours"):
            await ctx.system.deploy(ctx)
        ctx = make(tmp_path / "own", shell(deploy=["sh", "-c", "echo no quota; exit 127"]))
        with pytest.raises(StepFailed, match="no quota"):
            await ctx.system.deploy(ctx)

    asyncio.run(scenario())


def test_a_destroy_that_fails_raises_and_the_deployment_stays_in_the_ledger(tmp_path):
    async def scenario():
        ctx = make(tmp_path, shell(destroy="echo still in use; exit 4"))
        await ctx.system.deploy(ctx)
        record = ctx.resources[("deployment", ctx.deployment_id)]
        with pytest.raises(StepFailed, match="ended with exit code 4: still in use") as caught:
            await object.__new__(Command).give_back(record)
        assert "still in use" in caught.value.evidence

    asyncio.run(scenario())


def test_an_overrun_ends_the_whole_process_group(tmp_path):
    async def scenario():
        ctx = make(tmp_path, shell(deploy="sleep 300 & echo $! > child; wait") | {"timeouts": {"deploy": "3s"}})
        with pytest.raises(Overrun):
            await ctx.system.deploy(ctx)
        child = int((ctx.deploy_dir / "child").read_text())

        async def gone():
            return not lives(child)

        await until(gone, "the child is gone")

    asyncio.run(scenario())


@pytest.mark.parametrize("launcher", ["", "true && timeout 300 "])
def test_a_verb_at_its_deadline_gives_its_own_lock_back_before_it_is_killed(tmp_path, launcher):
    script = tmp_path / "locks.sh"
    # Longer than the two seconds that other programs get.
    script.write_text("trap 'sleep 2.5; rm lock; exit 1' TERM\ntouch lock\nsleep 300 &\nwait\n")

    async def trial():
        ctx = make(tmp_path, shell(deploy=f"{launcher}sh {script}") | {"timeouts": {"deploy": "3s"}})
        ctx.deploy_dir.mkdir(parents=True, exist_ok=True)
        with pytest.raises(Overrun):
            await ctx.system.deploy(ctx)
        assert not (ctx.deploy_dir / "lock").exists()

    asyncio.run(trial())


def test_a_verb_that_does_not_end_by_itself_is_killed_after_its_grace(tmp_path):
    async def trial():
        deploy = "trap '' TERM; echo $$ > pid; while :; do sleep 1; done"
        ctx = make(tmp_path, shell(deploy=deploy) | {"timeouts": {"deploy": "3s"}, "grace": "300ms"})
        ctx.deploy_dir.mkdir(parents=True, exist_ok=True)
        with pytest.raises(Overrun):
            await ctx.system.deploy(ctx)
        assert not lives(int((ctx.deploy_dir / "pid").read_text()))

    asyncio.run(trial())


def test_the_program_begins_only_when_the_ledger_knows_its_process(tmp_path):
    async def scenario():
        ctx = make(tmp_path, shell(deploy="touch begun"))
        make_before, seen = ctx.make, []

        async def watched(kind, name, create, **more):
            if kind == "process":
                seen.append((more["detail"], (ctx.deploy_dir / "begun").exists(), more["owner"]))
            return await make_before(kind, name, create, **more)

        ctx.make = watched
        await ctx.system.deploy(ctx)
        *_, (detail, begun, owner) = seen
        assert (begun, owner) == (False, "engine:process")
        assert detail["pid"] > 1
        assert detail["started"].isdigit()
        assert (ctx.deploy_dir / "begun").exists()

    asyncio.run(scenario())


def test_secrets_are_not_written_down_and_are_there_when_destroy_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("CLOUD_TOKEN", "hunter2")

    async def scenario():
        destroy = 'test "$TOKEN" = hunter2 && test "$1" = hunter2 && test "$E2E_RUN_ID"'
        mapping = shell(destroy=["/bin/sh", "-c", destroy, "sh", "${{ secrets.CLOUD_TOKEN }}"])
        ctx = make(tmp_path, {**mapping, "env": {"TOKEN": "${{ secrets.CLOUD_TOKEN }}"}})
        await ctx.system.deploy(ctx)
        record = ctx.resources[("deployment", ctx.deployment_id)]
        assert "hunter2" not in str(record)
        await object.__new__(Command).give_back(record)
        monkeypatch.delenv("CLOUD_TOKEN")
        with pytest.raises(CannotTell, match="CLOUD_TOKEN is needed"):
            await object.__new__(Command).give_back(record)

    asyncio.run(scenario())


def test_parameters_become_flags_of_the_verbs_that_want_them(tmp_path):
    async def scenario():
        mapping = shell(init=["sh", "-c", 'echo "$@" > init', "sh"], deploy=["sh", "-c", 'echo "$@" > deploy', "sh"])
        parameters = {"cluster_size": 3, "dry_run": True, "quiet": False, "zones": ["a", "b"], "none": None}
        ctx = make(tmp_path, mapping, **parameters)
        await ctx.system.init(ctx)
        await ctx.system.deploy(ctx)
        assert (ctx.deploy_dir / "init").read_text() == "--cluster-size 3 --dry-run --zones a,b\n"
        assert (ctx.deploy_dir / "deploy").read_text() == "\n"

    asyncio.run(scenario())


def test_a_node_that_was_asked_for_and_is_not_in_the_inventory_is_not_healthy(tmp_path):
    async def scenario():
        inventory = "echo 'n11 ansible_connection=local'"
        health = "echo " + shlex.quote('{"n11": {"service": true}}')
        ctx = make(tmp_path, shell(health=health) | {"inventory": {"command": inventory}}, cluster_size=2)
        await ctx.system.deploy(ctx)
        status = await ctx.system.status(ctx)
        assert status.nodes["absent-1"].healthy.value is Health.NOT_OK
        assert status.nodes["n11"].healthy.value is Health.OK
        assert status.state.value == "critical"

    asyncio.run(scenario())


def test_a_file_of_the_inventory_that_does_not_come_ends_the_wait(tmp_path, monkeypatch):
    """Its trouble must stay the same for a while after the last verb; a command may answer later."""

    async def scenario():
        monkeypatch.setattr("seatrial.systems.command.SETTLED", 0.2)
        file = tmp_path / "hosts.ini"
        ctx = make(tmp_path, shell() | {"inventory": {"file": str(file)}})
        await ctx.system.deploy(ctx)

        async def trouble() -> CannotTell:
            with pytest.raises(CannotTell) as caught:
                await ctx.system.nodes(ctx)
            return caught.value

        first = await trouble()
        assert not isinstance(first, NeverTold)
        assert str(first).endswith("(`inventory` at a.yaml:7)")
        file.write_text("[web\n")
        assert not isinstance(await trouble(), NeverTold), "it has another trouble now"

        async def ended() -> NeverTold | None:
            error = await trouble()
            return error if isinstance(error, NeverTold) else None

        last = await until(ended, "the wait ends")
        assert "let `deploy` end only after the file is written" in str(last)
        file.write_text("n1 ansible_connection=local\n")
        assert [node.name for node in await ctx.system.nodes(ctx)] == ["n1"]
        file.unlink()
        ctx.system.forget_nodes()
        assert not isinstance(await trouble(), NeverTold), "its patience is new after an answer"
        command = make(tmp_path / "command", shell() | {"inventory": {"command": "exit 1"}})
        await command.system.deploy(command)
        ctx = command
        monkeypatch.setattr("seatrial.systems.command.SETTLED", 0.0)
        assert not isinstance(await trouble(), NeverTold)

    asyncio.run(scenario())


def test_a_word_that_only_the_deployer_knows_is_a_state_of_its_own(tmp_path):
    async def scenario():
        said = shlex.quote('{"cluster": {"state": "database_connection_failed"}}')
        ctx = make(tmp_path, shell(status=f"echo {said}; exit 3") | {"exit_codes": {"status": [0, 3]}}
                   | {"status_json": {"state": "cluster.state"}})  # fmt: skip
        await ctx.system.deploy(ctx)
        status = await ctx.system.status(ctx)
        assert (status.state.value, status.service.value) == ("database_connection_failed", Health.UNKNOWN)

    asyncio.run(scenario())


def test_what_it_prints_is_kept(tmp_path):
    async def scenario():
        ctx = make(tmp_path, shell(deploy="echo out; echo err >&2", destroy="echo bye"))
        await ctx.system.deploy(ctx)
        await ctx.system.destroy(ctx)
        assert ctx.printed == [("deploy", "out\nerr\n"), ("destroy", "bye\n")]

    asyncio.run(scenario())


def test_unknown_verbs_in_the_settings_are_refused():
    with pytest.raises(ValueError, match=r"unknown verbs in timeouts: deplot; allowed: init, deploy"):
        CommandSettings(deploy=("d",), destroy=("d",), timeouts={"deplot": 1})  # type: ignore[dict-item]
