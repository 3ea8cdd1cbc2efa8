"""What the API server says when it does not do it: an exception for each kind of answer, in its own words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from seatrial.errors import CannotTell, LinkDown
from seatrial.model.frozen import frozen

Object = dict[str, Any]
"""An object as the API has it: `apiVersion`, `kind`, `metadata`, …"""


@frozen
class Listing:
    """All objects of a kind at one moment."""

    objects: tuple[Object, ...]
    version: str
    """The resource version: a watch goes on from here."""


class ApiAway(LinkDown):
    """The API server does not answer, or something on the way to it does not: nothing is known."""


class ApiRefused(CannotTell):
    """The API server refuses a request."""

    def __init__(self, message: str, *, code: int = 0, reason: str = "", text: str = "") -> None:
        super().__init__(message)
        self.code = code
        """The HTTP status."""
        self.reason = reason
        """The reason, a word such as `Invalid`."""
        self.text = text
        """The server's own words."""


class MissingRight(ApiRefused):
    """The user may not do it; the message names verb, resource and namespace."""


class NoSuchObject(ApiRefused):
    """The object is absent."""


class NoSuchKind(ApiRefused):
    """The API server serves no such kind."""


class Conflict(ApiRefused):
    """The object exists already, or another one changed it meanwhile."""


class Expired(ApiRefused):
    """A resource version is too old to go on from: list again."""


@frozen
class Right:
    """A right that a user lacks."""

    verb: str
    resource: str
    group: str
    scope: str

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {resource} {self.scope}"


_RIGHT = re.compile(
    r'cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)" '
    r'(?P<scope>in the namespace "[^"]+"|at the cluster scope)'
)


_DENIED = re.compile(r'admission webhook "[^"]*" denied the request')


def right_in(text: str) -> Right | None:
    """The missing right that a refusal names; None: it refuses for another reason, such as a quota."""
    match = _RIGHT.search(text)
    return Right(**match.groupdict()) if match else None


def refusal(request: str, code: int, body: bytes) -> CannotTell:
    """The exception for an answer that is not a success. `request`: what was wanted, in words."""
    status = _status(body)
    return refusal_of(request, status if status.get("code") else {**status, "code": code})


def refusal_of(request: str, status: Mapping[str, Any]) -> CannotTell:
    """The exception for a `Status` object of the API."""
    code, reason = int(status.get("code") or 0), str(status.get("reason") or "")
    text = " ".join(str(status.get("message") or reason or f"HTTP status {code}").split())
    given: dict[str, Any] = {"code": code, "reason": reason, "text": text}
    if _DENIED.search(text):  # with whatever code the webhook likes
        return ApiRefused(f"{request}: the API server refuses ({code} {reason}): {text}", **given)
    if code == 401:
        return MissingRight(f"{request}: the API server does not accept the credentials of the kubeconfig", **given)
    if code == 403 and (right := right_in(text)):
        return MissingRight(f"{request}: the user of the kubeconfig has no right to {right}", **given)
    if code == 404:
        return NoSuchObject(f"{request}: {text}", **given)
    if code == 409:
        return Conflict(f"{request}: {text}", **given)
    if code == 410 or reason == "Expired":
        return Expired(f"{request}: {text}", **given)
    if code == 429 and "disruption budget" in text:
        # Which budget it is, is only among the causes.
        causes = [str(one.get("message") or "") for one in (status.get("details") or {}).get("causes") or ()]
        given["text"] = text = " ".join(filter(None, (text, *causes)))
        return ApiRefused(f"{request}: {text}", **given)
    if code in (429, 502, 503, 504) or (code == 500 and "webhook" not in text):
        return ApiAway(f"{request}: the API server cannot answer now ({code}): {text}")
    return ApiRefused(f"{request}: the API server refuses ({code} {reason}): {text}", **given)


def _status(body: bytes) -> Mapping[str, Any]:
    try:
        status = json.loads(body)
    except ValueError:
        return {"message": body[:300].decode(errors="replace")}
    return status if isinstance(status, Mapping) and status.get("kind") == "Status" else {}
