"""Errors of the SDK, as the refusals of the shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from seatrial.providers.clouds.refusals import Refusals, seconds_of
from seatrial.providers.clouds.vendor import NoAnswer

REFUSALS = Refusals(
    busy="pending event", full="droplet limit|not available in this region|currently unavailable", missing="^not_found "
)
"""By their words: DigitalOcean has one code for all invalid requests."""


def refusal(status: int, body: object, what: str, after: float = 0.0) -> Exception:
    """The refusal in an answer of the API."""
    told = body if isinstance(body, dict) else {}
    code, words = str(told.get("id") or status), str(told.get("message") or f"the status {status}")
    return REFUSALS.of(f"{what}: DigitalOcean: {words} ({code})", code, status, words=words, after=after)


def told(error: Exception, what: str) -> Exception:
    """An exception of the SDK, without its request."""
    from azure.core.exceptions import AzureError, HttpResponseError

    response = error.response if isinstance(error, HttpResponseError) else None
    if response is not None:
        try:
            body = json.loads(response.text())
        except (ValueError, AttributeError):
            body = None
        after = seconds_of(getattr(response, "headers", {}).get("Retry-After"))
        return refusal(response.status_code or 0, body, what, after)
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
