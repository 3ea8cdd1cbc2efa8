"""The system `command`: any deployer's command line, a command per verb; nodes from its inventory, JSON from its status
and health."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from seatrial.errors import CannotTell, LinkDown, NotSupported, Overrun, SeatrialError, StepFailed
from seatrial.expressions import late
from seatrial.links import inventory, tcp
from seatrial.links.output import BoundedOutput, end
from seatrial.links.paths import shown
from seatrial.links.process import process_start
from seatrial.links.process.spawned import record, supervised, supervising, warn_of_secrets
from seatrial.model.cluster import (
    OFF,
    STATES,
    ClusterStatus,
    NodeHealth,
    PowerState,
    all_off,
    cluster_status,
    power_by_parts,
)
from seatrial.model.frozen import frozen
from seatrial.model.reading import Health, Reading, absent, measured, remembered, reported
from seatrial.model.resource import Node, Resource
from seatrial.model.values import Argv, argv_of, words_of
from seatrial.registry import system
from seatrial.spi import AdoptsNodes, Context, Finished, Powers, link_of, power_reading
from seatrial.spi.concurrency import NODES_AT_ONCE, map_concurrently
from seatrial.spi.output import LOG, Output, cleanup_output
from seatrial.systems.command import health_parsing, status_parsing, verbs
from seatrial.systems.command.settings import CommandSettings
from seatrial.systems.command.shared_look import SharedLook
from seatrial.systems.records import Declared
from seatrial.systems.settings import Roots, fill, node_root
from seatrial.systems.states import not_deployed, without_deployment

LOOK_SECONDS = 120.0
"""Default time limit of `status`, `health` and the inventory's command, in seconds."""

KIND = "deployment"

_DEADLINE = {"init": "deploy", "deploy": "deploy", "start": "start", "stop": "stop", "destroy": "destroy",
             "start_node": "start", "stop_node": "stop", "crash_node": "stop", "restart_node": "restart"}  # fmt: skip
_NODE_VERB = {Powers.STOP: "stop_node", Powers.START: "start_node", Powers.CRASH: "crash_node",
              Powers.GRACEFUL_RESTART: "restart_node"}  # fmt: skip


