"""The deliveries of a webhook, as the server lists them.

The API of Gitea (up to 1.26) and of Forgejo has no list of deliveries, so they are read from the page of the webhook's
settings, which shows the newest ones. It wants a login with a password, of a user with the right `admin` on the
repository. Other text on that page is not looked at.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Self

from seatrial.errors import CannotTell, LinkDown
from seatrial.links.gitea import Denied, server_of
from seatrial.links.http import Web
from seatrial.links.http.session import HttpSession, SessionAnswer

SHOWN = 10
"""Deliveries on the page, unless the server is configured otherwise (`PAGING_NUM`)."""

LOGIN = "/user/login"

_COLOURS = {"green": "delivered", "orange": "pending", "yellow": "pending", "red": "failed"}
_COLOUR = re.compile(r"\b(green|orange|yellow|red)\b")
_PANEL = re.compile(r"#(?:[\w-]+-)?info-(\d+)")
_TAB = re.compile(r"(?:[\w-]+-)?(request|response)-(\d+)")
_REPLAY = re.compile(r'/replay/([0-9a-f-]{36})"')
_HEADER = re.compile(r"([\w -]+): ?(.*)")


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One call of a webhook."""

    id: int
    uuid: str = ""
    state: str = ""
    """`delivered`: the receiver answered with a status of success; `failed`; `pending`."""
    time: str = ""
    """RFC 3339: when the server decided to call."""
    event: str = ""
    url: str = ""
    status: int = 0
    """The status of the receiver's answer; 0: there was none."""
    headers: dict[str, str] = field(default_factory=dict)
    """Of the call."""
    payload: str = ""
    answer: str = ""
    """The body of the receiver's answer, or why there was none."""

    def seen(self) -> dict[str, Any]:
        """As expressions see it; a payload of JSON is data."""
        payload: object = self.payload
        with suppress(ValueError):
            payload = json.loads(self.payload)
        return {
            "id": self.id, "uuid": self.uuid, "state": self.state, "time": self.time, "event": self.event,
            "url": self.url, "status": self.status, "headers": self.headers, "payload": payload, "answer": self.answer,
        }  # fmt: skip

    def __str__(self) -> str:
        answer = f"status {self.status}" if self.status else " ".join(self.answer.split())[:200] or "no answer"
        more = "" if self.state == "pending" else f": {answer}"
        return f"{self.event or 'event'} at {self.time} to {self.url or '(unknown)'} {self.state}{more}"


