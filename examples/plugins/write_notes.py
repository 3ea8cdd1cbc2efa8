"""A step of your own: one decorated dataclass; its fields are the keys in a document."""

from __future__ import annotations

from dataclasses import dataclass

import seatrial
from seatrial.errors import StepFailed
from seatrial.links.http import Web
from seatrial.model.scenario import Outputs
from seatrial.spi import Context


@seatrial.step("write_notes")
@dataclass(frozen=True, kw_only=True)
class WriteNotes:
    """Write numbered notes through nodes of the sample."""

    count: int = 10
    target_node: str = "any"

    async def run(self, ctx: Context) -> Outputs:
        """StepFailed when a node refuses a note. Outputs: `count`, `node`."""
        (node, *_) = await ctx.select(self.target_node)
        base = f"http://{node.address}:{node.ports['client']}/records"
        async with Web() as web:
            for number in range(self.count):
                answer = await web.request("PUT", f"{base}/note-{number}", content=f"note {number}".encode())
                if answer.status != 201:
                    raise StepFailed(f"{node.name} did not take note {number}: {answer.status}", evidence=answer.text)
        return {"count": self.count, "node": node.name}
