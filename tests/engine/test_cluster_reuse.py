"""Clusters that stand for more than one suite: who starts from a snapshot, who deploys, and who gives them back."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from seatrial.engine.cluster_pool import shape_of, varying
from seatrial.engine.ledger import Ledger
from seatrial.errors import StepFailed
from seatrial.model.cluster import PowerState
from seatrial.model.scenario import Budget
from seatrial.spi import Powers
from seatrial.steps.deploy import Deploy, Destroy
from seatrial.testing import FakeRun, FakeSystem, World, doing, flow, step_plan, virtual_time


def snapshots(*steps, name, reuse="snapshot", **suite):
    """A suite that deploys, does this and destroys."""
    return flow(step_plan(Deploy(), id="deploy"), *steps, name=name, reuse=reuse, **suite)


def rehearsed(tmp_path, *suites, **more) -> Any:
    more.setdefault("budget", Budget(parallel=1))
    run: Any = FakeRun(tmp_path, *suites, **more)
    with virtual_time() as clock:
        clock.run(run.run())
    return run


def nothing_is_left(run):
    assert run.world.nodes == {}
    assert list(run.folder.glob("leases/leases/*/*")) == []
    assert list(run.folder.glob("runs/*/*/state")) == []
    assert run.ledger.out() == []
    assert run.of("resource", op="left") == []


def trial(run, name):
    return next(event.trial for event in run.of("suite_planned", name=name))


def outputs(run, name):
    """What the suite's deploy handed out."""
    mine = trial(run, name)
    return next(event.data["outputs"] for event in run.of("step_finished", type="deploy") if event.trial == mine)


def clusters(run):
    names = {event.trial: event.data["name"] for event in run.of("suite_planned")}
    return [(names[event.trial], event.data["op"]) for event in run.of("cluster")]


def warnings(run):
    return [event.data["text"] for event in run.of("log", level="warning")]


async def spoils(ctx):
    """All that a scenario may do to its nodes."""
    one, two, three = await ctx.nodes()
    for node in (one, two, three):
        ctx.provider.world.nodes[str(node.detail["resource"])].files["note"] = "from before"
    await ctx.provider.crash(one)
    await ctx.provider.pause(two)
    ctx.provider.world.nodes[str(three.detail["resource"])].sick = "broken"
    (ctx.state / "key").write_text("secret")


async def finds_it_clean(ctx):
    assert (await ctx.system.status(ctx)).state.value == "running"
    for node in await ctx.nodes():
        known = ctx.provider.world.nodes[str(node.detail["resource"])]
        assert (known.files, known.boots, known.power) == ({}, 1, PowerState.RUNNING)
        assert (await ctx.link(node).run(["true"])).ok
        assert ctx.names()["nodes"][node.name]["trial"] == known.resource.trial


def test_the_second_suite_starts_from_the_first_ones_snapshot(tmp_path):
    run = rehearsed(
        tmp_path,
        snapshots(doing(spoils), name="a"),
        snapshots(doing(finds_it_clean), doing(spoils), step_plan(Destroy()), name="b"),
        snapshots(doing(finds_it_clean), name="c"),
    )
    assert [run.verdict(name) for name in "abc"] == ["passed"] * 3
    assert run.world.count("before create") == 3
    assert run.world.count(f"before {Powers.SNAPSHOT}") == 3
    assert run.world.count("before revert") == 6
    assert clusters(run) == [("a", "kept"), ("b", "reused"), ("b", "parked"), ("c", "reused")]
    deployer = trial(run, "a")
    assert [outputs(run, name)["reused"] for name in "abc"] == [False, True, True]
    assert {outputs(run, name)["deployed_by"] for name in "abc"} == {deployer}
    nothing_is_left(run)


