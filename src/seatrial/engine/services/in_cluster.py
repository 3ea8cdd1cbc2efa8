"""A service in a cluster: manifests, a kustomization or charts, healthy when they are rolled out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from seatrial.engine.services.cluster_owner import ClusterOwner
from seatrial.engine.services.forward import Forward
from seatrial.engine.services.running import ENDS, Running, make_folder
from seatrial.errors import CannotTell, SeatrialError
from seatrial.links.kubernetes import ApiAway, Cluster, Object, Watch
from seatrial.links.kubernetes.deploying import access, helm, kustomize, manifests
from seatrial.links.kubernetes.deploying.deployment import Deployment
from seatrial.links.kubernetes.deploying.rollout import rollout
from seatrial.links.process import spawned
from seatrial.links.process.listeners import Listener
from seatrial.links.process.supervision import end_trial
from seatrial.model.chart import Chart

REMOVES = 120.0
"""Seconds for the removal of everything, at least."""

LOOKS = 15.0
"""Seconds between two looks at a healthy service whose pods do not change."""

PAUSE = 0.5
"""Seconds between two looks at least."""

AWAY = 30.0
"""Seconds without an answer of the API server until the service counts as lost."""

LOG_LINES = 200


class InCluster(Running):
    """Objects in a cluster. Kubernetes restarts their pods by itself; a restart applies the objects again."""

    heals = True

    def __init__(self, *arguments: Any, folder: Path, namespace: str) -> None:
        super().__init__(*arguments)
        self._folder, self._namespace = folder, namespace
        removes = max(REMOVES, self.service.stop_timeout)
        self.patience = removes + ENDS
        deadlines = {"deploy": self.service.health.timeout, "destroy": removes}
        self._owner = ClusterOwner(self.home, self.tag, self.data, self.env, self.note, deadlines)
        self._place: access.Place | None = None
        self._deployment: Deployment | None = None
        self._forward: Forward | None = None

    async def start(self) -> None:
        service = self.service
        make_folder(self.data, service)
        place = access.chosen(access.located(service.kubeconfig, self._folder), service.context, self.env)
        async with access.reached(place) as cluster:
            place = await access.identified(cluster, place)
        if self._place is not None and (why := access.moved(self._place, place.server, place.identity)):
            raise CannotTell(why)
        self._place = place
        objects = await self._objects()
        if self._deployment is None:
            given = bool(service.namespace)
            self._deployment = Deployment(self._folder, place, self._namespace, given=given)
        async with access.reached(place, self._namespace) as cluster:
            await self._deployment.make(self._owner, cluster, objects, self._charts())
        await self._end_programs()
        if service.forward is not None and not self.holds_port:
            await self._end_forward()
            led = replace(service.forward, namespace=self._namespace)
            arguments = (self.home, replace(service, forward=led), self.data, self.tag, self.port, self.note)
            self._forward = Forward(*arguments, folder=self._folder)
            await self._forward.start()

    @property
    def holds_port(self) -> bool:
        return self._forward is not None and self._forward.runs

    def foreign(self, port: int) -> Listener | None:
        return self._forward.foreign(port) if self._forward is not None else None

    def _charts(self) -> Sequence[Chart]:
        """With the service's name for a release without one: nobody else has it in the service's own namespace."""
        charts, name = self.service.charts, self.home.name
        own = [name] if len(charts) == 1 else [f"{name}-{number}" for number in range(1, len(charts) + 1)]
        return [replace(chart, release=chart.release or mine) for chart, mine in zip(charts, own, strict=True)]

    async def _objects(self) -> Sequence[Object]:
        service = self.service
        objects = manifests.all_of({name: self._folder / name for name in service.manifests})
        if service.kustomize:
            objects += await kustomize.build(self._owner, self._folder / service.kustomize)
        if service.charts:
            helm.find()
        if doubled := manifests.doubled(objects):
            raise CannotTell(f"{doubled} is in the manifests twice")
        return objects

    async def unhealthy(self) -> str:
        """Rolled out, ready, and with endpoints, in the same cluster as before."""
        deployment, place = self._deployment, self._place
        assert deployment is not None
        assert place is not None
        async with access.reached(place, self._namespace) as cluster:
            now = await access.identified(cluster, place)
            if why := access.moved(place, now.server, now.identity):
                raise CannotTell(why)
            why = (await rollout(cluster, deployment.objects)).why
        return why or (await self._forward.unhealthy() if self._forward is not None else "")

    async def ended(self) -> str:
        ways = [asyncio.create_task(self._disturbed())]
        if self._forward is not None:
            ways.append(asyncio.create_task(self._forward.ended()))
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _disturbed(self) -> str:
        """Until a user cannot know what its checks saw meanwhile; returns how."""
        deployment, place = self._deployment, self._place
        assert deployment is not None
        assert place is not None
        async with AsyncExitStack() as stack:
            cluster = await stack.enter_async_context(access.reached(place, self._namespace))
            kind = await cluster.kind("v1/Pod")
            opened = (cluster.watching(kind, namespace) for namespace in deployment.namespaces)
            watches = [await stack.enter_async_context(one) for one in opened]
            before: Mapping[str, str] = {}
            clock = asyncio.get_running_loop().time
            answered = clock()
            while True:
                revisions = [watch.revision for watch in watches]
                try:
                    now = await rollout(cluster, deployment.objects)
                    answered = clock()
                except ApiAway as error:
                    if clock() - answered > AWAY:
                        return f"is lost: {error}"
                else:
                    if before and now.why:
                        return f"is not healthy any more: {now.why}"
                    if gone := [name for one, name in before.items() if one not in now.containers]:
                        return f"was disturbed: the container {gone[0]} ended"
                    before = before if now.why else now.containers
                await _changed(watches, revisions)

    async def end(self) -> None:
        try:
            await self._end_forward()
            if self._deployment is not None:
                await self._deployment.give_back(self._owner)
        finally:
            await self._end_programs()

    async def _end_programs(self) -> None:
        """Those that were run for the deployment, such as Helm."""
        if (supervisor := spawned.supervisor_of(self.tag)) is not None:
            await asyncio.to_thread(end_trial, supervisor.pid, supervisor.started, supervisor.cgroup)
            spawned.let_go(self.tag)

    async def _end_forward(self) -> None:
        if self._forward is not None:
            await self._forward.end()
            self._forward = None

    async def flush(self) -> None:
        """The last lines of every container that still exists."""
        if self._deployment is None or self._place is None:
            return
        async with access.reached(self._place, self._namespace) as cluster:
            pods = (await cluster.list(await cluster.kind("v1/Pod"), self._deployment.namespace)).objects
            text = "".join([await _log(cluster, pod) for pod in pods])
        if text:
            fd = os.open(self.home.log, os.O_WRONLY | os.O_TRUNC | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w", errors="replace") as file:
                file.write(text)


async def _changed(watches: Sequence[Watch], revisions: Sequence[int]) -> None:
    """Wait until a pod changes, or for a while; many changes at a time are one."""
    news = [asyncio.create_task(watch.changed(revision)) for watch, revision in zip(watches, revisions, strict=True)]
    try:
        await asyncio.sleep(PAUSE)
        await asyncio.wait(news, timeout=LOOKS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in news:
            task.cancel()
        await asyncio.gather(*news, return_exceptions=True)


async def _log(cluster: Cluster, pod: Object) -> str:
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    text = ""
    for container in pod["spec"]["containers"]:
        with suppress(SeatrialError):  # it has not begun yet
            said = await cluster.logs(name, namespace, container=container["name"], tail=LOG_LINES)
            text += "".join(f"{name}/{container['name']}: {line}\n" for line in said.splitlines())
    return text
