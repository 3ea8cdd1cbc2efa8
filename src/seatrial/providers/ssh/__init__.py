"""The ssh provider: existing machines. It claims them, and has only powers that work from inside them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from seatrial.errors import CannotTell, LeaseTaken, LinkDown, LinkLost, SeatrialError, UsageError
from seatrial.links.ssh import SSHLink, guest
from seatrial.links.ssh.guest import GuestPowers
from seatrial.model.cluster import PowerState
from seatrial.model.reading import Reading, measured, remembered
from seatrial.model.resource import Node, NodeSpec, Resource
from seatrial.providers.ssh import claims
from seatrial.providers.ssh.machines import SSHSettings, machines, place
from seatrial.registry import provider
from seatrial.spi import Context, Powers, Readiness, known_nodes

_OFF_SECONDS = 3.0
"""Seconds for a machine powering off to report its identity: silence is expected there."""

_PAUSE = 0.05
_SILENCE = 0.5
"""Seconds of silence after which a machine powering off counts as off."""


@provider("ssh")
class SSH(GuestPowers):
    """Existing machines, reached over SSH and claimed for a trial."""

    outlives_host = True
    reaches_any_node = True
    """Its powers work over every node with SSH, including a deployer's."""
    powers = frozenset({Powers.LIST, Powers.GUEST_STOP, Powers.GUEST_REBOOT, Powers.GUEST_CRASH})
    parameter_names = ()
    why_missing: Mapping[Powers, str] = dict.fromkeys(
        (Powers.START, Powers.STOP, Powers.CRASH, Powers.GRACEFUL_RESTART),
        "machines that exist have no API for their power: use what works inside them (`method: ssh`; `stop_cluster` "
        "with `power: guest`); a person must power on what was shut down",
    )
    deadlines: Mapping[str, float] = {"deploy": 120.0, "start": 300.0, "stop": 120.0, "restart": 300.0, "destroy": 60.0}

    Settings: ClassVar[type[Any]] = SSHSettings

    def __init__(self, settings: SSHSettings) -> None:
        self._settings = settings
        self._links: dict[tuple[str, str], SSHLink] = {}
        self._off: dict[str, str] = {}
        """Nodes powering off from inside, with the boot of the command."""

    def foresee(self, spec: NodeSpec, ctx: Context) -> Mapping[str, object]:
        """The candidate machines."""
        return {"machines": [claims.ways(machine) for machine in self._candidates(spec, ctx)]}

    def _candidates(self, spec: NodeSpec, ctx: Context) -> list[Node]:
        """The machine of this name; else those whose names no node of the trial has."""
        all_of_them = machines(self._settings)
        if not all_of_them:
            raise UsageError(
                "providers.ssh names no machines: put `inventory` (a file of Ansible or OpenSSH) or `hosts` (a list) "
                "under [providers.ssh] in seatrial.toml"
            )
        if named := [machine for machine in all_of_them if machine.name == spec.name]:
            return named
        taken = set(known_nodes(type(ctx.system), ctx.suite.system.settings, ctx.suite.parameters))
        return [machine for machine in all_of_them if machine.name not in taken]

    async def create(self, spec: NodeSpec, ctx: Context) -> Node:
        """Claim a free machine, and create its folder."""
        why: list[str] = []
        for machine in self._candidates(spec, ctx):
            try:
                await ctx.lease("machine", [place(machine)])
            except LeaseTaken as error:
                why.append(str(error))
                continue
            try:
                return await self._claimed(machine, spec, ctx)
            except (CannotTell, TimeoutError) as error:
                why.append(f"{machine.name}: {error}")
                await ctx.give_back("machine", place(machine))
        raise LeaseTaken(f"no machine could be had for {spec.name}: {'; '.join(why) or 'the inventory has too few'}")

    async def _claimed(self, machine: Node, spec: NodeSpec, ctx: Context) -> Node:
        link = SSHLink(replace(machine, name=spec.name), trial=ctx.trial_id)
        try:
            guest.require_other(link, await guest.seen(link), guest.ours())
            name = f"{ctx.trial_id}-{spec.name}@{place(machine)}"
            detail = {"node": spec.name, "machines": [claims.ways(machine)], "claimed": True}
            answer = await ctx.make(
                "claim", name, lambda: claims.claim(link, machine, spec.name, ctx),
                owner=f"provider:{ctx.suite.provider}", detail=detail, outlives_host=True,
            )  # fmt: skip
            if isinstance(answer, claims.Held):
                await ctx.give_back("claim", name)
                raise LeaseTaken(f"{link} is held by {answer.by}")
            ports = {
                name: number or await _free_port(machine, answer.listening, ctx) for name, number in spec.ports.items()
            }
        except BaseException:
            await link.close()
            raise
        known = {"known_host": link.known_host} if link.known_host else {}
        node = Node(
            name=spec.name, address=machine.address, ports=ports, ssh={**machine.ssh, **known},
            folder=f"{answer.base}/{ctx.trial_id}", detail={"machine": machine.name, "trial": ctx.trial_id},
        )  # fmt: skip
        self._links[_way(node)] = link
        ctx.link(node)  # from now on it is closed with the trial
        return node

    async def destroy(self, resource: Resource) -> None:
        """End the trial's processes there, remove its folder and its claim. LeftBehind while a machine it was about to
        claim is silent; such a machine has a record of its own, so the node's record need not mention silent machines.
        """
        detail: Mapping[str, Any] = resource.detail
        recorded = [claims.machine_of(ways) for ways in detail["machines"]]
        await claims.released(recorded, resource.trial, str(detail["node"]), claimed=detail.get("claimed") is True)

    async def find(self, run: str) -> Sequence[Resource]:
        """The claims reported by the machines themselves; a silent machine cannot run our processes."""
        standing = await asyncio.gather(*(claims.standing(machine, run) for machine in machines(self._settings)))
        return [claim for claim in standing if claim is not None]

    @classmethod
    async def readiness(cls, settings: SSHSettings) -> Readiness:
        """The machines that answer."""
        named = machines(settings)
        if not named:
            remedy = 'put inventory = "FILE" under [providers.ssh] in seatrial.toml'
            return Readiness(False, "no machines are named", remedy)
        answers = await asyncio.gather(*(_answer(machine) for machine in named))
        wrong = [answer for answer in answers if answer]
        there = [machine.name for machine, answer in zip(named, answers, strict=True) if not answer]
        tried = f"{len(there)} of {len(named)} machines answer: {', '.join(there) or 'none'}"
        return Readiness(bool(there), "; ".join([tried, *wrong]), "ssh to each, as the error says" if wrong else "")

    def link(self, node: Node) -> SSHLink:
        """SSH to the node: one connection for all who ask."""
        return self._links.setdefault(_way(node), SSHLink(node, trial=str(node.detail.get("trial") or "")))

    async def state(self, node: Node) -> PowerState:
        """Running while it answers; stopped if Seatrial powered it off from inside, and it has been silent since."""
        return (await self.power_reading(node)).value

    async def power_reading(self, node: Node) -> Reading[PowerState]:
        """For a silent machine, only memory says that it is powered off."""
        by = f"the link of {node.name}"
        patience = _OFF_SECONDS if node.name in self._off else guest.LOOK_SECONDS
        try:
            now = (await guest.seen(self.link(node), timeout=patience)).boot_id
        except (LinkDown, LinkLost, TimeoutError):
            if node.name in self._off:
                return remembered(PowerState.STOPPED, "Seatrial powered it off from inside, and it is silent since")
            return measured(PowerState.UNREACHABLE, by=by)
        if self._off.get(node.name, now) != now:  # a person has powered it on
            del self._off[node.name]
        return measured(PowerState.RUNNING, by=by)

    async def until_off(self, node: Node, boot: str) -> None:
        """Return when it answers no more; CannotTell when it goes on in the same boot, or comes back in another."""
        seconds, clock = self.deadlines["stop"], asyncio.get_running_loop().time
        self._off[node.name] = boot
        since, end = 0.0, clock() + seconds
        while clock() < end:
            looked = clock()
            if await self.state(node) is PowerState.STOPPED:
                since = since or looked
                if clock() - since >= _SILENCE:
                    return
            else:
                since = 0.0
            if node.name not in self._off:
                raise CannotTell(f"{node.name} booted again instead of powering off")
            await asyncio.sleep(_PAUSE)
        del self._off[node.name]
        raise CannotTell(f"{node.name} still answers {seconds:g} s after the command to power off")


async def _answer(machine: Node) -> str:
    """Why a machine does not let us in; empty when it does."""
    link = SSHLink(machine)
    try:
        guest.require_other(link, await guest.seen(link, timeout=8.0), guest.ours())
    except (SeatrialError, TimeoutError) as error:
        return str(error)
    finally:
        await link.close()
    return ""


async def _free_port(machine: Node, listening: frozenset[int], ctx: Context) -> int:
    """A port of the machine without a listener and without another trial of this host."""
    numbers = (ctx.random.randrange(20000, 32000) for _ in range(1000))
    places = (f"{machine.address}:{number}" for number in numbers if number not in listening)
    return int((await ctx.lease("port", places)).rpartition(":")[2])


def _way(node: Node) -> tuple[str, str]:
    return node.name, f"{node.ssh.get('user')}@{node.ssh.get('host')}:{node.ssh.get('port')}"
