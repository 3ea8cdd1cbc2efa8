"""Errors of the SDK, as the refusals of the shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from seatrial.providers.clouds.vendor import CloudRefused, Denied, NoAnswer, NoRoom, NoSuchThing, Throttled

FULL = ("droplet limit", "not available in this region", "currently unavailable")
"""Words of a refusal for want of room: DigitalOcean has one code for all invalid requests."""

PENDING = "pending event"


def refusal(status: int, body: object, what: str, after: float = 0.0) -> CloudRefused | NoAnswer:
    """The refusal in an answer of the API."""
    told = body if isinstance(body, dict) else {}
    code, words = str(told.get("id") or status), str(told.get("message") or f"the status {status}")
    message = f"{what}: DigitalOcean: {words} ({code})"
    if status == 404 or code == "not_found":
        return NoSuchThing(message, code=code)
    if status in (401, 403):
        return Denied(message, code=code)
    if status == 429 or PENDING in words:
        return Throttled(message, code=code, after=min(after, 60.0))
    if status >= 500:
        return NoAnswer(message)
    kind = NoRoom if any(word in words for word in FULL) else CloudRefused
    return kind(message, code=code)


def told(error: Exception, what: str) -> Exception:
    """An exception of the SDK, without its request."""
    from azure.core.exceptions import AzureError, HttpResponseError

    response = error.response if isinstance(error, HttpResponseError) else None
    if response is not None:
        try:
            body = json.loads(response.text())
        except (ValueError, AttributeError):
            body = None
        wait = str(getattr(response, "headers", {}).get("Retry-After") or "")
        return refusal(response.status_code or 0, body, what, float(wait) if wait.isdigit() else 0.0)
    if isinstance(error, AzureError):
        return NoAnswer(f"{what}: no answer of DigitalOcean: {type(error).__name__}")
    return error


def checked(call: Callable[..., Any], what: str) -> Callable[..., Any]:
    """The SDK gives the body of a 404 as if it were an answer."""

    def called(*arguments: Any, **named: Any) -> Any:
        answer = call(*arguments, **named)
        if isinstance(answer, dict) and isinstance(answer.get("id"), str) and "message" in answer:
            raise refusal(404, answer, what)
        return answer

    return called
