"""The system `command`: any deployer's command line, a command per verb; nodes from its inventory, JSON from its status
and health."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from seatrial.errors import CannotTell, NotSupported, SeatrialError
from seatrial.expressions import late
from seatrial.links import inventory
from seatrial.links.output import beginning, end
from seatrial.links.process import process_start
from seatrial.links.process.spawned import record, warn_of_secrets
from seatrial.model.cluster import OFF, ClusterStatus, NodeHealth, PowerState, all_off, cluster_status, service_of
from seatrial.model.reading import Health, Reading, Source, absent, concluded, reported
from seatrial.model.resource import Node, Resource
from seatrial.model.values import Argv, argv_of
from seatrial.registry import system
from seatrial.spi import AdoptsNodes, Context, Finished, Powers, link_of, power_reading
from seatrial.spi.concurrency import map_concurrently
from seatrial.systems.command import status_parsing, verbs
from seatrial.systems.command.settings import CommandSettings
from seatrial.systems.records import Declared
from seatrial.systems.settings import Roots, fill, node_root
from seatrial.systems.states import not_deployed

LOOK_SECONDS = 30.0
"""Default time limit of `status`, `health` and the inventory's command, in seconds."""

KIND = "deployment"

_DEADLINE = {"init": "deploy", "deploy": "deploy", "start": "start", "stop": "stop", "destroy": "destroy",
             "start_node": "start", "stop_node": "stop", "crash_node": "stop", "restart_node": "restart"}  # fmt: skip
_NODE_VERB = {Powers.STOP: "stop_node", Powers.START: "start_node", Powers.CRASH: "crash_node",
              Powers.GRACEFUL_RESTART: "restart_node"}  # fmt: skip


