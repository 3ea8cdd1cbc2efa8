"""A service that is a port-forward into a Kubernetes cluster. Its program is `forwarder`, a process of its own."""

from __future__ import annotations

import dataclasses
import json
import sys

from seatrial.engine.services.forwarder import STATE
from seatrial.engine.services.running import Program


class Forward(Program):
    """A port-forward."""

    async def start(self) -> None:
        (self.data / STATE).unlink(missing_ok=True)
        await super().start()

    @property
    def command(self) -> tuple[str, ...]:
        assert self.service.forward is not None
        what = {**dataclasses.asdict(self.service.forward), "local": self.port}
        return (sys.executable, "-P", "-m", "seatrial.engine.services.forwarder", json.dumps(what))

    async def unhealthy(self) -> str:
        """Why no pod can be reached now."""
        try:
            return str(json.loads((self.data / STATE).read_text())["why"])
        except FileNotFoundError:
            return "it has not looked for its target yet"
