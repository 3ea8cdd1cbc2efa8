"""Deploys by a GitHub Actions workflow: `deploy.yml` creates the system, `teardown.yml` removes it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from seatrial.errors import CannotTell, UsageError
from seatrial.expressions import late
from seatrial.links.forge.protocol import Forge
from seatrial.links.forge.runs.dispatch import Ready, read_there, ready, until_visible
from seatrial.links.forge.runs.following import CANCEL_SECONDS, end_run, followed, made, record_of, run_to_end
from seatrial.links.forge.runs.order import Dispatch, Order, order_of
from seatrial.links.forge.runs.repository import Place, find_place, open_forge
from seatrial.links.forge.runs.validation import wrong_there
from seatrial.links.process.spawned import spawn
from seatrial.model.cluster import ClusterStatus, NodeHealth
from seatrial.model.reading import reported
from seatrial.model.resource import Node, Resource
from seatrial.model.scenario import Suite
from seatrial.model.values import argv_of
from seatrial.registry import system
from seatrial.spi import AdoptsNodes, Context, Recognised
from seatrial.systems.github_actions.deployments import take_away
from seatrial.systems.github_actions.environments import DEPLOY, TEARDOWN, Environment, environment_of, problems
from seatrial.systems.github_actions.history import DeploymentHistory, RunId
from seatrial.systems.github_actions.machines import WORKFLOW, Measure, machines
from seatrial.systems.github_actions.settings import WORDS, WRITTEN, GithubActionsSettings, draft, wrong
from seatrial.systems.github_actions.standing import ExistingDeployment, by_command, by_history
from seatrial.systems.records import Declared
from seatrial.systems.settings import Roots
from seatrial.systems.states import EXPRESSION_NAMES, not_deployed, without_deployment

__all__ = ["GithubActions"]


DEPLOYMENT = "deployment"
RUN = "workflow-run"
TURN = "deployment-turn"
"""The kind of the lease on a deployment, for one trial of this machine at a time."""

OWNER = "system:github-actions"

SERVICES = 120.0
"""Seconds for the deployment to become healthy, beside the workflow's own."""


