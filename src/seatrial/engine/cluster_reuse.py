"""A trial and a cluster of the run: restore it, offer its own, finish with it, drop it."""

from __future__ import annotations

import asyncio

from seatrial.engine.cluster_pool import NEVER, ReusableCluster, holdable, shape_of, varying
from seatrial.engine.trial import Trial
from seatrial.model.resource import Node
from seatrial.spi import Context, HandsOver, TakesSnapshots

SNAPSHOT = "seatrial-deployed"
"""The name of the snapshot on each node."""


async def bring_back(ctx: Context, trial: Trial) -> str:
    """Restore a free cluster from its snapshot and hand it to the system. Returns the trial that deployed it; empty:
    deploy."""
    pool = trial.run.pool
    pool.forget(trial.id)
    if trial.suite.reuse != "snapshot":
        return ""
    values = varying(trial.suite, ctx.names())
    cluster = pool.of(trial.id)
    if cluster is not None and cluster.used and not cluster.parked:
        return ""  # a second `deploy` on a running cluster is the system's own business
    cluster = cluster or pool.take(trial.id, trial.suite, values)
    provider, system = trial.provider, trial.system
    if cluster is None or not isinstance(provider, TakesSnapshots) or not isinstance(system, HandsOver):
        return ""
    trial.made_something = True
    cluster.before, cluster.used, cluster.parked = system.hand_over(), True, False
    if cluster.values != values:
        await drop(ctx, trial, "values in the system's settings differ in this suite")
        return ""
    clock = asyncio.get_running_loop().time
    start, seconds = clock(), ctx.deadline("start")
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            await _close_links(trial, cluster)
            await provider.revert(cluster.nodes, SNAPSHOT)
            await system.take_over(ctx, cluster.memory)
    except Exception as error:  # whatever the reason: a new deployment shows faults of the product
        late = f"the snapshot was not restored within {seconds:g} s"
        why = late if limit.expired() else f"the snapshot could not be restored: {type(error).__name__}: {error}"
        await drop(ctx, trial, why)
        return ""
    for node in cluster.nodes:
        trial.knows(node, cluster.trial)
        ctx.emit("node", node=node.name, state="running", why=f"as in the snapshot of {cluster.trial}")
    _tell(ctx, "reused", cluster, duration=round(clock() - start, 6))
    return cluster.trial


async def drop(ctx: Context, trial: Trial, why: str) -> None:
    """Remove the cluster of a trial; its system gets its earlier memory back."""
    run = trial.run
    cluster = run.pool.of(trial.id)
    if cluster is None:
        return
    cluster.unfit = why
    _tell(ctx, "dropped", cluster, why=why)
    ctx.log(f"the cluster of {cluster.trial} is removed, and this suite deploys from scratch: {why}", "warning")
    await _close_links(trial, cluster)
    if cluster.before is not None and isinstance(trial.system, HandsOver):
        await trial.system.take_over(ctx, cluster.before)
    for node in cluster.nodes:
        trial.node_names.pop(node.name, None)
    await run.sweep(trial.emit).remove_entries(run.ledger, run.pool.entries(run.ledger, cluster), run.owners)
    # Leftovers are tried again at the end of the run; nothing needs them before.
    run.pool.clusters.remove(cluster)


async def offer(ctx: Context, trial: Trial) -> bool:
    """Save a snapshot of the nodes if a planned suite can start from it; returns whether it touched the nodes."""
    run, provider, system = trial.run, trial.provider, trial.system
    shape = shape_of(trial.suite)
    if trial.suite.reuse != "snapshot" or run.pool.of(trial.id) is not None or not run.pool.wanted(shape):
        return False
    if not isinstance(provider, TakesSnapshots) or not isinstance(system, HandsOver):
        return False
    values = varying(trial.suite, ctx.names())
    if own := [name for name in NEVER if name in values]:
        ctx.log(f"no other suite can start from this cluster: its system's settings name {', '.join(own)}", "warning")
        return False
    clock = asyncio.get_running_loop().time
    start = clock()
    nodes = tuple(await ctx.nodes())
    try:
        async with asyncio.timeout(ctx.deadline("start")):
            await provider.snapshot(nodes, SNAPSHOT)
    except Exception as error:
        ctx.log(f"no snapshot for later suites, which deploy from scratch: {type(error).__name__}: {error}", "warning")
        return True
    cluster = ReusableCluster(
        suite=trial.suite,
        trial=trial.id,
        shape=shape,
        values=values,
        provider=provider,
        nodes=nodes,
        memory=system.hand_over(),
        holds=holdable(run.ledger.out(trial.id)),
        user=trial.id,
        used=True,
    )
    run.pool.add(cluster)
    _tell(ctx, "kept", cluster, duration=round(clock() - start, 6))
    return True


async def release(ctx: Context, trial: Trial) -> bool:
    """A trial has finished with a cluster of the run; False: it has none, or an unusable one."""
    cluster = trial.run.pool.of(trial.id)
    if cluster is None or not cluster.used or cluster.unfit:
        return False
    if not cluster.parked:
        cluster.parked = True
        _tell(ctx, "parked", cluster)
    return True


def whose(trial: Trial, node: Node) -> str:
    """The trial with this node in its ledger, for `destroy`; empty: the node stays, because it is parked."""
    cluster = trial.run.pool.of(trial.id)
    if cluster is None or not cluster.used or node.name not in {other.name for other in cluster.nodes}:
        return trial.id
    if cluster.parked:
        return ""
    cluster.unfit = cluster.unfit or f"{node.name} was destroyed"
    return cluster.trial


async def _close_links(trial: Trial, cluster: ReusableCluster) -> None:
    for node in cluster.nodes:
        await trial.forget_link(node)


def _tell(ctx: Context, op: str, cluster: ReusableCluster, **more: object) -> None:
    ctx.emit(
        "cluster", op=op, deployed_by=cluster.trial, nodes=[node.name for node in cluster.nodes], step=ctx.step, **more
    )
