"""A check with a text form: `page_says:hello` is short for `{check: page_says, text: hello}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import seatrial
from seatrial.links.http import request
from seatrial.model.cluster import PowerState
from seatrial.model.result import Observation, failed, passed
from seatrial.spi import Context


@seatrial.check("page_says")
@dataclass(frozen=True, kw_only=True)
class PageSays:
    """The page of every running node has a text in it."""

    text: str
    """The text."""

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, str]:
        """Read `:TEXT`; a ValueError becomes an error with file and line."""
        if not rest.startswith(":") or not rest[1:].strip():
            raise ValueError("write page_says:TEXT")
        return {"text": rest[1:].strip()}

    async def observe(self, ctx: Context) -> Observation:
        """One look at all running nodes."""
        seen: dict[str, str] = {}
        for node in await ctx.nodes():
            if await ctx.provider.state(node) is PowerState.RUNNING:
                answer = await request("GET", f"http://{node.address}:{node.ports['http']}/")
                seen[node.name] = answer.text
        judge = passed if seen and all(self.text in page for page in seen.values()) else failed
        return judge(seen, self.text)
