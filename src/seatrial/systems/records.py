"""The numbered records behind `data_integrity`: written before outages, kept when acknowledged, read back; and the
common part of systems with `data` and `admin` in their settings."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from itertools import product

from seatrial.errors import CannotTell, LinkDown, LinkLost, LinkRefused
from seatrial.model.cluster import NodeHealth
from seatrial.model.resource import Node
from seatrial.spi import Context, RecordsReport
from seatrial.spi.concurrency import map_concurrently
from seatrial.systems.probes import SHOWN, NoAnswer, accepted, send
from seatrial.systems.settings import DataSettings, Roots, WriteSettings, fill

AT_ONCE = 16
"""Records read or written at the same time."""

RootsOf = Callable[[Node], Roots]


class NoReply(Exception):
    """The node neither wrote nor read the record: no answer, too slow, or another status or exit code."""


def value_of(key: str) -> str:
    """The value of a record, derived from its key, to detect a record with another's value."""
    return f"value-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def record_root(key: str, value: str) -> dict[str, object]:
    """The names under `${{ record.… }}`."""
    plain = {"key": key, "value": value}
    return {**plain, **{f"{name}_base64": base64.b64encode(text.encode()).decode() for name, text in plain.items()}}


class Declared:
    """The part of a system for records and the admin UI, from `data` and `admin` of its settings."""

    def __init__(self, data: DataSettings | None, admin: str, roots_of: RootsOf) -> None:
        self._records = Records(data, roots_of) if data else None
        self._admin, self._roots_of = admin, roots_of
        self._stage = ""

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        raise NotImplementedError

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        raise NotImplementedError

    async def before_outage(self, ctx: Context) -> None:
        """Write the next few numbered records through the healthy nodes."""
        if self._records is not None and self._stage == "deployed":
            await self._records.write(ctx, await self._healthy(ctx))

    async def records(self, ctx: Context) -> RecordsReport:
        if self._records is None:
            raise CannotTell("the system declares no `data: {write, read}`, so no records were written")
        return await self._records.read(ctx, await self._healthy(ctx))

    async def admin_url(self, ctx: Context) -> Mapping[str, str]:
        """Node to the URL of its admin UI; empty when the system declares none."""
        if not self._admin:
            return {}
        return {node.name: fill(ctx, self._admin, self._roots_of(node)) for node in await self.nodes(ctx)}

    async def _healthy(self, ctx: Context) -> list[Node]:
        nodes = await self.nodes(ctx)
        health = await self.health(ctx, nodes)
        return [node for node in nodes if health[node.name].healthy.ok]


class Records:
    """The records of one trial; only acknowledged ones are kept."""

    def __init__(self, settings: DataSettings, roots_of: RootsOf) -> None:
        self._settings = settings
        self._roots_of = roots_of
        self._written = 0
        self.acknowledged: dict[str, str] = {}

    async def write(self, ctx: Context, nodes: Sequence[Node]) -> None:
        """Write the next few through these nodes in turn; an unacknowledged record is not an error, and is not kept."""
        if not nodes:
            ctx.log("no records written: no node is healthy", "debug")
            return
        numbers = range(self._written, self._written + self._settings.count)
        self._written = numbers.stop
        places = [(f"{ctx.trial_id}-{number:06d}", nodes[number % len(nodes)]) for number in numbers]

        async def one(place: tuple[str, Node]) -> str:
            try:
                await self._reply(ctx, self._settings.write, self._roots(*place), place[1])
            except NoReply as error:
                return str(error)
            return ""

        reasons = await map_concurrently(one, places, most=AT_ONCE)
        for (key, node), why in zip(places, reasons, strict=True):
            if not why:
                self.acknowledged[key] = value_of(key)
            said = f"not acknowledged: {why}" if why else "acknowledged"
            ctx.log(f"record {key} written to {node.name}: {said}", "debug")

    async def read(self, ctx: Context, nodes: Sequence[Node]) -> RecordsReport:
        pairs = list(product(nodes, self.acknowledged))
        lost: dict[str, list[str]] = {}
        unread: dict[str, str] = {}

        async def one(pair: tuple[Node, str]) -> None:
            node, key = pair
            try:
                if not await self._holds(ctx, key, node):
                    lost.setdefault(node.name, []).append(key)
            except (NoReply, CannotTell) as error:
                unread[node.name] = f"{key}: {error}"

        await map_concurrently(one, pairs, most=AT_ONCE)
        return RecordsReport(
            acknowledged=len(self.acknowledged),
            read_from=tuple(node.name for node in nodes if node.name not in unread),
            lost={name: tuple(sorted(keys)) for name, keys in lost.items()},
            unread=unread,
        )

    def _roots(self, key: str, node: Node) -> Roots:
        return {**self._roots_of(node), "record": record_root(key, value_of(key))}

    async def _holds(self, ctx: Context, key: str, node: Node) -> bool:
        """Whether the node still has the record with its value."""
        read, roots = self._settings.read, self._roots(key, node)
        wanted = fill(ctx, read.contains, roots)
        text = await self._reply(ctx, read, roots, node, missing=read.missing)
        return text is not None and wanted in text

    async def _reply(
        self, ctx: Context, how: WriteSettings, roots: Roots, node: Node, missing: Sequence[int] = ()
    ) -> str | None:
        """The answer's body or the command's output, None for a status of `missing`; else NoReply."""
        timeout = self._settings.timeout
        try:
            if how.http is not None:
                asked = how.http
                headers: Mapping[str, str]
                url, headers, body = fill(ctx, (asked.url, dict(asked.headers), asked.body), roots)
                answer = await send(asked.method, url, headers=headers, body=body, timeout=timeout)
                if answer.status in missing:
                    return None
                if not accepted(answer.status, asked.status):
                    raise NoReply(f"{answer.status}: {answer.body[:SHOWN].strip()}")
                return answer.body
            done = await ctx.link(node).run(fill(ctx, how.command, roots), timeout=timeout)
        except TimeoutError:
            raise NoReply(f"timed out after {timeout:g} s") from None
        except (NoAnswer, LinkDown, LinkLost, LinkRefused) as error:
            raise NoReply(str(error)) from None
        if not done.ok:
            raise NoReply(f"{done.ended}: {done.stderr[-SHOWN:].strip()}")
        return done.stdout
