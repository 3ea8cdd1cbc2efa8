"""The promises of every provider, as a suite for any of them.

A plugin's author writes, in a test module:

    @pytest.mark.parametrize("promise", ProviderContract.promises())
    def test_my_provider_keeps(promise, tmp_path):
        ProviderContract("mine", registry=my_registry).keep(promise, tmp_path)
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from seatrial.errors import LinkDown, LinkLost, LinkRefused, NotSupported
from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, NodeSpec, Resource
from seatrial.registry import Registry
from seatrial.spi import Context, PausesNodes, Powers, PowersGuests, PowersNodes, Provider, TakesSnapshots
from seatrial.testing.builders import flow
from seatrial.testing.fake_run import FakeRun, fake_registry

T = TypeVar("T")

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


@dataclass(frozen=True, slots=True)
class ContractFixture:
    """A promise's fixture: a trial's context, its provider, and the time limit in seconds for one effect."""

    ctx: Context
    provider: Provider
    rehearsal: FakeRun
    deadline: float
    standing: dict[str, Node] | None = None
    """Nodes left unchanged by earlier promises; None: each promise has its own."""

    async def node(self, name: str = "n11") -> Node:
        """A node with a working link: the previous promise's node if promises share, else a new one."""
        if self.standing is None:
            return await self._made(name)
        known = self.standing.pop(name, None)
        if known is None or not await self._usable(known):
            if known is not None:
                await self.ctx.destroy_node(known)
            known = await self._made(name)
            if Powers.SNAPSHOT in self.provider.powers:
                await self.snapshots(self.provider).snapshot((known,), FRESH)
        self.standing[name] = known
        return known

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
            await self.snapshots(self.provider).revert((node,), FRESH)
        await self.answers(node)
        return True

    def forget(self, node: Node) -> None:
        """The promise destroys it, so no later one can use it."""
        if self.standing is not None:
            self.standing.pop(node.name, None)

    async def answers(self, node: Node) -> None:
        """Wait until a command runs on it."""

        async def look() -> bool | None:
            try:
                return (await self.ctx.link(node).run(["true"], timeout=10)).ok or None
            except (LinkDown, LinkLost, TimeoutError):
                return None

        await self.ctx.poll(look, deadline=self.deadline, what=f"an answer of {node.name}")

    async def silent(self, node: Node) -> None:
        """Fail unless its link is down; a refused login or an answer is a failure."""
        try:
            await self.ctx.link(node).run(["true"], timeout=3)
        except (LinkDown, LinkLost, TimeoutError):
            return
        raise AssertionError(f"{node.name} has no power, but its link still answers")

    async def becomes(self, node: Node, state: PowerState) -> None:
        """Wait for a power state."""

        async def look() -> bool | None:
            return await self.provider.state(node) is state or None

        await self.ctx.poll(look, deadline=self.deadline, what=f"the state {state} of {node.name}")

    async def boots_anew(self, node: Node, old: str) -> None:
        """Wait until it has another boot id than this one, and answers."""

        async def look() -> bool | None:
            try:
                return await self.provider.boot_id(node) != old or None
            except (LinkDown, LinkLost, TimeoutError):  # only a running guest has a boot id
                return None

        await self.ctx.poll(look, deadline=self.deadline, what=f"a new boot of {node.name}")
        await self.answers(node)

    async def found(self) -> set[str]:
        """The names of this run's nodes in the provider's own list."""
        listed = await self.provider.find(self.ctx.run_id)
        strangers = [one for one in listed if one.run != self.ctx.run_id or one.trial != self.ctx.trial_id]
        assert not strangers, (
            f"find({self.ctx.run_id!r}) listed resources with another run's id, or without a trial: {strangers}"
        )
        return {one.name for one in listed if one.kind == "node"}

    def record(self, node: Node) -> Resource:
        """The ledger's record of a node."""
        for entry in self.rehearsal.ledger.out(self.ctx.trial_id):
            if entry.resource.kind == "node" and entry.resource.detail.get("node") == node.name:
                return entry.resource
        raise AssertionError(f"the ledger has no node {node.name}")

    @property
    def power(self) -> PowersNodes:
        """The provider, typed as one with powers by its API."""
        assert isinstance(self.provider, PowersNodes), "the provider lacks the methods of PowersNodes"
        return self.provider

    @property
    def guest(self) -> PowersGuests:
        """The provider, typed as one with powers from inside the node."""
        assert isinstance(self.provider, PowersGuests), "the provider lacks the methods of PowersGuests"
        return self.provider

    @property
    def pause(self) -> PausesNodes:
        """The provider, typed as one able to freeze nodes."""
        assert isinstance(self.provider, PausesNodes), "the provider lacks the methods of PausesNodes"
        return self.provider

    def snapshots(self, provider: Provider) -> TakesSnapshots:
        """A provider, typed as one with snapshots."""
        assert isinstance(provider, TakesSnapshots), "the provider lacks the methods of TakesSnapshots"
        return provider

    async def write(self, node: Node, text: str) -> None:
        """Write a file on a node, replacing its content."""
        sent = self.ctx.artifacts / "left"
        sent.write_text(text)
        await self.ctx.link(node).put(sent, self._file(node))

    async def read(self, node: Node) -> str:
        """The content of the file written on it."""
        back = self.ctx.artifacts / "found"
        await self.ctx.link(node).get(self._file(node), back)
        return back.read_text()

    def _file(self, node: Node) -> str:
        return f"{node.folder or '/tmp'}/seatrial-contract-{self.ctx.trial_id}"

    def owner(self) -> Provider:
        """The provider as created by `clean`, from the ledger and the project's settings alone."""
        return self.rehearsal.owner(self.ctx.suite.provider)


