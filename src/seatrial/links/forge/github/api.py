"""Requests to GitHub's REST API: rights, versions, limits, temporary faults, and unchanged answers.

The token is in a header of each request to the API's own origin, and nowhere else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, LinkDown, LinkLost
from seatrial.links.forge.protocol import Absent, Denied, Rejected, Unsure
from seatrial.links.http import REDIRECTS, Answer, Web, bare, download
from seatrial.links.output import beginning

VERSIONS = ("2022-11-28", "2026-03-10", "")
"""API versions, in the order Seatrial tries them; without one a server answers as its oldest."""

PATIENCE = 90.0
"""Seconds for one request with all its repetitions, where the caller has no other deadline."""

ANSWER = 30.0
"""Seconds for one answer."""

FIRST, LONGEST = 0.5, 15.0
"""Seconds before a request is repeated: doubled from the first to the longest."""

ABREAST = 16
"""Requests at a time: many at once trigger secondary limits."""

REMEMBERED = 256
"""Answers kept for conditional requests."""

SECONDARY = 60.0
"""Seconds to wait at a secondary limit without a time in the answer, as GitHub's documentation asks."""

SPARE = 50
"""Requests left to others with the same token."""


class Api:
    """One server and one token. `say` gets the reason when a request takes longer; `limited` is the seconds to wait
    when the server limits our requests: it names the end itself, and a caller waiting for a run has time."""

    def __init__(
        self, url: str, token: str, say: Callable[[str], None] = lambda text: None, *, limited: float = PATIENCE
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._say = say
        self.trouble = ""
        """Why there is no answer now."""
        self._limits = limited
        self._web = Web()
        self._versions = list(VERSIONS)
        self._known: dict[str, tuple[str, Answer]] = {}
        """Of a URL the tag of its last answer, and the answer."""
        self._places = asyncio.Semaphore(ABREAST)
        self.pace = 0.0
        self.ahead = 0.0

    @property
    def version(self) -> str:
        """The API version accepted by the server, if known."""
        return self._versions[0]

    async def get(self, path: str, *, right: str, within: float = PATIENCE, **params: Any) -> Any:
        """The JSON of an answer; `right` is the permission the token needs for it."""
        return _json(await self.ask("GET", path, right=right, within=within, params=params), f"{self.url}{path}")

    async def ask(
        self,
        method: str,
        path: str,
        *,
        right: str,
        within: float = PATIENCE,
        params: Mapping[str, Any] | None = None,
        json: Callable[[], Any] | None = None,
        once: bool = False,
        also: tuple[int, ...] = (),
    ) -> Answer:
        """An answer with a status below 300, or one of `also`. Repeated while the server has faults or asks us to wait,
        as long as `within` seconds allow; `once`: not after a fault that may hide a success (Unsure). `json` makes the
        body for the API version in use by then."""

        def send() -> Awaitable[Answer]:
            return self._send(method, path, params, json() if json is not None else None)

        return await self._repeated(
            method, path, send, right=right, within=within, limited=max(within, self._limits), once=once, also=also
        )

    async def download(self, path: str, into: Path, *, right: str, limit: int, timeout: float) -> None:
        """A file; where the API sends us to another host the token is not sent along."""
        url, end = f"{self.url}{path}", _now() + timeout

        async def fetch() -> Answer:
            left = max(end - _now(), 0.1)
            headers, private = self._headers(""), self._private()
            try:
                return await download(self._web, url, into, headers=headers, private=private, timeout=left, limit=limit)
            except TimeoutError as error:
                raise CannotTell(f"{url} was not downloaded within {timeout:g} s") from error

        await self._repeated("GET", path, fetch, right=right, within=timeout, limited=timeout)

    async def _repeated(
        self,
        method: str,
        path: str,
        send: Callable[[], Awaitable[Answer]],
        *,
        right: str,
        within: float,
        limited: float,
        once: bool = False,
        also: tuple[int, ...] = (),
    ) -> Answer:
        end, patient, pause = _now() + within, _now() + limited, FIRST
        while True:
            try:
                answer = await send()
            except (LinkDown, LinkLost, TimeoutError) as error:
                if once and not isinstance(error, LinkDown):
                    raise Unsure(f"{method} {self.url}{path} had no answer: {error}") from error
                await self._pause(pause, end, str(error), error)
            else:
                if answer.status < 300 or answer.status in also:
                    self.trouble = ""
                    return answer
                if (wait := wait_of(answer)) is not None:
                    await self._limited(wait, patient, answer)
                    end = max(end, _now() + within)  # not a fault: these start again
                    continue
                if answer.status < 500:
                    if self._other_version(answer):
                        continue
                    raise self._refused(method, path, answer, right)
                why = f"{self.url}{path} answers {answer.status}: {_message(answer)}"
                if once:
                    raise Unsure(f"{method} {why}")
                await self._pause(pause, end, why)
            pause = min(pause * 2, LONGEST)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._web.close()

    async def _send(self, method: str, path: str, params: Mapping[str, Any] | None, json: Any) -> Answer:
        url = f"{self.url}{path}"
        key = f"{url}?{sorted((params or {}).items())}"
        tag, known = self._known.get(key, ("", None)) if method == "GET" else ("", None)
        headers = {**self._headers(tag), **self._private()}
        content = {"json": json} if json is not None else {}
        async with self._places:
            answer = await self._web.request(
                method, url, headers=headers, timeout=ANSWER, params=params or None, **content
            )
        self.pace = pace_of(answer)
        if (now := now_of(answer)) is not None:
            self.ahead = now - time.time()
        if answer.status == 304 and known is not None:
            return known
        if method == "GET" and answer.status == 200 and "etag" in answer.headers:
            while len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[key] = answer.headers["etag"], answer
        return answer

    def _headers(self, tag: str) -> dict[str, str]:
        headers = {"accept": "application/vnd.github+json", "user-agent": "seatrial"}
        if self.version:
            headers["x-github-api-version"] = self.version
        return {**headers, "if-none-match": tag} if tag else headers

    def _private(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._token}"} if self._token else {}

    def _other_version(self, answer: Answer) -> bool:
        """Whether the server does not know this version of its API, and another can be tried."""
        text = answer.text.lower()
        if answer.status not in (400, 410, 415) or "version" not in text or len(self._versions) == 1:
            return False
        self._versions.pop(0)
        return True

    async def _pause(self, seconds: float, end: float, why: str, cause: BaseException | None = None) -> None:
        if _now() + seconds > end:
            raise CannotTell(f"GitHub could not be asked any longer: {why}") from cause
        self.trouble = f"GitHub could not be asked: {why}"
        self._say(f"{why}; again in {seconds:g} s")
        await asyncio.sleep(seconds)

    async def _limited(self, seconds: float, end: float, answer: Answer) -> None:
        left = end - _now()
        said = _message(answer)
        if seconds > left:
            raise CannotTell(
                f"{bare(self.url)} limits our requests for {seconds:.0f} s more, and {max(left, 0):.0f} s are left "
                f"({answer.status}: {said}); wait, or use a token that has a limit of its own"
            )
        self.trouble = f"{bare(self.url)} limits our requests ({said})"
        self._say(f"{self.trouble}: waiting {seconds:.0f} s")
        await asyncio.sleep(seconds)

    def _refused(self, method: str, path: str, answer: Answer, right: str) -> CannotTell:
        said = f"{method} {self.url}{path} answers {answer.status}: {_message(answer)}"
        if answer.status in REDIRECTS:  # not followed: a dispatch would become another request on its way
            return Rejected(f"it was renamed or moved: write its new name as `repository`; {said}")
        if answer.status == 401:
            whose = "the token is not valid, or no longer" if self._token else "no token was sent"
            return Denied(f"{whose}; {said}")
        needed = answer.headers.get("x-accepted-github-permissions") or right
        has = answer.headers.get("x-oauth-scopes", "")
        rights = f"the token needs the right `{needed}`" + (f" (it has the scopes: {has})" if has else "")
        if answer.status == 403:
            return Denied(f"{rights}; {said}")
        if answer.status in (404, 410):
            return Absent(f"it does not exist, or {rights} to see it; {said}")
        return Rejected(said)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _message(answer: Answer) -> str:
    """The server's message, in a line."""
    try:
        body = answer.json()
    except ValueError:
        return beginning(answer.text.strip(), 200) or "nothing"
    if not isinstance(body, dict):
        return beginning(answer.text.strip(), 200)
    errors = body.get("errors")
    more = "; ".join(str(one.get("message", one) if isinstance(one, dict) else one) for one in errors or ())
    return beginning(str(body.get("message", "")) + (f" ({more})" if more else ""), 400)


def _json(answer: Answer, url: str) -> Any:
    try:
        return answer.json()
    except ValueError:
        raise CannotTell(
            f"{url} answers {answer.status} without JSON: {beginning(answer.text.strip(), 200)!r}"
        ) from None


def wait_of(answer: Answer) -> float | None:
    """Seconds this answer asks us to wait before the next request; None: it is not about a limit."""
    if answer.status not in (403, 429):
        return None
    after = answer.headers.get("retry-after", "")
    if after.strip().isdigit():
        return float(after)
    if answer.headers.get("x-ratelimit-remaining", "") == "0":
        return max(_until_reset(answer), 1.0)
    if answer.status == 429 or "rate limit" in answer.text.lower() or "abuse detection" in answer.text.lower():
        return SECONDARY
    return None


def pace_of(answer: Answer) -> float:
    """Seconds between requests to make the rest last until the limit is reset; 0: there is plenty."""
    remaining = answer.headers.get("x-ratelimit-remaining", "")
    if not remaining.isdigit() or "x-ratelimit-reset" not in answer.headers:
        return 0.0
    left = int(remaining) - SPARE
    seconds = _until_reset(answer)
    if seconds <= 0:
        return 0.0
    pace = seconds / max(left, 1)
    return pace if pace > 1 else 0.0


def _until_reset(answer: Answer) -> float:
    """By the server's own clock, if it sends the time: the local clock may be wrong."""
    try:
        reset = float(answer.headers.get("x-ratelimit-reset", ""))
    except ValueError:
        return 0.0
    now = now_of(answer)
    return max(reset - (time.time() if now is None else now), 0.0)


def now_of(answer: Answer) -> float | None:
    """The time by the server's clock; None: it does not send it."""
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except (ValueError, TypeError):
        return None