@system("command")
class Command(Declared):
    """A deployer driven by its own command line."""

    Settings: ClassVar[type[Any]] = CommandSettings
    places_nodes: ClassVar[bool] = False
    adopts_nodes: ClassVar[bool] = True
    """The provider recognises machines of the inventory as its own and offers its powers for them."""
    template_names: ClassVar[tuple[str, ...]] = ("node", "record")
    """First words of templates filled in by this system itself."""

    def __init__(self, settings: CommandSettings, folder: Path) -> None:
        super().__init__(settings.data, settings.admin, _roots)
        self._settings = settings
        self._folder = folder
        self._nodes: Sequence[Node] = ()
        self._calls = 0
        self.deadlines = {_DEADLINE[verb]: seconds for verb, seconds in settings.timeouts.items() if verb in _DEADLINE}

    @classmethod
    def powers(cls, settings: CommandSettings) -> frozenset[Powers]:
        whole = {Powers.STOP: settings.stop, Powers.START: settings.start}
        return frozenset(power for power, verb in _NODE_VERB.items() if getattr(settings, verb) or whole.get(power))

    @classmethod
    def node_names(cls, settings: CommandSettings, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """The names in the settings; empty: known only from the inventory, after deploy."""
        return settings.nodes

    async def init(self, ctx: Context) -> None:
        if self._settings.init:
            await self._run(ctx, "init")
        self._stage = "initialized"

    async def deploy(self, ctx: Context) -> None:
        """Run `deploy`; the deployment is in the ledger from before it until `destroy`."""
        destroy, hidden = self._call(ctx, "destroy", later=True), _secrets(ctx)
        ours = {name: value for name, value in ctx.environment().items() if name.startswith(("E2E_", "SEATRIAL_"))}
        detail: dict[str, object] = {
            "argv": list(destroy.argv),
            "cwd": destroy.cwd,
            "env": {**{name: late.quote(value, hidden) for name, value in ours.items()}, **destroy.env},
            "timeout": destroy.timeout,
            "accept": list(destroy.accept),
            "log": str(ctx.folder / "destroy.log"),
        }
        self._stage = "deployed"
        await ctx.make(
            KIND,
            ctx.deployment_id,
            lambda: self._run(ctx, "deploy"),
            owner="system:command",
            detail=detail,
            outlives_host=True,
        )

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        """The nodes of the inventory, read again after each verb, as the provider's own where it knows them; CannotTell
        when the inventory is empty or cannot be read."""
        if self._stage != "deployed" or self._settings.inventory is None:
            return ()
        if not self._nodes:
            found, provider = await self._inventory(ctx), ctx.provider
            self._nodes = await provider.adopt(found) if isinstance(provider, AdoptsNodes) else found
        return self._nodes

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        """The health of these nodes: the deployer's `health`, and their links, tried by Seatrial."""
        return await self._measured(ctx, nodes, await self._json(ctx, "status") if self._settings.status else {})

    async def status(self, ctx: Context) -> ClusterStatus:
        """The deployer's state in Seatrial's words; derived from the nodes if it has no `status`."""
        if self._stage != "deployed":
            return not_deployed(self._stage)
        nodes, settings = await self.nodes(ctx), self._settings
        told_status = await self._json(ctx, "status") if settings.status else {}
        health = {**await self._measured(ctx, nodes, told_status), **self._absent(ctx, nodes)}
        if not settings.status:
            return cluster_status(health)
        said_state = status_parsing.at(told_status, settings.status_json.state, "status")
        state = status_parsing.word(said_state, settings.states)
        service = service_of(health) if settings.health else status_parsing.service_by_state(state)
        said = reported(state, f"the deployer reports {state}", by=status_parsing.STATUS)
        return ClusterStatus(state=said, nodes=health, service=service)

    async def power(self, ctx: Context, node: Node, what: Powers) -> bool:
        """Run the deployer's own verb for one node; False if it has none."""
        return await self._run_if_any(ctx, _NODE_VERB.get(what), node)

    async def power_all(self, ctx: Context, what: Powers) -> bool:
        """Stop or start the whole by the deployer's own verb; False if it has none."""
        return await self._run_if_any(ctx, {Powers.STOP: "stop", Powers.START: "start"}.get(what))

    async def _run_if_any(self, ctx: Context, verb: str | None, node: Node | None = None) -> bool:
        if not verb or not getattr(self._settings, verb):
            return False
        await self._run(ctx, verb, node)
        return True

    async def destroy(self, ctx: Context) -> None:
        """Run `destroy` and release the deployment in the ledger."""
        log = ctx.folder / "destroy.log"
        try:
            if self._stage == "deployed":
                await ctx.give_back(KIND, ctx.deployment_id)
            else:
                await self._run(ctx, "destroy")
        finally:
            if log.is_file():
                ctx.output("destroy", log.read_text(encoding="utf-8", errors="replace"))
        self._nodes = ()
        self._stage = "destroyed"

    async def give_back(self, resource: Resource) -> None:
        """Run the deployment's `destroy` from the ledger's record alone; StepFailed when it fails."""
        detail: Mapping[str, Any] = resource.detail
        environment = dict(os.environ)
        call = verbs.Call(
            verb="destroy",
            argv=tuple(late.fill(detail["argv"], environment)),
            cwd=detail["cwd"],
            env={**environment, **late.fill(detail["env"], environment)},
            timeout=float(detail["timeout"]),
            accept=tuple(detail["accept"]),
        )
        log = Path(detail["log"])
        try:
            said = await verbs.run(call)
        except SeatrialError as error:
            _keep(log, error.evidence)
            raise
        _keep(log, said.stdout + said.stderr)

    # The deployer's command line

    def _call(self, ctx: Context, verb: str, node: Node | None = None, *, later: bool = False) -> verbs.Call:
        """A verb, ready to run; `later`: for the ledger, with secrets as templates and only its own environment."""
        settings = self._settings
        command: Argv = getattr(settings, verb)
        if not command:
            raise NotSupported(f"the deployer has no command for {verb!r}; add one to the system's settings")
        roots = _roots(node) if node else {}
        program, *words = argv_of(command)
        named = fill(ctx, program, roots)
        beside = self._program(named)
        flagged = settings.parameters_as_flags
        with_flags = verb in (flagged if flagged is not None else ("init",) if settings.init else ("deploy",))
        flags = verbs.flags_of(ctx.suite.parameters) if with_flags else []
        if later:
            names, hidden = {**ctx.names(), **roots}, _secrets(ctx)
            first = late.keep(program, names, hidden) if beside == named else late.quote(beside, hidden)
            rest = [*late.keep(words, names, hidden), *(late.quote(flag, hidden) for flag in flags)]
            argv = tuple(str(word) for word in (first, *rest))
            env = {name: str(value) for name, value in late.keep(dict(settings.env), names, hidden).items()}
        else:
            argv, env = (beside, *fill(ctx, words, roots), *flags), fill(ctx, dict(settings.env), roots)
        return verbs.Call(
            verb=verb,
            argv=argv,
            cwd=self._cwd(ctx),
            env=env if later else {**ctx.environment(), **env},
            timeout=self._timeout(ctx, verb),
            accept=settings.exit_codes.get(verb, (0,)),
        )

    def _program(self, program: str) -> str:
        """Look for a program with a path beside the document first."""
        beside = self._folder / program
        return str(beside) if "/" in program and beside.is_file() else program

    def _cwd(self, ctx: Context) -> str:
        if not self._settings.cwd:
            return str(ctx.deploy_dir)
        return str((self._folder / fill(ctx, self._settings.cwd, {})).resolve())

    def _timeout(self, ctx: Context, verb: str) -> float:
        if verb in self._settings.timeouts:
            return self._settings.timeouts[verb]
        return ctx.deadline(_DEADLINE[verb]) if verb in _DEADLINE else LOOK_SECONDS

    async def _run(self, ctx: Context, verb: str, node: Node | None = None) -> Finished:
        """Run a verb; its process is in the ledger while it runs. Processes it leaves running are the product."""
        self._nodes = ()
        return await self._called(ctx, self._call(ctx, verb, node))

    async def _called(self, ctx: Context, call: verbs.Call) -> Finished:
        warn_of_secrets(ctx, call.argv)
        self._calls += 1
        name = f"{ctx.trial_id}-{call.verb}-{self._calls}"
        call = replace(call, env={**call.env, "SEATRIAL_PYTHON": sys.executable})

        async def known(pid: int) -> None:
            await record(ctx, name, pid, process_start(pid, zombie=True))

        try:
            said = await verbs.run(call, known)
        except SeatrialError as error:
            ctx.output(call.verb, error.evidence)
            raise
        finally:
            await ctx.give_back("process", name)
        ctx.output(call.verb, said.stdout + said.stderr)
        return said

    async def _json(self, ctx: Context, verb: str) -> Mapping[str, Any]:
        said = await self._called(ctx, self._call(ctx, verb))
        try:
            found = json.loads(said.stdout)
        except ValueError as error:
            raise CannotTell(f"{verb} did not print JSON: {error}", evidence=end(said.stdout, verbs.TAIL)) from None
        if not isinstance(found, dict):
            raise CannotTell(
                f"{verb} printed {type(found).__name__}, not an object", evidence=beginning(said.stdout, 500)
            )
        return found

    # Nodes and their state

    async def _inventory(self, ctx: Context) -> Sequence[Node]:
        settings = self._settings.inventory
        assert settings is not None
        cwd = Path(self._cwd(ctx))
        if settings.command:
            argv = tuple(fill(ctx, one, {}) for one in argv_of(settings.command))
            env, program = {**ctx.environment(), **fill(ctx, dict(self._settings.env), {})}, self._program(argv[0])
            call = verbs.Call(verb="inventory", argv=(program, *argv[1:]), cwd=str(cwd), env=env, timeout=LOOK_SECONDS)
            text, source, folder = (await self._called(ctx, call)).stdout, " ".join(argv), cwd
        else:
            path = cwd / fill(ctx, settings.file, {})
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise CannotTell(f"the inventory cannot be read: {error}") from error
            source, folder = str(path), path.parent
        return inventory.read(text, source, folder, settings.format)

    def _absent(self, ctx: Context, nodes: Sequence[Node]) -> dict[str, NodeHealth]:
        """The requested nodes missing from the inventory."""
        there = {node.name for node in nodes}
        names = [name for name in self._settings.nodes if name not in there]
        size = str(ctx.suite.parameters.get("cluster_size", ""))
        if self._settings.inventory is not None and not self._settings.nodes and size.isdigit():
            names = [f"absent-{number}" for number in range(1, int(size) - len(there) + 1)]
        why = "it was requested, but is not in the inventory"
        missing = reported(Health.NOT_OK, why, by="the deployer's inventory")
        parts, power = {"ssh": missing, "service": missing}, absent(PowerState.UNKNOWN, why)
        return {name: NodeHealth(power=power, parts=parts) for name in names}

    async def _measured(self, ctx: Context, nodes: Sequence[Node], status: Mapping[str, Any]) -> dict[str, NodeHealth]:
        settings, where = self._settings, self._settings.status_json
        health = await self._json(ctx, "health") if settings.health else None
        told_nodes = status_parsing.at(status, where.nodes, "status", absent={})
        powers = status_parsing.powers(told_nodes, where.node_state, settings.states)

        async def one(node: Node) -> NodeHealth:
            parts = {}
            if health is not None:
                parts = status_parsing.parts(health.get(node.name), node.name, settings.service_part, settings.states)
            return await self._health_of(ctx, node, parts, powers.get(node.name, ""))

        found = await map_concurrently(one, nodes)
        return {node.name: measured for node, measured in zip(nodes, found, strict=True)}

    async def _health_of(self, ctx: Context, node: Node, parts: dict[str, Reading[Health]], said: str) -> NodeHealth:
        if node.adopted:
            power = await power_reading(ctx.provider, node, ctx.suite.provider)
        elif said in tuple(PowerState):
            power = reported(PowerState(said), by=status_parsing.STATUS)
        else:
            power = absent(PowerState.RUNNING, "no source reports its power state", by=status_parsing.STATUS)
        if power.value in OFF:
            by = power.by if node.adopted else "the deployer"
            return all_off(power, f"{by} reports that it is {power.value}")
        if "ssh" not in parts and node.ssh:
            link = parts["ssh"] = await link_of(ctx, node)
            if link.value is Health.NOT_OK and (node.adopted or not said):
                power = concluded(PowerState.UNREACHABLE, "", [link])
            elif link.ok and power.source is Source.ABSENT:
                power = concluded(PowerState.RUNNING, "", [link])
        return NodeHealth(power=power, parts=parts)


def _secrets(ctx: Context) -> Mapping[str, str]:
    secrets = ctx.names().get("secrets")
    return secrets if isinstance(secrets, Mapping) else {}


def _roots(node: Node) -> Roots:
    return {"node": node_root(node)}


def _keep(log: Path, text: str) -> None:
    if text and log.parent.is_dir():
        log.write_text(text, encoding="utf-8", errors="backslashreplace")
