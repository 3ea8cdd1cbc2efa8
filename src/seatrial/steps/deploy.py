"""`init`, `deploy` and `destroy`: prepare the system, build and start it, remove it."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from seatrial.errors import CannotTell, Overrun, StepFailed
from seatrial.model.cluster import ClusterStatus
from seatrial.model.scenario import Outputs
from seatrial.registry import step
from seatrial.spi import Context, GivesOutputs, Need
from seatrial.spi.concurrency import for_each
from seatrial.steps.power import before_outage
from seatrial.steps.targets import to_outputs
from seatrial.steps.wait_running import logs, until_running
from seatrial.steps.wait_until import Deadline


@step("init")
@dataclass(frozen=True, kw_only=True)
class Init:
    """Prepare the system for deployment without deploying it. A list of versions (`db_version` in a sut file) is tried
    in its order until the deployer accepts one."""

    decides: ClassVar[bool] = False

    async def run(self, ctx: Context) -> Outputs | None:
        """StepFailed if the system could not be prepared.

        Outputs: the accepted one of each parameter with fallbacks, such as `db_version`.
        """
        refused: list[str] = []
        while True:
            before = set(ctx.deploy_dir.iterdir()) if ctx.suite.fallbacks else set()
            try:
                await ctx.system.init(ctx)
            except StepFailed as error:
                # A timeout, a signal or a missing program says nothing about the version.
                if isinstance(error, Overrun) or error.category != "product":
                    raise
                refused.append(str(error))
                if not ctx.fall_back(str(error)):
                    error.args = ("; ".join(refused),)
                    raise
                _remove(set(ctx.deploy_dir.iterdir()) - before)
            else:
                return {name: ctx.suite.parameters[name] for name in ctx.suite.fallbacks} or None


@step("deploy")
@dataclass(frozen=True, kw_only=True)
class Deploy:
    """Deploy the system and return when its state is `running`. Where nothing that is declared measures the service,
    return when the links of all nodes answer."""

    def rests_on(self) -> Collection[Need]:
        return (Need.STATE,)

    async def run(self, ctx: Context) -> Outputs:
        """StepFailed when the deployer failed, Overrun when the state is not `running` within the deadline.

        Outputs: `state`, `nodes` (names), `addresses` (by node), `reused` (whether it was restored from a snapshot and
        not deployed), `deployed_by` (the trial whose id the nodes carry), and the system's own `outputs`.
        """
        source = await ctx.reuse_cluster()
        status = await _brought_back(ctx) if source else None
        if status is None:
            source, status = "", await _deployed(ctx)
        nodes = await ctx.nodes()
        await before_outage(ctx)
        outputs: dict[str, object] = {
            "state": status.state.value,
            "nodes": [node.name for node in nodes],
            "addresses": {node.name: node.address for node in nodes},
            "reused": bool(source),
            "deployed_by": source or ctx.trial_id,
        }
        # A deployer may return values of its own, such as the address of a load balancer.
        return {**outputs, **await ctx.system.outputs(ctx)} if isinstance(ctx.system, GivesOutputs) else outputs


@step("destroy")
@dataclass(frozen=True, kw_only=True)
class Destroy:
    """Remove the system and its nodes."""

    decides: ClassVar[bool] = False

    async def run(self, ctx: Context) -> Outputs:
        """Overrun when it still exists after the deadline.

        Outputs: `nodes`, the removed ones; `parked`, true if the run keeps the cluster for later suites and removes it
        when none can use it.
        """
        async with Deadline(ctx, "destroy").limit("the end of the system"):
            nodes = list(await ctx.nodes()) if ctx.system.places_nodes else []
            parked = await ctx.release_cluster()
            await ctx.system.destroy(ctx)
            if nodes:
                await for_each(nodes, ctx.destroy_node)
        return to_outputs([] if parked else nodes, parked=parked)


def _remove(paths: Iterable[Path]) -> None:
    """Remove what a refused attempt left in the deployment's folder: the next one begins as the first did."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


async def _brought_back(ctx: Context) -> ClusterStatus | None:
    """The status of a restored cluster; None if it does not run, because it says nothing about the product."""
    try:
        return await until_running(ctx, ctx.deadline("start"))
    except Exception as error:  # noqa: BLE001 - the deployment that follows shows whether anything is wrong
        if evidence := str(getattr(error, "evidence", "")):
            ctx.output("the restored cluster", evidence)
        await ctx.drop_cluster(str(error) or type(error).__name__)
        return None


async def _deployed(ctx: Context) -> ClusterStatus:
    """Deploy, wait, and snapshot the still unchanged cluster for later suites."""
    deadline = Deadline(ctx, "deploy")
    try:
        async with deadline.limit("the end of the deployment"):
            await ctx.system.deploy(ctx)
    except StepFailed as error:
        error.evidence = error.evidence or "\n".join(await logs(ctx))
        raise
    status = await until_running(ctx, deadline.patience())
    if not await ctx.offer_cluster():
        return status
    try:
        return await until_running(ctx, ctx.deadline("start"))
    except StepFailed as error:
        # It ran until the snapshot paused it: the cause cannot be determined.
        what = f"it stopped running after its snapshot was taken: {error}"
        raise CannotTell(what, evidence=error.evidence) from error
