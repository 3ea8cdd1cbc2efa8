"""What the promises of a provider work with: a trial's context, its provider, and waits for an effect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from seatrial.errors import LinkDown, LinkLost, LinkRefused, NotSupported
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, NodeSpec, Resource
from seatrial.spi import (
    Context,
    PausesNodes,
    Powers,
    PowersGuests,
    PowersNodes,
    Provider,
    TakesSnapshots,
)
from seatrial.testing.fake_run import FakeRun

FRESH = "fresh"
"""The name of the snapshot of a freshly created node."""

DEADLINE = 60.0
"""Default time limit in seconds for one effect."""


METHODS: Mapping[Powers, tuple[type[Any], Callable[[Any, Node], Awaitable[object]]]] = {
    Powers.STOP: (PowersNodes, lambda provider, node: provider.stop(node)),
    Powers.START: (PowersNodes, lambda provider, node: provider.start(node)),
    Powers.CRASH: (PowersNodes, lambda provider, node: provider.crash(node)),
    Powers.GUEST_STOP: (PowersGuests, lambda provider, node: provider.guest_stop(node)),
    Powers.GUEST_REBOOT: (PowersGuests, lambda provider, node: provider.guest_reboot(node)),
    Powers.GUEST_CRASH: (PowersGuests, lambda provider, node: provider.guest_crash(node)),
    Powers.PAUSE: (PausesNodes, lambda provider, node: provider.pause(node)),
    Powers.SNAPSHOT: (TakesSnapshots, lambda provider, node: provider.snapshot([node], "contract")),
}


class AnyProvider(Provider, PowersNodes, PowersGuests, PausesNodes, TakesSnapshots, Protocol):
    """A provider with any power; a promise uses only declared ones."""


@dataclass(frozen=True, slots=True)
class ContractFixture:
    """A promise's fixture: a trial's context, its provider, and the time limit in seconds for one effect."""

    ctx: Context
    provider: AnyProvider
    run: FakeRun
    deadline: float
    shared: dict[str, Node] | None = None
    """Nodes left unchanged by earlier promises; None: each promise has its own."""

    async def node(self, name: str = "n11") -> Node:
        """A node with a working link: the previous promise's node if promises share, else a new one."""
        if self.shared is None:
            return await self._made(name)
        node = self.shared.pop(name, None)
        if node is not None and not await self._usable(node):
            await self.ctx.destroy_node(node)
            node = None
        if node is None:
            node = await self._made(name)
            if Powers.SNAPSHOT in self.provider.powers:
                await self.provider.snapshot((node,), FRESH)
        self.shared[name] = node
        return node

    async def _made(self, name: str) -> Node:
        node = await self.ctx.create_node(NodeSpec(name=name, ports={"client": 0}))
        await self.answers(node)
        return node

    async def _usable(self, node: Node) -> bool:
        """Whether it runs, after a restart if needed: reverting its snapshot is faster than another boot."""
        if await self.provider.state(node) is not PowerState.RUNNING:
            if Powers.SNAPSHOT not in self.provider.powers:
                return False
            await self.ctx.link(node).close()
            await self.provider.revert((node,), FRESH)
        await self.answers(node)
        return True

    def forget(self, node: Node) -> None:
        """The promise destroys it, so no later one can use it."""
        if self.shared is not None:
            self.shared.pop(node.name, None)

    async def has(self, node: Node, power: Powers) -> bool:
        """Whether the power is declared; an undeclared one must be refused, and change nothing."""
        protocol, use = METHODS[power]
        if power in self.provider.powers:
            assert isinstance(self.provider, protocol), f"it declares {power!r} but lacks {protocol.__name__}"
            return True
        if isinstance(self.provider, protocol):
            await raises(NotSupported, use(self.provider, node))
        assert await self.provider.state(node) is PowerState.RUNNING
        return False

    async def until(self, reached: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait for an effect; a link without an answer has not reached it."""

        async def look() -> bool | None:
            try:
                return await reached() or None
            except (LinkDown, LinkLost, TimeoutError):
                return None

        await self.ctx.poll(look, deadline=self.deadline, what=what)

    async def answers(self, node: Node) -> None:
        """Wait until a command runs on it."""

        async def runs() -> bool:
            return (await self.ctx.link(node).run(["true"], timeout=10)).ok

        await self.until(runs, f"an answer of {node.name}")

    async def silent(self, node: Node) -> None:
        """Fail unless its link is down; a refused login or an answer is a failure."""
        try:
            await self.ctx.link(node).run(["true"], timeout=3)
        except (LinkDown, LinkLost, TimeoutError):
            return
        raise AssertionError(f"{node.name} has no power, but its link still answers")

    async def boots_anew(self, node: Node, old: str) -> None:
        """Wait until it has another boot id than this one, and answers."""

        async def booted() -> bool:
            return await self.provider.boot_id(node) != old

        await self.until(booted, f"a new boot of {node.name}")
        await self.answers(node)

    async def found(self) -> set[str]:
        """The names of this run's nodes in the provider's own list."""
        listed = await self.provider.find(self.ctx.run_id)
        run, trial = self.ctx.run_id, self.ctx.trial_id
        strangers = [resource for resource in listed if (resource.run, resource.trial) != (run, trial)]
        assert not strangers, f"find({run!r}) listed resources with another run's id, or without a trial: {strangers}"
        return {resource.name for resource in listed if resource.kind == "node"}

    def record(self, node: Node) -> Resource:
        for entry in self.run.ledger.out(self.ctx.trial_id):
            if entry.resource.kind == "node" and entry.resource.detail.get("node") == node.name:
                return entry.resource
        raise AssertionError(f"the ledger has no node {node.name}")

    async def write(self, node: Node, text: str) -> None:
        """Write a file on a node, replacing its content."""
        sent = self.ctx.artifacts / "left"
        sent.write_text(text)
        await self.ctx.link(node).put(sent, self.file(node))

    async def read(self, node: Node) -> str:
        """The content of the file written on it."""
        back = self.ctx.artifacts / "found"
        await self.ctx.link(node).get(self.file(node), back)
        return back.read_text()

    def file(self, node: Node) -> str:
        return f"{node.folder or '/tmp'}/seatrial-contract-{self.ctx.trial_id}"

    def owner(self) -> AnyProvider:
        """The provider as created by `clean`, from the ledger and the project's settings alone."""
        return cast(AnyProvider, self.run.owner(self.ctx.suite.provider))


async def raises(expected: type[BaseException], work: Awaitable[object]) -> None:
    try:
        answer = await work
    except expected:
        return
    except LinkRefused as error:
        raise AssertionError(f"expected {expected.__name__}, but the link was refused: {error}") from error
    raise AssertionError(f"expected {expected.__name__}, got {answer!r}")
