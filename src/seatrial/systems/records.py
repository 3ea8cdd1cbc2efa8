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
from seatrial.systems.settings import DataSettings, Request
from seatrial.systems.templates import Roots, fill

AT_ONCE = 16
"""Records read or written at the same time."""

RootsOf = Callable[[Node], Roots]


class Missing(Exception):
    """The node answered, but the record is missing or has another value."""


class Unread(Exception):
    """The record could not be requested from the node."""


def value_of(key: str) -> str:
    """The value of a record, derived from its key, to detect a record with another's value."""
    return f"value-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def record_root(key: str, value: str) -> dict[str, object]:
    """The names under `${{ record.… }}`."""
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in (("key", key), ("value", value))}
    return {"key": key, "value": value, "key_base64": encoded["key"], "value_base64": encoded["value"]}


class Declared:
    """The part of a system for records and the admin UI, from `data` and `admin` of its settings."""

    def __init__(self, data: DataSettings | None, admin: str, roots_of: RootsOf) -> None:
        self._records = Records(data, roots_of) if data else None
        self._admin, self._roots_of = admin, roots_of
        self._stage = ""

    async def nodes(self, ctx: Context) -> Sequence[Node]:
        """The present nodes."""
        raise NotImplementedError

    async def health(self, ctx: Context, nodes: Sequence[Node]) -> Mapping[str, NodeHealth]:
        """Measure these nodes."""
        raise NotImplementedError

    async def before_outage(self, ctx: Context) -> None:
        """Write the next few numbered records through the healthy nodes."""
        if self._records is not None and self._stage == "deployed":
            await self._records.write(ctx, await self._healthy(ctx))

    async def records(self, ctx: Context) -> RecordsReport:
        """Read the acknowledged records back from every healthy node."""
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
            key, node = place
            return await self._write(ctx, key, node)

        reasons = await map_concurrently(one, places, most=AT_ONCE)
        for (key, node), why in zip(places, reasons, strict=True):
            if not why:
                self.acknowledged[key] = value_of(key)
            said = f"not acknowledged: {why}" if why else "acknowledged"
            ctx.log(f"record {key} written to {node.name}: {said}", "debug")

    async def read(self, ctx: Context, nodes: Sequence[Node]) -> RecordsReport:
        """Read every acknowledged record from each of these nodes."""
        pairs = list(product(nodes, self.acknowledged))
        lost: dict[str, list[str]] = {}
        unread: dict[str, str] = {}

        async def one(pair: tuple[Node, str]) -> None:
            node, key = pair
            try:
                await self._read(ctx, key, node)
            except Missing:
                lost.setdefault(node.name, []).append(key)
            except Unread as error:
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

    async def _write(self, ctx: Context, key: str, node: Node) -> str:
        """Why it was not acknowledged; empty: acknowledged."""
        write, roots = self._settings.write, self._roots(key, node)
        try:
            if write.http is not None:
                status, body = await self._send(ctx, write.http, roots)
                return "" if accepted(status, write.http.status) else f"{status}: {body[:SHOWN].strip()}"
            done = await ctx.link(node).run(fill(ctx, write.command, roots), timeout=self._settings.timeout)
        except NoAnswer as error:
            return str(error)
        except TimeoutError:
            return f"timed out after {self._settings.timeout:g} s"
        except (LinkDown, LinkLost, LinkRefused) as error:
            return str(error)
        return "" if done.ok else f"ended with {done.exit_code}: {done.stderr[-SHOWN:].strip()}"

    async def _read(self, ctx: Context, key: str, node: Node) -> None:
        read, roots = self._settings.read, self._roots(key, node)
        wanted = fill(ctx, read.contains, roots)
        try:
            if read.http is not None:
                status, text = await self._send(ctx, read.http, roots)
                if status in read.missing:
                    raise Missing(f"{status}: {text[:SHOWN].strip()}")
                if not accepted(status, read.http.status):
                    raise Unread(f"{status}: {text[:SHOWN].strip()}")
            else:
                done = await ctx.link(node).run(fill(ctx, read.command, roots), timeout=self._settings.timeout)
                text = done.stdout
                if not done.ok:
                    raise Unread(f"ended with {done.exit_code}: {done.stderr[-SHOWN:].strip()}")
        except NoAnswer as error:
            raise Unread(str(error)) from None
        except TimeoutError:
            raise Unread(f"timed out after {self._settings.timeout:g} s") from None
        except (LinkDown, LinkLost, LinkRefused, CannotTell) as error:
            raise Unread(str(error)) from None
        if wanted not in text:
            raise Missing(f"{wanted!r} is not in {text[:SHOWN].strip()!r}")

    async def _send(self, ctx: Context, request: Request, roots: Roots) -> tuple[int, str]:
        headers: Mapping[str, str]
        url, headers, body = fill(ctx, (request.url, dict(request.headers), request.body), roots)
        timeout = self._settings.timeout
        answer = await send(request.method, url, headers=headers, body=body, timeout=timeout)
        return answer.status, answer.body
