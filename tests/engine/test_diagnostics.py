"""What is kept of the nodes before they go, when a suite did not pass."""

import asyncio
from pathlib import Path
from typing import Any, ClassVar

import pytest

from seatrial.engine import diagnostics
from seatrial.errors import LinkDown, StepFailed
from seatrial.model.resource import NodeSpec
from seatrial.registry import provider
from seatrial.spi import Finished
from seatrial.testing import FakeProvider, FakeRun, World, doing, fake_registry, flow, virtual_time


class Shell:
    """A link that tells which part it was asked for; `trouble` is what one node's raises instead, or seconds."""

    def __init__(self, node: str, trouble: Any) -> None:
        self.node = node
        self.trouble = trouble

    async def run(self, command: Any, **_: Any) -> Finished:
        if isinstance(self.trouble, BaseException):
            raise self.trouble
        if self.trouble:
            await asyncio.sleep(self.trouble)
        for part, script in diagnostics.COMMANDS.items():
            if script in command[-1]:
                return Finished(exit_code=0, stdout=f"the {part} of {self.node}, hunter2\n", stderr="")
        return Finished(exit_code=0, stdout="", stderr="")

    async def close(self) -> None:
        pass


@provider("talks")
class Talks(FakeProvider):
    """Its nodes have shells and consoles."""

    trouble: ClassVar[dict[str, Any]] = {}

    def link(self, node: Any) -> Any:
        return Shell(node.name, self.trouble.get(node.name))

    async def console(self, node: Any) -> str:
        return f"console of {node.detail['resource']}\n"

    async def power_reason(self, node: Any) -> str:
        return "switched on by hand"


@pytest.fixture(autouse=True)
def _no_trouble(monkeypatch):
    monkeypatch.setattr(Talks, "trouble", {})


async def deploys(ctx):
    ctx.secret("hunter2")
    await ctx.system.deploy(ctx)


async def wrong(ctx):
    raise StepFailed("wrong")


async def waits(ctx):
    await asyncio.sleep(1000)


def rehearsed(tmp_path, *steps, cancel_at=(), world=None, **suite) -> Any:
    """A run of one suite on nodes that talk; what it said, what is in its folder, and how long it took."""
    registry = fake_registry()
    registry.add(Talks)
    world = world or World()
    run: Any = FakeRun(
        tmp_path, flow(*map(doing, steps), provider="talks", **suite), registry=registry,
        providers={"talks": {"world": world}}, world=world,
    )  # fmt: skip

    async def main():
        task = asyncio.ensure_future(run.run())
        for moment in cancel_at:
            asyncio.get_running_loop().call_later(moment, task.cancel)
        await asyncio.wait({task})
        run.cancelled = task.cancelled()

    with virtual_time() as clock:
        clock.run(main())
        run.seconds = clock.now
    return run


def kept(run) -> dict[str, str]:
    """The files of the diagnostics, by node and name."""
    (folder,) = {event.data["path"] for event in run.of("diagnostics")}
    files = sorted(Path(folder).rglob("*.txt"))
    return {f"{file.parent.name}/{file.stem}": file.read_text() for file in files}


def test_every_node_tells_all_of_it_before_anything_is_torn_down(tmp_path):
    run = rehearsed(tmp_path, deploys, wrong)
    assert run.verdict() == "failed"
    files = kept(run)
    parts = {"console", "disk", "journal", "network", "power", "processes", "uptime"}
    assert {name for name in files if name.startswith("n12/")} == {f"n12/{part}" for part in (*parts, "missing")}
    assert files["n12/missing"] == "service: the system fake keeps no log of it\n"
    assert files["n11/journal"] == "the journal of n11, ***\n"
    assert files["n13/console"].endswith("-n13\n")
    assert files["n11/power"] == "state: running\nreason: switched on by hand\nboot id: boot-1\n"
    kinds = [event.kind for event in run.events]
    assert kinds.index("diagnostics") < kinds.index("cleanup_started")
    (told,) = run.of("diagnostics")
    assert told.data["folder"] == "artifacts/diagnostics"
    assert told.data["nodes"]["n11"] == sorted(parts)


def test_a_suite_that_passed_is_not_asked_why(tmp_path):
    assert rehearsed(tmp_path, deploys).of("diagnostics") == []


def test_a_dead_node_costs_its_own_few_seconds_and_is_told_with_why(tmp_path):
    Talks.trouble = {"n11": 500, "n12": LinkDown("n12 does not answer")}
    run = rehearsed(tmp_path, deploys, wrong)
    assert run.seconds <= diagnostics.ANSWER + 0.1
    files = kept(run)
    assert "journal: the node did not answer within 5 s\n" in files["n11/missing"]
    assert "disk: n12 does not answer\n" in files["n12/missing"]
    assert files["n12/console"]
    assert "n13/journal" in files


def test_a_node_that_answers_and_then_hangs_does_not_hold_the_sweep_up(tmp_path, monkeypatch):
    run_of = Shell.run

    async def hangs_on_disks(self, command, **more):
        if "df -h" in command[-1]:
            await asyncio.Event().wait()
        return await run_of(self, command, **more)

    monkeypatch.setattr(Shell, "run", hangs_on_disks)
    run = rehearsed(tmp_path, deploys, wrong)
    assert run.seconds <= diagnostics.PART + 0.1
    files = kept(run)
    assert "disk: timed out after 8 s\n" in files["n11/missing"]
    assert "n11/network" in files
    assert run.world.nodes == {}


