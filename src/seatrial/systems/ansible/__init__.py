"""The system `ansible`: playbooks and their inventory as they are; the hosts are nodes, and the log has each task."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from seatrial.errors import CannotTell
from seatrial.expressions import late
from seatrial.links import ansible as tool
from seatrial.links import inventory, process
from seatrial.links.ansible.events import Events
from seatrial.links.process.spawned import record, supervised, supervising, warn_of_secrets
from seatrial.links.process.table import process_start
from seatrial.model.cluster import ClusterStatus, NodeHealth
from seatrial.model.resource import Node, Resource
from seatrial.model.scenario import Suite
from seatrial.registry import system
from seatrial.spi import Context, Finished, Powers, Recognised
from seatrial.spi.output import cleanup_output
from seatrial.systems.ansible.calls import Calls, recorded
from seatrial.systems.ansible.settings import AnsibleSettings, doubts, problems, written_hosts
from seatrial.systems.ansible.variables import private_file
from seatrial.systems.machines import DEPLOYMENT, IN_GUEST, GivenMachines
from seatrial.systems.settings import DEADLINES, MINUTES_20, fill
from seatrial.systems.states import not_deployed, without_deployment

OWNER = "system:ansible"

LIST_SECONDS = 120.0
"""Seconds for the list of hosts."""

SETTLING = 120.0
"""Seconds for the nodes to become healthy after the playbook `deploy`."""

_NODE_VERB = {Powers.STOP: "stop", Powers.START: "start"}

OURS = "~/.ssh/known_hosts"
"""The user's own host keys, which Ansible uses too; they are read and never written."""