def test_it_is_given_back_once_nobody_can_use_it_any_more_and_not_before(tmp_path):
    run = rehearsed(
        tmp_path, snapshots(name="a"), snapshots(name="b"), snapshots(name="c", reuse="none"), snapshots(name="d")
    )
    names = {event.trial: event.data["name"] for event in run.of("suite_planned")}
    back = [(names[event.trial], event.data["given_back"]) for event in run.of("cleanup_finished")]
    assert back == [("a", 0), ("b", 0), ("c", 3), ("d", 3)]
    nothing_is_left(run)


def test_the_last_suite_of_a_shape_keeps_no_snapshot(tmp_path):
    run = rehearsed(tmp_path, snapshots(name="a"), snapshots(name="b", parameters={"other": 1}))
    assert clusters(run) == []
    assert run.world.count("before create") == 6
    nothing_is_left(run)


def test_without_reuse_every_suite_deploys(tmp_path):
    run = rehearsed(tmp_path, snapshots(name="a", reuse="none"), snapshots(name="b", reuse="none"))
    assert clusters(run) == []
    assert not outputs(run, "b")["reused"]
    assert outputs(run, "b")["deployed_by"] == trial(run, "b")


def test_in_parallel_each_deploys_and_a_third_one_gets_what_is_free(tmp_path):
    async def waits(ctx):
        await asyncio.sleep(10)

    run = rehearsed(
        tmp_path,
        snapshots(doing(waits), name="a"),
        snapshots(doing(waits), name="b"),
        snapshots(doing(finds_it_clean), name="c"),
        budget=Budget(parallel=2),
    )
    assert [run.verdict(name) for name in "abc"] == ["passed"] * 3
    assert run.world.count("before create") == 6
    assert [op for _, op in clusters(run)] == ["kept", "reused"]
    assert outputs(run, "c")["reused"]
    nothing_is_left(run)


def test_a_suite_that_failed_leaves_a_cluster_that_can_be_used(tmp_path):
    async def fails(ctx):
        await spoils(ctx)
        raise StepFailed("the product is broken")

    run = rehearsed(tmp_path, snapshots(doing(fails), name="a"), snapshots(doing(finds_it_clean), name="b"))
    assert (run.verdict("a"), run.verdict("b")) == ("failed", "passed")
    assert outputs(run, "b")["reused"]
    nothing_is_left(run)


@pytest.mark.parametrize("moment", ["before revert", "after revert"])
def test_a_snapshot_that_cannot_be_brought_back_is_said_and_the_suite_deploys(tmp_path, moment):
    async def breaks(when, name):
        if when == moment and name.endswith("n12"):
            raise OSError("no such snapshot")

    run = rehearsed(
        tmp_path, snapshots(doing(spoils), name="a"), snapshots(doing(finds_it_clean), name="b"),
        world=World(meddle=breaks),
    )  # fmt: skip
    assert run.verdict("b") == "passed"
    assert clusters(run) == [("a", "kept"), ("b", "dropped")]
    assert outputs(run, "b")["reused"] is False
    assert outputs(run, "b")["deployed_by"] == trial(run, "b")
    assert any("no such snapshot" in text and "this suite deploys from scratch" in text for text in warnings(run))
    first = {name for when, name in run.world.calls if when == "after destroy"}
    calls = [name for when, name in run.world.calls if when in ("after destroy", "before create")]
    mine = trial(run, "b")
    assert all(calls.index(name) < calls.index(f"{mine}-n11") for name in first if not name.startswith(mine))
    nothing_is_left(run)


def test_a_revert_that_hangs_is_cut_off_by_the_deadline_of_start(tmp_path):
    async def hangs(when, name):
        if when == "before revert":
            await asyncio.Event().wait()

    run = rehearsed(
        tmp_path, snapshots(name="a"), snapshots(name="b", deadlines={"start": 7.0}), world=World(meddle=hangs)
    )
    assert run.verdict("b") == "passed"
    assert any("the snapshot was not restored within 7 s" in text for text in warnings(run))
    nothing_is_left(run)