def test_all_of_it_has_a_deadline_and_what_was_there_by_then_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(diagnostics, "PART", 1000.0)
    monkeypatch.setattr(diagnostics, "ANSWER", 1000.0)
    Talks.trouble = {"n11": 500}
    run = rehearsed(tmp_path, deploys, wrong)
    assert run.seconds == pytest.approx(diagnostics.DEADLINE)
    assert "journal: timed out after 25 s" in kept(run)["n11/missing"]
    assert "n13/journal" in kept(run)
    assert run.verdict() == "failed"
    assert run.world.nodes == {}


@pytest.mark.parametrize("cancel_at", [(5,), (5, 5.5)])
def test_a_run_that_is_told_to_stop_still_keeps_them(tmp_path, cancel_at):
    Talks.trouble = {"n13": 1.0}
    run = rehearsed(tmp_path, deploys, waits, cancel_at=cancel_at)
    assert run.cancelled
    assert kept(run)["n13/journal"]
    assert run.world.nodes == {}


def test_a_run_that_is_told_to_stop_while_they_are_collected_keeps_them_all(tmp_path):
    Talks.trouble = {"n13": 1.0}
    run = rehearsed(tmp_path, deploys, wrong, cancel_at=(0.5,))
    assert run.cancelled
    assert run.verdict() == "failed"
    assert kept(run)["n13/journal"]
    assert run.world.nodes == {}


def test_a_suite_that_runs_out_of_time_keeps_them(tmp_path):
    assert kept(rehearsed(tmp_path, deploys, waits, timeout=4))["n11/processes"]


def test_a_second_signal_skips_the_rest(tmp_path):
    Talks.trouble = {"n11": 4.9}

    async def hurries(ctx):
        asyncio.get_running_loop().call_later(1.0, setattr, ctx._trial.run, "hurried", True)
        raise StepFailed("wrong")

    run = rehearsed(tmp_path, deploys, hurries)
    assert run.seconds < 1.5
    assert "journal: cut short by a second Ctrl-C" in kept(run)["n11/missing"]
    assert run.world.nodes == {}


def test_a_node_whose_making_broke_off_is_asked_for_by_what_is_known_of_it(tmp_path):
    async def raises(moment, name):
        if moment == "after create":
            raise RuntimeError("the API answered 500")

    async def makes(ctx):
        await ctx.create_node(NodeSpec(name="n11"))

    run = rehearsed(tmp_path, makes, world=World(meddle=raises))
    assert run.verdict() == "unknown"
    assert kept(run)["n11/console"].endswith("-n11\n")


def test_what_is_long_is_cut_and_its_end_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(diagnostics, "MOST", 10)
    assert kept(rehearsed(tmp_path, deploys, wrong))["n11/journal"] == "… (14 characters before)\n n11, ***\n"


def test_diagnostics_that_cannot_be_kept_change_no_verdict(tmp_path):
    async def in_the_way(ctx):
        (ctx.artifacts / "diagnostics").write_text("a file")
        raise StepFailed("wrong")

    run = rehearsed(tmp_path, deploys, in_the_way)
    assert run.verdict() == "failed"
    assert run.world.nodes == {}
    assert "NotADirectoryError" in run.of("diagnostics")[0].data["missing"]["n11"]["journal"]


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()])
@pytest.mark.parametrize("where", ["console", "state", "power_reason", "link"])
def test_whatever_a_plugin_raises_the_rest_is_kept_and_everything_given_back(tmp_path, monkeypatch, where, error):
    async def ends(self, node):
        raise error

    if where == "link":
        Talks.trouble = {"n11": error}
    else:
        monkeypatch.setattr(Talks, where, ends)
    run = rehearsed(tmp_path, deploys, wrong)
    assert run.verdict() == "failed"
    assert not run.cancelled
    assert run.world.nodes == {}
    assert "n12/processes" in kept(run) or (where == "state" and isinstance(error, asyncio.CancelledError))


def test_a_system_that_cannot_tell_its_nodes_is_no_reason_to_stop(tmp_path, monkeypatch):
    from seatrial.testing import FakeSystem

    async def nodes(self, ctx):
        raise RuntimeError("no inventory")

    monkeypatch.setattr(FakeSystem, "nodes", nodes)
    run = rehearsed(tmp_path, deploys, wrong)
    assert kept(run)["n11/console"], "the ledger knows the nodes as well"


def test_a_node_that_the_provider_did_not_make_has_no_console_of_its(tmp_path, monkeypatch):
    from seatrial.testing import FakeSystem

    monkeypatch.setattr(FakeSystem, "places_nodes", False)
    monkeypatch.setattr(Talks, "shares_host_logs", True, raising=False)
    files = kept(rehearsed(tmp_path, deploys, wrong))
    assert "n11/journal" in files
    assert not any(name.endswith("/console") for name in files)


def test_the_journal_of_a_node_that_shows_this_hosts_own_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(Talks, "shares_host_logs", True, raising=False)
    assert not any(name.endswith("/journal") for name in kept(rehearsed(tmp_path, deploys, wrong)))


def test_the_commands_are_shell_that_any_shell_reads(tmp_path):
    import subprocess

    for part, script in diagnostics.COMMANDS.items():
        parsed = subprocess.run(["sh", "-n", "-c", diagnostics._HEAD + script], capture_output=True, text=True)
        assert parsed.returncode == 0, (part, parsed.stderr)
        done = subprocess.run(["sh", "-c", diagnostics._HEAD + script], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (part, done.stderr)
        assert done.stdout.strip(), part
