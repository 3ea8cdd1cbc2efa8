"""Powers over a node, by the system if it has them, else by the provider; and waiting for their effect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from seatrial.errors import CannotTell, NodeFailed, NotSupported
from seatrial.model.cluster import PowerState
from seatrial.model.reading import Health
from seatrial.model.resource import Node
from seatrial.model.values import WaitFor
from seatrial.spi import (
    BreaksOff,
    Context,
    HasPowers,
    IdentifiesBoots,
    InjectsFaults,
    KeepsRecords,
    KnowsHosts,
    Powers,
    PowersGuests,
    PowersNodes,
    ProviderTraits,
    RefusesPowers,
    ReportsFailure,
    RunsServices,
    SetsWait,
    StartsServices,
    health_of,
    own_powers,
    traits,
)
from seatrial.spi.measuring import provider_knows
from seatrial.steps.wait_until import NotYet, wait_until

ANSWER = 5.0
"""Time limit in seconds for one answer of a node's link."""


def by_guest(ctx: Context) -> bool:
    """Whether the suite forbids the provider's own powers."""
    return ctx.suite.power == "guest"


async def before_outage(ctx: Context) -> None:
    """Let a record-keeping system write some records, to detect losses afterwards."""
    if isinstance(ctx.system, KeepsRecords):
        await ctx.system.before_outage(ctx)


async def _by_system(ctx: Context, node: Node, what: Powers) -> bool:
    return isinstance(ctx.system, HasPowers) and await ctx.system.power(ctx, node, what)


def require(ctx: Context, node: Node, what: Powers) -> None:
    """NotSupported where the system says that it has no such power over this node: nothing is announced then."""
    if not isinstance(ctx.system, RefusesPowers) or what in _of_provider(ctx, node):
        return
    if why := ctx.system.refusal(node, what):
        raise NotSupported(why)


def off_power(ctx: Context, node: Node) -> Powers:
    """The power of a graceful power-off: in the guest if the suite or the provider allows nothing else."""
    return Powers.GUEST_STOP if by_guest(ctx) or _only_in_guest(ctx, node) else Powers.STOP


async def switch_off(ctx: Context, node: Node) -> None:
    """Graceful power-off: by the system, by the provider, or in the guest."""
    what = off_power(ctx, node)
    if await _by_system(ctx, node, what):
        return
    only_whole = what is Powers.STOP and Powers.STOP not in _of_provider(ctx, node)
    if only_whole and await _by_system(ctx, node, Powers.GUEST_STOP):
        return  # its verb stops all nodes or none
    if what is Powers.STOP:
        await _power(ctx, node, what).stop(node)
    else:
        await _guest(ctx, node, what).guest_stop(node)


def _only_in_guest(ctx: Context, node: Node) -> bool:
    return Powers.STOP not in _all_powers(ctx, node) and Powers.GUEST_STOP in _all_powers(ctx, node)


def _all_powers(ctx: Context, node: Node) -> frozenset[Powers]:
    return _of_provider(ctx, node) | own_powers(type(ctx.system), ctx.suite.system.settings)


def _of_provider(ctx: Context, node: Node) -> frozenset[Powers]:
    """The provider's powers over a node of the system. It has none over a node it neither created nor recognised: its
    commands could reach an unrelated machine of the same name in a deployer's inventory."""
    reached = provider_knows(ctx, node) or traits(ctx.provider, ProviderTraits).reaches_any_node
    return ctx.provider.powers if reached else frozenset()


async def switch_on(ctx: Context, node: Node) -> None:
    if not await _by_system(ctx, node, Powers.START):
        await _power(ctx, node, Powers.START).start(node)


async def cut(ctx: Context, node: Node) -> None:
    """Hard power-off without warning; commands running over the node's link end as LinkLost at once."""
    if not await _by_system(ctx, node, Powers.CRASH):
        await _power(ctx, node, Powers.CRASH).crash(node)
    break_off(ctx, node)


