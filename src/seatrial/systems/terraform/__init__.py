"""The system `terraform`: a configuration of OpenTofu or Terraform as it is, by the tool's own JSON; its resources are
the product, and the nodes come from an output or from resources."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from seatrial.errors import CannotTell, NotSupported
from seatrial.expressions import late
from seatrial.links import inventory, process
from seatrial.links.output import end
from seatrial.links.paths import shown
from seatrial.links.process.spawned import supervised
from seatrial.links.process.table import process_start
from seatrial.links.terraform import calls, configuration, tool
from seatrial.links.terraform.calls import Call
from seatrial.links.terraform.messages import Messages
from seatrial.model.resource import Node, Resource
from seatrial.model.scenario import Suite
from seatrial.registry import system
from seatrial.spi import Context, Powers, Recognised
from seatrial.systems.machines import DEPLOYMENT, IN_GUEST, NODE_VERBS, GivenMachines, host_keys
from seatrial.systems.settings import DEADLINES, MINUTES_20, fill, run_variables, secrets_of
from seatrial.systems.terraform import removal
from seatrial.systems.terraform.outputs import hide, may_be_told
from seatrial.systems.terraform.power import Away, by_command
from seatrial.systems.terraform.settings import TerraformSettings, declared_variables, problems
from seatrial.systems.terraform.workspace import (
    Prepared,
    in_environment,
    prepare,
    remembered,
    surroundings,
    write_power,
    write_values,
)

OWNER = "system:terraform"
CALL = "terraform-call"
"""The kind of entry in the ledger for a tool at work."""

_DEADLINES = {"init": "deploy", "plan": "deploy", "apply": "deploy", "destroy": "destroy"}
_BY_VARIABLE = frozenset({Powers.STOP, Powers.START})

SHOWN = 12
"""Planned changes named in the message about the plan."""


@system("terraform")
class Terraform(GivenMachines):
    """A configuration, applied and destroyed; its state is the trial's own."""

    Settings: ClassVar[type[Any]] = TerraformSettings
    by: ClassVar[str] = "the configuration's outputs and resources"
    power_keys: ClassVar[Mapping[Powers, str]] = {
        **GivenMachines.power_keys,
        **{power: f"`{NODE_VERBS[power]}:` (a command) or `power: {{variable: NAME}}`" for power in _BY_VARIABLE},
    }
    """The keys that give it a power."""

    def __init__(self, settings: TerraformSettings, folder: Path) -> None:
        super().__init__(settings, settings.health)
        self._settings = settings
        self._documents = folder
        self._creates = True
        self._calls = 0
        self._away, self._turning = Away(), asyncio.Lock()
        self._ready: Prepared | None = None
        self._outputs: Mapping[str, Any] = {}
        deploy = [settings.timeouts[verb] for verb in ("plan", "apply") if verb in settings.timeouts]
        self.deadlines = {"deploy": sum(deploy)} if deploy else {}
        if settings.power:
            self.default_deadlines = {**DEADLINES, "stop": MINUTES_20, "start": MINUTES_20}
        if "destroy" in settings.timeouts:
            self.deadlines["destroy"] = settings.timeouts["destroy"]

    # Before the run

    @classmethod
    def recognise(cls, folder: Path, way: str) -> Recognised | None:
        """Files of a configuration."""
        from seatrial.systems.terraform.recognition import recognise

        return recognise(folder, way)

    @classmethod
    def check_suite(cls, suite: Suite, environment: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str, str]]:
        """What cannot work, by the files of the configuration."""
        yield from problems(suite.system.settings, suite.system.folder, suite.parameters, environment)

    @classmethod
    def parameter_names(cls, suite: Suite) -> Collection[str] | None:
        """The declared variables too."""
        variables = declared_variables(suite.system.settings, suite.system.folder)
        return None if variables is None else variables | {"cluster_size"}

    @classmethod
    def powers(cls, settings: TerraformSettings) -> frozenset[Powers]:
        """Those with a command in the settings, and those from inside nodes that SSH may reach."""
        own = {power for power, verb in NODE_VERBS.items() if getattr(settings, verb)}
        own |= _BY_VARIABLE if settings.power else set()
        by_ssh = settings.inventory.variables.get("ansible_connection", "ssh") in ("ssh", "smart")
        return frozenset(own | IN_GUEST if by_ssh else own)

    # Deployment

    async def init(self, ctx: Context) -> None:
        """Copy the configuration, initialise the copy and validate it."""
        environment = {**ctx.environment(), **fill(ctx, dict(self._settings.env), {})}
        found = await tool.find(self._settings.tool, environment)
        place = prepare(ctx, self._settings, self._documents)
        values = write_values(ctx, self._settings, place)
        environment = surroundings({**environment, **in_environment(values.secret)}, place.data)
        self._ready = Prepared(tool=found, place=place, secrets=values.kept, environment=environment)
        ctx.log(f"{found} works in a copy of {shown(place.source)}", "debug")
        backend = [f"-backend-config={place.root / 'backend.json'}"] if self._settings.backend_config else []
        await self._change(ctx, "init", "-json", "-input=false", *backend)
        if self._settings.backend == "configured":
            await self._ask(ctx, "workspace", "select", "-no-color", "-or-create=true", self._workspace(ctx))
        await self._validate(ctx)
        self._stage = "initialized"

    async def _validate(self, ctx: Context) -> None:
        ready = self._prepared
        argv = [ready.tool.program, "validate", "-json", "-no-color"]
        done = await process.run(
            argv, cwd=ready.place.folder, env=ready.environment, timeout=tool.ANSWERS, under=await supervised(ctx)
        )
        messages = Messages("validate", shown(ready.place.source))
        for said in _diagnostics(done.stdout):
            messages.read(json.dumps({"type": "diagnostic", "diagnostic": said}))
        calls.judged("validate", ready.tool, done, messages, end(done.stderr, 2000))

    async def deploy(self, ctx: Context) -> None:
        """Plan, show the plan, and apply it; the deployment is in the ledger from before `apply` until `destroy`."""
        if self._ready is None or self._stage == "destroyed":
            await self.init(ctx)
        if self._settings.backend == "configured" and self._stage != "deployed":
            await self._require_empty(ctx)
        if self._settings.power:
            write_power(self._prepared.place, self._settings.power.variable, ())
        await self._plan(ctx)
        await self._look_before(ctx)
        self._stage, self._away = "deployed", Away()
        await ctx.make(
            DEPLOYMENT, ctx.deployment_id, lambda: self._apply(ctx), owner=OWNER, detail=self._record(ctx),
            outlives_host=True,
        )  # fmt: skip
        await self._read_outputs(ctx)
        await self.nodes(ctx)  # an output without nodes is no better after a wait

    async def _plan(self, ctx: Context) -> Messages:
        plan, arguments = self._prepared.place.plan, self._values_arguments(ctx)
        planned = await self._change(ctx, "plan", "-json", "-input=false", f"-out={plan}", *arguments)
        self._show(ctx, planned)
        return planned

    async def _look_before(self, ctx: Context) -> None:
        """A machine with an address before `apply` that answers there is not of its making."""
        ready, where = self._prepared, self._settings.inventory
        plan = await self._json(ctx, "show", "-json", "-no-color", str(ready.place.plan))
        known = inventory.planned(plan, where, ready.place.folder)
        self.distrust(ctx, await self.look_before(known))

    async def _apply(self, ctx: Context) -> None:
        self.forget_nodes()
        plan = self._prepared.place.plan
        try:
            await self._change(ctx, "apply", "-json", "-input=false", "-auto-approve", str(plan))
        finally:
            plan.unlink(missing_ok=True)  # it has every variable in clear

    async def _read_outputs(self, ctx: Context) -> None:
        self._outputs = await self._json(ctx, "output", "-json", "-no-color")
        hide(ctx, self._outputs, self._settings.inventory.output)

    def _show(self, ctx: Context, planned: Messages) -> None:
        """The plan, for people: all of it in the output, the first changes in a message."""
        changes = [str(change) for change in planned.changes]
        more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        ctx.log(f"the plan: {', '.join(changes[:SHOWN]) or 'nothing changes'}{more}")

    async def _require_empty(self, ctx: Context) -> None:
        """A state with resources belongs to a deployment that this trial did not make."""
        state = await self._json(ctx, "show", "-json", "-no-color")
        if there := removal.resources(state):
            raise CannotTell(
                f"the workspace {self._workspace(ctx)!r} already has {len(there)} resources that this trial did not "
                f"make, such as {there[0]}: name another `workspace`, or destroy them yourself"
            )

    async def give_back(self, resource: Resource) -> None:
        """End a call that outlived Seatrial, in order; or destroy a deployment, see `removal`."""
        if resource.kind == CALL:
            detail: Mapping[str, Any] = resource.detail
            await calls.break_off(detail["pid"], detail["started"], float(detail["timeout"]) - calls.GRACE)
        else:
            await removal.remove(resource)

    def _record(self, ctx: Context) -> dict[str, object]:
        """All that the removal needs; secrets stay templates."""
        ready, place, hidden = self._prepared, self._prepared.place, secrets_of(ctx)
        ours = run_variables(ctx)
        own = late.keep(dict(self._settings.env), ctx.names(), hidden)
        return {
            "tool": ready.remember()["tool"],
            "folder": str(place.folder),
            "root": str(place.root),
            "data": str(place.data),
            "source": shown(place.source),
            "arguments": self._values_arguments(ctx),
            "env": {**{name: late.quote(value, hidden) for name, value in ours.items()}, **own},
            "secrets": dict(ready.secrets),
            "workspace": self._workspace(ctx) if self._settings.backend == "configured" else "",
            "timeout": self._timeout(ctx, "destroy") + calls.GRACE,
            "log": str(ctx.folder / "destroy.log"),
        }

    # Nodes, outputs and powers

    async def list_nodes(self, ctx: Context) -> Sequence[Node]:
        """The nodes of the output or of the resources that the settings name, and those that were left out because they
        are off."""
        ready, where = self._prepared, self._settings.inventory
        where = replace(where, variables=ctx.bind(dict(where.variables)))
        data = self._outputs if not where.resources else await self._json(ctx, "show", "-json", "-no-color")
        what = f"the {'state' if where.resources else 'outputs'} of {shown(ready.place.source)}"
        if not where.resources and (place := configuration.place_of_output(ready.place.folder, where.output)):
            what = shown(ready.place.source / place)
        try:
            listed = inventory.read(json.dumps(data), what, ready.place.folder, "json", where)
        except CannotTell:
            if not self._away.everyone:
                raise
            listed = []
        return self._away.among(listed)

    async def outputs(self, ctx: Context) -> Mapping[str, Any]:
        """The outputs of the configuration. A sensitive one is masked wherever it appears; one that cannot be masked is
        left out."""
        return {name: one["value"] for name, one in self._outputs.items() if may_be_told(name, one)}

    async def power(self, ctx: Context, node: Node, what: Powers) -> bool:
        """Run the command that the settings have for it, apply the variable, or act from inside the node; False for
        another power."""
        if self._settings.power and what in _BY_VARIABLE:
            await self._turn(ctx, what, [node])
        elif (verb := NODE_VERBS.get(what)) and (command := getattr(self._settings, verb)):
            await by_command(ctx, self._prepared, verb, command, node)
            self.powered(what, [node])
        else:
            return await super().power(ctx, node, what)
        return True

    async def power_all(self, ctx: Context, what: Powers) -> bool:
        """Apply the variable once for all nodes; False without one."""
        if not self._settings.power or what not in _BY_VARIABLE:
            return False
        await self._turn(ctx, what, await self.nodes(ctx))
        return True

    async def _turn(self, ctx: Context, what: Powers, nodes: Sequence[Node]) -> None:
        """Apply the variable with these nodes off or on, one change after another; CannotTell when the plan changes
        nothing."""
        assert self._settings.power is not None
        place, variable, names = self._prepared.place, self._settings.power.variable, {node.name for node in nodes}
        async with self._turning:
            was = self._away.off
            off = was | names if what is Powers.STOP else was - names
            before = await self.nodes(ctx)
            write_power(place, variable, off)
            try:
                if not (await self._plan(ctx)).touches:
                    why = f"with {variable} = {json.dumps(sorted(off))}, the plan changes no resource"
                    raise CannotTell(f"cannot {what} {', '.join(sorted(names))}: {why}")
                await self._apply(ctx)
            except BaseException:
                write_power(place, variable, was)
                raise
            self._away = Away(off, before)
            self.powered(what, nodes)
            await self._read_outputs(ctx)
            await host_keys.forget(ctx, self._away.left_out(await self.nodes(ctx)))

    # Another process

    def remember(self) -> Mapping[str, Any]:
        """Its place too; the outputs are asked for again."""
        return {**super().remember(), "prepared": self._prepared.remember(), "away": self._away.remember()}

    async def resume(self, ctx: Context, memory: Mapping[str, Any]) -> None:
        """CannotTell also when the copy of the configuration is gone."""
        await super().resume(ctx, memory)
        environment = {**ctx.environment(), **fill(ctx, dict(self._settings.env), {})}
        self._ready, self._away = remembered(memory["prepared"], environment), Away.remembered(memory["away"])
        await self._read_outputs(ctx)

    # The tool

    @property
    def _prepared(self) -> Prepared:
        if self._ready is None:
            raise NotSupported("nothing is initialised: a step `init` or `deploy` comes first")
        return self._ready

    def _workspace(self, ctx: Context) -> str:
        return str(ctx.bind(self._settings.workspace)) if self._settings.workspace else ctx.trial_id

    def _values_arguments(self, ctx: Context) -> list[str]:
        files = [str(ctx.bind(name)) for name in self._settings.variable_files]
        own = [self._prepared.place.variables, *([self._prepared.place.power] if self._settings.power else [])]
        return [f"-var-file={file}" for file in (*files, *own)]

    def _timeout(self, ctx: Context, verb: str) -> float:
        return float(self._settings.timeouts.get(verb) or ctx.deadline(_DEADLINES[verb]))

    async def _json(self, ctx: Context, *words: str) -> Mapping[str, Any]:
        ready = self._prepared
        return await tool.ask_json(ready.tool, words, ready.place.folder, ready.environment, await supervised(ctx))

    async def _ask(self, ctx: Context, *words: str) -> None:
        ready = self._prepared
        await tool.ask(ready.tool, words, ready.place.folder, ready.environment, await supervised(ctx))

    async def _change(self, ctx: Context, *words: str) -> Messages:
        """A call that changes something; the ledger has its process while it runs."""
        ready, verb = self._prepared, words[0]
        supervisor = await supervised(ctx)
        self._calls += 1
        name = f"{ctx.trial_id}-{verb}-{self._calls}"
        timeout = self._timeout(ctx, verb)
        call = Call(
            tool=ready.tool, words=words, cwd=ready.place.folder, environment=ready.environment, timeout=timeout,
            log=ready.place.log(verb), source=shown(ready.place.source),
        )  # fmt: skip

        async def known(pid: int) -> None:
            detail: dict[str, object] = {"pid": pid, "started": process_start(pid, zombie=True)}
            await ctx.make(CALL, name, _exists, owner=OWNER, detail={**detail, "timeout": 2 * calls.GRACE})

        with ctx.keeping(verb) as output:
            try:
                return await calls.run(call, supervisor, output.add, known)
            finally:
                await ctx.give_back(CALL, name)


async def _exists() -> None:
    """Nothing is left to do."""


def _diagnostics(text: str) -> Sequence[object]:
    """Those in the answer of `validate -json`; none when it is something else."""
    try:
        found = tool.document(text).get("diagnostics")
    except ValueError:
        return ()
    return found if isinstance(found, list) else ()