_IN_GUEST = frozenset({Powers.GUEST_STOP, Powers.GUEST_REBOOT, Powers.GUEST_CRASH})
"""Powers over any node with SSH."""


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
        self._before: Sequence[Node] = ()
        """The nodes at the time of `destroy`."""
        self._off: set[str] = set()
        """Nodes that Seatrial shut down from inside: nobody else knows their power."""
        self._calls = 0
        self._said: dict[str, str] = {}
        """Looking verb to its last output: only a changed one is kept again."""
        self._look = SharedLook(self._ask)
        self.pace = (float(settings.poll), 10 * float(settings.poll))
        self.wait_for = settings.wait_for
        self.deadlines = {_DEADLINE[verb]: seconds for verb, seconds in settings.timeouts.items() if verb in _DEADLINE}

    @classmethod
    def powers(cls, settings: CommandSettings) -> frozenset[Powers]:
        whole = {Powers.STOP: settings.stop, Powers.START: settings.start}
        own = {power for power, verb in _NODE_VERB.items() if getattr(settings, verb) or whole.get(power)}
        return frozenset(own | _IN_GUEST if settings.inventory else own)

    @classmethod
    def node_names(cls, settings: CommandSettings, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """The names in the settings; empty: known only from the inventory, after deploy."""
        return settings.nodes

    @classmethod
    def part_names(cls, settings: CommandSettings) -> tuple[str, ...] | None:
        """Without the deployer's `health`, only the links in its inventory."""
        return None if settings.health else ("ssh",) if settings.inventory else ()

    @classmethod
    def state_names(cls, settings: CommandSettings) -> tuple[str, ...] | None:
        """Without the deployer's `status`, only Seatrial's own."""
        return None if settings.status else ()

    async def init(self, ctx: Context) -> None:
        if self._settings.init:
            await self._run(ctx, "init")
        self._stage = "initialized"

    async def deploy(self, ctx: Context) -> None:
        """Run `deploy`; the deployment is in the ledger from before it until `destroy`."""
        looks = {verb: self._record(ctx, verb) for verb in verbs.MEASURING if getattr(self._settings, verb)}
        words = {"state": self._settings.status_json.state, "states": dict(self._settings.states)}
        detail: dict[str, object] = {
            **self._record(ctx, "destroy"),
            "log": str(ctx.folder / "destroy.log"),
            "confirm": {"calls": looks, **words},
        }
        verbs.require_program(self._call(ctx, "deploy"))  # what cannot begin leaves no deployment
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
        health = {**await self._measured(ctx, nodes, look), **self._missing(ctx, nodes)}
        finding = cluster_status(health)
        state, service = status_parsing.settle(claim, finding.state), finding.service
        names, told = [node.name for node in nodes], look.health or {}
        if claim is state and (failures := health_parsing.unplaced(told, self._settings.health_json, names)):
            state = absent("", f"a contradiction: {claim.why}, and {status_parsing.HEALTH} says {failures}")
        if claim is None and not self._settings.health:
            why = "neither `health` nor `status` is declared in the system's settings"
            state, service = absent("", why), absent(Health.UNKNOWN, why)
        elif claim is not None and (service.value is Health.UNKNOWN or not self._settings.health):
            service = status_parsing.service_by_state(claim.value)
        elif claim is not None and (state.disputed or not state.value):
            health, service = status_parsing.disputed(claim.value, health, service)
        return ClusterStatus(state=state, nodes=health, service=service)

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

    def _claim(self, look: _Look) -> Reading[str] | None:
        """The deployer's word for the whole; None without a `status`."""
        if not self._settings.status or not look.status:
            return None
        told = status_parsing.state_of(look.status, self._settings.status_json.state)
        state = status_parsing.word(told, self._settings.states)
        return reported(state, f"the deployer reports {state}", by=status_parsing.STATUS)

    async def power(self, ctx: Context, node: Node, what: Powers) -> bool:
        """Run the deployer's own verb for one node, or act from inside it; False for another power."""
        if what not in _IN_GUEST:
            return await self._run_if_any(ctx, _NODE_VERB.get(what), node)
        if node.adopted:
            return False
        from seatrial.systems.command.guests import Guests

        guests = Guests(ctx)
        if what is Powers.GUEST_REBOOT:
            await guests.guest_reboot(node)
        elif what is Powers.GUEST_STOP:
            await guests.guest_stop(node)
            self._off.add(node.name)
        elif await guests.guest_crash(node) == "off":
            self._off.add(node.name)
        return True

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
        before = await self._present(ctx)
        if self._stage == "deployed":
            ours = cleanup_output.set(lambda _: ctx.keeping("destroy"))
            try:
                await ctx.give_back(KIND, ctx.deployment_id)
            finally:
                cleanup_output.reset(ours)
        else:
            await self._run(ctx, "destroy")
        self._before, self._nodes = before, ()
        self._stage = "destroyed"

    async def give_back(self, resource: Resource) -> None:
        """Run the deployment's `destroy` from the ledger's record alone; StepFailed when it fails, or when the
        deployer's `status` or `health` reports it afterwards."""
        detail: Mapping[str, Any] = resource.detail
        with cleanup_output.get()(Path(detail["log"])) as output:
            async with supervising(resource.trial) as supervisor:
                said = await verbs.run(_recorded("destroy", detail), supervisor, output)
            if still := await _still_there(detail.get("confirm") or {}, resource.trial, output):
                text = f"destroy ended with exit code {said.exit_code}, but {still} (output: {shown(output.file)})"
                raise StepFailed(text, evidence=end(said.stdout, 500))

    # The deployer's command line

    def _call(self, ctx: Context, verb: str, node: Node | None = None, *, later: bool = False) -> verbs.Call:
        """A verb, ready to run; `later`: for the ledger, with secrets as templates and only its own environment."""
        settings = self._settings
        command: Argv = getattr(settings, verb)
        if not command:
            raise NotSupported(f"the deployer has no command for {verb!r}; add one to the system's settings")
        roots = _roots(node) if node else {}
        if isinstance(command, str) and (plain := words_of(command)):
            command = plain  # text without any syntax of a shell means the same as a list
        flagged = settings.parameters_as_flags
        if flagged is None and not isinstance(command, str):
            flagged = ("init",) if settings.init else ("deploy",)
        wanted = {name: value for name, value in ctx.suite.parameters.items() if name not in ctx.suite.unflagged}
        flags = verbs.flags_of(wanted) if verb in (flagged or ()) else []
        if isinstance(command, str) and flags:
            flags = [shlex.join(flags)]
        if isinstance(command, str):
            command = self._beside_document(command)
        program, *words = argv_of(command)
        named = fill(ctx, program, roots)
        beside = self._program(named)
        if later:
            names, hidden = {**ctx.names(), **roots}, _secrets(ctx)
            first = late.keep(program, names, hidden) if beside == named else late.quote(beside, hidden)
            words, flags = late.keep(words, names, hidden), [str(late.quote(flag, hidden)) for flag in flags]
            env = {name: str(value) for name, value in late.keep(dict(settings.env), names, hidden).items()}
        else:
            first, words, env = beside, fill(ctx, words, roots), fill(ctx, dict(settings.env), roots)
        if isinstance(command, str):
            words, flags = [*words[:-1], " ".join([str(words[-1]), *flags])], []
        argv = tuple(str(word) for word in (first, *words, *flags))
        return verbs.Call(
            verb=verb,
            argv=argv,
            cwd=self._cwd(ctx),
            env=env if later else {**ctx.environment(), **env},
            timeout=self._timeout(ctx, verb),
            accept=settings.exit_codes.get(verb, (0,)),
        )

    def _record(self, ctx: Context, verb: str) -> dict[str, object]:
        """A verb for the ledger."""
        call, hidden = self._call(ctx, verb, later=True), _secrets(ctx)
        ours = {name: value for name, value in ctx.environment().items() if name.startswith(("E2E_", "SEATRIAL_"))}
        return {
            "argv": list(call.argv),
            "cwd": call.cwd,
            "env": {**{name: late.quote(value, hidden) for name, value in ours.items()}, **call.env},
            "timeout": call.timeout,
            "accept": list(call.accept),
        }

    def _program(self, program: str) -> str:
        """Look for a program with a path beside the document first."""
        beside = self._folder / program
        return str(beside) if "/" in program and beside.is_file() else program

    def _beside_document(self, text: str) -> str:
        """A text for a shell, with its first word as in a list: a program with a path is beside the document first."""
        first, space, rest = text.partition(" ")
        program = self._program(first)
        return text if program == first else f"{shlex.quote(program)}{space}{rest}"

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
        supervisor = await supervised(ctx)
        self._calls += 1
        name = f"{ctx.trial_id}-{call.verb}-{self._calls}"
        call = replace(call, env={**call.env, "SEATRIAL_PYTHON": sys.executable})

        async def known(pid: int) -> None:
            await record(ctx, name, pid, process_start(pid, zombie=True))

        looking = call.verb in verbs.LOOKING
        with self._changed_answer(ctx, call.verb) if looking else ctx.keeping(call.verb) as output:
            try:
                return await verbs.run(call, supervisor, output, known)
            finally:
                await ctx.give_back("process", name)

    @contextmanager
    def _changed_answer(self, ctx: Context, verb: str) -> Iterator[Output]:
        """Keep the output of a looking verb when it has ended, unless it is the same as before."""
        answer = _Answer(ctx.folder / LOG)
        try:
            yield answer
        finally:
            if (text := answer.kept.text()) != self._said.get(verb):
                self._said[verb] = text
                ctx.output(verb, text)

    async def _ask(self, ctx: Context) -> _Look:
        """Run the measuring verbs, one after the other: a deployer may lock itself."""
        status = await self._json(ctx, "status") if self._settings.status else {}
        if not self._settings.health:
            return _Look(status=status, health=None)
        if self._stage != "deployed" and not self._before:
            return _Look(status=status, health={})  # there is no node yet
        try:
            return _Look(status=status, health=await self._json(ctx, "health"))
        except CannotTell as error:
            return _Look(status=status, health={}, trouble=error)

    async def _json(self, ctx: Context, verb: str) -> Mapping[str, Any]:
        """The JSON of a measuring verb; CannotTell when it ends badly, too late or without JSON."""
        try:
            return status_parsing.document(verb, await self._called(ctx, self._call(ctx, verb)))
        except StepFailed as error:
            raise CannotTell(str(error), evidence=error.evidence) from error

    # Nodes and their state

    async def _present(self, ctx: Context) -> Sequence[Node]:
        """The nodes that are about to go; none if the inventory cannot be read: `destroy` must run all the same."""
        try:
            return await self.nodes(ctx)
        except (SeatrialError, OSError) as error:
            ctx.log(f"the nodes before destroy are not known: {error}", "debug")
            return ()

    async def _inventory(self, ctx: Context) -> Sequence[Node]:
        settings = self._settings.inventory
        assert settings is not None
        cwd = Path(self._cwd(ctx))
        if settings.command:
            argv = tuple(fill(ctx, one, {}) for one in argv_of(settings.command))
            env, program = {**ctx.environment(), **fill(ctx, dict(self._settings.env), {})}, self._program(argv[0])
            call = verbs.Call(verb="inventory", argv=(program, *argv[1:]), cwd=str(cwd), env=env, timeout=LOOK_SECONDS)
            try:
                said = await self._called(ctx, call)
                if said.dropped:
                    raise CannotTell(f"the inventory is too long: {said.dropped} bytes of it were not kept")
            except StepFailed as error:
                raise CannotTell(str(error), evidence=error.evidence) from error
            text, source, folder = said.stdout, " ".join(argv), cwd
        else:
            path = cwd / fill(ctx, settings.file, {})
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise CannotTell(f"the inventory cannot be read: {error}") from error
            source, folder = str(path), path.parent
        return inventory.read(text, source, folder, settings.format)

    def missing_nodes(self, ctx: Context, nodes: Sequence[Node]) -> Sequence[str]:
        """The requested nodes missing from the inventory; those known by their number alone are `absent-1`, …"""
        there = {node.name for node in nodes}
        size = str(ctx.suite.parameters.get("cluster_size", ""))
        if self._settings.inventory is not None and not self._settings.nodes and size.isdigit():
            return [f"absent-{number}" for number in range(1, int(size) - len(there) + 1)]
        return [name for name in self._settings.nodes if name not in there]

    def _missing(self, ctx: Context, nodes: Sequence[Node]) -> dict[str, NodeHealth]:
        why = "it was requested, but is not in the inventory"
        missing = reported(Health.NOT_OK, why, by="the deployer's inventory")
        parts, power = {"ssh": missing, "service": missing}, absent(PowerState.UNKNOWN, why)
        return {name: NodeHealth(power=power, parts=parts) for name in self.missing_nodes(ctx, nodes)}

    async def _measured(self, ctx: Context, nodes: Sequence[Node], look: _Look) -> dict[str, NodeHealth]:
        settings, where = self._settings, self._settings.status_json
        told_nodes = status_parsing.at(look.status, where.nodes, "status", absent={})
        powers = status_parsing.powers(told_nodes, where.node_state, settings.states)
        everyone = await self.nodes(ctx) or self._before or nodes  # sums are over all of them
        names, parts = [node.name for node in everyone], dict[str, health_parsing.Parts]()
        if look.health is not None:
            service, words = settings.service_part, settings.states
            parts = health_parsing.by_node(look.health, settings.health_json, names, service, words)
        claim = self._claim(look)
        off = reported(PowerState.STOPPED, by=status_parsing.STATUS) if claim and claim.value == "stopped" else None

        async def one(node: Node) -> NodeHealth:
            return await self._health_of(ctx, node, parts.get(node.name, {}), powers.get(node.name, off))

        found = await map_concurrently(one, nodes, most=NODES_AT_ONCE)
        return {node.name: measured for node, measured in zip(nodes, found, strict=True)}

    async def _health_of(
        self, ctx: Context, node: Node, parts: dict[str, Reading[Health]], said: Reading[PowerState] | None
    ) -> NodeHealth:
        if node.adopted:
            said = await power_reading(ctx.provider, node, ctx.suite.provider)
            if said.value in OFF:
                return all_off(said, f"{said.by} reports that it is {said.value}")
        if node.proves_itself:
            link, told = await link_of(ctx, node), parts.get("ssh")
            parts["ssh"] = link if told is None else status_parsing.both(link, told)
            if link.ok:
                self._off.discard(node.name)
            elif link.value is Health.UNKNOWN and self._stage == "destroyed" and node.ssh:
                parts["ssh"] = await _port_of(node)  # the key to the node may be gone, and the node not
        if said is None and node.name in self._off:
            said = remembered(PowerState.STOPPED, "Seatrial shut it down")
        return NodeHealth(power=power_by_parts(parts, said), parts=parts)


class _Answer:
    """The output of a looking verb; see spi.Output."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.kept = BoundedOutput(verbs.ANSWER)
        self.add = self.kept.add


@frozen
class _Look:
    """The answers of the measuring verbs; `health` is None if it is not declared, and `trouble` why it gave none."""

    status: Mapping[str, Any]
    health: Mapping[str, Any] | None
    trouble: CannotTell | None = None


async def _port_of(node: Node) -> Reading[Health]:
    """Whether something answers at the SSH port of a node; unknown behind a jump host."""
    host, port, by = str(node.ssh["host"]), int(str(node.ssh.get("port") or 22)), f"the SSH port of {node.name}"
    if "jump" in node.ssh:
        return absent(Health.UNKNOWN, f"{node.name} is behind a jump host, and no key to it is left", by=by)
    try:
        await tcp.reach(host, port)
    except LinkDown as error:
        return measured(Health.NOT_OK, str(error), by=by)
    except CannotTell as error:
        return absent(Health.UNKNOWN, str(error), by=by)
    return measured(Health.OK, by=by)


def _recorded(verb: str, detail: Mapping[str, Any]) -> verbs.Call:
    """A call from its record in the ledger, with this environment's secrets."""
    environment = dict(os.environ)
    return verbs.Call(
        verb=verb,
        argv=tuple(late.fill(detail["argv"], environment)),
        cwd=detail["cwd"],
        env={**environment, **late.fill(detail["env"], environment)},
        timeout=float(detail["timeout"]),
        accept=tuple(detail["accept"]),
    )


async def _still_there(confirm: Mapping[str, Any], trial: str, output: Output) -> str:
    """Why a deployment may still exist after its `destroy`; empty: nobody reports one."""
    told: dict[str, Mapping[str, Any]] = {}
    for verb, call in (confirm.get("calls") or {}).items():
        try:
            async with supervising(trial) as supervisor:
                said = await verbs.run(_recorded(verb, call), supervisor, output)
            told[verb] = status_parsing.document(verb, said)
        except (Overrun, verbs.Killed) as error:
            return f"whether it is gone is not known: {error}"
        except (SeatrialError, OSError):
            continue  # nobody is left to answer
    state = status_parsing.state_of(told.get("status", {}), confirm.get("state", ""), absent="")
    if (word := status_parsing.word(state, confirm.get("states", {}))) not in status_parsing.GONE:
        return f"its status says {word}"
    for node, parts in told.get("health", {}).items():
        for part, reading in status_parsing.parts(parts, node, "", confirm["states"]).items():
            if reading.ok:
                return f"its health says that {part} of {node} is ok"
    return ""


def _secrets(ctx: Context) -> Mapping[str, str]:
    secrets = ctx.names().get("secrets")
    return secrets if isinstance(secrets, Mapping) else {}


def _roots(node: Node) -> Roots:
    return {"node": node_root(node)}
