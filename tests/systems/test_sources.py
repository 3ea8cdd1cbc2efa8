"""Each system says where it knows its nodes and the whole from: measured, reported, remembered, or nobody said it."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.systems.fakes import Bare, FakeContext, settings

from seatrial.errors import LinkDown, LinkRefused
from seatrial.model.cluster import NodeHealth, PowerState
from seatrial.model.reading import Health, Source
from seatrial.model.resource import Node, NodeSpec
from seatrial.systems.command import Command, status_parsing
from seatrial.systems.command.settings import CommandSettings, StatusSettings
from seatrial.systems.github_actions.machines import Measure
from seatrial.systems.github_actions.settings import GithubActionsSettings
from seatrial.systems.probes import look
from seatrial.systems.processes import Processes
from seatrial.systems.processes.settings import ProcessSettings

MEASURED, REPORTED, REMEMBERED, ABSENT = Source.MEASURED, Source.REPORTED, Source.REMEMBERED, Source.ABSENT


def prints(value: object) -> str:
    return "echo " + shlex.quote(json.dumps(value))


def sources(health: NodeHealth) -> dict[str, tuple[str, Source]]:
    parts = {name: (str(reading.value), reading.source) for name, reading in health.parts.items()}
    return {"power": (str(health.power.value), health.power.source), **parts}


# The system `command`


def deployer(folder: Path, **verbs: Any) -> Any:
    inventory = {"command": "echo 'n11 ansible_host=127.0.0.1'"}
    mapping = {"deploy": "true", "destroy": "true", "inventory": inventory, **verbs}
    return FakeContext(folder, Command(settings(CommandSettings, mapping), folder), Bare(folder / "nodes"))


async def powered(ctx: Any, state: PowerState = PowerState.RUNNING) -> Node:
    """The deployer's one node; the fake's link to it answers while it is on."""
    (node,) = await ctx.system.nodes(ctx)
    ctx.provider.powers_of[node.name] = state
    return node


@pytest.mark.parametrize(
    ("health", "state", "expected"),
    [
        # The link that we tried is measured, and shows that the node runs.
        ({"n11": {"db": "ok"}}, "running", {"power": ("running", MEASURED), "ssh": ("ok", MEASURED)}),
        ({"n11": {"db": "ok"}}, "stopped", {"power": ("unreachable", MEASURED), "ssh": ("not_ok", MEASURED)}),
        ({"n11": {"db": "no"}}, "stopped", {"power": ("unreachable", MEASURED), "db": ("not_ok", MEASURED)}),
        # The deployer's health is the measurement that the document asks for, and the link is tried all the same.
        ({"n11": {"ssh": "ok", "db": "ok"}}, "running", {"power": ("running", MEASURED), "ssh": ("ok", MEASURED)}),
        ({"n11": {"ssh": "ok", "db": "no"}}, "running", {"db": ("not_ok", MEASURED), "service": ("not_ok", MEASURED)}),
        # A contradiction leaves nothing known.
        ({"n11": {"ssh": "ok"}}, "stopped", {"ssh": ("unknown", ABSENT)}),
        ({"n11": {"ssh": "failed"}}, "running", {"ssh": ("unknown", ABSENT)}),
        # Asked in vain.
        ({"n11": {"db": None}}, "running", {"db": ("unknown", ABSENT), "service": ("unknown", ABSENT)}),
        ({"n11": {"db": "unknown"}}, "running", {"db": ("unknown", ABSENT)}),
        ({}, "running", {"service": ("unknown", ABSENT)}),
    ],
)
def test_a_link_and_a_deployers_health_are_measured(tmp_path, health, state, expected) -> None:
    async def scenario() -> None:
        ctx = deployer(tmp_path, health=prints(health))
        await ctx.system.deploy(ctx)
        node = await powered(ctx, PowerState(state))
        known = sources((await ctx.system.health(ctx, [node]))["n11"])
        assert {name: known[name] for name in expected} == expected

    asyncio.run(scenario())


def test_a_deployers_status_is_reported_for_the_whole_and_for_each_node(tmp_path) -> None:
    async def scenario() -> None:
        said = {"state": "running", "nodes": {"n11": "stopped"}}
        ctx = deployer(tmp_path, status=prints(said), status_json={"state": "state", "nodes": "nodes"})
        await ctx.system.deploy(ctx)
        ctx.provider.link(await powered(ctx)).refuse = LinkRefused("its key is not known")
        status = await ctx.system.status(ctx)
        # Its two words contradict each other: nothing passes by either.
        assert (status.state.value, status.state.source) == ("stopped", REPORTED)
        assert status.state.disputed == "the deployer reports running"
        assert status.state.by == status_parsing.STATUS
        assert (status.service.value, status.service.source) == (Health.OK, REPORTED)
        assert sources(status.nodes["n11"]) == {"power": ("stopped", REPORTED), "ssh": ("unknown", ABSENT)}

    asyncio.run(scenario())


def test_sums_are_over_all_nodes_also_when_only_one_is_asked_for(tmp_path) -> None:
    async def scenario() -> None:
        told = {"checks": {"ui": {"passed": 1, "failed": 0}, "db": {"passed": 2, "failed": 0}}}
        inventory = {"command": "printf 'n11 ansible_connection=local\\nn12 ansible_connection=local\\n'"}
        ctx = deployer(tmp_path, health=prints(told), inventory=inventory)
        await ctx.system.deploy(ctx)
        _, second = await ctx.system.nodes(ctx)
        known = sources((await ctx.system.health(ctx, [second]))["n12"])
        assert (known["ui"], known["db"]) == (("unknown", ABSENT), ("ok", MEASURED))

    asyncio.run(scenario())


def test_without_a_status_the_whole_is_concluded_from_its_nodes(tmp_path) -> None:
    async def scenario() -> None:
        ctx = deployer(tmp_path, health=prints({"n11": {"db": "ok"}}))
        await ctx.system.deploy(ctx)
        await powered(ctx)
        state = (await ctx.system.status(ctx)).state
        assert (state.value, state.source) == ("running", MEASURED)

    asyncio.run(scenario())


def test_a_node_that_the_inventory_lacks_is_reported_missing_and_its_power_is_absent(tmp_path) -> None:
    async def scenario() -> None:
        ctx = deployer(tmp_path, health=prints({"n11": {"db": "ok"}}))
        ctx.suite.parameters["cluster_size"] = 2
        await ctx.system.deploy(ctx)
        await powered(ctx)
        missing = (await ctx.system.status(ctx)).nodes["absent-1"]
        bad = ("not_ok", REPORTED)
        assert sources(missing) == {"power": ("unknown", ABSENT), "ssh": bad, "service": bad}
        assert missing.power.why

    asyncio.run(scenario())


def test_the_power_of_an_adopted_node_is_measured_by_its_provider(tmp_path) -> None:
    async def scenario() -> None:
        ctx = deployer(tmp_path, status=prints({"state": "running", "nodes": {"n11": "stopped"}}))
        await ctx.system.deploy(ctx)
        node = replace(await powered(ctx), adopted=True)
        known = (await ctx.system.health(ctx, [node]))["n11"]
        assert (known.power.value, known.power.source, known.power.by) == ("running", MEASURED, "the provider plain")
        await powered(ctx, PowerState.STOPPED)
        assert sources((await ctx.system.health(ctx, [node]))["n11"])["ssh"] == ("not_ok", MEASURED)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("state", "health", "expected"),
    [
        ("running", "ok", ("running", MEASURED)),
        ("running", "failed", ("critical", MEASURED)),
        ("stopped", "ok", ("", ABSENT)),
        ("critical", "failed", ("critical", MEASURED)),
        ("critical", "ok", ("", ABSENT)),
        ("upgrading", "ok", ("upgrading", REPORTED)),
        ("running", None, ("running", REPORTED)),
    ],
)
def test_the_word_of_a_deployer_is_confirmed_or_refuted_by_a_measurement(tmp_path, state, health, expected) -> None:
    async def scenario() -> None:
        inventory = {"command": "echo 'n11 ansible_connection=local'"}
        told, seen = prints({"state": state}), prints({"n11": {"db": health}})
        ctx = deployer(tmp_path, status=told, health=seen, inventory=inventory)
        await ctx.system.deploy(ctx)
        found = (await ctx.system.status(ctx)).state
        assert (found.value, found.source) == expected
        assert state in found.why
        assert found.disputed == ("the deployer reports running" if found.value == "critical" != state else "")

    asyncio.run(scenario())


def test_without_health_and_status_nothing_is_known_of_the_service_and_it_is_said(tmp_path) -> None:
    async def scenario() -> None:
        ctx = deployer(tmp_path)
        await ctx.system.deploy(ctx)
        await powered(ctx)
        status = await ctx.system.status(ctx)
        assert (status.state.value, status.service.value) == ("", Health.UNKNOWN)
        assert "neither `health` nor `status` is declared" in status.state.why
        assert status.nodes["n11"].power.value is PowerState.RUNNING

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("word", "power"),
    [("off", "stopped"), ("TERMINATED", "stopped"), ("Shut Off", "stopped"), ("poweredOn", "running"),
     ("suspended", "paused"), ("migrating", "unknown")],
)  # fmt: skip
def test_the_words_of_clouds_for_a_machine_are_known_and_others_are_named(word: str, power: str) -> None:
    reading = status_parsing.powers({"n11": {"state": word}}, StatusSettings(), {})["n11"]
    assert str(reading.value) == power
    assert power != "unknown" or f"{word!r}" in reading.why


# Before a deployment and after it


@pytest.mark.parametrize("kind", ["command", "processes"])
def test_before_and_after_a_deployment_a_provider_is_asked_for_its_nodes(tmp_path, make, kind) -> None:
    async def scenario() -> None:
        ctx = deployer(tmp_path) if kind == "command" else make({"service": {"command": "true"}, "health": {"tcp": 1}})
        for act, state in ((None, ""), (ctx.system.init, "initialized"), (ctx.system.destroy, "destroyed")):
            if act is not None:
                await act(ctx)
            status = await ctx.system.status(ctx)
            source = MEASURED if kind == "processes" and state else REMEMBERED
            assert (status.state.value, status.state.source) == (state, source)
            assert (status.service.value, status.service.source) == (Health.NOT_OK, source)
            assert status.state.why

    asyncio.run(scenario())


# The system `processes`


class Broken(Bare):
    """A provider that gives what a test wants of a node's power."""

    answer: PowerState | Exception = PowerState.RUNNING

    async def state(self, node: Node) -> PowerState:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (PowerState.STOPPED, {"power": ("stopped", MEASURED), "ssh": ("not_ok", MEASURED)}),
        (PowerState.PAUSED, {"power": ("paused", MEASURED), "service": ("not_ok", MEASURED)}),
        (
            PowerState.RUNNING,
            {"power": ("running", MEASURED), "ssh": ("ok", MEASURED), "service": ("not_ok", MEASURED)},
        ),
        (PowerState.UNKNOWN, {"power": ("unknown", ABSENT)}),
        (LinkDown("no answer"), {"power": ("unknown", ABSENT), "service": ("unknown", ABSENT)}),
    ],
)
def test_power_link_and_probe_are_measured_and_what_nobody_could_say_is_absent(tmp_path, answer, expected) -> None:
    async def scenario() -> None:
        provider = Broken(tmp_path / "nodes")
        mapping = {"service": {"command": "true"}, "health": {"command": ["false"]}}
        system = Processes(settings(ProcessSettings, mapping), tmp_path)
        ctx: Any = FakeContext(tmp_path / "suite", system, provider)
        node = await provider.create(NodeSpec(name="n11"), ctx)
        provider.answer = answer
        known = sources((await system.health(ctx, [node]))["n11"])
        assert {name: known[name] for name in expected} == expected

    asyncio.run(scenario())


