"""The beginning of a trial's look for contamination: the record of its cluster, which all trials of the run share."""

from __future__ import annotations

import time
from collections.abc import Callable

from seatrial.links.kubernetes import Access, connect
from seatrial.links.kubernetes.deploying.access import Place
from seatrial.spi import Context
from seatrial.systems.kubernetes.contamination.auditor import ClusterAuditor, Own
from seatrial.systems.kubernetes.contamination.recorder import Recorder


async def audit(ctx: Context, place: Place, own: Callable[[], Own]) -> None:
    """From now on, see what happens in a cluster beside this trial's own resources."""
    if ctx.suite.contamination == "off":
        return
    name = ("contamination", place.kubeconfig, place.context)

    async def begin() -> Recorder:
        return await Recorder.open(await connect(Access(kubeconfig=place.kubeconfig, context=place.context)))

    recorder, since = await ctx.keep(name, begin, whole_run=True), time.time()
    ctx.audit(name, lambda: ClusterAuditor(recorder, ctx.trial_id, since, own))