@system("github-actions")
class GithubActions(Declared):
    """A deployment created and removed by CI workflows."""

    Settings: ClassVar[type[Any]] = GithubActionsSettings
    places_nodes: ClassVar[bool] = False
    adopts_nodes: ClassVar[bool] = True
    """The provider recognises machines of the deployment as its own and offers its powers for them."""
    template_names: ClassVar[tuple[str, ...]] = ("node", "record", "outputs")
    """First words of templates filled in by this system itself."""
    expression_names: ClassVar[tuple[str, ...]] = EXPRESSION_NAMES
    """Additional names for the expressions in the settings."""

    def __init__(self, settings: GithubActionsSettings, folder: Path) -> None:
        super().__init__(settings.data, settings.admin, self._roots)
        self._settings = settings
        self._folder = folder
        self._nodes: Sequence[Node] = ()
        self._before: Sequence[Node] = ()
        """The nodes at the time of `destroy`."""
        self._outputs: Mapping[str, Any] = {}
        self._made: list[str] = []
        """The deployments of this trial in the ledger, by name, the oldest first."""
        self._cleaned: set[str] = set()
        """The digests of environments that this trial tore down before it deployed, or deployed."""
        deploy, teardown = settings.deploy.deadlines.whole, settings.teardown.deadlines.whole + CANCEL_SECONDS
        before = teardown if settings.teardown.before else 0.0
        self._undoing = deploy + teardown
        self.deadlines = {"deploy": before + deploy + SERVICES, "destroy": self._undoing}

    @classmethod
    def recognise(cls, folder: Path, way: str) -> Recognised | None:
        """A workflow `deploy.yml`."""
        from seatrial.systems.github_actions.recognition import recognise

        return recognise(folder, way)

    @classmethod
    def check_suite(cls, suite: Suite, environment: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str, str]]:
        """Errors in a suite's settings, by the local files and the environment."""
        return wrong(suite.system.settings, suite.system.folder, suite.parameters, environment)

    @classmethod
    def parameter_names(cls, suite: Suite) -> Collection[str] | None:
        """None but those in its settings."""
        return ()

    @classmethod
    def part_names(cls, settings: GithubActionsSettings) -> tuple[str, ...]:
        """The link and the service of a machine."""
        return ("ssh", "service")

    @classmethod
    def state_names(cls, settings: GithubActionsSettings) -> tuple[str, ...]:
        """Those of the settings."""
        return tuple(settings.states)

    async def init(self, ctx: Context) -> None:
        """Verify that both workflows exist at the ref, accept their inputs, and would not wait for this run; starts
        nothing."""
        async with self._forge(ctx) as (forge, place, _):
            await self._check(ctx, forge, place)
        self._stage = "initialized"

    async def deploy(self, ctx: Context) -> None:
        """Run the deploy workflow; each deployment is in the ledger, with the inputs of its own teardown, from before
        it until that teardown succeeds."""
        async with self._forge(ctx) as (forge, place, token):
            if self._stage != "initialized":
                await self._check(ctx, forge, place)
            await self._take_turn(ctx, place)
            history = DeploymentHistory(Path(ctx.labels()["seatrial.project"]))
            order, inputs = self._order(ctx, self._settings.deploy, place), self._kept_inputs(ctx)
            environment = await self._environment(ctx, forge, place, order, inputs)
            await self._refuse_foreign(ctx, forge, place, history, environment)
            if self._settings.teardown.before and environment.digest not in self._cleaned:
                await self._clean_slate(ctx, forge, place, token)
                # Meanwhile others may have deployed.
                await self._refuse_foreign(ctx, forge, place, history, environment)
            self._cleaned.add(environment.digest)
            name = RunId(ctx.trial_id, environment.digest).fresh(ctx.random.getrandbits(32))
            prepared = await ready(forge, order, name)
            record = self._record(ctx, place, token, prepared, name, inputs, environment)
            history.write(record, ctx.trial_id)
            self._stage = "deployed"
            self._made.append(name)
            self.deadlines["destroy"] = self._undoing * len(self._made)
            try:
                run = await made(ctx, forge, prepared, record, kind=DEPLOYMENT, name=name, owner=OWNER)
            finally:
                if not record.get("refused"):  # else nothing began, and the deployment before it is as it was
                    self._nodes, self._outputs = (), {}
            history.write(record, ctx.trial_id)
            await self._learn(ctx, await followed(ctx, forge, run, order))

    async def outputs(self, ctx: Context) -> Mapping[str, Any]:
        """The workflow's artifacts and the run itself, as outputs of the step `deploy`."""
        return self._outputs

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        """The nodes in the workflow's outputs, as the provider's own where it knows them."""
        return self._nodes

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        """Power, link and service of these nodes."""
        return await Measure(self._settings, self._outputs).health(ctx, nodes)

    async def status(self, ctx: Context) -> ClusterStatus:
        """The state of the whole."""
        measure = Measure(self._settings, self._outputs)
        if self._stage == "deployed":
            return await measure.status(ctx, self._nodes)
        claim = reported(self._stage, "the teardown workflow succeeded", by=WORKFLOW) if self._before else None
        return without_deployment(not_deployed(self._stage), await measure.health(ctx, self._before), claim)

    async def destroy(self, ctx: Context) -> None:
        """Run the teardown workflow for each deployment of this trial, the newest first, and release it in the ledger;
        without a deployment nothing happens."""
        while self._made:
            log = _log(ctx, self._made[-1])
            try:
                await ctx.give_back(DEPLOYMENT, self._made[-1])
            finally:
                if log.is_file():
                    ctx.output("teardown", log.read_text(encoding="utf-8", errors="replace"))
            self._made.pop()
        self._before, self._nodes = self._nodes, ()
        self._cleaned.clear()
        self._stage = "destroyed"

    async def give_back(self, resource: Resource) -> None:
        """End a run, or undo a deployment, from the ledger's record alone (called on a bare instance)."""
        if resource.kind == DEPLOYMENT:
            await take_away(resource.detail, resource.trial, os.environ)
        else:
            await end_run(resource.detail, os.environ)

    # Requests

    @asynccontextmanager
    async def _forge(self, ctx: Context) -> AsyncIterator[tuple[Forge, Place, str]]:
        """The forge, the place on it, and the template of its token, for the ledger."""
        said = {word: str(ctx.bind(getattr(self._settings, word))) for word in WORDS}
        environment = ctx.environment()
        place = find_place(self._folder, environment, **said)
        given = str(ctx.bind(self._settings.token)) if self._settings.token else ""
        patience = self._settings.deploy.deadlines.whole
        opened = open_forge(
            place.record, given, environment, ctx.log, patience=patience,
            unanswered=lambda text: ctx.seen(text, measured=False),
        )  # fmt: skip
        async with opened as (forge, token):
            ctx.secret(token)
            yield forge, place, self._settings.token

    async def _check(self, ctx: Context, forge: Forge, place: Place) -> None:
        await until_visible(forge, place.ref, self._settings.deploy.deadlines.visible, place.checkout, ctx.log)
        environment = ctx.environment()
        problems: list[str] = []
        for key in ("deploy", "teardown"):
            order = draft(getattr(self._settings, key), place, ctx.suite.parameters, environment)
            for path, message, hint in await wrong_there(forge, place, order, environment, ctx.log):
                problems.append(f"{'.'.join((key, *path))}: {message}{hint and f' ({hint})'}")
        if problems:
            raise UsageError("; ".join(problems))

    def _order(self, ctx: Context, part: Dispatch, place: Place) -> Order:
        return order_of(part, place.ref, ctx.bind(dict(part.inputs)))

    def _kept_inputs(self, ctx: Context) -> Mapping[str, Any]:
        """The teardown's inputs as the ledger keeps them: secrets stay templates."""
        inputs = late.keep(dict(self._settings.teardown.inputs), ctx.names())
        for name, value in inputs.items():
            if ctx.masked(str(value)) != str(value):  # other spellings, through a variable or an output
                raise UsageError(f"teardown.inputs.{name}: {WRITTEN}")
        return inputs

    async def _environment(
        self, ctx: Context, forge: Forge, place: Place, order: Order, inputs: Mapping[str, Any]
    ) -> Environment:
        """The environment to deploy to; UsageError if the inputs that choose it have no values, or other ones in the
        teardown."""
        teardown = self._order(ctx, self._settings.teardown, place)
        workflows = {DEPLOY: await read_there(forge, order), TEARDOWN: await read_there(forge, teardown)}
        chosen, given = self._settings.environment, {DEPLOY: order.inputs, TEARDOWN: teardown.inputs}
        if wrong := [message for _, message, _ in problems(chosen or (), workflows, given)]:
            raise UsageError("; ".join(wrong))
        environment = environment_of(chosen, workflows, order.inputs, inputs, teardown.correlation_input)
        for name, value in environment.values.items():
            if ctx.masked(value) != value:
                raise UsageError(f"environment: the input {name!r} is a secret: names of runs show the environment")
        return environment

    def _record(
        self, ctx: Context, place: Place, token: str, prepared: Ready, name: str, inputs: Mapping[str, Any],
        environment: Environment,
    ) -> dict[str, Any]:  # fmt: skip
        """Everything the teardown needs, known before anything is created."""
        teardown = self._settings.teardown
        return {
            **record_of(place, token, prepared),
            "teardown": {
                "workflow": teardown.workflow,
                "inputs": inputs,
                "correlation_input": teardown.correlation_input,
                "deadlines": asdict(teardown.deadlines),
            },
            "environment": asdict(environment),
            "digest": environment.digest,
            "replace_existing": self._settings.replace_existing,
            "project": ctx.labels()["seatrial.project"],
            "artifacts": str(ctx.artifacts),
            "log": str(_log(ctx, name)),
            "timeout": teardown.deadlines.whole + CANCEL_SECONDS,
            "alone": True,  # teardowns share a concurrency group: GitHub cancels the second one in the queue
        }

    # The current deployment

    async def _take_turn(self, ctx: Context, place: Place) -> None:
        """Deployments use production's names: one trial of this machine at a time holds a repository's deployment."""
        host = place.api_url.partition("://")[2]
        name = f"{host}/{place.repository}/{self._settings.deploy.workflow}".replace("/", "_")
        if not ctx.holds(TURN, name, owner="engine:lease"):
            await ctx.lease(TURN, [name])

    async def _refuse_foreign(
        self, ctx: Context, forge: Forge, place: Place, history: DeploymentHistory, environment: Environment
    ) -> None:
        record = {**place.record, "workflow": self._settings.deploy.workflow}
        stands = await self._stands(ctx, forge, record, history, environment)
        if stands is None:
            return
        if stands.trial and not stands.elsewhere:
            ctx.log(f"there is a deployment of the trial {stands.trial}: {stands.what}")
        elif self._settings.replace_existing:
            ctx.log(
                f"there is a deployment not made by a trial; `replace_existing` allows its removal: {stands.what}",
                "warning",
            )
        else:
            stands.refuse(place.repository, self._settings.abandoned_after)

    async def _stands(
        self,
        ctx: Context,
        forge: Forge,
        record: Mapping[str, Any],
        history: DeploymentHistory,
        environment: Environment,
    ) -> ExistingDeployment | None:
        """By the user's command if there is one, else by the history of the workflows."""
        asked = self._settings.standing
        if asked is None:
            teardown, after = self._settings.teardown.workflow, self._settings.abandoned_after
            return await by_history(forge, record, teardown, history, environment, abandoned_after=after)
        argv = argv_of(ctx.bind(asked.command))
        done = await spawn(ctx, argv, cwd=self._folder, env={}, timeout=asked.timeout)
        ctx.output("standing", done.stdout + done.stderr)
        if not done.ok:
            last = done.stderr.strip().rpartition("\n")[2]
            raise CannotTell(
                f"cannot find the current deployment: `standing` ended with exit code {done.exit_code}: {last}"
            )
        return by_command(done.stdout, record, history)

    async def _clean_slate(self, ctx: Context, forge: Forge, place: Place, token: str) -> None:
        """Run the teardown before the deployment."""
        order = self._order(ctx, self._settings.teardown, place)
        await run_to_end(ctx, forge, place, token, order, kind=RUN, owner=OWNER)

    # The finished deployment

    async def _learn(self, ctx: Context, outputs: Mapping[str, Any]) -> None:
        self._outputs = outputs
        nodes = machines(ctx, self._settings.nodes, self._settings.ssh, self._outputs, self._folder)
        self._nodes = await ctx.provider.adopt(nodes) if isinstance(ctx.provider, AdoptsNodes) else nodes

    def _roots(self, node: Node) -> Roots:
        return Measure(self._settings, self._outputs).roots(node)


def _log(ctx: Context, name: str) -> Path:
    """The file for the output of a deployment's teardown."""
    return ctx.folder / f"teardown-{name}.log"