def test_a_cluster_that_does_not_run_when_it_is_back_is_never_a_verdict(tmp_path):
    async def sickens(when, name):
        if when == "after revert":
            world.nodes[name].sick = "corrupt"

    world = World(meddle=sickens)
    run = rehearsed(
        tmp_path,
        snapshots(name="a"),
        snapshots(doing(finds_it_clean), name="b", deadlines={"start": 3.0}),
        world=world,
    )
    assert run.verdict("b") == "passed"
    assert clusters(run) == [("a", "kept"), ("b", "reused"), ("b", "dropped")]
    assert not outputs(run, "b")["reused"]
    nothing_is_left(run)


def test_when_the_new_deployment_fails_too_the_suite_fails(tmp_path):
    async def sickens(when, name):
        if when in ("after revert", "after create") and run_of:
            world.nodes[name].sick = "corrupt"

    async def turns_bad(ctx):
        run_of.append(1)

    run_of: list[int] = []
    world = World(meddle=sickens)
    soon = {"start": 3.0, "deploy": 3.0}
    run = rehearsed(tmp_path, snapshots(doing(turns_bad), name="a"), snapshots(name="b", deadlines=soon), world=world)
    assert run.verdict("b") == "failed"
    nothing_is_left(run)


def test_a_snapshot_that_cannot_be_made_costs_nothing_but_the_reuse(tmp_path):
    async def full(when, name):
        if when == f"before {Powers.SNAPSHOT}":
            raise OSError("no space left on device")

    run = rehearsed(tmp_path, snapshots(name="a"), snapshots(name="b"), world=World(meddle=full))
    assert (run.verdict("a"), run.verdict("b")) == ("passed", "passed")
    assert run.world.count("before create") == 6
    assert any("no space left" in text for text in warnings(run))
    nothing_is_left(run)


def test_a_cluster_that_the_snapshot_broke_is_unknown_and_not_the_products_fault(tmp_path):
    async def breaks(when, name):
        if when == f"after {Powers.SNAPSHOT}":
            world.nodes[name].sick = "it lost its clock"

    world = World(meddle=breaks)
    soon = {"start": 3.0}
    run = rehearsed(tmp_path, snapshots(name="a", deadlines=soon), snapshots(name="b", deadlines=soon), world=world)
    assert run.verdict("a") == "unknown"
    nothing_is_left(run)


def test_a_node_that_was_destroyed_for_good_makes_it_useless(tmp_path):
    async def loses_one(ctx):
        await ctx.destroy_node((await ctx.nodes())[0])

    async def stands_alone(ctx):
        assert len(ctx.provider.world.nodes) == 3

    run = rehearsed(
        tmp_path,
        snapshots(name="a"),
        snapshots(doing(loses_one), name="b"),
        snapshots(doing(finds_it_clean), doing(stands_alone), name="c"),
    )
    assert [run.verdict(name) for name in "abc"] == ["passed"] * 3
    assert [outputs(run, name)["reused"] for name in "abc"] == [False, True, False]
    nothing_is_left(run)


def test_a_suite_that_destroys_and_deploys_again_gets_its_own_cluster_back(tmp_path):
    run = rehearsed(
        tmp_path,
        snapshots(
            doing(spoils), step_plan(Destroy()), step_plan(Deploy(), id="again"), doing(finds_it_clean), name="a"
        ),
        snapshots(doing(finds_it_clean), name="b"),
    )
    assert (run.verdict("a"), run.verdict("b")) == ("passed", "passed")
    assert run.world.count("before create") == 3
    nothing_is_left(run)


def test_a_suite_that_never_deploys_holds_nobody_up(tmp_path):
    async def nothing(ctx):
        assert not ctx.provider.world.nodes or ctx.suite.name == "b"

    run = rehearsed(
        tmp_path, snapshots(name="a"), flow(doing(nothing), name="b", reuse="snapshot"), flow(doing(nothing), name="c")
    )
    assert clusters(run) == []
    nothing_is_left(run)


