"""The door: every request comes in here, is let in or not, is counted, answered, and the answer checked."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import math
import re
import time
import traceback
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request as HttpRequest
from starlette.types import Receive, Scope, Send

from seatrial_stand_ins.github.answer import Answer
from seatrial_stand_ins.github.asked import Asked, Endpoint, Refused, not_found, refusal
from seatrial_stand_ins.github.endpoints import ENDPOINTS
from seatrial_stand_ins.github.forge import Forge, Request
from seatrial_stand_ins.github.graphql import answer_query
from seatrial_stand_ins.github.openapi import OLD, VERSIONS, wrong
from seatrial_stand_ins.github.plants import Answers, HangsUp, Slow, meets
from seatrial_stand_ins.github.records import Token
from seatrial_stand_ins.github.rights import let_in
from seatrial_stand_ins.github.shapes import Shapes
from seatrial_stand_ins.github.smart_http import GIT, serve_git
from seatrial_stand_ins.github.storage import PATH as STORAGE

PREFIX = "/api/v3"
GREEDY = ("path", "ref", "branch", "environment_name", "concurrency_group_name")
"""Parts of a path with slashes."""


def _pattern(template: str) -> re.Pattern[str]:
    def part(name: re.Match[str]) -> str:
        return f"(?P<{name[1]}>{'.*' if name[1] == 'path' else '.+' if name[1] in GREEDY else '[^/]+'})"

    return re.compile("^" + re.sub(r"\\{(\w+)\\}", part, re.escape(template)) + "/?$")


# More specific templates come first, so `…/runs/{run_id}` does not swallow `…/runs/{run_id}/jobs`.
_ROUTES = sorted(
    ((_pattern(endpoint.template), endpoint) for endpoint in ENDPOINTS),
    key=lambda route: -route[1].template.count("/"),
)


class Door:
    """The ASGI application."""

    def __init__(self, forge: Forge, *, check_answers: bool) -> None:
        self.forge = forge
        self.check_answers = check_answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request in."""
        if scope["type"] != "http":
            return
        request = HttpRequest(scope, receive)
        raw = scope.get("raw_path", scope["path"].encode()).decode("ascii").partition("?")[0]
        path = raw[len(PREFIX) :] if raw.startswith(PREFIX + "/") else raw
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        content = await request.body()
        headers = {name.lower(): value for name, value in request.headers.items()}
        site = f"{scope['scheme']}://{headers.get('host', '127.0.0.1')}"
        asked = Asked(
            forge=self.forge, method=request.method, path=path, query=query, headers=headers, content=content,
            shapes=Shapes(site, site + raw[: len(raw) - len(path)]),
            version=headers.get("x-github-api-version", OLD), enterprise=raw != path,
        )  # fmt: skip
        answer = await self._answer(asked)
        whole = f"{path}?{urlencode(query)}" if query and not path.startswith(STORAGE) else path
        status = answer.status if answer is not None else 0
        self.forge.requests.append(Request(asked.method, whole, status, asked.login))
        if answer is None:
            await _hang_up(receive, send)
        else:
            await _send(answer, receive, send, asked.method == "HEAD")

    async def _answer(self, asked: Asked) -> Answer | None:
        """The answer to send, or None to close the connection."""
        if asked.path.startswith(STORAGE):
            delayed = await self._planted(asked)
            if delayed is not None and not delayed.plant_after:
                return delayed.answer
            return self.forge.storage.answer(asked.path, asked.query, asked.headers)
        planted = await self._planted(asked)
        if planted is not None and not planted.plant_after:
            return planted.answer
        try:
            answer = await self._own(asked)
        except Refused as error:
            answer = error.answer
            answer.headers |= self.forge.limits.headers(asked.login)
        except Exception as error:  # noqa: BLE001 - whatever breaks in here is told to the test
            self.forge.problems.append(f"{asked.method} {asked.path}: {error!r}\n{traceback.format_exc()}")
            answer = refusal(500, f"the server for tests broke: {error!r}")
        if asked.token is not None and asked.token.permissions is None:
            answer.headers["x-oauth-scopes"] = ", ".join(asked.token.scopes or ("repo", "workflow"))
        return answer if planted is None else planted.answer

    async def _own(self, asked: Asked) -> Answer:
        asked.token = self._token(asked.headers)
        if GIT.match(asked.path):
            return await serve_git(asked)
        free = asked.path == "/rate_limit"
        if not free and not self.forge.limits.take(asked.login):
            who = "user ID 1" if asked.token else "127.0.0.1"
            raise Refused(403, f"API rate limit exceeded for {who}.")
        if asked.path in ("/graphql", "/api/graphql"):
            answer = await answer_query(asked)
        else:
            answer = await self._operation(asked)
        answer.headers |= self.forge.limits.headers(asked.login)
        answer.headers["x-github-media-type"] = "github.v3; format=json"
        answer.headers["x-github-api-version-selected"] = asked.version
        if asked.enterprise:
            answer.headers["x-github-enterprise-version"] = self.forge.enterprise_version
        return answer

    async def _operation(self, asked: Asked) -> Answer:
        newest = self.forge.run_details == "offered"
        if asked.version not in (VERSIONS if newest else VERSIONS[:1]):
            raise Refused(400, f"Unsupported 'X-GitHub-Api-Version' header value '{asked.version}'.")
        endpoint = self._endpoint(asked)
        self._let_in(asked, endpoint)
        try:
            answer = await endpoint.handler(asked)
        except Refused as error:
            answer = error.answer
        if self.check_answers:
            body = answer.json if answer.is_json else None
            has_body = answer.is_json or bool(answer.content)
            if "application/vnd.github" not in answer.headers.get("content-type", ""):
                said = wrong(asked.version, endpoint.method, endpoint.template, answer.status, has_body, body)
                if said:
                    self.forge.problems.append(f"not as GitHub describes it: {said}")
                    return refusal(500, f"this answer of the server for tests is not as GitHub describes it: {said}")
        return self._unchanged(asked, answer)

    def _endpoint(self, asked: Asked) -> Endpoint:
        for pattern, endpoint in _ROUTES:
            found = pattern.match(asked.path)
            if found and endpoint.method == ("GET" if asked.method == "HEAD" else asked.method):
                asked.variables = found.groupdict()
                return endpoint
        raise not_found()

    def _token(self, headers: Mapping[str, str]) -> Token | None:
        kind, _, text = headers.get("authorization", "").partition(" ")
        if not kind:
            return None
        if kind.lower() == "basic":
            with contextlib.suppress(ValueError):
                user, _, password = base64.b64decode(text).decode().partition(":")
                text = password or user
        found = self.forge.tokens.get(text.strip())
        if found is None:
            raise Refused(401, "Bad credentials")
        return found

    def _let_in(self, asked: Asked, endpoint: Endpoint) -> None:
        if "owner" in asked.variables:
            wanted = f"{asked.variables['owner']}/{asked.variables['repo']}".casefold()
            known = {name.casefold(): it for name, it in self.forge.repositories.items()}
            asked.repository_or_none = let_in(asked.token, known.get(wanted), endpoint)

    @staticmethod
    def _unchanged(asked: Asked, answer: Answer) -> Answer:
        """An ETag; a client with a matching one gets a free 304."""
        if asked.method not in ("GET", "HEAD") or answer.status != 200:
            return answer
        etag = f'W/"{hashlib.sha256(answer.body()).hexdigest()}"'
        answer.headers |= {"etag": etag, "cache-control": "private, max-age=60, s-maxage=60"}
        known = [one.strip().removeprefix("W/") for one in asked.headers.get("if-none-match", "").split(",")]
        if etag.removeprefix("W/") not in known:
            return answer
        if asked.path != "/rate_limit":
            asked.forge.limits.give_back(asked.login)
        return Answer(status=304, headers=answer.headers)

    async def _planted(self, asked: Asked) -> _Met | None:
        for one in list(self.forge.bed):
            plant = one.plant
            if not isinstance(plant, Answers | Slow | HangsUp) or not meets(plant, asked.method, asked.path):
                continue
            if not one.happens():
                continue
            if isinstance(plant, Slow):
                await asyncio.sleep(plant.seconds)
                continue
            if isinstance(plant, HangsUp):
                return _Met(None, plant.after_effect)
            try:
                token = self._token(asked.headers)
            except Refused:
                token = None
            headers = {**self.forge.limits.headers(token.login if token else ""), **plant.headers}
            reset = headers.get("x-ratelimit-reset", "")
            if reset.startswith("+"):
                headers["x-ratelimit-reset"] = str(math.ceil(time.time() + float(reset)))
            message = plant.message or f"planted: {plant.status}"
            return _Met(refusal(plant.status, message, headers=headers), plant.after_effect)
        return None


