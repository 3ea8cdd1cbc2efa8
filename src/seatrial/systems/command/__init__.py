"""The system `command`: any deployer's command line, a command per verb; nodes from its inventory, JSON from its status
and health."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

from seatrial.errors import CannotTell, NeverTold, SeatrialError, nearest
from seatrial.links import inventory
from seatrial.model.cluster import STATES, ClusterStatus, NodeHealth, PowerState
from seatrial.model.frozen import frozen
from seatrial.model.reading import Health, Reading, Source, absent, reported
from seatrial.model.resource import Node, Resource
from seatrial.model.scenario import Suite
from seatrial.model.values import argv_of
from seatrial.registry import system
from seatrial.spi import Context, Gap, Need, Powers, Recognised
from seatrial.systems.command import health_parsing, programs, status_parsing, verbs
from seatrial.systems.command.calls import DEADLINES, Calls
from seatrial.systems.command.removal import remove
from seatrial.systems.command.settings import VERBS, CommandSettings, InventorySettings
from seatrial.systems.machines import DEPLOYMENT, IN_GUEST, NODE_VERBS, UNDECLARED, GivenMachines, Told, unmeasured
from seatrial.systems.settings import fill
from seatrial.systems.shared_look import SharedLook
from seatrial.systems.states import not_deployed, without_deployment

INVENTORY = "write `inventory: {file: FILE}`, or `{command: […]}`, into `system:`"

SETTLED = 15.0
"""Seconds after the last verb in which the file of the inventory may still come."""

UNNAMED = "`status` has no state of the whole, and `health` is not declared in the system's settings"


@system("command")
class Command(GivenMachines):
    """A deployer driven by its own command line."""

    Settings: ClassVar[type[Any]] = CommandSettings

    def __init__(self, settings: CommandSettings, folder: Path) -> None:
        super().__init__(settings, settings.probe)
        self._settings = settings
        self._calls = Calls(settings, folder)
        self._look = SharedLook(self._ask)
        self._unlisted = ("", 0.0)  # why the inventory could not be read, and since when
        self._creates = settings.creates_machines
        declared = {name: verb for name in VERBS if (verb := settings.verb(name))}
        first = max((verb.poll for name, verb in declared.items() if verb.poll), default=settings.poll)
        self.pace = (float(first), 10 * float(first))
        self.deadlines = {
            DEADLINES[name]: verb.timeout
            for name, verb in declared.items()
            if name in DEADLINES and verb.timeout is not None
        }

    @classmethod
    def powers(cls, settings: CommandSettings) -> frozenset[Powers]:
        whole = {Powers.STOP: settings.stop, Powers.START: settings.start}
        own = {power for power, verb in NODE_VERBS.items() if getattr(settings, verb) or whole.get(power)}
        return frozenset(own | IN_GUEST if settings.inventory else own)

    @classmethod
    def recognise(cls, folder: Path, way: str) -> Recognised | None:
        """A command line with verbs, scripts or a Makefile that deploy."""
        from seatrial.systems.command.recognition import recognise

        return recognise(folder, way)

    @classmethod
    def part_names(cls, settings: CommandSettings) -> tuple[str, ...] | None:
        """Without the deployer's own `health`, only the links in its inventory, and the service by its probe."""
        if settings.verb("health"):
            return None
        return (("ssh", "service") if settings.probe else ("ssh",)) if settings.inventory else ()

    @classmethod
    def measures_service(cls, settings: CommandSettings) -> bool:
        """By `health`, or by the word of `status`."""
        return bool(settings.health or settings.status)

    @classmethod
    def gaps(cls, settings: CommandSettings) -> Mapping[Need, Gap]:
        """Without an inventory also the nodes, and without `status` beside it the state."""
        gaps = dict(super().gaps(settings))
        if settings.inventory is None:
            no_nodes = Gap("nothing names the nodes: `inventory` is not declared in the system's settings", INVENTORY)
            gaps |= {Need.NODES: no_nodes, Need.INSIDE: no_nodes}
            if not settings.status:
                why = "neither `inventory` nor `status` is declared in the system's settings"
                gaps[Need.STATE] = Gap(why, f"{INVENTORY}, or a command that prints JSON under `status:`")
        return gaps

    @classmethod
    def check_suite(cls, suite: Suite, environment: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str, str]]:
        """Refuse names of nodes that no inventory can have."""
        settings: CommandSettings = suite.system.settings
        if settings.nodes and settings.inventory is None:
            yield ("nodes",), "these names are of no use: `inventory` is not declared", INVENTORY

    @classmethod
    def parameter_names(cls, suite: Suite) -> Collection[str] | None:
        """Any, where they are flags."""
        settings: CommandSettings = suite.system.settings
        if suite.older_form or settings.parameters_as_flags:
            return None
        return super().parameter_names(suite)

    @classmethod
    def warnings(cls, suite: Suite) -> Iterator[tuple[tuple[str, ...], str]]:
        """Programs that cannot begin as things are."""
        if not suite.older_form:  # its verbs run in a folder of the deployment, which begins empty
            for verb, why in programs.warnings(suite.system.settings, suite.system.folder, os.environ):
                yield ("system", verb), why

    @classmethod
    def state_names(cls, settings: CommandSettings) -> tuple[str, ...] | None:
        """Without the deployer's `status`, only Seatrial's own."""
        return None if settings.status else ()

    async def init(self, ctx: Context) -> None:
        await self._calls.lease_ports(ctx)
        if self._settings.init:
            await self._run(ctx, "init")
        self._stage = "initialized"

    async def deploy(self, ctx: Context) -> None:
        """Run `deploy`; the deployment is in the ledger from before it until `destroy`."""
        await self._calls.lease_ports(ctx)
        settings = self._settings
        shapes = {"status_json": asdict(settings.status_json), "health_json": asdict(settings.health_json)}
        detail: dict[str, object] = {
            **self._calls.record(ctx, "destroy"),
            "log": str(ctx.folder / "destroy.log"),
            "confirm": {
                "calls": {verb: self._calls.record(ctx, verb) for verb in verbs.MEASURING if settings.verb(verb)},
                "states": dict(settings.states),
                **shapes,
            },
        }
        verbs.require_program(self._calls.call(ctx, "deploy"))  # what cannot begin leaves no deployment
        await self._look_before(ctx)
        self._stage = "deployed"
        await ctx.make(
            DEPLOYMENT,
            ctx.deployment_id,
            lambda: self._run(ctx, "deploy"),
            owner="system:command",
            detail=detail,
            outlives_host=True,
        )

    async def _look_before(self, ctx: Context) -> None:
        """Machines in the file of the inventory that answer before `deploy` are not of its making."""
        if not self._creates or self._settings.inventory is None or self._settings.inventory.command:
            return
        with suppress(CannotTell):  # there is no inventory yet
            self.distrust(ctx, await self.look_before(await self.list_nodes(ctx)))

    async def remove_leftovers(self, ctx: Context) -> None:
        """Run `destroy`."""
        await self._run(ctx, "destroy")

    def remember(self) -> Mapping[str, Any]:
        """The leased ports too: every verb has them."""
        return {**super().remember(), "ports": dict(self._calls.ports)}

    async def resume(self, ctx: Context, memory: Mapping[str, Any]) -> None:
        await super().resume(ctx, memory)
        self._calls.ports.update(memory["ports"])

    async def give_back(self, resource: Resource) -> None:
        """Run the deployment's `destroy` from the ledger's record alone; StepFailed when it fails, or when the
        deployer's `status` or `health` reports it afterwards."""
        await remove(resource)

    async def _run(self, ctx: Context, verb: str, node: Node | None = None) -> None:
        self.forget_nodes()
        await self._calls.run(ctx, self._calls.call(ctx, verb, node))
        self._unlisted = ("", 0.0)

    # Powers

    async def power(self, ctx: Context, node: Node, what: Powers) -> bool:
        """Run the deployer's own verb for one node, or act from inside it; False for another power."""
        if what in IN_GUEST:
            return await super().power(ctx, node, what)
        return await self._run_if_any(ctx, NODE_VERBS.get(what), node)

    async def power_all(self, ctx: Context, what: Powers) -> bool:
        """Stop or start the whole by the deployer's own verb; False if it has none."""
        return await self._run_if_any(ctx, {Powers.STOP: "stop", Powers.START: "start"}.get(what))

    async def _run_if_any(self, ctx: Context, verb: str | None, node: Node | None = None) -> bool:
        if not verb or not getattr(self._settings, verb):
            return False
        await self._run(ctx, verb, node)
        return True

    # Nodes and their state

    async def list_nodes(self, ctx: Context) -> Sequence[Node]:
        """The nodes of the inventory; none without one. CannotTell has the place of `inventory`; NeverTold when a file
        has been missing or unreadable for SETTLED seconds since the last verb."""
        settings, clock = self._settings.inventory, asyncio.get_running_loop().time
        if settings is None:
            return ()
        try:
            nodes = await self._listed(ctx, settings)
        except CannotTell as error:
            trouble, since = self._unlisted
            if trouble != str(error):
                trouble, since = self._unlisted = str(error), clock()
            error.args = (f"{trouble} (`inventory` at {ctx.place_in_system('inventory')})",)
            if settings.command or clock() - since < SETTLED:
                raise
            text = f"{error}; it has been so for {SETTLED:g} s: let `deploy` end only after the file is written"
            raise NeverTold(text, evidence=error.evidence) from error
        self._unlisted = ("", 0.0)
        return nodes

    async def _listed(self, ctx: Context, settings: InventorySettings) -> Sequence[Node]:
        cwd = Path(self._calls.cwd(ctx))
        if settings.command:
            argv = tuple(fill(ctx, one, {}) for one in argv_of(settings.command))
            said = await self._calls.ask(ctx, self._calls.inventory(ctx, argv))
            if said.dropped:
                raise CannotTell(f"the inventory is too long: {said.dropped} bytes of it were not kept")
            written = settings.command if isinstance(settings.command, str) else " ".join(argv)
            text, source, folder = said.stdout, f"the output of `{written}`", cwd
        else:
            path = cwd / fill(ctx, settings.file, {})
            try:
                text = path.read_text(encoding="utf-8")
            except FileNotFoundError:
                raise CannotTell(f"the inventory {path} does not exist; {_beside(path)}") from None
            except (OSError, UnicodeDecodeError) as error:
                raise CannotTell(f"the inventory cannot be read: {error}") from error
            source, folder = str(path), path.parent
        return inventory.read(text, source, folder, settings.format)

    def missing_nodes(self, ctx: Context, nodes: Sequence[Node]) -> Sequence[str]:
        """The requested nodes missing from the inventory; without one, only those with names are missed."""
        if self._settings.inventory is None and not self._settings.nodes:
            return []
        return super().missing_nodes(ctx, nodes)

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        """The health of these nodes: the deployer's `health`, and their links, tried by Seatrial."""
        look = await self._look(ctx)
        if look.trouble is not None and self._stage == "deployed":
            raise look.trouble
        return await self._measured(ctx, nodes, look)

    async def status(self, ctx: Context) -> ClusterStatus:
        """The deployer's state in Seatrial's words, confirmed or refuted by the measurement of its nodes."""
        if not self._stage:
            return not_deployed(self._stage)
        if self._stage != "deployed":
            return await self._status_without_deployment(ctx)
        look = await self._look(ctx)
        claim = self._claim(look)
        try:
            nodes = await self.nodes(ctx)
            if look.trouble is not None:
                raise look.trouble
        except CannotTell as error:
            if claim is None or claim.value in STATES:
                raise
            return ClusterStatus(state=replace(claim, why=f"{claim.why}; {error}"))
        health = {**await self._measured(ctx, nodes, look), **self.missing(ctx, nodes)}
        finding = await self.conclude(ctx, health)
        state, service = status_parsing.settle(claim, finding.state), finding.service
        running = state.value == "running"
        names = [node.name for node in nodes]
        if (claim is state or running) and (failures := self._trouble(look, names, state)):
            said = state.why or "the nodes of the inventory are well"
            state = absent("", f"a contradiction: {said}, and {failures}")
        if claim is None and not self._settings.health:
            return unmeasured(health, UNNAMED if self._settings.status else UNDECLARED)
        if claim is not None and (service.value is Health.UNKNOWN or not self._settings.health):
            service = status_parsing.service_by_state(claim.value)
        elif claim is not None and (state.disputed or not state.value):
            health, service = status_parsing.disputed(claim.value, health, service)
        if service.ok and service.source is Source.REPORTED and not state.value:
            service = absent(Health.UNKNOWN, state.why)
        return ClusterStatus(state=state, nodes=health, service=service)

    def _trouble(self, look: _Look, nodes: Sequence[str], state: Reading[str]) -> str:
        """What the measuring verbs say against the state of the whole, in words."""
        settings, words, all_well = self._settings, self._settings.states, state.value == "running"
        told, where = look.health or {}, settings.health_json
        said = {status_parsing.HEALTH: health_parsing.unplaced(told, where, nodes, words, all_well=all_well)}
        if all_well:
            by_word = nodes if state.source is Source.REPORTED else None
            said[status_parsing.STATUS] = status_parsing.trouble(look.status, settings.status_json, words, by_word)
        return ", and ".join(f"{by} says {failures}" for by, failures in said.items() if failures)

    async def _status_without_deployment(self, ctx: Context) -> ClusterStatus:
        """Before `deploy` and after `destroy`: the deployer is asked, and the nodes of before."""
        memory = not_deployed(self._stage)
        try:
            look = await self._look(ctx)
        except (SeatrialError, OSError) as error:  # a deployment that is gone may have nobody to answer
            look, memory = (
                _Look(status={}, health={}),
                replace(memory, state=replace(memory.state, why=f"{memory.state.why}; {error}")),
            )
        claim = self._claim(look)
        if claim is not None and self._stage == "destroyed" and claim.value in status_parsing.GONE:
            claim = replace(claim, value=self._stage)
        return without_deployment(memory, await self._measured(ctx, self._before, look), claim)

    async def _measured(self, ctx: Context, nodes: Sequence[Node], look: _Look) -> dict[str, NodeHealth]:
        settings, where = self._settings, self._settings.status_json
        powers = status_parsing.powers(status_parsing.nodes_of(look.status, where), where, settings.states)
        everyone = await self.nodes(ctx) or self._before or nodes  # sums are over all of them
        names, parts = [node.name for node in everyone], dict[str, health_parsing.Parts]()
        if look.health is not None:
            service, words = settings.service_part, settings.states
            parts = health_parsing.by_node(look.health, settings.health_json, names, service, words)
        claim = self._claim(look)
        off = reported(PowerState.STOPPED, by=status_parsing.STATUS) if claim and claim.value == "stopped" else None
        return await self.measure(ctx, nodes, Told(parts, powers, off))

    def _claim(self, look: _Look) -> Reading[str] | None:
        """The deployer's word for the whole; None without a `status`."""
        if not self._settings.status or not look.status:
            return None
        if (told := status_parsing.state_of(look.status, self._settings.status_json)) is None:
            return None
        state = status_parsing.word(told, self._settings.states)
        why = f"the deployer reports {state}"
        if state not in STATES and str(told) not in self._settings.states:
            why += f"; if that is a state of Seatrial's, say which: `states: {{{told}: running}}`"
        return reported(state, why, by=status_parsing.STATUS)

    async def _ask(self, ctx: Context) -> _Look:
        """Run the measuring verbs, one after the other: a deployer may lock itself."""
        status = await self._json(ctx, "status") if self._settings.status else {}
        if not self._settings.verb("health"):
            return _Look(status=status, health=None)
        if self._stage != "deployed" and not self._before:
            return _Look(status=status, health={})  # there is no node yet
        try:
            return _Look(status=status, health=await self._json(ctx, "health"))
        except CannotTell as error:
            return _Look(status=status, health={}, trouble=error)

    async def _json(self, ctx: Context, verb: str) -> status_parsing.Answer:
        """The JSON of a measuring verb; CannotTell when it ends badly, too late or without JSON."""
        return status_parsing.document(verb, await self._calls.ask(ctx, self._calls.call(ctx, verb)))


def _beside(path: Path) -> str:
    """The files beside a missing one."""
    if not path.parent.is_dir():
        return "its folder does not exist either"
    return nearest(path.name, [file.name for file in path.parent.iterdir()][:20], what="its folder has")


@frozen
class _Look:
    """The answers of the measuring verbs; `health` is None if it is not a command, and `trouble` why it gave none."""

    status: status_parsing.Answer
    health: status_parsing.Answer | None
    trouble: CannotTell | None = None
