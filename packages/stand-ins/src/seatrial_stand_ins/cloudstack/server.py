"""The server itself: CloudStack's API at one URL on loopback, in a thread of its own."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from seatrial_stand_ins.cloudstack.cloud import Cloud, Machine
from seatrial_stand_ins.cloudstack.commands import COMMANDS, Call
from seatrial_stand_ins.cloudstack.jobs import Jobs
from seatrial_stand_ins.cloudstack.plants import Plants, broken_now
from seatrial_stand_ins.cloudstack.refusals import INTERNAL, UNSUPPORTED, Refused
from seatrial_stand_ins.cloudstack.signing import require_signed
from seatrial_stand_ins.loopback import LoopbackServer
from seatrial_stand_ins.machines import MachineFailed, Machines, Unreal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

PATH = "/client/api"


class CloudStackServer(LoopbackServer):
    """A cloud for tests: `with CloudStackServer() as server:`; `server.environment` holds the clients' variables.

    `machines`: its virtual machines; by default they are simulated. You can change `plants` and read `cloud` while it
    runs.
    """

    def __init__(
        self,
        machines: Machines | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        key: str = "",
        secret: str = "",
    ) -> None:
        super().__init__(host=host, port=port)
        self.machines: Machines = machines or Unreal()
        self.plants = Plants()
        self.cloud = Cloud(self.machines, self.plants)
        self.cloud.furnish()
        self.key, self.secret = key or secrets.token_urlsafe(32), secret or secrets.token_urlsafe(32)
        self._jobs = Jobs(self.plants)

    @property
    def url(self) -> str:
        """The endpoint of the API."""
        return f"{self.root}{PATH}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables for `cs` and other clients to find the server."""
        names = {"ENDPOINT": self.url, "KEY": self.key, "SECRET": self.secret, "METHOD": "post", "TIMEOUT": "30"}
        return {f"CLOUDSTACK_{name}": value for name, value in names.items()}

    async def open(self) -> None:
        """Open the machines."""
        self.machines.told(self._went_off)
        await self.machines.open()

    async def close(self) -> None:
        """End the jobs, then the machines."""
        await self._jobs.cancel()
        await self.machines.close()

    def _went_off(self, id: str) -> None:
        """A machine has powered itself off."""
        machine: Machine | None = self.cloud.machines.get(id)
        if machine is not None and machine.state == "Running" and not machine.busy.locked():
            machine.state = "Stopped"

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        pairs = parse_qsl(request.url.query, keep_blank_values=True)
        if request.method == "POST":
            pairs += parse_qsl(body.decode(), keep_blank_values=True)
        parameters = dict(pairs)
        low = {name.lower(): value for name, value in parameters.items()}
        name = low.get("command", "")
        known, work = COMMANDS.get(name.lower(), ("", None))
        if broken_now(self.plants, known or name):
            return _text("<html><body>503 Service Unavailable</body></html>", 503)
        try:
            require_signed(parameters, {self.key: self.secret})
            if work is None:
                raise Refused(UNSUPPORTED, f"The given command '{name}' either does not exist, is not available for "
                              "user, or not available from ip address '127.0.0.1'.")  # fmt: skip
            self.cloud.calls.append((known, {key: low[key] for key in low if key not in ("signature", "apikey")}))
            if known in self.plants.refuses:
                raise Refused(*self.plants.refuses[known])
            told: Mapping[str, object] = await work(Call(known, low, self.cloud, self._jobs))
        except Refused as error:
            return _json(name, error.answer(), error.code)
        except MachineFailed as error:
            return _json(name, Refused(INTERNAL, str(error)).answer(), INTERNAL)
        return _json(name, told, 200)


def _json(command: str, told: Mapping[str, object], code: int) -> Response:
    key = f"{command.lower() or 'error'}response"
    return _text(json.dumps({key: told}), code, "application/json")


def _text(text: str, code: int, kind: str = "text/html") -> Response:
    from starlette.responses import Response

    return Response(text, status_code=code, media_type=kind)