def test_a_node_that_was_never_made_is_not_ok(tmp_path) -> None:
    async def scenario() -> None:
        class Full(Bare):
            async def create(self, spec: NodeSpec, ctx: Any) -> Node:
                raise LinkDown("no room")

        mapping = {"service": {"command": "true"}, "health": {"tcp": 1}, "nodes": 1}
        system = Processes(settings(ProcessSettings, mapping), tmp_path)
        ctx: Any = FakeContext(tmp_path / "suite", system, Full(tmp_path / "nodes"))
        with pytest.raises(LinkDown):
            await system.deploy(ctx)
        bad = ("not_ok", MEASURED)
        known = (await system.status(ctx)).nodes["n11"]
        assert sources(known) == {"power": ("unknown", ABSENT), "ssh": bad, "service": bad}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("refuse", "argv", "value", "source"),
    [
        (None, ["true"], Health.OK, MEASURED),
        (None, ["false"], Health.NOT_OK, MEASURED),
        (None, ["/no/such/program"], Health.UNKNOWN, ABSENT),
        (None, ["sh", "-c", "kill -9 $$"], Health.UNKNOWN, ABSENT),
        (None, ["sh", "-c", "kill -15 $$"], Health.UNKNOWN, ABSENT),
        (None, ["sh", "-c", "kill -11 $$"], Health.UNKNOWN, ABSENT),
        (None, ["sh", "-c", "exit 255"], Health.NOT_OK, MEASURED),
        (LinkRefused("the key was refused"), ["true"], Health.UNKNOWN, ABSENT),
    ],
)
def test_a_probe_measures_unless_it_could_not_look(tmp_path, refuse, argv, value, source) -> None:
    async def scenario() -> None:
        provider = Bare(tmp_path / "nodes")
        health = settings(ProcessSettings, {"service": {"command": "true"}, "health": {"command": argv}}).health
        ctx: Any = FakeContext(tmp_path / "suite", None, provider)
        node = await provider.create(NodeSpec(name="n11"), ctx)
        provider.link(node).refuse = refuse
        reading = await look(ctx, health, node, {})
        assert (reading.value, reading.source, reading.by) == (value, source, "the probe of n11")

    asyncio.run(scenario())