def test_a_suite_that_stops_before_its_deploy_gives_back_what_was_meant_for_it(tmp_path):
    async def fails(ctx):
        raise StepFailed("not today")

    late = flow(doing(fails), step_plan(Deploy(), id="deploy"), name="b", reuse="snapshot")

    async def is_empty(ctx):
        assert ctx.provider.world.nodes == {}

    run = rehearsed(tmp_path, snapshots(name="a"), late, flow(doing(is_empty), name="c"))
    assert run.verdict("c") == "passed"
    assert clusters(run) == [("a", "kept")]
    nothing_is_left(run)


def test_settings_that_differ_make_another_shape(tmp_path):
    two = FakeSystem.Settings(size=2)
    run = rehearsed(tmp_path, snapshots(name="a"), snapshots(name="b", system=two), snapshots(name="c"))
    assert [outputs(run, name)["reused"] for name in "abc"] == [False, False, True]
    nothing_is_left(run)


def test_what_the_settings_name_must_have_the_same_value():
    suite = flow(name="x", system={"command": "run --with ${{ vars.mode }}", "other": "vars.none"})
    assert varying(suite, {"vars": {"mode": 1}, "trial": {"id": "t"}}) == {"vars": {"mode": 1}}
    ours = flow(name="x", system={"command": "run --id ${{ trial.id }} $deployment_dir"})
    assert varying(ours, {"trial": {"id": "t"}, "deploy_dir": "d"}) == {"trial": {"id": "t"}, "deploy_dir": "d"}


def test_a_cluster_that_carries_its_trials_id_in_its_settings_is_nobody_elses(tmp_path):
    named: Any = replace(FakeSystem.Settings(), deadlines={"${{ trial.id }}": 1.0})
    run = rehearsed(tmp_path, snapshots(name="a", system=named), snapshots(name="b", system=named))
    assert clusters(run) == []
    assert any("name trial" in text for text in warnings(run))
    nothing_is_left(run)


def test_what_a_system_settled_at_its_deployment_may_name_the_trial_but_no_other_value():
    class Settles(FakeSystem):
        @classmethod
        def filled_anew(cls, settings):
            return settings["health"]

    def of(start, health):
        suite = flow(name="x", system={"start": start, "health": health})
        return varying(replace(suite, system=replace(suite.system, factory=Settles)), {"trial": "t", "vars": 1})

    assert of("--token ${{ trial.id }}", "/health") == {}
    assert of("--mode ${{ vars.mode }}", "/health") == {"vars": 1}
    assert of("", "/${{ trial.id }}/health") == {"trial": "t"}


def test_two_shapes_are_equal_by_value():
    assert shape_of(flow(name="a")) == shape_of(flow(name="b"))
    assert shape_of(flow(name="a")) != shape_of(flow(name="a", parameters={"x": 1}))


# Keeping


def test_what_a_failed_suite_keeps_is_nobody_elses_start(tmp_path):
    async def fails(ctx):
        raise StepFailed("look at me")

    run = rehearsed(
        tmp_path,
        snapshots(name="a"),
        snapshots(doing(fails), name="b"),
        snapshots(doing(finds_it_clean), name="c"),
        keep="failed",
    )
    assert outputs(run, "b")["reused"]
    assert not outputs(run, "c")["reused"]
    kept = {entry.resource.name for entry in run.ledger.out() if entry.op == "kept"}
    deployer = trial(run, "a")
    assert kept == {f"{deployer}-{name}" for name in ("n11", "n12", "n13")}
    assert set(run.world.nodes) == kept
    assert len(run.ledger.out()) == 3


def test_with_keep_always_every_suite_deploys_and_keeps_its_own(tmp_path):
    run = rehearsed(tmp_path, snapshots(name="a"), snapshots(name="b"), keep="always")
    assert clusters(run) == []
    assert len(run.world.nodes) == 6


# The budget


