"""The system `terraform`: a configuration of OpenTofu or Terraform as it is, by the tool's own JSON; its resources are
the product, and the nodes come from an output or from resources."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from seatrial.errors import CannotTell, NotSupported, StepFailed
from seatrial.expressions import late
from seatrial.links import inventory, process
from seatrial.links.output import end
from seatrial.links.paths import shown
from seatrial.links.process.spawned import supervised, warn_of_secrets
from seatrial.links.process.table import process_start
from seatrial.links.terraform import calls, tool
from seatrial.links.terraform.calls import Call
from seatrial.links.terraform.messages import Messages
from seatrial.links.terraform.tool import Tool
from seatrial.model.frozen import frozen
from seatrial.model.resource import Node, Resource
from seatrial.model.scenario import Suite
from seatrial.model.values import Argv, argv_of
from seatrial.registry import system
from seatrial.spi import Context, Powers, Recognised
from seatrial.systems.machines import DEPLOYMENT, IN_GUEST, GivenMachines, roots_of
from seatrial.systems.settings import fill, run_variables, secrets_of
from seatrial.systems.terraform import removal
from seatrial.systems.terraform.settings import TerraformSettings, problems
from seatrial.systems.terraform.workspace import (
    Place,
    Values,
    in_environment,
    prepare,
    surroundings,
    write_values,
)

OWNER = "system:terraform"
CALL = "terraform-call"
"""The kind of entry in the ledger for a tool at work."""

_DEADLINES = {"init": "deploy", "plan": "deploy", "apply": "deploy", "destroy": "destroy"}
_NODE_VERB = {Powers.STOP: "stop_node", Powers.START: "start_node", Powers.CRASH: "crash_node",
              Powers.GRACEFUL_RESTART: "restart_node"}  # fmt: skip
_POWER_DEADLINES = {Powers.START: "start", Powers.GRACEFUL_RESTART: "restart"}

OWN_OUTPUTS = ("state", "nodes", "addresses", "reused", "deployed_by")
"""The outputs of the step `deploy` itself; an output of the configuration does not take their place."""

SHORTEST = 3
"""Characters of a text that can be masked wherever it appears."""

SHOWN = 12
"""Planned changes named in the message about the plan."""


@frozen
class _Prepared:
    """What `init` has found and made."""

    tool: Tool
    place: Place
    values: Values
    environment: Mapping[str, str]


@system("terraform")
class Terraform(GivenMachines):
    """A configuration, applied and destroyed; its state is the trial's own."""

    Settings: ClassVar[type[Any]] = TerraformSettings
    by: ClassVar[str] = "the configuration's outputs and resources"

    def __init__(self, settings: TerraformSettings, folder: Path) -> None:
        super().__init__(settings, settings.health)
        self._settings = settings
        self._documents = folder
        self._calls = 0
        self._ready: _Prepared | None = None
        self._outputs: Mapping[str, Any] = {}
        deploy = [settings.timeouts[verb] for verb in ("plan", "apply") if verb in settings.timeouts]
        self.deadlines = {"deploy": sum(deploy)} if deploy else {}
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
        yield from problems(suite.system.settings, suite.system.folder)

    @classmethod
    def powers(cls, settings: TerraformSettings) -> frozenset[Powers]:
        """Those with a command in the settings, and those from inside nodes that SSH may reach."""
        own = {power for power, verb in _NODE_VERB.items() if getattr(settings, verb)}
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
        self._ready = _Prepared(tool=found, place=place, values=values, environment=environment)
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
        ready = self._prepared
        if self._settings.backend == "configured" and self._stage != "deployed":
            await self._require_empty(ctx)
        arguments = self._values_arguments(ctx)
        planned = await self._change(ctx, "plan", "-json", "-input=false", f"-out={ready.place.plan}", *arguments)
        self._show(ctx, planned)
        self._stage = "deployed"
        await ctx.make(
            DEPLOYMENT,
            ctx.deployment_id,
            lambda: self._apply(ctx),
            owner=OWNER,
            detail=self._record(ctx, arguments),
            outlives_host=True,
        )
        self._outputs = await tool.ask_json(
            ready.tool, ["output", "-json", "-no-color"], ready.place.folder, ready.environment, await supervised(ctx)
        )
        for name in self._outputs:
            self._hide(ctx, name)
        await self.nodes(ctx)  # an output without nodes is no better after a wait

    async def _apply(self, ctx: Context) -> None:
        self.forget_nodes()
        plan = self._prepared.place.plan
        try:
            await self._change(ctx, "apply", "-json", "-input=false", "-auto-approve", str(plan))
        finally:
            plan.unlink(missing_ok=True)  # it has every variable in clear

    def _show(self, ctx: Context, planned: Messages) -> None:
        """The plan, for people: all of it in the output, the first changes in a message."""
        changes = [str(change) for change in planned.changes]
        more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        ctx.log(f"the plan: {', '.join(changes[:SHOWN]) or 'nothing changes'}{more}")

    async def _require_empty(self, ctx: Context) -> None:
        """A state with resources belongs to a deployment that this trial did not make."""
        ready, supervisor = self._prepared, await supervised(ctx)
        state = await tool.ask_json(
            ready.tool, ["show", "-json", "-no-color"], ready.place.folder, ready.environment, supervisor
        )
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

    def _record(self, ctx: Context, arguments: Sequence[str]) -> dict[str, object]:
        """All that the removal needs; secrets stay templates."""
        ready, place, hidden = self._prepared, self._prepared.place, secrets_of(ctx)
        ours = run_variables(ctx)
        own = late.keep(dict(self._settings.env), ctx.names(), hidden)
        program = {"program": ready.tool.program, "name": ready.tool.name, "version": ready.tool.version}
        return {
            "tool": program,
            "folder": str(place.folder),
            "root": str(place.root),
            "data": str(place.data),
            "source": shown(place.source),
            "arguments": list(arguments),
            "env": {**{name: late.quote(value, hidden) for name, value in ours.items()}, **own},
            "secrets": dict(ready.values.kept),
            "workspace": self._workspace(ctx) if self._settings.backend == "configured" else "",
            "timeout": self._timeout(ctx, "destroy") + calls.GRACE,
            "log": str(ctx.folder / "destroy.log"),
        }

    # Nodes, outputs and powers

    async def list_nodes(self, ctx: Context) -> Sequence[Node]:
        """The nodes of the output or of the resources that the settings name."""
        ready, where = self._prepared, self._settings.inventory
        # Nobody else can know the host key of a machine that this trial made: the first one is accepted.
        where = replace(where, variables={"accept": True, **ctx.bind(dict(where.variables))})
        text = json.dumps(self._outputs)
        if where.resources:
            words = ("show", "-json", "-no-color")
            supervisor = await supervised(ctx)
            state = await tool.ask_json(ready.tool, words, ready.place.folder, ready.environment, supervisor)
            text = json.dumps(state)
        what = f"the {'state' if where.resources else 'outputs'} of {shown(ready.place.source)}"
        return inventory.read(text, what, ready.place.folder, "json", where)

    async def outputs(self, ctx: Context) -> Mapping[str, Any]:
        """The outputs of the configuration. A sensitive one is masked wherever it appears; one that cannot be masked is
        left out."""
        return {
            name: one["value"]
            for name, one in self._outputs.items()
            if name not in OWN_OUTPUTS and (not one["sensitive"] or _maskable(one["value"]))
        }

    def _hide(self, ctx: Context, name: str) -> None:
        one = self._outputs[name]
        if not one["sensitive"]:
            return
        for text in _texts(one["value"]):
            if isinstance(text, str) and len(text) >= SHORTEST:
                ctx.secret(text)
        if not _maskable(one["value"]):
            ctx.log(
                f"the sensitive output {name!r} is left out: only texts of {SHORTEST} characters can be masked", "debug"
            )

    async def power(self, ctx: Context, node: Node, what: Powers) -> bool:
        """Run the command that the settings have for it, or act from inside the node; False for another power."""
        verb = _NODE_VERB.get(what)
        command: Argv = getattr(self._settings, verb) if verb else ()
        if not command:
            return await super().power(ctx, node, what)
        argv = argv_of(fill(ctx, command, roots_of(node)))
        warn_of_secrets(ctx, argv)
        seconds = ctx.deadline(_POWER_DEADLINES.get(what, "stop"))
        ready = self._prepared
        with ctx.keeping(str(verb)) as output:
            done = await process.run(
                argv, cwd=ready.place.folder, env=ready.environment, timeout=seconds, output=output.add,
                under=await supervised(ctx),
            )  # fmt: skip
        if not done.ok:
            said = end((done.stderr.strip() or done.stdout.strip()), 300)
            text = f"{verb}: {' '.join(argv)} {done.ended}: {said}"
            raise CannotTell(f"{text}: {done.accident}") if done.accident else StepFailed(text)
        if what in (Powers.STOP, Powers.CRASH):
            self._off.add(node.name)  # what still answers of it refutes this
        else:
            self._off.discard(node.name)
        return True

    # The tool

    @property
    def _prepared(self) -> _Prepared:
        if self._ready is None:
            raise NotSupported("nothing is initialised: a step `init` or `deploy` comes first")
        return self._ready

    def _workspace(self, ctx: Context) -> str:
        return str(ctx.bind(self._settings.workspace)) if self._settings.workspace else ctx.trial_id

    def _values_arguments(self, ctx: Context) -> list[str]:
        files = [str(ctx.bind(name)) for name in self._settings.variable_files]
        return [f"-var-file={file}" for file in (*files, str(self._prepared.place.variables))]

    def _timeout(self, ctx: Context, verb: str) -> float:
        return float(self._settings.timeouts.get(verb) or ctx.deadline(_DEADLINES[verb]))

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


def _texts(value: object) -> Iterator[object]:
    """The values in a value, without the names around them."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
    else:
        yield value


def _maskable(value: object) -> bool:
    return all(isinstance(text, str) and len(text) >= SHORTEST for text in _texts(value))