class GiteaPages:
    """A login at the pages of a server, for what its API does not have."""

    def __init__(self, server: str, user: str, password: str, timeout: float = 20.0) -> None:
        self._server = server_of(server)
        self._login = {"user_name": user, "password": password}
        self._timeout = timeout
        self._web = Web()
        self._session: HttpSession | None = None
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of its connections."""
        await self._web.close()

    async def deliveries(self, repository: str, hook: int) -> list[Delivery]:
        """The newest deliveries of a webhook, the newest first. CannotTell when the server does not show them."""
        url = f"{self._server}/{repository}/settings/hooks/{hook}"
        page = await self._ask("GET", url, fresh=False)
        if page.answer.status != 200:  # the session may have ended
            page = await self._ask("GET", url, fresh=True)
        if page.answer.status == 200:
            return read_deliveries(page.answer.text, url)
        why = "this user has no right `admin` there, or there is no such webhook"
        raise CannotTell(f"{url} shows no deliveries (status {page.answer.status}): {why}")

    async def _ask(self, method: str, url: str, *, fresh: bool) -> SessionAnswer:
        async with self._lock:
            if self._session is None or fresh:
                self._session = await self._logged_in()
        return await self._send(self._session, method, url)

    async def _logged_in(self) -> HttpSession:
        session = HttpSession(self._web)
        url = f"{self._server}{LOGIN}"
        page = await self._send(session, "GET", url)
        form = dict(self._login)
        # Forgejo, and Gitea before 1.26, have a token in the form.
        if token := re.search(r'name="_csrf" value="([^"]*)"', page.answer.text):
            form["_csrf"] = token[1]
        done = await self._send(session, "POST", url, data=form)
        if done.answer.status not in (302, 303):
            who = self._login["user_name"]
            raise Denied(f"{self._server} denies the login of {who} with a password", done.answer.status)
        if "two_factor" in done.location or "webauthn" in done.location:
            raise Denied(f"{self._server} wants a second factor from {self._login['user_name']}", done.answer.status)
        return session

    async def _send(self, session: HttpSession, method: str, url: str, **content: Any) -> SessionAnswer:
        try:
            return await session.ask(method, url, timeout=self._timeout, **content)
        except TimeoutError as error:
            raise LinkDown(str(error)) from error


def read_deliveries(page: str, url: str) -> list[Delivery]:
    """The deliveries on the page of a webhook. CannotTell for a page in a form that is not known: each delivery has a
    button for another try, so that one which is overlooked is noticed."""
    parser = _History()
    parser.feed(page)
    parser.close()
    if not parser.is_history:
        raise CannotTell(f"{url} is not the page of a webhook with its deliveries")
    whole = all(delivery.state and delivery.uuid and delivery.time for delivery in parser.found)
    if not whole or {delivery.uuid for delivery in parser.found} != set(_REPLAY.findall(page)):
        raise CannotTell(
            f"{url} shows deliveries in a form that Seatrial does not know: another version of the server?"
        )
    return parser.found


class _History(HTMLParser):
    """Finds the deliveries in the page, by the ids of their parts."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Delivery] = []
        self.is_history = False
        self._state = ""
        self._part = ""
        """`request` or `response` of the last delivery."""
        self._tab = ""
        self._text: list[str] | None = None
        self._ends = ""
        """The tag that ends the text."""
        self._blocks: dict[str, int] = {}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        classes = given.get("class", "")
        tab = _TAB.fullmatch(given.get("data-tab", ""))
        last = self.found[-1] if self.found else None
        if given.get("id") == "test-delivery" or "/settings/hooks/" in given.get("data-link", ""):
            self.is_history = True
        if panel := _PANEL.fullmatch(given.get("data-panel", "")):
            self.is_history = True
            self.found.append(Delivery(id=int(panel[1]), state=self._state))
            self._state, self._blocks, self._text, self._ends = "", {}, [], tag
        elif tag == "span" and (colour := _COLOUR.search(classes)) and "label" not in classes:
            self._state = _COLOURS[colour[1]]
        elif last is None:
            return
        elif tag == "relative-time" and not last.time:
            last.time = given.get("datetime", "")
        elif tab and int(tab[2]) == last.id:
            self._tab, self._part = (tab[1], self._part) if tag == "a" else ("", tab[1])
        elif (tag == "pre" and self._part) or (
            tag == "span" and "label" in classes.split() and self._tab == "response"
        ):
            self._text, self._ends = [], tag

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if self._text is None or tag != self._ends:
            self._tab = "" if tag == "a" else self._tab
            return
        text, self._text = "".join(self._text), None
        delivery = self.found[-1]
        if tag == "pre":
            block = self._blocks[self._part] = self._blocks.get(self._part, 0) + 1
            self._take(delivery, block, text)
        elif self._tab == "response":
            number = text.strip()
            delivery.status = int(number) if number.isdigit() else 0
        else:
            delivery.uuid = text.strip()

    def _take(self, delivery: Delivery, block: int, text: str) -> None:
        """A block of text: the head or the body of the call or of the answer."""
        if self._part == "response":
            delivery.answer = text if block == 2 else delivery.answer
        elif block == 2:
            delivery.payload = text
        else:
            head = dict(_headers(text))
            delivery.url = head.pop("request url", "")
            head.pop("request method", None)
            delivery.headers = head
            delivery.event = next((head[name] for name in ("x-gitea-event", "x-forgejo-event") if name in head), "")


def _headers(text: str) -> Mapping[str, str]:
    found = (_HEADER.fullmatch(line.strip()) for line in text.splitlines())
    return {match[1].strip().lower(): match[2].strip() for match in found if match}
