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
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, cast

from seatrial.model.cluster import PowerState
from seatrial.model.resource import Node, NodeSpec, Resource
from seatrial.registry import Registry
from seatrial.spi import (
    FollowsOutput,
    Powers,
)
from seatrial.testing.builders import flow
from seatrial.testing.contract_fixture import DEADLINE, METHODS, AnyProvider, ContractFixture, raises
from seatrial.testing.fake_run import FakeRun, fake_registry

TWO_NODES = (
    "a_node_is_listed_until_it_is_destroyed",
    "a_snapshot_brings_back_files_power_and_the_same_boot",
    "two_nodes_are_apart",
    "a_node_without_power_is_destroyed_too",
)
"""Promises able to share two nodes in this order: the first starts without nodes, the last ones destroy them."""


Promise = Callable[[Any, ContractFixture, Node], Awaitable[None]]


def on_one_node(power: Powers | None = None) -> Callable[[Promise], Any]:
    """A promise about one node, and about a power of its provider if one is named: an undeclared power must be refused.

    It leaves its node unchanged, or at least running, so others of its kind can share the node.
    """

    def mark(promise: Promise) -> Any:
        @wraps(promise)
        async def kept(self: Any, fixture: ContractFixture) -> None:
            node = await fixture.node()
            if power is None or await fixture.has(node, power):
                await promise(self, fixture, node)

        kept.shares_node = True  # type: ignore[attr-defined]
        return kept

    return mark


