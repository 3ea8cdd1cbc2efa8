"""A service in a container: on the trial's network by its name, on this host by ports on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.errors import CannotTell
from seatrial.links.containers import Engine
from seatrial.links.containers.engines import detail_of
from seatrial.links.containers.resources import bring_image, environment_words, labelled, log_of, status_of
from seatrial.preflight.document import Service
from seatrial.preflight.running_service import LOOPBACK, RunningService, View
from seatrial.preflight.system import OWNER, pipeline_of
from seatrial.spi import Context, Finished


@dataclass(frozen=True)
class Contained(RunningService):
    """A service in a container."""

    ctx: Context
    engine: Engine
    container: str
    outside: View
    inside: View

    async def run(self, argv: Sequence[str], timeout: float) -> Finished:
        return await self.engine.run("exec", self.container, *argv, timeout=timeout)

    async def ended(self) -> str:
        status, code = await status_of(self.engine, self.container)
        return "" if status == "running" else f"did not stay up: its container is {status}, with exit code {code}"

    async def end(self) -> str:
        # The log is complete only after the engine reports the container's end.
        status = "stopping"
        for _ in range(50):
            status, _code = await status_of(self.engine, self.container)
            if status not in ("stopped", "stopping"):
                break
            await asyncio.sleep(0.1)
        text = await log_of(self.engine, self.container)
        for _ in range(10):
            if text or status == "running":
                break
            # On a busy machine Podman's monitor may write it after the end is reported.
            await asyncio.sleep(0.1)
            text = await log_of(self.engine, self.container)
        await self.ctx.give_back("container", self.container)
        return text


async def begin(ctx: Context, name: str, service: Service, engine: Engine) -> Contained:
    """Start its container; CannotTell, LeaseTaken with the reason of a failure."""
    try:
        await bring_image(engine, service.image, ctx.log)
    except CannotTell as error:
        raise CannotTell(f"the service {name} has no image: {error}", evidence=error.evidence) from error
    network = await pipeline_of(ctx).network(ctx)
    published = {port: await ctx.lease_port() for port in service.ports}
    inside = View(name=name, address=name, ports=service.ports)
    outside = View(name=name, address=LOOPBACK, ports=published)
    container = f"{ctx.trial_id}-service-{name}"
    env = {key: str(value) for key, value in ctx.bind(dict(service.env), service=inside.names()).items()}
    words, environment = environment_words(env, ctx.state / f"service-{name}.env")
    argv = [
        "run", "--detach", "--pull=never", "--name", container, "--hostname", name,
        *(["--log-driver=k8s-file"] if engine.podman else []),
        "--network", network, "--network-alias", name,
        *labelled(ctx.labels()), *words,
        *(word for port, at in published.items()
          for word in ("--publish", f"{LOOPBACK}:{at}:{service.ports[port]}")),
        service.image,
    ]  # fmt: skip

    async def make() -> None:
        await engine.make(*argv, what=f"starting the service {name}", env=environment)

    try:
        await ctx.make("container", container, make, owner=OWNER, detail={**detail_of(engine), "container": container})
    except BaseException:
        await ctx.give_back("container", container)
        raise
    return Contained(ctx, engine, container, outside, inside)
