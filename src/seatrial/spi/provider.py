"""A provider makes nodes and has powers over them; what it can do besides is a small protocol each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from seatrial.model.cluster import PowerState
from seatrial.model.reading import Reading, absent, measured
from seatrial.model.resource import Node, NodeSpec, Resource, Service
from seatrial.spi.link import Link
from seatrial.spi.powers import Powers

if TYPE_CHECKING:
    from seatrial.spi.context import Context


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether something can work on this machine, for `doctor`: what was tried, and the command that brings it."""

    ready: bool
    tried: str
    remedy: str = ""


@runtime_checkable
class Owner(Protocol):
    """Whoever can give back a resource by its record."""

    async def destroy(self, resource: Resource) -> None: ...


@runtime_checkable
class Provider(Protocol):
    """Where nodes live. Made once per trial as `Provider(settings)`, and by `clean` from the ledger alone."""

    powers: frozenset[Powers]
    deadlines: Mapping[str, float]
    """Seconds that deploy, start, stop, restart, destroy may take here."""

    def __init__(self, settings: Mapping[str, Any]) -> None: ...

    async def create(self, spec: NodeSpec, ctx: Context) -> Node:
        """Make one node and return when it is powered on. Called within `ctx.make`: the intent of the node is written
        already, its resource has the name `<trial>-<node>` and detail {"node": name, **self.foresee(spec, ctx)}."""

    def foresee(self, spec: NodeSpec, ctx: Context) -> Mapping[str, object]:
        """All that `destroy` will need, known before anything is made: names, folders."""

    async def destroy(self, resource: Resource) -> None:
        """Give back a node by its ledger record alone; already gone is success. Also when create broke off half way."""

    async def find(self, run: str) -> Sequence[Resource]:
        """All that exists here and carries this run's id; the ledger is not asked. `*` for run: every run of ours."""

    def link(self, node: Node) -> Link:
        """The way into a node; not yet connected."""

    async def state(self, node: Node) -> PowerState:
        """Running, stopped or paused, as the provider knows it (the link is not asked)."""

    async def boot_id(self, node: Node) -> str:
        """What changes with every boot and never otherwise."""

    @classmethod
    async def readiness(cls, settings: Mapping[str, Any]) -> Readiness:
        """Whether it can work on this machine, found out by doing."""


@runtime_checkable
class Power(Protocol):
    """Powers by the provider's API; each returns when the power state is so."""

    async def stop(self, node: Node) -> None:
        """Orderly power-off."""

    async def start(self, node: Node) -> None:
        """Power on."""

    async def crash(self, node: Node) -> None:
        """Hard power-off, with no warning."""


@runtime_checkable
class Guest(Protocol):
    """Powers from inside the node, over its link."""

    async def guest_stop(self, node: Node) -> None:
        """Orderly shutdown in the guest; returns when the power is off."""

    async def guest_reboot(self, node: Node) -> None:
        """Ask the guest to reboot; returns at once."""

    async def guest_crash(self, node: Node) -> str:
        """Crash the guest's kernel or power it off by force; `rebooting` (SysRq) or `off` (`poweroff -f`)."""


@runtime_checkable
class Pause(Protocol):
    """Freezing a node."""

    async def pause(self, node: Node) -> None:
        """Freeze it."""

    async def resume(self, node: Node) -> None:
        """Let it go on."""


@runtime_checkable
class Services(Protocol):
    """A provider whose nodes run a service for us, also after each boot; others get it over their link."""

    async def install_service(self, node: Node, service: Service) -> None:
        """Register it, so that every boot starts it; does not start it now."""

    async def start_service(self, node: Node, name: str) -> None:
        """Start it now; StepFailed is not raised here: a service that exits shows in its health."""

    async def stop_service(self, node: Node, name: str) -> None:
        """Stop it in its orderly way."""

    async def service_log(self, node: Node, name: str) -> str:
        """The last lines (64 KiB at most) of what it wrote."""


@runtime_checkable
class Console(Protocol):
    """A provider that keeps what a node wrote to its console."""

    async def console(self, node: Node) -> str:
        """What was written since the node was made (the last 64 KiB)."""


@runtime_checkable
class Reasons(Protocol):
    """A provider that knows why a node's power is as it is."""

    async def power_reason(self, node: Node) -> str:
        """In its own words: `crashed`, `shutdown`, `destroyed by the API`, `exited with 137`; empty: not known."""


@runtime_checkable
class Remembers(Protocol):
    """A provider that may only remember a node's power: it has no API to ask, and knows what it did last."""

    async def power_reading(self, node: Node) -> Reading[PowerState]:
        """The same as `state`, with its source."""


async def power_reading(provider: Provider, node: Node, name: str) -> Reading[PowerState]:
    """What the provider of this name knows of a node's power. What it reads is measured, unless it says otherwise."""
    if isinstance(provider, Remembers):
        return await provider.power_reading(node)
    state, by = await provider.state(node), f"the provider {name}"
    if state is PowerState.UNKNOWN:
        return absent(state, "the provider gave a state that Seatrial does not know", by=by)
    return measured(state, by=by)


@runtime_checkable
class Fails(Protocol):
    """A provider that sees when a node has broken down: paused by an internal error, its emulator crashed."""

    async def failure(self, node: Node) -> str:
        """The node, its state, the reason and where the log is, when the node cannot come up or answer any more;
        empty: it may. Steps ask while they wait for the node and end the wait at once: the verdict is unknown."""


@runtime_checkable
class Enterable(Protocol):
    """A provider that can tell how a person gets into a node which has no SSH."""

    def enter(self, node: Node) -> Sequence[str]:
        """The command, as an argument list: `podman exec -it NAME sh`."""


@runtime_checkable
class Shared(Protocol):
    """A provider whose nodes of one trial stand on something in common, such as a network."""

    async def prepare(self, ctx: Context) -> None:
        """Make it, by `ctx.make`, unless this trial has it. Called before the intent of each node is written, so that
        the newest-first sweep takes the nodes away before what they stand on."""


@runtime_checkable
class Adopts(Protocol):
    """A provider that recognises machines which a deployer made where it also makes its own, and then has its powers
    over them: all that it declares. It gives none of them back: whoever made them does.

    A system that brings its own nodes has them recognised each time it learns them anew, and says so for plan time by
    `adopts_nodes = True` on its class. A power over a node that was not recognised is refused when it is asked for.
    """

    async def adopt(self, nodes: Sequence[Node]) -> Sequence[Node]:
        """The same nodes in their order. A recognised one has `adopted` set, and in `detail` what the powers need; the
        others are as they were. CannotTell when its list cannot be read. Asked again, it looks again."""


@runtime_checkable
class Snapshots(Protocol):
    """A provider that can keep the state of running nodes, memory and disks, and bring it back. It declares
    `Powers.SNAPSHOT`. Nodes may come from another instance of it: what it needs to know is in them."""

    async def snapshot(self, nodes: Sequence[Node], name: str) -> None:
        """Keep the state of these nodes under a name, as of one moment: none goes on before all are kept, or what they
        told each other in between would come apart. It goes when the node goes; all run when this returns."""

    async def revert(self, nodes: Sequence[Node], name: str) -> None:
        """Bring these nodes back to it, whatever their power is now, as often as it is asked; returns when all run."""