@dataclass(frozen=True)
class ProviderContract:
    """The promises of a provider; each is a method with a ContractFixture and raises if the promise is broken.

    A promise for an undeclared power is kept if the provider refuses the power.
    """

    provider: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    registry: Registry = field(default_factory=fake_registry, kw_only=True)
    deadline: float = field(default=DEADLINE, kw_only=True)
    lists_stopped: bool = field(default=True, kw_only=True)
    """Whether `find` has to show a crashed node too; False if a node without power is only a folder of its run."""

    @classmethod
    def promises(cls) -> list[str]:
        """The names of all promises, for parametrizing a test."""
        own = inspect.getmembers(cls, inspect.iscoroutinefunction)
        return sorted(name for name, _ in own if not name.startswith("_"))

    @classmethod
    def groups(cls) -> dict[str, tuple[str, ...]]:
        """All promises, for a provider with slow node creation: those able to share nodes together, each other alone;
        by a name, for parametrizing a test with `keep_together`."""
        sharing = tuple(name for name in cls.promises() if hasattr(getattr(cls, name), "shares_node"))
        together = {"with_one_node": (*sharing, cls.destroy_twice_is_success.__name__), "with_two_nodes": TWO_NODES}
        shared = {name for names in together.values() for name in names}
        return {**together, **{name: (name,) for name in cls.promises() if name not in shared}}

    def keep(self, promise: str, folder: Path, run: Callable[[Any], Any] = asyncio.run) -> None:
        """Try one promise in a run of its own here; AssertionError (or the original error) if it is broken."""
        run(self._kept((promise,), folder))

    def keep_together(self, promises: Sequence[str], folder: Path, run: Callable[[Any], Any] = asyncio.run) -> None:
        """Try several one after another in one run; if one leaves its node running, the next uses it."""
        run(self._kept(promises, folder))

    async def _kept(self, promises: Sequence[str], folder: Path) -> None:
        suite = flow(provider=self.provider)
        run = FakeRun(folder, suite, providers={self.provider: self.settings}, registry=self.registry)
        async with run.trial() as ctx:
            shared: dict[str, Node] | None = {} if len(promises) > 1 else None
            fixture = ContractFixture(ctx, cast(AnyProvider, ctx.provider), run, self.deadline, shared)
            for promise in promises:
                try:
                    async with asyncio.timeout(self.deadline * 4):
                        await getattr(self, promise)(fixture)
                except Exception as error:
                    error.add_note(f"the promise: {promise}")
                    raise
        left = await ctx.provider.find(ctx.run_id)
        assert not left, f"after the sweep the provider still lists {left}"

    # Creation and removal

    @on_one_node()
    async def a_new_node_runs_and_has_an_address(self, fixture: ContractFixture, node: Node) -> None:
        """create returns a powered-on node."""
        assert node.name == "n11"
        assert node.address
        assert await fixture.provider.state(node) is PowerState.RUNNING

    @on_one_node()
    async def asked_ports_are_given(self, fixture: ContractFixture, node: Node) -> None:
        """A port 0 in the specification is a leased one on the node."""
        assert node.ports["client"] > 0

    async def a_node_is_listed_until_it_is_destroyed(self, fixture: ContractFixture) -> None:
        """find lists the run's resources without a ledger, from a provider without nodes created by itself."""
        assert await fixture.found() == set()
        node = await fixture.node()
        name = fixture.record(node).name
        assert await fixture.found() == {name}
        assert name in {resource.name for resource in await fixture.owner().find(fixture.ctx.run_id)}
        assert name in {resource.name for resource in await fixture.owner().find("*")}
        fixture.forget(node)
        await fixture.ctx.destroy_node(node)
        assert await fixture.found() == set()

    @on_one_node()
    async def another_run_sees_nothing(self, fixture: ContractFixture, node: Node) -> None:
        assert not await fixture.provider.find("r0000000000000000000000z")

    async def two_nodes_are_apart(self, fixture: ContractFixture) -> None:
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
        spec, ctx = NodeSpec(name="n19", ports={"client": 0}), fixture.ctx
        name, owner = f"{ctx.trial_id}-{spec.name}", f"provider:{ctx.suite.provider}"
        detail = {"node": spec.name, **fixture.provider.foresee(spec, ctx)}
        never = Resource(kind="node", name=name, owner=owner, run=ctx.run_id, trial=ctx.trial_id, detail=detail)
        await fixture.owner().destroy(never)

    async def a_create_that_is_cut_off_leaves_nothing(self, fixture: ContractFixture) -> None:
        """destroy by the intent alone removes all parts left by a cancelled create."""
        for pause in (0.0, 0.05, 0.3):
            task = asyncio.ensure_future(fixture.ctx.create_node(NodeSpec(name="n11", ports={"client": 0})))
            await asyncio.wait([task], timeout=pause)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for entry in fixture.run.ledger.out(fixture.ctx.trial_id):
                if entry.resource.kind == "node":
                    await fixture.ctx.give_back("node", entry.resource.name)
            assert await fixture.found() == set(), f"cut off after {pause} s"

    async def a_node_without_power_is_destroyed_too(self, fixture: ContractFixture) -> None:
        node = await fixture.node()
        fixture.forget(node)
        if Powers.CRASH in fixture.provider.powers:
            await fixture.provider.crash(node)
        await fixture.ctx.destroy_node(node)
        assert await fixture.found() == set()

    # The link

    @on_one_node()
    async def a_link_runs_commands(self, fixture: ContractFixture, node: Node) -> None:
        """Output, exit code, input and environment come through; a list is not read by a shell."""
        link = fixture.ctx.link(node)
        assert (await link.run(["echo", "a  b", "$HOME"])).stdout == "a  b $HOME\n"
        assert (await link.run("echo hello")).stdout == "hello\n"
        assert not (await link.run(["false"])).ok
        assert (await link.run(["cat"], input="in\n")).stdout == "in\n"
        assert (await link.run(["printenv", "SEATRIAL_TRY"], env={"SEATRIAL_TRY": "x y"})).stdout == "x y\n"

    @on_one_node()
    async def a_command_that_takes_too_long_is_a_timeout(self, fixture: ContractFixture, node: Node) -> None:
        """TimeoutError, and the link still works."""
        link = fixture.ctx.link(node)
        await raises(TimeoutError, link.run(["sleep", "30"], timeout=0.3))
        assert (await link.run(["true"])).ok

    @on_one_node()
    async def a_link_hands_on_output_as_it_comes(self, fixture: ContractFixture, node: Node) -> None:
        """Whole lines of both streams while the command runs, from a link that is `FollowsOutput`."""
        link, printed, first = fixture.ctx.link(node), bytearray(), asyncio.Event()
        if not isinstance(link, FollowsOutput):
            return

        def take(lines: bytes) -> None:
            printed.extend(lines)
            first.set()

        go = f"{fixture.file(node)}-go"
        waiting = f"echo first; echo other >&2; while [ ! -e {go} ]; do sleep 0.05; done; rm {go}; printf last"
        running = asyncio.ensure_future(link.follow(waiting, output=take, timeout=fixture.deadline))
        try:
            async with asyncio.timeout(fixture.deadline):
                await first.wait()
            assert not running.done(), "the output came after the command had ended"
            await link.run(["touch", go])
            done = await running
        finally:
            running.cancel()
        assert (done.stdout, done.stderr) == ("first\nlast", "other\n")
        assert sorted(printed.splitlines()) == [b"first", b"last", b"other"]

    @on_one_node()
    async def a_link_copies_files_both_ways(self, fixture: ContractFixture, node: Node) -> None:
        """A file is read back byte for byte after it was written; a missing one is FileNotFoundError."""
        text = "naïve\nlines\n"
        await fixture.write(node, text)
        assert await fixture.read(node) == text
        link, remote = fixture.ctx.link(node), fixture.file(node)
        await link.run(["rm", "-f", remote])
        await raises(FileNotFoundError, link.get(f"{remote}-none", fixture.ctx.artifacts / "found"))

    @on_one_node()
    async def a_link_works_again_after_it_was_closed(self, fixture: ContractFixture, node: Node) -> None:
        link = fixture.ctx.link(node)
        await link.close()
        await link.close()
        assert (await link.run(["true"])).ok

    # Powers

    @on_one_node(Powers.STOP)
    async def a_stopped_node_is_silent_until_it_is_started(self, fixture: ContractFixture, node: Node) -> None:
        """stop returns with the power off, start with it on; the boot id changes."""
        await self._off_and_on(fixture, node, fixture.provider.stop)

    @on_one_node(Powers.CRASH)
    async def a_crashed_node_stays_off_until_it_is_started(self, fixture: ContractFixture, node: Node) -> None:
        """crash is a power-off without warning."""
        await self._off_and_on(fixture, node, fixture.provider.crash)

    async def _off_and_on(
        self, fixture: ContractFixture, node: Node, switch_off: Callable[[Node], Awaitable[None]]
    ) -> None:
        boot = await fixture.provider.boot_id(node)
        await switch_off(node)
        assert await fixture.provider.state(node) is PowerState.STOPPED
        await fixture.silent(node)
        name = fixture.record(node).name
        assert await fixture.found() in ({name}, {name} if self.lists_stopped else set()), (
            "a stopped node is not listed"
        )
        if Powers.START in fixture.provider.powers:
            await fixture.provider.start(node)
            assert await fixture.provider.state(node) is PowerState.RUNNING
            await fixture.boots_anew(node, boot)

    @on_one_node()
    async def every_power_is_there_or_refused(self, fixture: ContractFixture, node: Node) -> None:
        """An undeclared power has no method, or its method raises NotSupported and changes nothing."""
        for power in METHODS:
            await fixture.has(node, power)

    @on_one_node()
    async def power_commands_can_be_repeated(self, fixture: ContractFixture, node: Node) -> None:
        """Stopping a stopped node and starting a running one is success, without a second boot."""
        if not {Powers.STOP, Powers.START} <= fixture.provider.powers:
            return
        boot = await fixture.provider.boot_id(node)
        await fixture.provider.start(node)
        assert await fixture.provider.boot_id(node) == boot
        await fixture.provider.stop(node)
        await fixture.provider.stop(node)
        assert await fixture.provider.state(node) is PowerState.STOPPED

    @on_one_node()
    async def a_boot_id_stays_while_a_node_runs(self, fixture: ContractFixture, node: Node) -> None:
        assert await fixture.provider.boot_id(node) == await fixture.provider.boot_id(node) != ""

    @on_one_node(Powers.GUEST_REBOOT)
    async def a_reboot_in_the_guest_is_a_new_boot(self, fixture: ContractFixture, node: Node) -> None:
        """guest_reboot changes the boot id and nothing else."""
        boot = await fixture.provider.boot_id(node)
        await fixture.provider.guest_reboot(node)
        await fixture.boots_anew(node, boot)
        assert await fixture.found() == {fixture.record(node).name}

    @on_one_node(Powers.GUEST_STOP)
    async def a_shutdown_in_the_guest_switches_the_power_off(self, fixture: ContractFixture, node: Node) -> None:
        """guest_stop returns when the power is off."""
        await fixture.provider.guest_stop(node)
        assert await fixture.provider.state(node) is PowerState.STOPPED

    @on_one_node(Powers.GUEST_CRASH)
    async def a_crash_in_the_guest_does_what_it_says(self, fixture: ContractFixture, node: Node) -> None:
        """`rebooting`: a new boot comes by itself; `off`: the power is off."""
        boot = await fixture.provider.boot_id(node)
        how = await fixture.provider.guest_crash(node)
        assert how in ("rebooting", "off"), how
        if how == "rebooting":
            await fixture.boots_anew(node, boot)
        else:

            async def stopped() -> bool:
                return await fixture.provider.state(node) is PowerState.STOPPED

            await fixture.until(stopped, f"the state {PowerState.STOPPED} of {node.name}")

    @on_one_node(Powers.PAUSE)
    async def a_paused_node_goes_on_where_it_was(self, fixture: ContractFixture, node: Node) -> None:
        """pause freezes it, resume continues it in the same boot."""
        boot = await fixture.provider.boot_id(node)
        await fixture.provider.pause(node)
        assert await fixture.provider.state(node) is PowerState.PAUSED
        await fixture.silent(node)
        await fixture.provider.resume(node)
        await fixture.answers(node)
        assert await fixture.provider.boot_id(node) == boot

    async def a_snapshot_brings_back_files_power_and_the_same_boot(self, fixture: ContractFixture) -> None:
        """revert undoes all later changes, also repeatedly, and by a provider without nodes created by itself."""
        one, two = await asyncio.gather(fixture.node("n11"), fixture.node("n12"))
        if not await fixture.has(one, Powers.SNAPSHOT):
            return
        nodes = (one, two)
        boots = [await fixture.provider.boot_id(node) for node in nodes]
        for node in nodes:
            await fixture.write(node, "before")
        await fixture.provider.snapshot(nodes, "contract")
        for provider in (fixture.provider, fixture.owner()):
            for node in nodes:
                await fixture.answers(node)
                assert await fixture.read(node) == "before"
                await fixture.write(node, "after")
            if Powers.CRASH in fixture.provider.powers:
                await fixture.provider.crash(two)
            for node in nodes:
                await fixture.ctx.link(node).close()
            await provider.revert(nodes, "contract")
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
