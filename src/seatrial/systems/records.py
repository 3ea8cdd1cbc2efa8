"""The numbered records behind `data_integrity`: written before outages, kept when acknowledged, read back; and the
common part of systems with `data` and `admin` in their settings."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from seatrial.errors import CannotTell, LinkDown, LinkLost, LinkRefused
from seatrial.links.output import beginning, end
from seatrial.model.cluster import NodeHealth
from seatrial.model.resource import Node
from seatrial.spi import Context, Gap, Need, RecordsReport
from seatrial.spi.concurrency import map_concurrently
from seatrial.systems.probes import SHOWN, NoAnswer, accepted, ask
from seatrial.systems.settings import DataSettings, Roots, WriteSettings, fill

AT_ONCE = 16
"""Records read or written at the same time."""

RootsOf = Callable[[Node], Roots]


class Declared:
    """The part of a system for records and the admin UI, from `data` and `admin` of its settings. Only acknowledged
    records are kept."""

    def __init__(self, data: DataSettings | None, admin: str, roots_of: RootsOf) -> None:
        self._data, self._admin, self._roots_of = data, admin, roots_of
        self._written = 0
        self._acknowledged: list[str] = []
        self._stage = ""

    @classmethod
    def gaps(cls, settings: Any) -> Mapping[Need, Gap]:
        """Records without `data`, the admin UI without `admin`; see `KnowsGaps`."""
        gaps = {}
        if settings.data is None:
            why = "the system declares no `data`, so no record is written or read"
            gaps[Need.RECORDS] = Gap(why, "write `data: {write: …, read: …}` into `system:`")
        if not settings.admin:
            gaps[Need.ADMIN] = Gap("the system declares no `admin` UI", "write `admin: URL` into `system:`")
        return gaps

    def recorded(self) -> dict[str, Any]:
        """What it knows, as JSON values."""
        return {"stage": self._stage, "written": self._written, "acknowledged": list(self._acknowledged)}

    def take_recorded(self, memory: Mapping[str, Any]) -> None:
        """Continue with what another instance knew."""
        self._stage, self._written = str(memory["stage"]), int(memory["written"])
        self._acknowledged = list(memory["acknowledged"])

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        raise NotImplementedError

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        raise NotImplementedError

    async def admin_url(self, ctx: Context) -> Mapping[str, str]:
        """Node to the URL of its admin UI; empty when the system declares none."""
        if not self._admin:
            return {}
        return {node.name: fill(ctx, self._admin, self._roots_of(node)) for node in await self.nodes(ctx)}

    async def _healthy(self, ctx: Context) -> list[Node]:
        nodes = await self.nodes(ctx)
        health = await self.health(ctx, nodes)
        return [node for node in nodes if health[node.name].healthy.ok]

    async def before_outage(self, ctx: Context) -> None:
        """Write the next few numbered records through the healthy nodes in turn; an unacknowledged record is not an
        error, and is not kept."""
        data = self._data
        if data is None or self._stage != "deployed":
            return
        if not (nodes := await self._healthy(ctx)):
            ctx.log("no records written: no node is healthy", "debug")
            return
        numbers = range(self._written, self._written + data.count)
        self._written = numbers.stop
        places = [(f"{ctx.trial_id}-{number:06d}", nodes[number % len(nodes)]) for number in numbers]

        async def one(place: tuple[str, Node]) -> str:
            try:
                await self._reply(ctx, data.write, data.timeout, *place)
            except NoAnswer as error:
                return str(error)
            return ""

        reasons = await map_concurrently(one, places, most=AT_ONCE)
        for (key, node), why in zip(places, reasons, strict=True):
            if not why:
                self._acknowledged.append(key)
            said = f"not acknowledged: {why}" if why else "acknowledged"
            ctx.log(f"record {key} written to {node.name}: {said}", "debug")

    async def records(self, ctx: Context) -> RecordsReport:
        """Read every acknowledged record back from every healthy node."""
        data = self._data
        if data is None:
            raise CannotTell("the system declares no `data: {write, read}`, so no records were written")
        nodes, lost, unread = await self._healthy(ctx), dict[str, list[str]](), dict[str, str]()

        async def one(pair: tuple[Node, str]) -> None:
            node, key = pair
            try:
                wanted = fill(ctx, data.read.contains, self._with_record(key, node))
                text = await self._reply(ctx, data.read, data.timeout, key, node, missing=data.read.missing)
                if text is None or wanted not in text:
                    lost.setdefault(node.name, []).append(key)
            except (NoAnswer, CannotTell) as error:
                unread[node.name] = f"{key}: {error}"

        await map_concurrently(one, list(product(nodes, self._acknowledged)), most=AT_ONCE)
        return RecordsReport(
            acknowledged=len(self._acknowledged),
            read_from=tuple(node.name for node in nodes if node.name not in unread),
            lost={name: tuple(sorted(keys)) for name, keys in lost.items()},
            unread=unread,
        )

    def _with_record(self, key: str, node: Node) -> Roots:
        """The values for the templates of one record; its own is derived from its key, to detect another's."""
        plain = {"key": key, "value": f"value-{hashlib.sha256(key.encode()).hexdigest()[:16]}"}
        encoded = {f"{name}_base64": base64.b64encode(text.encode()).decode() for name, text in plain.items()}
        return {**self._roots_of(node), "record": {**plain, **encoded}}

    async def _reply(
        self, ctx: Context, how: WriteSettings, timeout: float, key: str, node: Node, missing: Sequence[int] = ()
    ) -> str | None:
        """The answer's body or the command's output, None for a status of `missing`; else NoAnswer, also for
        another status or exit code."""
        roots = self._with_record(key, node)
        try:
            if how.http is not None:
                answer = await ask(ctx, how.http, how.http.url, roots, timeout)
                if answer.status in missing:
                    return None
                if not accepted(answer.status, how.http.status):
                    raise NoAnswer(f"{answer.status}: {beginning(answer.body.strip(), SHOWN)}")
                return answer.body
            done = await ctx.link(node).run(fill(ctx, how.command, roots), timeout=timeout)
        except TimeoutError:
            raise NoAnswer(f"timed out after {timeout:g} s") from None
        except (LinkDown, LinkLost, LinkRefused) as error:
            raise NoAnswer(str(error)) from None
        if not done.ok:
            raise NoAnswer(f"{done.ended}: {end(done.stderr.strip(), SHOWN)}")
        if done.dropped:
            raise NoAnswer(f"the answer is too long: {done.dropped} bytes of it were not kept")
        return done.stdout