@system("ansible")
class AnsibleSystem(GivenMachines):
    """Playbooks for deploy, stop, start and destroy."""

    Settings: ClassVar[type[Any]] = AnsibleSettings
    by: ClassVar[str] = "the inventory"
    power_keys: ClassVar[Mapping[Powers, str]] = {power: f"`{verb}: FILE`" for power, verb in _NODE_VERB.items()}
    """A playbook for it."""

    def __init__(self, settings: AnsibleSettings, folder: Path) -> None:
        super().__init__(settings, settings.health)
        self._settings = settings
        self._documents = folder
        self._calls = Calls(settings, folder)
        self._found: tool.Ansible | None = None
        self._creates = settings.creates_machines
        self._number = 0
        self.default_deadlines = {**DEADLINES, "stop": MINUTES_20, "start": MINUTES_20, **settings.timeouts}
        self.default_deadlines["deploy"] += SETTLING

    # Before the run

    @classmethod
    def recognise(cls, folder: Path, way: str) -> Recognised | None:
        """Playbooks with their inventory."""
        from seatrial.systems.ansible.recognition import recognise

        return recognise(folder, way)

    @classmethod
    def check_suite(cls, suite: Suite, environment: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str, str]]:
        """What cannot work, by the playbooks and the inventory."""
        yield from problems(suite.system.settings, suite.system.folder)

    @classmethod
    def warnings(cls, suite: Suite) -> Iterator[tuple[tuple[str, ...], str]]:
        """Misspelt modules, plays for no host, and hosts without a way in."""
        for key, said in doubts(suite.system.settings, suite.system.folder):
            yield ("system", key), said

    @classmethod
    def node_names_in(cls, settings: AnsibleSettings, folder: Path) -> Mapping[str, str] | None:
        """The hosts of the inventory, as far as its text shows them."""
        names = tuple(settings.nodes) or written_hosts(settings, folder)
        return None if names is None else dict.fromkeys(names, "")

    @classmethod
    def parameter_names(cls, suite: Suite) -> Collection[str] | None:
        """Any, where they are variables."""
        return None if suite.system.settings.parameters_as_variables else super().parameter_names(suite)

    @classmethod
    def powers(cls, settings: AnsibleSettings) -> frozenset[Powers]:
        """Those with a playbook, and those from inside the nodes."""
        return frozenset({power for power, verb in _NODE_VERB.items() if getattr(settings, verb)} | IN_GUEST)

    # Deployment

    async def init(self, ctx: Context) -> None:
        """Find Ansible."""
        await self._ansible(ctx)
        self._stage = "initialized"

    async def deploy(self, ctx: Context) -> None:
        """Run the playbook `deploy`; the deployment is in the ledger from before it until `destroy`."""
        ansible = await self._ansible(ctx)
        await self._require_new(ctx)
        self._stage = "deployed"
        await ctx.make(
            DEPLOYMENT,
            ctx.deployment_id,
            lambda: self._play(ctx, "deploy"),
            owner=OWNER,
            detail=self._calls.record(ctx, ansible),
            outlives_host=True,
        )
        await self.nodes(ctx)  # an inventory without hosts is no better after a wait

    async def _require_new(self, ctx: Context) -> None:
        """With `creates_machines`, CannotTell for a machine that answers before `deploy`: Ansible would accept its host
        key, and `destroy` would remove it."""
        if not self._creates or not any(source.exists() for source in self._calls.sources(ctx)):
            return
        try:
            listed = await self.list_nodes(ctx)
        except CannotTell:
            return  # `deploy` writes the inventory anew
        if there := await self.look_before(listed):
            where, name = next(iter(there.items()))
            raise CannotTell(
                f"{name} answers at {where} before `deploy`, so `deploy` does not create it: remove the machine, or "
                "`creates_machines` from `system:`, or name the new machines alone with `hosts: PATTERN`"
            )

    async def remove_leftovers(self, ctx: Context) -> None:
        """Run the playbook `destroy`."""
        await self._play(ctx, "destroy")

    async def give_back(self, resource: Resource) -> None:
        """Run the playbook `destroy` from the ledger's record alone; StepFailed when a task fails, CannotTell when a
        machine is unreachable."""
        detail: Mapping[str, Any] = resource.detail
        state = Path(detail["state"])
        values, data = late.fill(detail["variables"], os.environ), tuple(detail["data"])
        with (
            private_file(state / "destroy-variables.yml", values, data) as file,
            cleanup_output.get()(Path(detail["log"])) as output,
        ):
            ansible, call = recorded(detail, file)
            async with supervising(resource.trial) as supervisor:
                await tool.run(call, ansible, Events(state / "destroy-events.jsonl"), supervisor, output)

    async def status(self, ctx: Context) -> ClusterStatus:
        """The state that follows from the nodes. After `destroy`, the link of a machine that Ansible did not create
        does not count."""
        if self._stage == "deployed" or self._settings.creates_machines:
            return await super().status(ctx)
        health = await self.measure(ctx, self._before)
        services = {
            name: NodeHealth(power=one.power, parts={part: said for part, said in one.parts.items() if part != "ssh"})
            for name, one in health.items()
        }
        return without_deployment(not_deployed(self._stage), services)

    # Nodes and powers

    async def list_nodes(self, ctx: Context) -> Sequence[Node]:
        """The hosts of the inventory, by `ansible-inventory`."""
        ansible, folder = await self._ansible(ctx), self._calls.folder(ctx)
        environment, supervisor = self._calls.environment(ctx), await supervised(ctx)

        async def run(words: Sequence[str], more: Mapping[str, str]) -> Finished:
            env = {**environment, **more}
            try:
                return await process.run(words, cwd=folder, env=env, timeout=LIST_SECONDS, under=supervisor)
            except TimeoutError as error:
                raise CannotTell(f"ansible-inventory did not end within {LIST_SECONDS:g} s") from error

        hosts = fill(ctx, self._settings.hosts, {})
        limit = ["--limit", hosts] if hosts != "all" else []
        nodes = await inventory.of_ansible(
            self._calls.sources(ctx), run, folder, program=ansible.inventory, playbooks=self._playbooks(ctx),
            more=[*self._calls.vault(ctx), *limit],
        )  # fmt: skip
        return [self._reached(ctx, node) for node in nodes]

    def _playbooks(self, ctx: Context) -> Path:
        """The folder of the first playbook: Ansible takes `group_vars` and `host_vars` from there too."""
        deploy = self._settings.deploy
        first = deploy if isinstance(deploy, str) else deploy[0]
        return (self._calls.folder(ctx) / fill(ctx, first, {})).parent

    def _reached(self, ctx: Context, node: Node) -> Node:
        """The way in as Ansible has it: the user's own keys and host keys where the inventory names none."""
        if not node.ssh:
            return node
        ssh = {**node.ssh}
        if not ssh.get("key"):
            ssh["agent"] = True
        if not self._creates and not ssh.get("known_host"):
            ssh.setdefault("known_hosts", str(Path(OURS).expanduser()))
        return replace(node, ssh=ssh)

    async def power(self, ctx: Context, node: Node, what: Powers) -> bool:
        """Run the playbook for one node, or act from inside it; False for another power."""
        verb = _NODE_VERB.get(what)
        if not verb or not getattr(self._settings, verb):
            return await super().power(ctx, node, what)
        await self._play(ctx, verb, node.name)
        self.powered(what, [node])
        return True

    async def power_all(self, ctx: Context, what: Powers) -> bool:
        """Run the playbook for all nodes; False without one."""
        verb = _NODE_VERB.get(what)
        if not verb or not getattr(self._settings, verb):
            return False
        nodes = await self.nodes(ctx)
        await self._play(ctx, verb)
        self.powered(what, nodes)
        return True

    # Ansible

    async def _ansible(self, ctx: Context) -> tool.Ansible:
        if self._found is None:
            environment = self._calls.environment(ctx)
            self._found = await tool.find(environment, self._calls.folder(ctx), await supervised(ctx))
        return self._found

    async def _play(self, ctx: Context, verb: str, limit: str = "") -> None:
        """Run the playbook of a verb; its process is in the ledger while it runs."""
        ansible, supervisor = await self._ansible(ctx), await supervised(ctx)
        self.forget_nodes()
        self._number += 1
        name = f"{ctx.trial_id}-ansible-{verb}-{self._number}"

        async def known(pid: int) -> None:
            await record(ctx, name, pid, process_start(pid, zombie=True))

        values, data = self._calls.variables(ctx)
        events = Events(ctx.state / f"{verb}-{self._number}.jsonl", lambda line: ctx.log(f"{verb}: {line}", "debug"))
        with private_file(ctx.state / f"{verb}-{self._number}.yml", values, data) as file, ctx.keeping(verb) as output:
            call = self._calls.call(ctx, ansible, verb, file, limit)
            warn_of_secrets(ctx, call.argv)
            try:
                await tool.run(call, ansible, events, supervisor, output, known)
            finally:
                await ctx.give_back("process", name)
        limited = limit or any(word.startswith(("-l", "--limit")) for word in self._settings.arguments)
        for play in events.unmatched if not limited else ():
            ctx.log(f"{verb}: {play}", "warning")
