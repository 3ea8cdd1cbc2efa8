"""Whether every acknowledged record can be read back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from seatrial.errors import NotSupported
from seatrial.model.result import Observation, failed, passed, unknown
from seatrial.registry import check
from seatrial.spi import Context, KeepsRecords, Need

NAMED = 10
"""Maximum number of lost records named for each node; the others are counted."""


@check("data_integrity")
@dataclass(frozen=True, kw_only=True)
class DataIntegrity:
    """Every healthy node has all acknowledged records with their values."""

    def rests_on(self) -> Collection[Need]:
        return (Need.RECORDS,)

    async def observe(self, ctx: Context) -> Observation:
        if not isinstance(ctx.system, KeepsRecords):
            return unknown(f"system {ctx.suite.system.kind!r} keeps no records")
        try:
            report = await ctx.system.records(ctx)
        except NotSupported as error:
            return unknown(str(error))
        expected = {"acknowledged": report.acknowledged, "lost": 0}
        seen = {"read_from": list(report.read_from), "lost": sum(map(len, report.lost.values()))}
        lost = {node: keys for node, keys in report.lost.items() if keys}
        if lost:
            listed = "; ".join(f"{node} lost {_named(keys)}" for node, keys in sorted(lost.items()))
            return failed(seen, expected, f"acknowledged records are lost: {listed}")
        if not report.acknowledged:
            return unknown("no record was acknowledged, so none could be lost", expected, seen)
        if report.unread:
            listed = "; ".join(f"{node}: {why}" for node, why in sorted(report.unread.items()))
            return unknown(f"not every node could be read: {listed}", expected, seen)
        if not report.read_from:
            return unknown("no healthy node to read from", expected, seen)
        return passed(seen, expected)


def _named(keys: tuple[str, ...]) -> str:
    shown = ", ".join(keys[:NAMED])
    return shown if len(keys) <= NAMED else f"{shown} and {len(keys) - NAMED} more"
