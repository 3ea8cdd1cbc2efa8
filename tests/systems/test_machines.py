"""Machines that another program made: probes with a rule, links alone, JSON as real tools print it, verbs."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.systems.fakes import Bare, FakeContext, settings

from seatrial.errors import CannotTell, LinkRefused, NeverTold, Overrun, ToolMissing
from seatrial.links import connection as connections
from seatrial.model.cluster import PowerState
from seatrial.model.reading import Health, Source
from seatrial.spi import Need, Powers
from seatrial.steps.wait_running import until_running
from seatrial.systems.command import Command
from seatrial.systems.command.settings import CommandSettings

HOSTS = "printf 'n11 ansible_host=127.0.0.1\\nn12 ansible_host=127.0.0.1\\nn13 ansible_host=127.0.0.1\\n'"


def context(folder: Path, older_form: bool = False, **keys: Any) -> Any:
    """A deployer with three nodes, whose links answer."""
    mapping = {"deploy": "true", "destroy": "true", "inventory": {"command": HOSTS}, **keys}
    made = settings(CommandSettings, mapping)
    ctx: Any = FakeContext(folder / "suite", Command(made, folder), Bare(folder / "nodes"))
    ctx.suite.system = SimpleNamespace(settings=made)
    ctx.suite.older_form = older_form
    ctx.provider.powers_of.update(dict.fromkeys(("n11", "n12", "n13"), PowerState.RUNNING))
    return ctx


def prints(*values: object) -> str:
    return "printf '%s\\n' " + shlex.join(json.dumps(value) for value in values)


async def deployed(ctx: Any) -> Any:
    await ctx.system.deploy(ctx)
    return await ctx.system.status(ctx)


# Probes of each node, and the rule


@pytest.mark.parametrize(
    ("up", "rule", "state"),
    [
        ("n11 n12 n13", "majority", "running"),
        ("n11 n12", "majority", "degraded"),
        ("n11", "majority", "critical"),
        ("n11", "any", "degraded"),
        ("n11 n12", "all", "critical"),
        ("n11 n12", "healthy >= 1 && total == 3", "degraded"),
        ("", "any", "critical"),
    ],
)
def test_a_probe_of_each_node_measures_the_service_and_the_rule_the_whole(tmp_path, up, rule, state) -> None:
    async def scenario() -> None:
        for name in up.split():
            (tmp_path / name).touch()
        probe = {"command": ["test", "-e", f"{tmp_path}/${{{{ node.name }}}}"]}
        status = await deployed(context(tmp_path, health=probe, rule=rule))
        assert (status.state.value, status.state.source) == (state, Source.MEASURED)
        assert [name for name, one in status.nodes.items() if one.parts["service"].ok] == up.split()

    asyncio.run(scenario())


def test_a_proof_refutes_a_node_that_calls_itself_healthy(tmp_path) -> None:
    async def scenario() -> None:
        ctx = context(tmp_path, health={"command": "true"}, proof={"command": "false"})
        assert (await deployed(ctx)).state.value == "critical"

    asyncio.run(scenario())


def test_a_proof_without_a_probe_is_refused() -> None:
    with pytest.raises(ValueError, match="it needs a probe under `health`"):
        CommandSettings(deploy="d", destroy="d", proof=settings(CommandSettings, _probed()).health)


def _probed() -> dict[str, Any]:
    return {"deploy": "d", "destroy": "d", "health": {"tcp": 1}}


def test_a_probe_that_cannot_look_is_unknown_and_a_status_that_contradicts_it_is_said(tmp_path) -> None:
    async def scenario() -> None:
        ctx = context(tmp_path, health={"command": "false"}, status=prints({"state": "running"}))
        status = await deployed(ctx)
        assert (status.state.value, status.state.disputed) == ("critical", "the deployer reports running")
        for name in ("n11", "n12", "n13"):
            ctx.provider.links[name].refuse = LinkRefused("its key is not known")
        assert (await ctx.system.status(ctx)).nodes["n11"].parts["service"].value is Health.UNKNOWN

    asyncio.run(scenario())


# Nothing measures the service


def test_with_deploy_destroy_and_an_inventory_a_deployment_is_done_when_every_link_answers(tmp_path) -> None:
    async def scenario() -> None:
        ctx = context(tmp_path)
        await ctx.system.deploy(ctx)
        status = await until_running(ctx, 5)
        assert (status.state.value, status.service.value) == ("", Health.UNKNOWN)
        assert any("neither `health` nor `status` is declared" in text for _, text in ctx.said)
        ctx.provider.powers_of["n12"] = PowerState.STOPPED
        with pytest.raises(Overrun, match="the link of n12 does not answer"):
            await until_running(ctx, 0.3)
        ctx.provider.link(SimpleNamespace(name="n12")).refuse = LinkRefused("its key is not known")
        with pytest.raises(CannotTell, match="the link of n12 could not be tried: its key is not known"):
            await until_running(ctx, 0.3)

    asyncio.run(scenario())


def test_without_any_way_in_a_wait_ends_at_once_and_says_why(tmp_path) -> None:
    async def scenario() -> None:
        ctx = context(tmp_path, inventory={"command": "echo 'n11 ansible_connection=local'"})
        await ctx.system.deploy(ctx)
        began = time.monotonic()
        with pytest.raises(NeverTold, match=r"no link can show whether n11 runs; write `health:` into") as caught:
            await until_running(ctx, 60)
        assert str(caught.value).startswith("neither `health` nor `status` is declared")
        assert time.monotonic() - began < 20

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("connection", "why"),
    [
        ("podmna", "n11 has the connection 'podmna'; did you mean 'podman'?"),
        ("winrm", "n11 cannot be reached by 'winrm'; allowed: ssh, local, docker, podman, kubectl"),
    ],
)
@pytest.mark.parametrize("health", [{}, {"health": {"command": ["true"]}}], ids=["nothing measured", "a probe"])
def test_a_way_in_that_does_not_exist_ends_a_wait_at_once(tmp_path, connection, why, health) -> None:
    async def scenario() -> None:
        ctx = context(tmp_path, inventory={"command": f"echo 'n11 ansible_connection={connection}'"}, **health)
        ctx.link = lambda node: connections.link(node, ctx) or ctx.provider.link(node)
        await ctx.system.deploy(ctx)
        with pytest.raises(NeverTold, match=re.escape(why)):
            await until_running(ctx, 60)

    asyncio.run(scenario())


def test_a_cluster_of_silent_machines_is_not_called_critical_where_nothing_measures_the_service(tmp_path) -> None:
    async def scenario() -> None:
        ctx = context(tmp_path)
        ctx.provider.powers_of.update(dict.fromkeys(("n11", "n12", "n13"), PowerState.STOPPED))
        status = await deployed(ctx)
        assert (status.state.value, status.service.value) == ("", Health.UNKNOWN)
        assert status.nodes["n11"].power.value is PowerState.UNREACHABLE

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("keys", "gaps"),
    [
        ({}, {Need.NODES, Need.INSIDE, Need.STATE, Need.SERVICE, Need.RECORDS, Need.ADMIN}),
        ({"inventory": {"file": "x"}}, {Need.SERVICE, Need.RECORDS, Need.ADMIN}),
        ({"inventory": {"file": "x"}, "health": {"tcp": 1}, "admin": "http://x"}, {Need.RECORDS}),
        ({"status": "s"}, {Need.NODES, Need.INSIDE, Need.RECORDS, Need.ADMIN}),
    ],
)
def test_what_the_settings_leave_open_is_known_before_the_run(keys, gaps) -> None:
    made = settings(CommandSettings, {"deploy": "d", "destroy": "d", **keys})
    assert set(Command.gaps(made)) == gaps


# JSON as real tools print it


STATES = (("n11", "on"), ("n12", "on"), ("n13", "exited"))


@pytest.mark.parametrize(
    ("status", "where"),
    [
        (prints({"nodes": dict(STATES)}), {}),
        (prints([{"name": name, "state": state} for name, state in STATES]), {}),
        (
            prints(*({"Service": name, "State": state} for name, state in STATES)),
            {"name": "Service", "node_state": "State"},
        ),
        (
            prints({"items": [{"metadata": {"name": name}, "status": {"phase": state}} for name, state in STATES]}),
            {"nodes": "items", "name": "metadata.name", "node_state": "status.phase"},
        ),
    ],
    ids=["a mapping", "a list", "JSON lines", "names by path"],
)
def test_the_states_of_nodes_are_read_from_the_shapes_of_real_tools(tmp_path, status, where) -> None:
    async def scenario() -> None:
        probe = {"command": ["test", "${{ node.name }}", "!=", "n13"]}
        ctx = context(tmp_path, status=status, status_json=where, states={"exited": "stopped"}, health=probe)
        ctx.provider.powers_of["n13"] = PowerState.STOPPED
        found = await deployed(ctx)
        assert found.state.value == "degraded"
        powers = {name: str(one.power.value) for name, one in found.nodes.items()}
        assert powers == {"n11": "running", "n12": "running", "n13": "stopped"}

    asyncio.run(scenario())


def test_a_status_of_nodes_alone_leaves_the_whole_unknown_without_health(tmp_path) -> None:
    async def scenario() -> None:
        status = await deployed(context(tmp_path, status=prints([{"name": "n11", "state": "running"}])))
        assert (status.state.value, status.service.value) == ("", Health.UNKNOWN)
        assert "`status` has no state of the whole" in status.state.why

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("health", "where"),
    [
        (prints(*({"Service": name, "Image": "redis:7", "Health": word}
                  for name, word in (("n11", "healthy"), ("n12", "ONLINE"), ("n13", "Starting")))),
         {"name": "Service", "parts": {"service": "Health"}}),
        (prints({"members": [{"id": name, "checks": [{"is": word}]}
                             for name, word in (("n11", "ok"), ("n12", "Ready"), ("n13", "no"))]}),
         {"nodes": "members", "name": "id", "parts": {"service": "checks.0.is"}}),
    ],
    ids=["JSON lines", "a list by path"],
)  # fmt: skip
def test_the_parts_of_nodes_are_read_from_the_shapes_of_real_tools(tmp_path, health, where) -> None:
    async def scenario() -> None:
        found = (await deployed(context(tmp_path, health=health, health_json=where))).nodes
        assert [name for name, one in found.items() if one.parts["service"].ok] == ["n11", "n12"]
        assert found["n13"].parts["service"].value is Health.NOT_OK
        assert set(found["n13"].parts) == {"ssh", "service"}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("echo '[1, 2]'", "printed a list with int; allowed: an object, a list of objects, or lines"),
        ("echo 7", "printed int; allowed"),
        ("printf '{}\\nhello\\n'", "did not print JSON"),
        ("true", "did not print JSON"),
    ],
)
def test_other_shapes_are_unknown_and_the_allowed_ones_are_named(tmp_path, printed, said) -> None:
    async def scenario() -> None:
        with pytest.raises(CannotTell, match=said):
            await deployed(context(tmp_path, status=printed))

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [prints([{"name": "n11", "state": "running"}]), prints({"nodes": {"n11": "up"}})])
def test_a_node_that_the_status_still_lists_as_running_is_left_behind(tmp_path, status) -> None:
    async def scenario() -> None:
        ctx = context(tmp_path, status=status, health={"command": "true"})
        await ctx.system.deploy(ctx)
        record = ctx.resources[("deployment", ctx.deployment_id)]
        with pytest.raises(Exception, match="its status says that n11 is running"):
            await object.__new__(Command).give_back(record)

    asyncio.run(scenario())


# Verbs


@pytest.mark.parametrize("form", ["text", "list", "mapping"])
def test_a_verb_runs_in_the_documents_folder_in_every_form(tmp_path, form) -> None:
    async def scenario() -> None:
        deploy = {"text": "pwd > where", "list": ["sh", "-c", "pwd > where"], "mapping": {"run": "pwd > where"}}[form]
        await deployed(context(tmp_path, deploy=deploy, health={"command": "true"}))
        assert (tmp_path / "where").read_text().strip() == str(tmp_path)
        ctx = context(tmp_path / "older", older_form=True, deploy=deploy, health={"command": "true"})
        await deployed(ctx)
        assert (ctx.deploy_dir / "where").read_text().strip() == str(ctx.deploy_dir)

    asyncio.run(scenario())


def test_a_verb_has_its_own_folder_environment_deadline_and_exit_codes(tmp_path) -> None:
    async def scenario() -> None:
        (tmp_path / "here").mkdir()
        deploy = {"run": 'echo "$A $B $PWD" > told; exit 3', "cwd": "here", "env": {"B": "own"}, "exit_codes": [3]}
        slow = {"run": "sleep 30", "timeout": "200ms"}
        ctx = context(tmp_path, deploy=deploy, stop=slow, env={"A": "all", "B": "all"}, health={"command": "true"})
        await ctx.system.deploy(ctx)
        assert (tmp_path / "here" / "told").read_text() == f"all own {tmp_path}/here\n"
        assert ctx.system.deadlines == {"stop": 0.2}
        assert ctx.system.default_deadlines == {"deploy": 3600, "destroy": 1200}
        with pytest.raises(Overrun, match=r"stop: .* did not end within 0.2 s"):
            await ctx.system.power_all(ctx, Powers.STOP)

    asyncio.run(scenario())


def test_the_pause_between_looks_is_that_of_the_verb_that_looks(tmp_path) -> None:
    status = {"run": prints({"state": "running"}), "poll": "4s"}
    assert context(tmp_path, status=status).system.pace == (4.0, 40.0)
    assert context(tmp_path / "other").system.pace == (1.0, 10.0)


def test_parameters_are_flags_only_where_the_settings_or_the_older_form_say_so(tmp_path) -> None:
    async def scenario() -> None:
        for form, more, wanted in (
            (False, {}, ""),
            (True, {}, "--zones a"),
            (False, {"parameters_as_flags": ["deploy"]}, "--zones a"),
            (False, {"deploy": "echo ${{ parameters.zones }} > said"}, "a"),
        ):
            keys = {"deploy": ["sh", "-c", 'echo "$@" > said', "sh"], "cwd": "$deployment_dir", **more}
            ctx = context(tmp_path / str(len(list(tmp_path.iterdir()))), older_form=form, **keys)
            ctx.suite.parameters["zones"] = "a"
            await ctx.system.deploy(ctx)
            assert (ctx.deploy_dir / "said").read_text().strip() == wanted

    asyncio.run(scenario())


def test_a_program_that_is_not_found_is_looked_for_in_a_folder_that_is_named(tmp_path) -> None:
    async def scenario() -> None:
        for deploy in ("./up.sh", ["./up.sh"], "./up.sh && true", {"run": "./up.sh", "cwd": "."}):
            folder = tmp_path / f"{time.monotonic_ns()}"
            ctx = context(folder, deploy=deploy)
            with pytest.raises(ToolMissing, match=f"in the folder {folder}"):
                await ctx.system.deploy(ctx)

    asyncio.run(scenario())


def test_every_verb_has_the_leased_ports_and_the_ledger_too(tmp_path) -> None:
    async def scenario() -> None:
        ctx = context(tmp_path, ports=["r1", "s-1"], deploy="echo $SEATRIAL_PORT_R1 $SEATRIAL_PORT_S_1 > ports")
        ports = iter((20001, 20002))

        async def lease() -> int:
            return next(ports)

        ctx.lease_port = lease
        await ctx.system.init(ctx)
        await ctx.system.deploy(ctx)
        assert (tmp_path / "ports").read_text() == "20001 20002\n"
        record: Any = ctx.resources[("deployment", ctx.deployment_id)].detail
        assert record["env"]["SEATRIAL_PORT_S_1"] == "20002"

    asyncio.run(scenario())