async def reboot(ctx: Context, node: Node) -> None:
    if not await _by_system(ctx, node, Powers.GUEST_REBOOT):
        await _guest(ctx, node, Powers.GUEST_REBOOT).guest_reboot(node)


async def crash_in_guest(ctx: Context, node: Node) -> str:
    """Crash the guest; returns the requested result `rebooting` or `off`, empty if the system crashed it."""
    by_system = await _by_system(ctx, node, Powers.GUEST_CRASH)
    told_to = "" if by_system else await _guest(ctx, node, Powers.GUEST_CRASH).guest_crash(node)
    break_off(ctx, node)
    return told_to


async def power_cycle(ctx: Context, node: Node, left: Callable[[], float]) -> None:
    if await _by_system(ctx, node, Powers.GRACEFUL_RESTART):
        return
    power = _power(ctx, node, Powers.GRACEFUL_RESTART)
    await power.stop(node)
    await until_off(ctx, node, left())
    await power.start(node)


def _power(ctx: Context, node: Node, what: Powers) -> PowersNodes:
    if by_guest(ctx):
        raise NotSupported(f"the suite has `power: guest`: the provider may not be asked to {what}")
    if what in _of_provider(ctx, node) and isinstance(ctx.provider, PowersNodes):
        return ctx.provider
    raise _missing(ctx, node, what)


def _guest(ctx: Context, node: Node, what: Powers) -> PowersGuests:
    if what in _of_provider(ctx, node) and isinstance(ctx.provider, PowersGuests):
        return ctx.provider
    raise _missing(ctx, node, what)


def injector(ctx: Context, node: Node, what: Powers) -> InjectsFaults:
    """The provider, or the system with hosts, with this power over the node; NotSupported."""
    if by_guest(ctx):
        raise NotSupported(f"the suite has `power: guest`: the provider may not be asked to {what}")
    system = ctx.system
    if isinstance(system, KnowsHosts) and what in own_powers(type(system), ctx.suite.system.settings):
        if system.is_host(node) and isinstance(system, InjectsFaults):
            return system
        raise NotSupported(f"{node.name} is not a machine of the cluster, so it has no power to {what}")
    if {what, Powers.HEAL} <= _of_provider(ctx, node) and isinstance(ctx.provider, InjectsFaults):
        return ctx.provider
    raise _missing(ctx, node, what)


def _missing(ctx: Context, node: Node, what: Powers) -> NotSupported:
    has = ", ".join(sorted(_all_powers(ctx, node))) or "none"
    why = f"neither the system nor the provider {ctx.suite.named_provider} has the power: {what}; they have: {has}"
    if what in ctx.provider.powers:
        where = f" at {node.address}" if node.address else ""
        why += f"; the provider does not know {node.name}{where}: it neither created nor recognised it"
    return NotSupported(why)


def break_off(ctx: Context, node: Node) -> None:
    """Close the link of a node without power: the node can no longer end the connection, so pending calls would wait
    until keepalive finds it dead."""
    link = ctx.link(node)
    if isinstance(link, BreaksOff):
        link.abort()


async def power_of(ctx: Context, node: Node) -> PowerState:
    """The power state: from the provider for nodes it knows, else from the system."""
    if provider_knows(ctx, node):
        return await ctx.provider.state(node)
    health = (await health_of(ctx, [node])).get(node.name)
    return health.power.value if health is not None else PowerState.UNKNOWN


async def boot_of(ctx: Context, node: Node) -> str:
    """The boot id from the system if it has one, else from the provider, or from the node itself if the provider does
    not know the node."""
    if isinstance(ctx.system, IdentifiesBoots):
        return await ctx.system.boot_id(ctx, node)
    if provider_knows(ctx, node):
        return await ctx.provider.boot_id(node)
    from seatrial.links.ssh.guest import seen

    try:
        return (await seen(ctx.link(node), timeout=ANSWER)).boot_id
    except TimeoutError:
        await ctx.link(node).close()
        raise