class _Met:
    def __init__(self, answer: Answer | None, after: bool) -> None:
        self.answer = answer
        self.plant_after = after


async def _send(answer: Answer, receive: Receive, send: Send, head: bool) -> None:
    body = answer.body()
    headers = {
        "date": formatdate(usegmt=True),  # uvicorn sets it in its own event loop, not used here
        "x-github-request-id": hashlib.sha256(str(time.time_ns()).encode()).hexdigest()[:20].upper(),
    }
    if answer.is_json:
        headers["content-type"] = "application/json; charset=utf-8"
    headers |= answer.headers
    if answer.stream is None and answer.status not in (204, 304):
        headers["content-length"] = str(len(body))
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    if answer.stream is not None and not head:
        gone = asyncio.ensure_future(_gone(receive))
        try:
            for block in answer.stream:
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": block, "more_body": True})
        finally:
            gone.cancel()
        if answer.cut:
            await _hang_up(receive, send)
            return
        body = b""
    await send({"type": "http.response.body", "body": b"" if head or answer.status in (204, 304) else body})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _hang_up(receive: Receive, send: Send) -> None:
    """Close the connection under the client's feet; uvicorn has no message for it."""
    cycle: Any = getattr(send, "__self__", None)
    cycle.transport.close()
    await _gone(receive)
