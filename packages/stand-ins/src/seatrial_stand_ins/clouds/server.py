"""The server of a cloud with a REST API: token, limits and plants before each call, the vendor's form around it."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from seatrial_stand_ins.clouds.operations import Operations
from seatrial_stand_ins.clouds.plants import Plants, happens
from seatrial_stand_ins.clouds.things import Machine, Power, Shelf, went_off
from seatrial_stand_ins.loopback import LoopbackServer
from seatrial_stand_ins.machines import Machines, Unreal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send


C = TypeVar("C")


class Refused(Exception):
    """An error of the API: its status, the vendor's code and words."""

    def __init__(self, status: int, code: str, text: str, **details: Any) -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.details = status, code, text, details


@dataclass(slots=True)
class Answer:
    """A successful answer."""

    body: Mapping[str, Any] | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call(Generic[C]):
    """One call: the values in its path, its query and its body."""

    cloud: C
    name: str
    path: str
    values: Mapping[str, str]
    queries: Sequence[tuple[str, str]]
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def query(self) -> Mapping[str, str]:
        return dict(self.queries)

    def several(self, name: str) -> list[str]:
        """All values of a name in the query."""
        return [value for key, value in self.queries if key == name]

    def number(self, name: str, default: int) -> int:
        """A whole number of the query."""
        text = self.query.get(name, "")
        return int(text) if text.isdigit() else default


class Routes(Generic[C]):
    """The calls of a vendor's API."""

    def __init__(self) -> None:
        self._known: list[tuple[str, re.Pattern[str], str, Callable[[Call[C]], Awaitable[Answer]]]] = []

    def __call__(
        self, name: str
    ) -> Callable[[Callable[[Call[C]], Awaitable[Answer]]], Callable[[Call[C]], Awaitable[Answer]]]:
        """Register the function of a call: `GET /servers/{id}`."""
        method, _, pattern = name.partition(" ")
        expression = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern))

        def registered(work: Callable[[Call[C]], Awaitable[Answer]]) -> Callable[[Call[C]], Awaitable[Answer]]:
            self._known.append((method, expression, name, work))
            return work

        return registered

    def of(self, method: str, path: str) -> tuple[str, dict[str, str], Callable[[Call[C]], Awaitable[Answer]]] | None:
        """The call of a request: its name, the values in the path, its function."""
        for known, expression, name, work in self._known:
            match = expression.fullmatch(path)
            if known == method and match:
                return name, match.groupdict(), work
        return None


class Limit:
    """Requests per hour, refilled all the time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._left, self._since = float(most), time.monotonic()

    def take(self) -> bool:
        """Count a request; whether it is within the limit."""
        moment = time.monotonic()
        self._left = min(self.most, self._left + (moment - self._since) * self.most / 3600)
        self._since = moment
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def headers(self) -> dict[str, str]:
        """What every answer says of it."""
        full = time.time() + (self.most - self._left) * 3600 / self.most
        return {
            "RateLimit-Limit": str(self.most),
            "RateLimit-Remaining": str(int(self._left)),
            "RateLimit-Reset": str(int(full)),
        }


class CloudServer(LoopbackServer):
    """A cloud for tests: `with … as server:`; `server.environment` holds the clients' variables. You can change
    `plants` and read what is in the cloud while it runs."""

    base: ClassVar[str]
    """The path before every call: `/v1`."""
    routes: ClassVar[Routes[Any]]
    requests_per_hour: ClassVar[int]
    tls_needed: ClassVar[bool] = False
    """The vendor's own client insists on TLS."""

    def __init__(
        self, machines: Machines | None = None, *, token: str = "", tls: bool | None = None, limit: int = 0,
        host: str = "127.0.0.1", port: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(host=host, port=port, tls=self.tls_needed if tls is None else tls)
        self.backing: Machines = machines or Unreal()
        self.token = token or secrets.token_hex(32)
        self.read_only = secrets.token_hex(32)
        """A token that may read only."""
        self.plants = Plants()
        self.limit = Limit(limit or self.requests_per_hour)
        self.operations = Operations(self.plants)
        self.power = Power(self.backing, self.plants)
        self.machines: Shelf[Machine] = Shelf(self.plants)
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        """Every accepted call, with its body."""
        self.furnish()

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the vendor's clients."""
        raise NotImplementedError

    def furnish(self) -> None:
        """The catalog of a new cloud."""
        raise NotImplementedError

    def refusal(self, refused: Refused) -> Mapping[str, Any]:
        """The body of an error, in the vendor's form."""
        raise NotImplementedError

    def refuse(self, why: str, call: str) -> Refused:
        """The vendor's error: `token`, `read-only`, `denied`, `throttled`, `missing` or `broken`."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """The endpoint of the API."""
        return f"{self.root}{self.base}"

    async def open(self) -> None:
        """Open the machines."""
        self.backing.told(lambda id: went_off(self.machines, id))
        await self.backing.open()

    async def close(self) -> None:
        """End the operations, then the machines."""
        await self.operations.cancel()
        await self.backing.close()

    async def answer(self, request: Request) -> Response:
        """The answer to one request."""
        headers = {}
        path = request.url.path.removeprefix(self.base)
        found = self.routes.of(request.method, path)
        name, values, work = found or (f"{request.method} {path}", {}, None)
        try:
            within = self.limit.take()
            headers = self.limit.headers()
            if not within or happens(self.plants.throttled, name):
                wait = self.plants.retry_after if within else max(1, 3600 // self.limit.most)
                headers |= {"Retry-After": str(wait), "RateLimit-Reset": str(int(time.time()) + wait)}
                raise self.refuse("throttled", name)
            if happens(self.plants.broken, name):
                raise self.refuse("broken", name)
            if time.monotonic() < self.plants.broken_until:
                return _plain("<html><body>503 Service Unavailable</body></html>", 503, headers)
            self._let_in(request, name)
            if work is None:
                raise self.refuse("missing", name)
            body = await self._body(request)
            self.calls.append((name, body))
            queries = request.query_params.multi_items()
            answer = await work(Call(self, name, request.url.path, values, queries, body, request.headers))
        except Refused as refused:
            return _plain(json.dumps(self.refusal(refused)), refused.status, headers, "application/json")
        if happens(self.plants.lost, name):
            return _lost()
        text = "" if answer.body is None else json.dumps(answer.body)
        return _plain(text, answer.status, {**headers, **answer.headers}, "application/json")

    def _let_in(self, request: Request, name: str) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        known = scheme.lower() == "bearer" and token in (self.token, self.read_only)
        if not known or self.plants.token_expired:
            raise self.refuse("token", name)
        if token == self.read_only and request.method != "GET":
            raise self.refuse("read-only", name)
        if name in self.plants.denied or "*" in self.plants.denied:
            raise self.refuse("denied", name)

    async def _body(self, request: Request) -> dict[str, Any]:
        text = await request.body()
        if not text.strip():
            return {}
        try:
            body = json.loads(text)
        except ValueError:
            raise self.refuse("json", "") from None
        if not isinstance(body, dict):
            raise self.refuse("json", "")
        return body


def _plain(text: str, status: int, headers: Mapping[str, str], kind: str = "text/html") -> Response:
    from starlette.responses import Response

    return Response(text, status_code=status, headers=dict(headers), media_type=kind)


def _lost() -> Response:
    """An answer whose connection ends in the middle."""
    from starlette.responses import Response

    class Lost(Response):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})

    return Lost()
