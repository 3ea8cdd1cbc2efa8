"""What steps and checks are given."""

import json
from dataclasses import replace
from typing import ClassVar

import pytest

from seatrial.errors import CannotTell, LeaseTaken, LeftBehind, NotSupported, UsageError
from seatrial.model.cluster import PowerState
from seatrial.model.resource import NodeSpec
from seatrial.testing import FakeSystem, World, context, flow, virtual_time


def run(tmp_path, test, suite=None, **more):
    async def inside():
        async with context(tmp_path, suite, **more) as ctx:
            return await test(ctx)

    with virtual_time() as clock:
        return clock.run(inside())


def ledger_lines(ctx):
    file = ctx._trial.run.ledger.file
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_intent_is_written_before_create_is_called_and_made_after_it(tmp_path):
    async def test(ctx):
        async def create():
            return [line["op"] for line in ledger_lines(ctx)]

        assert await ctx.make("thing", "a", create, owner="engine:path", detail=detail(tmp_path)) == [
            "begun",
            "intended",
        ]
        assert [line["op"] for line in ledger_lines(ctx)] == ["begun", "intended", "made"]

    run(tmp_path, test)


def detail(tmp_path):
    return {"path": str(tmp_path / "gone" / "x"), "within": str(tmp_path / "gone")}


def test_what_create_did_not_finish_stays_intended_and_is_given_back(tmp_path):
    async def test(ctx):
        async def create():
            raise RuntimeError("half way")

        with pytest.raises(RuntimeError):
            await ctx.make("thing", "a", create, owner="engine:path", detail=detail(tmp_path))
        assert [entry.op for entry in ctx._trial.run.ledger.out()] == ["intended"]

    run(tmp_path, test)
    assert not list((tmp_path / "ledger").iterdir())


def test_what_create_learned_before_it_failed_is_in_the_ledger(tmp_path):
    async def test(ctx):
        learned = detail(tmp_path)

        async def create():
            learned["run"] = 7
            raise RuntimeError("half way")

        with pytest.raises(RuntimeError):
            await ctx.make("thing", "a", create, owner="engine:path", detail=learned)
        assert [entry.resource.detail.get("run") for entry in ctx._trial.run.ledger.out()] == [7]
        assert [line["op"] for line in ledger_lines(ctx)] == ["begun", "intended", "intended"]

    run(tmp_path, test)


def test_what_cannot_be_given_back_is_said_at_the_end(tmp_path):
    async def refuses(moment, name):
        if moment == "before destroy":
            raise RuntimeError("no")

    with pytest.raises(LeftBehind, match="n11"):
        run(tmp_path, lambda ctx: ctx.create_node(NodeSpec(name="n11")), world=World(meddle=refuses))


def test_a_node_given_back_at_once_is_not_given_back_again(tmp_path):
    world = World()

    async def test(ctx):
        node = await ctx.create_node(NodeSpec(name="n11"))
        await ctx.destroy_node(node)

    run(tmp_path, test, world=world)
    assert world.count("before destroy") == 1


@pytest.mark.parametrize(
    "selector, count",
    [("*", 3), ("all", 3), ("any", 1), ("random:2", 2), ("random:3", 3), ("n12", 1), ("n13,n11,n13", 2)],
)
def test_a_selector_chooses_nodes_in_their_order(tmp_path, selector, count):
    async def test(ctx):
        await ctx.system.deploy(ctx)
        names = [node.name for node in await ctx.select(selector)]
        assert len(names) == count
        assert names == sorted(set(names))

    run(tmp_path, test)


def test_any_is_a_node_that_runs_as_long_as_one_does(tmp_path):
    async def test(ctx):
        await ctx.system.deploy(ctx)
        nodes = await ctx.nodes()
        for node in nodes[:2]:
            await ctx.provider.stop(node)
        for _ in range(20):
            assert [node.name for node in await ctx.select("any")] == ["n13"]
        await ctx.provider.stop(nodes[2])
        assert len(await ctx.select("any")) == 1

    run(tmp_path, test)


@pytest.mark.parametrize(
    "selector, error",
    [
        ("n99", UsageError),
        ("", UsageError),
        ("random:4", CannotTell),
        ("random:0", CannotTell),
        ("random:x", UsageError),
    ],
)
def test_a_selector_of_no_node_is_an_error(tmp_path, selector, error):
    async def test(ctx):
        await ctx.system.deploy(ctx)
        with pytest.raises(error):
            await ctx.select(selector)

    run(tmp_path, test)


def test_nothing_can_be_selected_before_there_are_nodes(tmp_path):
    async def test(ctx):
        with pytest.raises(CannotTell, match="the system has none now"):
            await ctx.select("*")

    run(tmp_path, test)


def test_chosen_at_random_is_the_same_for_the_same_trial(tmp_path):
    async def test(ctx):
        await ctx.system.deploy(ctx)
        return [[node.name for node in await ctx.select("random:2")] for _ in range(8)]

    run_id = "r" + "0" * 23
    first, again = (run(tmp_path / name, test, run_id=run_id) for name in "ab")
    assert first == again
    assert len({tuple(one) for one in first}) > 1


def test_a_role_of_the_system_is_a_selector(tmp_path, monkeypatch):
    async def role(self, ctx, word):
        return [(await ctx.nodes())[1]] if word == "leader" else []

    monkeypatch.setattr(FakeSystem, "role", role, raising=False)
    monkeypatch.setattr(FakeSystem, "role_names", classmethod(lambda cls, settings: ["leader"]), raising=False)

    async def test(ctx):
        await ctx.system.deploy(ctx)
        assert [node.name for node in await ctx.select("leader,n11")] == ["n11", "n12"]

    run(tmp_path, test)