# The system `github-actions`


def measure(**more: Any) -> Measure:
    workflows: Mapping[str, Any] = {"deploy": {"workflow": "up.yml"}, "teardown": {"workflow": "down.yml"}}
    return Measure(settings(GithubActionsSettings, {**workflows, **more}), {})


def test_a_workflow_that_succeeded_is_a_report_and_a_probe_of_the_whole_a_measurement(tmp_path) -> None:
    async def scenario() -> None:
        ctx: Any = FakeContext(tmp_path / "suite", None, Bare(tmp_path / "nodes"))
        status = await measure().status(ctx, [])
        assert (status.state.value, status.state.source, status.service.source) == ("running", REPORTED, REPORTED)
        closed = await measure(health={"http": "http://127.0.0.1:1/"}).status(ctx, [])
        assert (closed.state.value, closed.state.source, closed.service.source) == ("critical", MEASURED, MEASURED)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("ssh", "state", "expected"),
    [
        # No link and no probe: it is taken for running, and nobody says so.
        ({}, "running", {"power": ("unknown", ABSENT), "service": ("unknown", ABSENT)}),
        ({"user": "root"}, "running", {"power": ("running", MEASURED), "ssh": ("ok", MEASURED)}),
        ({"user": "root"}, "stopped", {"power": ("unreachable", MEASURED), "service": ("not_ok", MEASURED)}),
    ],
)
def test_a_deployed_machine_is_known_by_its_link(tmp_path, ssh, state, expected) -> None:
    async def scenario() -> None:
        provider = Bare(tmp_path / "nodes")
        ctx: Any = FakeContext(tmp_path / "suite", None, provider)
        node = replace(await provider.create(NodeSpec(name="n11"), ctx), ssh=ssh)
        provider.powers_of["n11"] = PowerState(state)
        known = sources((await measure().health(ctx, [node]))["n11"])
        assert {name: known[name] for name in expected} == expected

    asyncio.run(scenario())


def test_a_recognised_machine_is_known_by_its_provider(tmp_path) -> None:
    async def scenario() -> None:
        provider = Broken(tmp_path / "nodes")
        ctx: Any = FakeContext(tmp_path / "suite", None, provider)
        node = replace(await provider.create(NodeSpec(name="n11"), ctx), adopted=True)
        for answer, expected in (
            (PowerState.STOPPED, ("stopped", MEASURED)),
            (PowerState.RUNNING, ("running", MEASURED)),
            (LinkDown("no answer"), ("unknown", ABSENT)),
        ):
            provider.answer = answer
            assert sources((await measure().health(ctx, [node]))["n11"])["power"] == expected

    asyncio.run(scenario())