def test_a_free_cluster_counts_against_the_budget(tmp_path):
    most = 0

    async def counts(when, name):
        nonlocal most
        most = max(most, len(world.nodes))

    async def waits(ctx):
        await asyncio.sleep(5)

    world = World(meddle=counts)
    suites = [snapshots(doing(waits), name=f"s{n}") for n in range(3)]
    others = [snapshots(doing(waits), name=f"o{n}", system=FakeSystem.Settings(size=4), nodes=4) for n in range(2)]
    run = rehearsed(tmp_path, *suites, *others, world=world, budget=Budget(nodes=5, parallel=3))
    assert len(run.of("suite_finished", verdict="passed")) == 5
    assert most <= 5
    assert sorted(op for _, op in clusters(run)) == ["kept", "kept", "reused", "reused", "reused"]
    nothing_is_left(run)


def test_who_can_use_a_free_cluster_goes_before_who_has_no_room_beside_it(tmp_path):
    other = snapshots(name="other", parameters={"other": 1})
    run = rehearsed(tmp_path, snapshots(name="a"), other, snapshots(name="b"), budget=Budget(nodes=5, parallel=1))
    names = {event.trial: event.data["name"] for event in run.of("suite_planned")}
    assert [names[event.trial] for event in run.of("suite_started")] == ["a", "b", "other"]
    nothing_is_left(run)


# Ends that come early


def test_ctrl_c_gives_back_what_is_free_and_what_is_used(tmp_path):
    async def waits(ctx):
        await asyncio.sleep(1000)

    async def interrupted(run):
        task = asyncio.ensure_future(run.run())
        await asyncio.sleep(20)
        assert run.world.nodes
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    for steps in ([doing(waits)], []):
        run: Any = FakeRun(
            tmp_path / str(len(steps)),
            snapshots(name="a"),
            flow(doing(waits), name="m") if not steps else snapshots(name="m"),
            snapshots(*steps, name="z"),
            budget=Budget(parallel=1),
        )
        with virtual_time() as clock:
            clock.run(interrupted(run))
        nothing_is_left(run)


def test_a_run_that_stops_early_gives_back_at_its_end_what_nobody_came_for(tmp_path):
    async def fails(ctx):
        raise StepFailed("enough")

    run = rehearsed(tmp_path, snapshots(doing(fails), name="a"), snapshots(name="b"), fail_fast=True)
    assert clusters(run) == [("a", "kept")]
    (last,) = [event for event in run.of("cleanup_finished") if not event.trial]
    assert (last.data["given_back"], last.data["left"]) == (3, [])
    nothing_is_left(run)


def test_what_cannot_be_given_back_at_the_end_is_told(tmp_path):
    async def stubborn(when, name):
        if when == "before destroy":
            raise OSError("it is stuck")

    async def fails(ctx):
        raise StepFailed("enough")

    run: Any = rehearsed(
        tmp_path, snapshots(doing(fails), name="a"), snapshots(name="b"), fail_fast=True, world=World(meddle=stubborn)
    )
    (last,) = [event for event in run.of("cleanup_finished") if not event.trial]
    assert len(last.data["left"]) >= 3
    assert len(run.ledger.out()) == 3


def test_a_killed_run_has_all_of_it_in_its_ledger_under_the_trial_that_deployed_it(tmp_path):
    seen: list[set[str]] = []

    async def looks(ctx):
        # What `clean` would read if this process died now.
        with (tmp_path / "ledger" / f"{ctx.run_id}.jsonl").open() as file:
            copy = tmp_path / "copy"
            copy.mkdir(exist_ok=True)
            (copy / f"{ctx.run_id}.jsonl").write_text(file.read())
        ledger = Ledger.open(copy, ctx.run_id)
        seen.append({entry.resource.name for entry in ledger.out() if entry.resource.kind == "node"})
        ledger.close()

    run = rehearsed(tmp_path, snapshots(name="a"), flow(doing(looks), name="b"), snapshots(doing(looks), name="c"))
    deployer = trial(run, "a")
    assert seen == [{f"{deployer}-{name}" for name in ("n11", "n12", "n13")}] * 2
    nothing_is_left(run)