async def answers(ctx: Context, node: Node) -> bool:
    """Whether the node's link answers now; a hanging connection is closed, so the next attempt opens a new one."""
    if not node.proves_itself and not ctx.system.places_nodes:
        return True  # a deployer's node without a link: only its health is known
    try:
        return (await ctx.link(node).run(["true"], timeout=ANSWER)).ok
    except TimeoutError:
        await ctx.link(node).close()
        return False


async def _answering(ctx: Context, node: Node) -> None:
    if not await answers(ctx, node):
        raise NotYet(f"the link of {node.name} does not answer")


async def none_failed(ctx: Context, nodes: Iterable[Node]) -> None:
    """NodeFailed if the provider reports one of these nodes as broken down: waiting is pointless."""
    provider = ctx.provider
    if isinstance(provider, ReportsFailure):
        for node in nodes:
            if provider_knows(ctx, node) and (why := await provider.failure(node)):
                raise NodeFailed(why)


async def until_off(ctx: Context, node: Node, deadline: float) -> None:
    """Return when the power is off."""

    async def look() -> bool:
        if (state := await power_of(ctx, node)) is PowerState.STOPPED:
            return True
        raise _unlike(node, state)

    await wait_until(ctx, look, deadline=deadline, what=f"the power-off of {node.name}")
    break_off(ctx, node)
    await ctx.link(node).close()


def wait_for(ctx: Context, said: WaitFor | None) -> WaitFor:
    """What has to answer before a started node is up: as the step says, else as the system does."""
    return said or (ctx.system.wait_for if isinstance(ctx.system, SetsWait) else "service")


async def until_up(
    ctx: Context, node: Node, deadline: float, *, what: str, up: WaitFor = "service",
    also: Callable[[], Awaitable[None]] | None = None,
) -> None:  # fmt: skip
    """Return when the node is powered on, its link answers and its service is up, whatever the state of the cluster;
    `up` says how much of that.
    `also` is called first; it raises NotYet if the node is in the wrong boot."""
    ensured = False

    async def look() -> bool:
        nonlocal ensured
        if (state := await power_of(ctx, node)) is not PowerState.RUNNING:
            await none_failed(ctx, [node])
            raise _unlike(node, state)
        if also is not None:
            await also()
        if up == "power":
            return True
        await _answering(ctx, node)
        if up == "link":
            return True
        if not ensured:
            await ensure_service(ctx, node)
            ensured = True
        health = (await health_of(ctx, [node])).get(node.name)
        service = health.parts.get("service") if health is not None else None
        if service is None or service.ok:
            return True
        if service.value is Health.UNKNOWN:
            raise CannotTell(f"the service of {node.name} could not be measured: {service.why}")
        raise NotYet(f"the service of {node.name} is not up: {service.why}")

    await wait_until(ctx, look, deadline=deadline, what=what)


async def until_served(ctx: Context, node: Node, deadline: float) -> None:
    """Have the system start a service without autostart; returns at once if not needed."""
    if isinstance(ctx.provider, RunsServices) or not isinstance(ctx.system, StartsServices):
        return

    async def look() -> bool:
        await none_failed(ctx, [node])
        await _answering(ctx, node)
        return True

    await wait_until(ctx, look, deadline=deadline, what=f"the start of {node.name}")
    await ensure_service(ctx, node)


async def ensure_service(ctx: Context, node: Node) -> None:
    """Let the system start its service after a boot, if it needs to (`ensure_running`)."""
    if isinstance(ctx.system, StartsServices):
        await ctx.system.ensure_running(ctx, node)


def _unlike(node: Node, state: PowerState) -> Exception:
    if state is PowerState.UNKNOWN:
        return CannotTell(f"the power state of {node.name} could not be read")
    return NotYet(f"{node.name} is {state}")