def test_a_running_node_whose_link_is_dead_is_unreachable(tmp_path, monkeypatch):
    async def test(ctx):
        node = await ctx.create_node(NodeSpec(name="n11"))
        power = await ctx.state_of(node)
        assert (power.value, power.source, power.by) == ("running", "measured", "the provider fake")
        monkeypatch.setattr(type(ctx.provider), "state", lambda self, node: _running())
        await ctx.provider.stop(node)
        power = await ctx.state_of(node)
        assert (power.value, power.source, power.by) == ("unreachable", "measured", "the link of n11")
        assert power.why

    run(tmp_path, test)


async def _running():
    return PowerState.RUNNING


def test_a_node_has_one_link_in_a_trial(tmp_path):
    async def test(ctx):
        node = await ctx.create_node(NodeSpec(name="n11"))
        assert ctx.link(node) is ctx.link(node)

    run(tmp_path, test)


def test_the_suites_deadline_comes_before_the_systems_and_the_providers(tmp_path):
    system = FakeSystem.Settings(deadlines={"start": 2, "stop": 2})
    suite = flow(system=system, deadlines={"start": 1})
    providers = {"fake": {"deadlines": {"start": 3, "stop": 3, "restart": 3}}}

    async def test(ctx):
        assert [ctx.deadline(what) for what in ("start", "stop", "restart", "destroy")] == [1, 2, 3, 120]
        with pytest.raises(NotSupported, match="did you mean 'start'"):
            ctx.deadline("strat")

    run(tmp_path, test, suite, providers=providers)


def test_a_system_with_work_of_its_own_has_default_deadlines_before_the_providers(tmp_path):
    class Slow(FakeSystem):
        default_deadlines: ClassVar = {"start": 5, "deploy": 3600, "destroy": 1200}

    suite = flow(system=FakeSystem.Settings(deadlines={"start": 2}))
    providers = {"fake": {"deadlines": {"deploy": 3, "restart": 3}}}

    async def test(ctx):
        assert [ctx.deadline(what) for what in ("start", "deploy", "restart", "destroy")] == [2, 3600, 3, 1200]

    run(tmp_path, test, replace(suite, system=replace(suite.system, factory=Slow)), providers=providers)


def test_leased_ports_and_addresses_differ_and_are_given_back(tmp_path):
    async def test(ctx):
        ports = [await ctx.lease_port() for _ in range(5)]
        addresses = [await ctx.lease_address() for _ in range(5)]
        assert len({*ports}) == len({*addresses}) == 5
        assert len(list(tmp_path.glob("leases/leases/*/*"))) == 10

    run(tmp_path, test)
    assert not list(tmp_path.glob("leases/leases/*/*"))


def test_a_trial_that_asks_twice_for_a_name_keeps_its_lease_until_the_end(tmp_path):
    async def test(ctx):
        assert await ctx.lease("subnet", ["10.1.0.0/24", "10.2.0.0/24"]) == "10.1.0.0/24"
        assert await ctx.lease("subnet", ["10.1.0.0/24", "10.2.0.0/24"]) == "10.2.0.0/24"
        with pytest.raises(LeaseTaken, match=r"subnet 10\.1\.0\.0/24 is held by this trial"):
            await ctx.lease("subnet", ["10.1.0.0/24"])

    run(tmp_path, test)
    assert not list(tmp_path.glob("leases/leases/*/*"))


def test_every_process_of_the_trial_gets_the_runs_names(tmp_path):
    async def test(ctx):
        env = ctx.environment()
        assert env["E2E_RUN_ID"] == ctx.trial_id
        assert env["SEATRIAL_RUN_ID"] == ctx.run_id
        assert ctx.trial_id in env["E2E_TEST_NAMESPACE"]
        assert env["PATH"] == "/bin"
        assert env["E2E_GITEA_API_URL"] == "http://localhost:13000/api/v1"
        assert env["SEATRIAL_DEPLOYMENT_DIR"] == str(ctx.deploy_dir) == ctx["deploy_dir"]
        assert ctx.bind("${{ env.E2E_TEST_NAMESPACE }} ${{ env.PATH }}") == f"{env['E2E_TEST_NAMESPACE']} /bin"
        with pytest.raises(CannotTell, match="the environment variable PAHT is not set"):
            ctx.bind("${{ env.PAHT }}")

    run(tmp_path, test, environment={"PATH": "/bin"})


def test_an_unknown_name_for_a_plain_check_names_the_nearest(tmp_path):
    async def test(ctx):
        with pytest.raises(KeyError, match="deploy_dir"):
            ctx["deploydir"]

    run(tmp_path, test)


def test_output_is_kept_whole_in_a_file_and_as_a_tail_in_the_event_without_secrets(tmp_path):
    async def test(ctx):
        ctx.secret("hunter2hunter2")
        ctx.output("make", "x" * 5000 + "hunter2hunter2")
        ctx.output("make", "")
        log = (ctx.folder / "test.log").read_text()
        assert "hunter2" not in log
        assert log.count("x") > 4990
        events = (ctx._trial.run.folder / "events.jsonl").read_text().splitlines()
        outputs = [json.loads(line)["data"] for line in events if '"output"' in line]
        assert len(outputs) == 1
        assert len(outputs[0]["text"]) < 4100
        assert outputs[0]["text"].endswith("***")

    run(tmp_path, test)


def test_the_state_folder_is_private_and_gone_at_the_end(tmp_path):
    async def test(ctx):
        assert ctx.state.stat().st_mode & 0o077 == 0
        (ctx.state / "key").write_text("secret")
        return ctx.state

    assert not run(tmp_path, test).exists()
