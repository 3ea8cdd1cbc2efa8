"""Many suites: budgets, order, cancellation anywhere, and a sweep exactly once."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.effort import examples

from seatrial.engine import cleanup
from seatrial.engine.trial_runner import SWEEP
from seatrial.errors import OverBudget, StepFailed
from seatrial.model.resource import Resource
from seatrial.model.scenario import Budget, Location, NodeLimit, Notification
from seatrial.spi.concurrency import finish_within
from seatrial.testing import FakeRun, FakeSystem, World, doing, flow, virtual_time


async def deploys(ctx):
    await ctx.lease_port()
    assert ctx.state.is_dir()
    await ctx.system.deploy(ctx)


async def waits(ctx):
    await asyncio.sleep(10)


async def wrong(ctx):
    raise StepFailed("wrong")


async def fine(ctx):
    pass


def sized(name, nodes=1, memory=0.0, seconds=1.0, **more):
    async def runs(ctx):
        await asyncio.sleep(seconds)

    return flow(doing(runs), name=name, nodes=nodes, memory_gb=memory, **more)


def nothing_is_left(rehearsal):
    """The world, the leases, the state folders and the ledger are empty; each trial that began was swept once."""
    assert rehearsal.world.nodes == {}
    assert list(rehearsal.folder.glob("leases/leases/*/*")) == []
    assert list(rehearsal.folder.glob("runs/*/*/state")) == []
    assert rehearsal.ledger.out() == []
    assert list((rehearsal.folder / "ledger").iterdir()) == []
    for trial in {event.trial for event in rehearsal.of("suite_started")}:
        kinds = [event.kind for event in rehearsal.events if event.trial == trial]
        assert kinds.count("suite_finished") == 1
        assert kinds.count("cleanup_started") == kinds.count("cleanup_finished") <= 1
        assert kinds[-1] in ("suite_finished", "log")


# Budgets


@settings(max_examples=examples(60), deadline=None)
@given(
    suites=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 8), st.integers(1, 4)), min_size=1, max_size=12),
    nodes=st.one_of(st.none(), st.integers(5, 9)),
    memory=st.one_of(st.none(), st.integers(8, 12)),
    parallel=st.integers(1, 5),
)
def test_packing_never_goes_over_budget_and_runs_all(tmp_path_factory, suites, nodes, memory, parallel):
    planned = [sized(f"s{n}", count, gb, seconds) for n, (count, gb, seconds) in enumerate(suites)]
    budget = Budget(nodes=nodes, memory_gb=memory, parallel=parallel)
    run: Any = FakeRun(tmp_path_factory.mktemp("packing"), *planned, budget=budget)
    with virtual_time() as clock:
        clock.run(run.run())
        longest = clock.now
    of = {event.trial: suites[int(event.data["name"][1:])] for event in run.of("suite_planned")}
    running = set()
    for event in run.events:
        if event.kind == "suite_started":
            running.add(event.trial)
            assert len(running) <= parallel
            assert nodes is None or sum(of[one][0] for one in running) <= nodes
            assert memory is None or sum(of[one][1] for one in running) <= memory
        if event.kind == "suite_finished":
            running.discard(event.trial)
    assert len(run.of("suite_finished", verdict="passed")) == len(suites)
    assert longest <= sum(seconds for _, _, seconds in suites) + 1e-6
    first = of[run.of("suite_started")[0].trial]
    assert first[:2] == max(one[:2] for one in suites), "largest first"


def test_a_suite_that_only_waits_for_an_end_gives_its_place_to_another(tmp_path):
    at_once, most = set(), 0

    def ends_slowly(name):
        async def runs(ctx):
            nonlocal most
            at_once.add(name)
            most = max(most, len(at_once))
            await asyncio.sleep(2)
            at_once.discard(name)
            with ctx.resting():
                await asyncio.sleep(5)

        return flow(doing(runs), name=name)

    run: Any = FakeRun(tmp_path, *(ends_slowly(f"s{number}") for number in range(6)), budget=Budget(parallel=2))
    with virtual_time() as clock:
        clock.run(run.run())
        assert clock.now == pytest.approx(3 * 2 + 5)
    assert most == 2
    assert all(run.verdict(f"s{number}") == "passed" for number in range(6))


def test_a_limit_of_a_document_is_for_its_own_suites(tmp_path):
    ours = (NodeLimit(nodes=3, written=Location(file="ours.yaml", path=("max_concurrent_nodes",))),)
    theirs = (NodeLimit(nodes=1, written=Location(file="theirs.yaml", path=("max_concurrent_nodes",))),)
    suites = [sized("a", 2, node_limits=ours), sized("b", 2, node_limits=ours), sized("c", 1, node_limits=ours)]
    suites += [sized("d", 1, node_limits=theirs), sized("e", 9)]
    run: Any = FakeRun(tmp_path, *suites, budget=Budget(parallel=9))
    with virtual_time() as clock:
        clock.run(run.run())
        assert clock.now == pytest.approx(2), "a or b waits for the other alone"
    names = {event.trial: event.data["name"] for event in run.of("suite_planned")}
    running: set[str] = set()
    most: set[frozenset[str]] = set()
    for event in run.events:
        if event.kind == "suite_started":
            running.add(names[event.trial])
            most.add(frozenset(running))
        if event.kind == "suite_finished":
            running.discard(names[event.trial])
    assert not any({"a", "b"} <= together for together in most)
    assert frozenset("acde") in most


def test_a_suite_larger_than_its_documents_limit_is_refused(tmp_path):
    limit = (NodeLimit(nodes=3, written=Location(file="ours.yaml")),)
    run: Any = FakeRun(tmp_path, sized("huge", 4, node_limits=limit), budget=Budget(parallel=9))
    with virtual_time() as clock, pytest.raises(OverBudget, match="fake-workflow-huge"):
        clock.run(run.run())


def test_a_small_one_fills_the_room_beside_a_large_one(tmp_path):
    run: Any = FakeRun(
        tmp_path, sized("small", 1), sized("middle", 3), sized("large", 4), budget=Budget(nodes=5, parallel=3)
    )
    with virtual_time() as clock:
        clock.run(run.run())
        assert clock.now == pytest.approx(2)
    names = {event.trial: event.data["name"] for event in run.of("suite_planned")}
    assert [names[event.trial] for event in run.of("suite_started")] == ["large", "small", "middle"]


@pytest.mark.parametrize("budget", [Budget(nodes=4, parallel=9), Budget(memory_gb=4, parallel=9), Budget(parallel=0)])
def test_what_can_never_fit_is_refused_by_name_and_nothing_is_started(tmp_path, budget):
    run: Any = FakeRun(tmp_path, sized("small", 1, 1), sized("huge", 5, 5), budget=budget)
    with virtual_time() as clock, pytest.raises(OverBudget, match="fake-workflow-huge"):
        clock.run(run.run())
    assert run.events == []


def test_a_skipped_suite_counts_for_nothing_and_says_why(tmp_path):
    run: Any = FakeRun(
        tmp_path, sized("huge", 50, skip="needs libvirt"), sized("small"), budget=Budget(nodes=1, parallel=1)
    )
    with virtual_time() as clock:
        clock.run(run.run())
    assert run.of("suite_finished", status="skipped")[0].data["reason"] == "needs libvirt"
    assert run.verdict("small") == "passed"


def test_fail_fast_starts_nothing_more_and_gives_every_suite_a_row(tmp_path):
    bad = flow(doing(wrong), name="bad", nodes=3)
    run: Any = FakeRun(tmp_path, sized("a"), bad, sized("b"), budget=Budget(parallel=1), fail_fast=True)
    with virtual_time() as clock:
        clock.run(run.run())
    assert len(run.of("suite_planned")) == len(run.of("suite_finished")) == 3
    assert [e.data["reason"] for e in run.of("suite_finished", status="skipped")] == [
        "fail-fast: fake-workflow-bad failed"
    ] * 2


def test_suites_of_one_name_from_two_documents_are_two_trials(tmp_path):
    run: Any = FakeRun(tmp_path, flow(doing(deploys)), flow(doing(deploys)))
    with virtual_time() as clock:
        clock.run(run.run())
    assert len({event.trial for event in run.of("suite_planned")}) == 2
    assert run.world.count("after create") == 6
    nothing_is_left(run)


def test_chance_follows_from_the_trials_id(tmp_path):
    drawn: dict[str, list[float]] = {}

    async def draws(ctx):
        drawn.setdefault(ctx.trial_id, []).append(ctx.random.random())

    for attempt in ("a", "b"):
        with virtual_time() as clock:
            run = FakeRun(tmp_path / attempt, flow(doing(draws)), flow(doing(draws), name="x"), run_id="r" + "0" * 23)
            clock.run(run.run())
    assert len(drawn) == 2
    assert all(one[0] == one[1] for one in drawn.values())
    assert len({one[0] for one in drawn.values()}) == 2


# Cancellation


class CancelsAt:
    """Cancels the run at its nth event, and again at a later one."""

    def __init__(self, *at):
        self.at = at
        self.count = 0
        self.task: Any = None

    def on(self, event):
        self.count += 1
        if self.count in self.at:
            self.task.cancel()

    def close(self):
        pass


def cancelled(folder, suites, *at, **more):
    reporter = CancelsAt(*at)
    run: Any = FakeRun(folder, *suites(), reporters=[reporter], **more)

    async def main():
        reporter.task = asyncio.current_task()
        await run.run()

    with virtual_time() as clock:
        try:
            clock.run(main())
        except asyncio.CancelledError:
            run.was_cancelled = True
        else:
            run.was_cancelled = False
        run.duration = clock.now
    return run


def two_suites():
    return (
        flow(doing(deploys), doing(waits), doing(wrong), doing(fine), name="one"),
        flow(doing(deploys), doing(waits), name="two", exclusive="staging"),
    )


def test_a_cancellation_at_every_event_reaches_the_sweep_exactly_once(tmp_path):
    whole = cancelled(tmp_path / "whole", two_suites)
    nothing_is_left(whole)
    assert not whole.was_cancelled
    for at in range(1, len(whole.events) + 1):
        run = cancelled(tmp_path / str(at), two_suites, at)
        nothing_is_left(run)
        assert run.was_cancelled or at == len(whole.events), f"the cancellation at event {at} was lost"
        for event in run.of("suite_finished"):
            if event.data["verdict"] == "passed":
                steps = [e for e in run.of("step_finished") if e.trial == event.trial]
                assert all(step.data["verdict"] == "passed" for step in steps)


def test_a_second_cancellation_during_the_sweep_changes_nothing(tmp_path):
    def suites():
        return [flow(doing(deploys), doing(waits))]

    async def slow(moment, name):
        if moment == "before destroy":
            await asyncio.sleep(3)

    events = [e.kind for e in cancelled(tmp_path / "whole", suites, world=World(meddle=slow)).events]
    begin = events.index("cleanup_started") + 1
    for second in range(begin, len(events)):
        run = cancelled(tmp_path / str(second), suites, begin - 2, second, world=World(meddle=slow))
        nothing_is_left(run)
        assert run.was_cancelled
        assert run.world.count("before destroy") == 3


def test_a_cancelled_suite_that_passed_its_steps_is_still_told_as_passed(tmp_path):
    def suites():
        return [flow(doing(deploys))]

    whole = cancelled(tmp_path / "whole", suites)
    begin = [e.kind for e in whole.events].index("cleanup_started") + 1
    run = cancelled(tmp_path / "cut", suites, begin)
    assert run.was_cancelled
    assert run.verdict() == "passed"


def test_shielded_work_ends_once_and_the_cancellation_comes_after(tmp_path):
    done = []

    async def work():
        await asyncio.sleep(5)
        done.append(asyncio.get_running_loop().time())

    async def main():
        task = asyncio.ensure_future(finish_within(work(), 60))
        for _ in range(4):
            await asyncio.sleep(1)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with virtual_time() as clock:
        clock.run(main())
    assert done == [5]


# Things that go wrong at the end


def test_a_provider_that_makes_the_thing_and_then_raises_leaves_nothing(tmp_path):
    async def raises(moment, name):
        if moment == "after create" and name.endswith("n12"):
            raise RuntimeError("quota, after all")

    with virtual_time() as clock:
        run: Any = FakeRun(tmp_path, flow(doing(deploys)), world=World(meddle=raises))
        clock.run(run.run())
    assert run.verdict() == "unknown"
    assert "quota, after all" in run.of("suite_finished")[0].data["error"]
    nothing_is_left(run)


@pytest.mark.parametrize("moment", ["before create", "after create"])
def test_a_provider_that_never_answers_is_cut_off_and_leaves_nothing(tmp_path, moment):
    async def hangs(when, name):
        if when == moment:
            await asyncio.Event().wait()

    with virtual_time() as clock:
        run: Any = FakeRun(tmp_path, flow(doing(deploys, timeout=30)), world=World(meddle=hangs))
        clock.run(run.run())
        assert clock.now == pytest.approx(30)
    assert run.verdict() == "failed"
    nothing_is_left(run)


def test_a_destroy_that_never_answers_is_left_behind_by_name_and_the_others_go(tmp_path):
    async def hangs(moment, name):
        if moment == "before destroy" and name.endswith("n12"):
            await asyncio.Event().wait()

    with virtual_time() as clock:
        run: Any = FakeRun(tmp_path, flow(doing(deploys)), sized("other"), world=World(meddle=hangs))
        clock.run(run.run())
    left = run.of("cleanup_finished")[0].data["left"]
    assert {one["name"][-3:] for one in left} == {"n12"}
    assert run.of("suite_finished", left=len(left))[0].data["category"] == "clean-up"
    assert [name[-3:] for name in run.world.nodes] == ["n12"]
    kept = [entry.resource for entry in run.ledger.out()]
    assert [one.name[-3:] for one in kept if one.kind == "node"] == ["n12"], "it stays in the ledger for `clean`"
    assert {one.kind for one in kept} > {"node"}, "so does the ground that it stands on"
    assert run.verdict("other") == "passed"


def test_a_sweep_that_overruns_as_a_whole_is_red_and_does_not_sink_the_other_suites(tmp_path, monkeypatch):
    monkeypatch.setattr(cleanup, "PATIENCE", 1e6)

    async def hangs(moment, name):
        if moment == "before destroy":
            await asyncio.Event().wait()

    world = World(meddle=hangs)
    with virtual_time() as clock:
        run: Any = FakeRun(tmp_path, flow(doing(deploys)), sized("other", seconds=1000), world=world)
        clock.run(run.run())
    assert run.verdict("other") == "passed"
    assert run.of("cleanup_finished")[0].data["left"]
    assert run.of("suite_finished", left=len(run.ledger.out()))


def test_a_found_node_that_the_ledger_does_not_know_is_given_back(tmp_path):
    world = World()

    async def behind_our_back(ctx):
        await ctx.system.deploy(ctx)
        node = next(iter(world.nodes.values()))
        for name, trial in (("ours", ctx.trial_id), ("theirs", "t-other")):
            resource = Resource(kind="node", name=name, owner="provider:fake", run=ctx.run_id, trial=trial)
            world.nodes[name] = type(node)(resource=resource, address="", ports={})

    with virtual_time() as clock:
        run: Any = FakeRun(tmp_path, flow(doing(behind_our_back)), world=world)
        clock.run(run.run())
    assert list(world.nodes) == ["theirs"]
    assert "ours" in run.of("cleanup_finished")[0].data["found"][0]


def test_a_notification_that_hangs_or_breaks_changes_no_verdict_and_sinks_no_suite(tmp_path, monkeypatch):
    async def hangs(*_):
        await asyncio.sleep(1e6)

    monkeypatch.setattr("seatrial.engine.notifications._send", hangs)
    told = flow(doing(wrong), name="told", notifications=(Notification(webhook="http://x", on=("failure",)),))
    with virtual_time() as clock:
        run: Any = FakeRun(tmp_path, told, sized("other", seconds=1000))
        clock.run(run.run())
    assert (run.verdict("told"), run.verdict("other")) == ("failed", "passed")
    assert "notifications" in run.of("log", level="warning")[0].data["text"]


def test_evidence_that_cannot_be_kept_changes_no_verdict(tmp_path, monkeypatch):
    async def evidence(self, ctx):
        (ctx.folder / "test.log").mkdir()
        return {"n11": "its log"}

    monkeypatch.setattr(FakeSystem, "evidence", evidence, raising=False)
    with virtual_time() as clock:
        run: Any = FakeRun(tmp_path, flow(doing(deploys), doing(wrong)), sized("other", seconds=50))
        clock.run(run.run())
    assert (run.verdict(), run.verdict("other")) == ("failed", "passed")
    nothing_is_left(run)


@pytest.mark.parametrize("keep, step, kept", [("failed", wrong, True), ("failed", fine, False), ("always", fine, True)])
def test_keeping_is_a_choice_and_has_an_end(tmp_path, keep, step, kept):
    with virtual_time() as clock:
        run: Any = FakeRun(tmp_path, flow(doing(deploys), doing(step)), keep=keep)
        clock.run(run.run())
    assert bool(run.world.nodes) is kept
    assert all(entry.op == "kept" and entry.until > 1e9 for entry in run.ledger.out())
    assert bool(run.ledger.out()) is kept


def test_a_suite_that_takes_too_long_is_cut_off_and_swept(tmp_path):
    with virtual_time() as clock:
        run: Any = FakeRun(tmp_path, flow(doing(deploys), doing(waits), timeout=4))
        clock.run(run.run())
    told = run.of("suite_finished")[0].data
    assert (told["verdict"], told["category"]) == ("failed", "timeout")
    nothing_is_left(run)


# Environments


def test_two_suites_of_one_run_take_turns_in_an_environment(tmp_path):
    inside = []

    async def enters(ctx):
        inside.append(ctx.suite.name)
        assert len(inside) == 1
        await asyncio.sleep(10)
        inside.remove(ctx.suite.name)

    suites = [flow(doing(enters), name=name, exclusive="staging", exclusive_wait=100) for name in "abc"]
    with virtual_time() as clock:
        run: Any = FakeRun(tmp_path, *suites)
        clock.run(run.run())
        assert 30 <= clock.now < 31
    assert [run.verdict(name) for name in "abc"] == ["passed"] * 3
    nothing_is_left(run)


def test_an_environment_that_is_taken_fails_at_once_and_names_the_holder(tmp_path):
    suites = [flow(doing(waits), name=name, exclusive="staging") for name in "ab"]
    with virtual_time() as clock:
        run: Any = FakeRun(tmp_path, *suites)
        clock.run(run.run())
    assert sorted([run.verdict("a"), run.verdict("b")]) == ["passed", "unknown"]
    error = run.of("suite_finished", verdict="unknown")[0].data["error"]
    assert f"'staging' is held by run {run.run_id}" in error
    nothing_is_left(run)


def test_a_suite_cancelled_while_it_waits_for_an_environment_leaves_the_holder_in_peace(tmp_path):
    suites = [
        flow(doing(waits), name="a", exclusive="staging"),
        flow(doing(waits), name="b", exclusive="staging", exclusive_wait=60, timeout=3),
    ]
    with virtual_time() as clock:
        run: Any = FakeRun(tmp_path, *suites)
        clock.run(run.run())
    assert (run.verdict("a"), run.verdict("b")) == ("passed", "failed")
    nothing_is_left(run)


# Trouble of our own


def test_a_reporter_that_raises_stops_no_suite(tmp_path):
    class Breaks:
        def on(self, event):
            raise ValueError("no")

        def close(self):
            pass

    with virtual_time() as clock:
        run: Any = FakeRun(tmp_path, flow(doing(deploys), doing(fine)), reporters=[Breaks()])
        clock.run(run.run())
    assert run.verdict() == "passed"
    assert len(run.of("log", level="error")) == 1


def test_a_full_disk_stops_the_steps_and_still_gives_everything_back(tmp_path, monkeypatch):
    from seatrial.engine.journal import Journal

    async def fills(ctx):
        monkeypatch.setattr(Journal, "_write", full)

    def full(self, line):
        self.trouble = self.broken = "the journal cannot be written: No space left on device"

    with virtual_time() as clock:
        run: Any = FakeRun(tmp_path, flow(doing(deploys), doing(fills), doing(fine)))
        clock.run(run.run())
    assert run.verdict() == "unknown"
    assert "No space left" in run.of("suite_finished")[0].data["error"]
    assert run.world.nodes == {}
    assert run.ledger.out() == []


def test_the_events_in_the_file_are_those_that_reporters_saw(tmp_path):
    with virtual_time() as clock:
        run: Any = FakeRun(tmp_path, *two_suites())
        clock.run(run.run())
    lines = (run.run_folder / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == [event.kind for event in run.events]


def test_the_sweep_has_more_patience_than_any_one_thing():
    assert SWEEP > cleanup.PATIENCE > cleanup.HURRY