TWO_NODES = (
    "a_node_is_listed_until_it_is_destroyed",
    "a_snapshot_brings_back_files_power_and_the_same_boot",
    "two_nodes_are_apart",
    "a_node_without_power_is_destroyed_too",
)
"""Promises able to share two nodes in this order: the first starts without nodes, the last ones destroy them."""


def gentle(promise: T) -> T:
    """Mark a promise as leaving its node unchanged, or at least running: others of its kind can share the node."""
    promise.gentle = True  # type: ignore[attr-defined]
    return promise


class ProviderContract:
    """The promises of a provider; each is a method with a ContractFixture and raises if the promise is broken.

    A promise for an undeclared power is kept if the provider refuses the power.
    """

    def __init__(
        self,
        provider: str,
        settings: Mapping[str, Any] | None = None,
        *,
        registry: Registry | None = None,
        deadline: float = DEADLINE,
        lists_stopped: bool = True,
    ) -> None:
        """`lists_stopped`: whether `find` is needed after a crash to show a node without power; False if such a node is
        only a folder of its run."""
        self._name = provider
        self._settings = dict(settings or {})
        self._registry = registry or fake_registry()
        self._deadline = deadline
        self._lists_stopped = lists_stopped

    @classmethod
    def promises(cls) -> list[str]:
        """The names of all promises, for parametrizing a test."""
        own = inspect.getmembers(cls, inspect.iscoroutinefunction)
        return sorted(name for name, _ in own if not name.startswith("_"))

    @classmethod
    def voyages(cls) -> dict[str, tuple[str, ...]]:
        """All promises, for a provider with slow node creation: those able to share nodes together, each other alone;
        by a name, for parametrizing a test with `keep_together`."""
        gentle = tuple(name for name in cls.promises() if getattr(getattr(cls, name), "gentle", False))
        together = {"with_one_node": (*gentle, cls.destroy_twice_is_success.__name__), "with_two_nodes": TWO_NODES}
        shared = {name for names in together.values() for name in names}
        return {**together, **{name: (name,) for name in cls.promises() if name not in shared}}

    def keep(self, promise: str, folder: Path, run: Callable[[Any], Any] = asyncio.run) -> None:
        """Try one promise in a run of its own here; AssertionError (or the original error) if it is broken."""
        run(self._kept((promise,), folder))

    def keep_together(self, promises: Sequence[str], folder: Path, run: Callable[[Any], Any] = asyncio.run) -> None:
        """Try several one after another in one run; if one leaves its node running, the next uses it."""
        run(self._kept(promises, folder))

    async def _kept(self, promises: Sequence[str], folder: Path) -> None:
        suite = flow(provider=self._name)
        rehearsal = FakeRun(folder, suite, providers={self._name: self._settings}, registry=self._registry)
        async with rehearsal.trial() as ctx:
            standing: dict[str, Node] | None = {} if len(promises) > 1 else None
            fixture = ContractFixture(ctx, ctx.provider, rehearsal, self._deadline, standing)
            for promise in promises:
                try:
                    async with asyncio.timeout(self._deadline * 4):
                        await getattr(self, promise)(fixture)
                except Exception as error:
                    error.add_note(f"the promise: {promise}")
                    raise
        left = await ctx.provider.find(ctx.run_id)
        assert not left, f"after the sweep the provider still lists {left}"

    # Creation and removal

    @gentle
    async def a_new_node_runs_and_has_an_address(self, fixture: ContractFixture) -> None:
        """create returns a powered-on node."""
        node = await fixture.node()
        assert node.name == "n11"
        assert node.address
        assert await fixture.provider.state(node) is PowerState.RUNNING

    @gentle
    async def asked_ports_are_given(self, fixture: ContractFixture) -> None:
        """A port 0 in the specification is a leased one on the node."""
        node = await fixture.node()
        assert node.ports["client"] > 0

    async def a_node_is_listed_until_it_is_destroyed(self, fixture: ContractFixture) -> None:
        """find lists the run's resources without a ledger, from a provider without nodes created by itself."""
        assert await fixture.found() == set()
        node = await fixture.node()
        name = fixture.record(node).name
        assert await fixture.found() == {name}
        assert name in {one.name for one in await fixture.owner().find(fixture.ctx.run_id)}
        assert name in {one.name for one in await fixture.owner().find("*")}
        fixture.forget(node)
        await fixture.ctx.destroy_node(node)
        assert await fixture.found() == set()

    @gentle
    async def another_run_sees_nothing(self, fixture: ContractFixture) -> None:
        """find shows only the run it is asked for."""
        await fixture.node()
        assert not await fixture.provider.find("r0000000000000000000000z")

    async def two_nodes_are_apart(self, fixture: ContractFixture) -> None:
        """Actions on one do not affect the other."""
        one, two = await asyncio.gather(fixture.node("n11"), fixture.node("n12"))
        assert (one.address, one.ports["client"]) != (two.address, two.ports["client"])
        assert await fixture.found() == {fixture.record(one).name, fixture.record(two).name}
        fixture.forget(two)
        await fixture.ctx.destroy_node(two)
        await fixture.answers(one)

    async def destroy_twice_is_success(self, fixture: ContractFixture) -> None:
        """Already gone is success, also for a provider created from the settings alone."""
        node = await fixture.node()
        record = fixture.record(node)
        fixture.forget(node)
        await fixture.owner().destroy(record)
        await fixture.owner().destroy(record)
        await fixture.provider.destroy(record)
        assert await fixture.found() == set()

    async def what_was_only_intended_is_given_back(self, fixture: ContractFixture) -> None:
        """destroy of a node is success even if its create never began."""
        spec = NodeSpec(name="n19", ports={"client": 0})
        detail = {"node": spec.name, **fixture.provider.foresee(spec, fixture.ctx)}
        name = f"{fixture.ctx.trial_id}-{spec.name}"
        never = Resource(
            kind="node",
            name=name,
            owner=f"provider:{fixture.ctx.suite.provider}",
            run=fixture.ctx.run_id,
            trial=fixture.ctx.trial_id,
            detail=detail,
        )
        await fixture.owner().destroy(never)

    async def a_create_that_is_cut_off_leaves_nothing(self, fixture: ContractFixture) -> None:
        """destroy by the intent alone removes all parts left by a cancelled create."""
        for pause in (0.0, 0.05, 0.3):
            task = asyncio.ensure_future(fixture.ctx.create_node(NodeSpec(name="n11", ports={"client": 0})))
            await asyncio.wait([task], timeout=pause)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for entry in fixture.rehearsal.ledger.out(fixture.ctx.trial_id):
                if entry.resource.kind == "node":
                    await fixture.ctx.give_back("node", entry.resource.name)
            assert await fixture.found() == set(), f"cut off after {pause} s"

    async def a_node_without_power_is_destroyed_too(self, fixture: ContractFixture) -> None:
        """destroy needs no running node."""
        node = await fixture.node()
        fixture.forget(node)
        if Powers.CRASH in fixture.provider.powers:
            await fixture.power.crash(node)
        await fixture.ctx.destroy_node(node)
        assert await fixture.found() == set()

    # The link

    @gentle
    async def a_link_runs_commands(self, fixture: ContractFixture) -> None:
        """Output, exit code, input and environment come through; a list is not read by a shell."""
        link = fixture.ctx.link(await fixture.node())
        assert (await link.run(["echo", "a  b", "$HOME"])).stdout == "a  b $HOME\n"
        assert (await link.run("echo hello")).stdout == "hello\n"
        assert not (await link.run(["false"])).ok
        assert (await link.run(["cat"], input="in\n")).stdout == "in\n"
        assert (await link.run(["printenv", "SEATRIAL_TRY"], env={"SEATRIAL_TRY": "x y"})).stdout == "x y\n"

    @gentle
    async def a_command_that_takes_too_long_is_a_timeout(self, fixture: ContractFixture) -> None:
        """TimeoutError, and the link still works."""
        link = fixture.ctx.link(await fixture.node())
        await _raises(TimeoutError, link.run(["sleep", "30"], timeout=0.3))
        assert (await link.run(["true"])).ok

    @gentle
    async def a_link_copies_files_both_ways(self, fixture: ContractFixture) -> None:
        """A file is read back byte for byte after it was written; a missing one is FileNotFoundError."""
        node = await fixture.node()
        link, folder = fixture.ctx.link(node), fixture.ctx.artifacts
        sent, back = folder / "sent", folder / "back"
        sent.write_text("naïve\nlines\n")
        remote = f"{node.folder or '/tmp'}/seatrial-contract-{fixture.ctx.trial_id}"
        await link.put(sent, remote)
        await link.get(remote, back)
        assert back.read_text() == sent.read_text()
        await link.run(["rm", "-f", remote])
        await _raises(FileNotFoundError, link.get(f"{remote}-none", back))

    @gentle
    async def a_link_works_again_after_it_was_closed(self, fixture: ContractFixture) -> None:
        """close only closes the connection."""
        link = fixture.ctx.link(await fixture.node())
        await link.close()
        await link.close()
        assert (await link.run(["true"])).ok

    # Powers

    @gentle
    async def a_stopped_node_is_silent_until_it_is_started(self, fixture: ContractFixture) -> None:
        """stop returns with the power off, start with it on; the boot id changes."""
        node = await fixture.node()
        if not await self._has(fixture, node, Powers.STOP):
            return
        boot = await fixture.provider.boot_id(node)
        await fixture.power.stop(node)
        assert await fixture.provider.state(node) is PowerState.STOPPED
        await fixture.silent(node)
        listed = {fixture.record(node).name} if self._lists_stopped else set()
        assert await fixture.found() in ({fixture.record(node).name}, listed), "a stopped node is not listed"
        if Powers.START not in fixture.provider.powers:
            return
        await fixture.power.start(node)
        assert await fixture.provider.state(node) is PowerState.RUNNING
        await fixture.boots_anew(node, boot)

    @gentle
    async def a_crashed_node_stays_off_until_it_is_started(self, fixture: ContractFixture) -> None:
        """crash is a power-off without warning."""
        node = await fixture.node()
        if not await self._has(fixture, node, Powers.CRASH):
            return
        boot = await fixture.provider.boot_id(node)
        await fixture.power.crash(node)
        assert await fixture.provider.state(node) is PowerState.STOPPED
        await fixture.silent(node)
        if Powers.START in fixture.provider.powers:
            await fixture.power.start(node)
            await fixture.boots_anew(node, boot)

    @gentle
    async def every_power_is_there_or_refused(self, fixture: ContractFixture) -> None:
        """An undeclared power has no method, or its method raises NotSupported and changes nothing."""
        node = await fixture.node()
        for power in METHODS:
            await self._has(fixture, node, power)

    @gentle
    async def power_commands_can_be_repeated(self, fixture: ContractFixture) -> None:
        """Stopping a stopped node and starting a running one is success, without a second boot."""
        node = await fixture.node()
        if not {Powers.STOP, Powers.START} <= fixture.provider.powers:
            return
        boot = await fixture.provider.boot_id(node)
        await fixture.power.start(node)
        assert await fixture.provider.boot_id(node) == boot
        await fixture.power.stop(node)
        await fixture.power.stop(node)
        assert await fixture.provider.state(node) is PowerState.STOPPED

    @gentle
    async def a_boot_id_stays_while_a_node_runs(self, fixture: ContractFixture) -> None:
        """Two queries within one boot return the same answer."""
        node = await fixture.node()
        assert await fixture.provider.boot_id(node) == await fixture.provider.boot_id(node) != ""

    @gentle
    async def a_reboot_in_the_guest_is_a_new_boot(self, fixture: ContractFixture) -> None:
        """guest_reboot changes the boot id and nothing else."""
        node = await fixture.node()
        if not await self._has(fixture, node, Powers.GUEST_REBOOT):
            return
        boot = await fixture.provider.boot_id(node)
        await fixture.guest.guest_reboot(node)
        await fixture.boots_anew(node, boot)
        assert await fixture.found() == {fixture.record(node).name}

    @gentle
    async def a_shutdown_in_the_guest_switches_the_power_off(self, fixture: ContractFixture) -> None:
        """guest_stop returns when the power is off."""
        node = await fixture.node()
        if not await self._has(fixture, node, Powers.GUEST_STOP):
            return
        await fixture.guest.guest_stop(node)
        assert await fixture.provider.state(node) is PowerState.STOPPED

    @gentle
    async def a_crash_in_the_guest_does_what_it_says(self, fixture: ContractFixture) -> None:
        """`rebooting`: a new boot comes by itself; `off`: the power is off."""
        node = await fixture.node()
        if not await self._has(fixture, node, Powers.GUEST_CRASH):
            return
        boot = await fixture.provider.boot_id(node)
        how = await fixture.guest.guest_crash(node)
        assert how in ("rebooting", "off"), how
        if how == "rebooting":
            await fixture.boots_anew(node, boot)
        else:
            await fixture.becomes(node, PowerState.STOPPED)

    @gentle
    async def a_paused_node_goes_on_where_it_was(self, fixture: ContractFixture) -> None:
        """pause freezes it, resume continues it in the same boot."""
        node = await fixture.node()
        if not await self._has(fixture, node, Powers.PAUSE):
            return
        boot = await fixture.provider.boot_id(node)
        await fixture.pause.pause(node)
        assert await fixture.provider.state(node) is PowerState.PAUSED
        await fixture.silent(node)
        await fixture.pause.resume(node)
        await fixture.answers(node)
        assert await fixture.provider.boot_id(node) == boot

    async def a_snapshot_brings_back_files_power_and_the_same_boot(self, fixture: ContractFixture) -> None:
        """revert undoes all later changes, also repeatedly, and by a provider without nodes created by itself."""
        one, two = await asyncio.gather(fixture.node("n11"), fixture.node("n12"))
        if not await self._has(fixture, one, Powers.SNAPSHOT):
            return
        nodes = (one, two)
        boots = [await fixture.provider.boot_id(node) for node in nodes]
        for node in nodes:
            await fixture.write(node, "before")
        await fixture.snapshots(fixture.provider).snapshot(nodes, "contract")
        for provider in (fixture.provider, fixture.owner()):
            for node in nodes:
                await fixture.answers(node)
                assert await fixture.read(node) == "before"
                await fixture.write(node, "after")
            if Powers.CRASH in fixture.provider.powers:
                await fixture.power.crash(two)
            for node in nodes:
                await fixture.ctx.link(node).close()
            await fixture.snapshots(provider).revert(nodes, "contract")
            for node, boot in zip(nodes, boots, strict=True):
                assert await fixture.provider.state(node) is PowerState.RUNNING
                await fixture.answers(node)
                assert await fixture.read(node) == "before", f"a file of {node.name} was not restored"
                assert await fixture.provider.boot_id(node) == boot, f"{node.name} booted anew"

    async def readiness_says_what_was_tried(self, fixture: ContractFixture) -> None:
        """It is ready, because it created nodes here; and it reports how it knows."""
        readiness = await type(fixture.provider).readiness(fixture.ctx.suite.provider_settings)
        assert readiness.ready, readiness
        assert readiness.tried

    async def _has(self, fixture: ContractFixture, node: Node, power: Powers) -> bool:
        """Whether the power is declared; an undeclared one must be refused, and change nothing."""
        protocol, use = METHODS[power]
        if power in fixture.provider.powers:
            assert isinstance(fixture.provider, protocol), f"it declares {power!r} but lacks {protocol.__name__}"
            return True
        if isinstance(fixture.provider, protocol):
            await _raises(NotSupported, use(fixture.provider, node))
        assert await fixture.provider.state(node) is PowerState.RUNNING
        return False


async def _raises(expected: type[BaseException], work: Awaitable[object]) -> None:
    try:
        answer = await work
    except expected:
        return
    except LinkRefused as error:
        raise AssertionError(f"expected {expected.__name__}, but the link was refused: {error}") from error
    raise AssertionError(f"expected {expected.__name__}, got {answer!r}")
