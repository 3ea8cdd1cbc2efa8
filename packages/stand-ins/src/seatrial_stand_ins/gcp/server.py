"""The server itself: Compute Engine's API and a token endpoint at one URL on loopback, in a thread of its own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl

from seatrial_stand_ins.gcp import catalog, discovery, instances
from seatrial_stand_ins.gcp.calling import METHODS, Call
from seatrial_stand_ins.gcp.cloud import Cloud
from seatrial_stand_ins.gcp.credentials import Credentials
from seatrial_stand_ins.gcp.operations import Operations
from seatrial_stand_ins.gcp.plants import Plants
from seatrial_stand_ins.gcp.refusals import NO_API, TOO_FAST, TOO_MANY, UNAUTHENTICATED, Refused
from seatrial_stand_ins.loopback import LoopbackServer
from seatrial_stand_ins.machines import Machines, Unreal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["GoogleServer", "catalog"]

PATH = "/compute/v1/"
RIGHTS = "/v1/projects/"


class GoogleServer(LoopbackServer):
    """A project for tests: `with GoogleServer() as server:`; `server.environment` holds the clients' variables.

    `machines`: its instances; by default they are only a state. You can change `plants` and read `cloud` while it runs.
    """

    def __init__(
        self,
        machines: Machines | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        project: str = "seatrial-test",
    ) -> None:
        super().__init__(host=host, port=port)
        self.machines: Machines = machines or Unreal()
        self.plants = Plants()
        self.cloud = Cloud(self.machines, self.plants, project)
        self.credentials = Credentials(project)
        self.wrong: list[str] = []
        """Answers that are not as Google describes them; empty, or the server is wrong."""
        self._folder = tempfile.TemporaryDirectory(prefix="seatrial-gcp-")
        self._operations = Operations(self.cloud)

    @property
    def key_file(self) -> Path:
        """The JSON key of the service account."""
        return Path(self._folder.name) / "key.json"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables for Google's clients to find the server."""
        return {
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.key_file),
            "GOOGLE_CLOUD_PROJECT": self.cloud.project,
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{self.root}{PATH}",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER": f"{self.root}/v1/",
        }

    def __enter__(self) -> Self:
        super().__enter__()
        self.cloud.url = f"{self.root}{PATH}"
        self.cloud.furnish()
        self.key_file.touch(mode=0o600)
        self.key_file.write_text(json.dumps(self.credentials.key_file(self.root)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self._folder.cleanup()
        if self.wrong and error is None:
            raise AssertionError("answers that are not as Google describes them:\n" + "\n".join(self.wrong[:5]))

    async def open(self) -> None:
        self.machines.told(lambda id: instances.went_off(self.cloud, id))
        await self.machines.open()

    async def close(self) -> None:
        await self._operations.cancel()
        await self.machines.close()

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        if path == "/token":
            return await self._token(request)
        if path.startswith(RIGHTS):
            return await self._permissions(request, path.removeprefix(RIGHTS))
        return await self._answer(request) if path.startswith(PATH) else _json(NO_API.answer(), NO_API.code)

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        code, answer = self.credentials.token(form, self.root, self.plants.token_seconds)
        return _json(answer, code)

    async def _permissions(self, request: Request, name: str) -> Response:
        """The Resource Manager's `projects.testIamPermissions`."""
        if name != f"{self.cloud.project}:testIamPermissions":
            return _json(NO_API.answer(), NO_API.code)
        if not self.credentials.allows(request.headers.get("authorization", "")):
            return _json(UNAUTHENTICATED.answer(), UNAUTHENTICATED.code)
        asked = _object(await request.body()).get("permissions", [])
        held = [right for right in asked if right not in self.plants.rights_missing]
        return _json({"permissions": held} if held else {}, 200)

    async def _answer(self, request: Request) -> Response:
        path, body = request.url.path.removeprefix(PATH), await request.body()
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        try:
            found = discovery.find(request.method, path)
            if found is None:
                raise NO_API
            method, place = found
            if not self.credentials.allows(request.headers.get("authorization", "")):
                raise UNAUTHENTICATED
            if self.plants.counted(self.plants.broken, method.name):
                return _text("<html><title>Error 503 (Service Unavailable)</title></html>", 503)
            if self.plants.counted(self.plants.too_fast, method.name):
                raise TOO_FAST
            if self.plants.counted(self.plants.too_many, method.name):
                raise TOO_MANY
            given = _object(body)
            discovery.require_right(method, place, query, given)
            self.cloud.calls.append((method.name, {**place, **query, "body": given}))
            call = Call(method.name, path, place, query, given, self.cloud, self._operations, self.credentials.email)
            earlier = self._operations.known(query.get("requestId", ""))
            answer = earlier.document if earlier else await METHODS[method.name](call)
            if wrong := discovery.wrong_answer(method, answer):
                self.wrong.append(wrong)
        except Refused as error:
            return _json(error.answer(), error.code, {"Retry-After": str(error.after)} if error.after else {})
        if self.plants.counted(self.plants.lost, method.name):
            return _text("<html><title>Error 502 (Server Error)</title></html>", 502)
        return _json(answer, 200)


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise Refused(400, "parseError", "Parse Error")
    return given


def _json(answer: Mapping[str, object], code: int, headers: Mapping[str, str] | None = None) -> Response:
    from starlette.responses import Response

    return Response(json.dumps(answer), code, dict(headers or {}), "application/json; charset=UTF-8")


def _text(text: str, code: int) -> Response:
    from starlette.responses import Response

    return Response(text, status_code=code, media_type="text/html")
