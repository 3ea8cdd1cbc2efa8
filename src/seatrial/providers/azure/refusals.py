"""Errors of Azure's SDK, as the refusals of the shape."""

from __future__ import annotations

import re
from json import JSONDecodeError
from typing import Any

from seatrial.providers.azure.settings import REMEDY
from seatrial.providers.clouds.vendor import CloudRefused, Denied, NoAnswer, NoRoom, NoSuchThing, Throttled

NO_ROOM = re.compile(r"Allocation|SkuNotAvailable|Quota|LimitReached|LimitExceeded|SubnetIsFull")
BUSY = ("Conflict", "AnotherOperationInProgress", "RetryableError", "OperationPreempted")
"""Codes of a change that another one holds back: Azure did nothing."""
DENIED = ("SubscriptionNotFound", "AuthorizationFailed", "InvalidSubscriptionId")


def told(error: Exception, what: str) -> Exception:
    """An exception of the SDK, without its request."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
    from requests import RequestException

    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    brief = next((line for line in lines if "AADSTS" in line), (lines or [type(error).__name__])[0])[:300]
    response: Any = error.response if isinstance(error, HttpResponseError) else None
    if isinstance(error, HttpResponseError) and response is not None:
        status, wait = int(response.status_code or 0), str(response.headers.get("Retry-After") or "")
        code, words = (error.error.code, error.error.message) if error.error else (status, brief)
        return refusal(what, str(code), str(words), status, float(wait) if wait.isdigit() else 0.0)
    if isinstance(error, ClientAuthenticationError):
        return Denied(f"{what}: no token for Azure: {brief}; {REMEDY}")
    if isinstance(error, AzureError | RequestException | JSONDecodeError):
        return NoAnswer(f"{what}: no answer of Azure: {type(error).__name__}")
    return error


def refusal(what: str, code: str, words: str, status: int = 0, after: float = 0.0) -> Exception:
    """The refusal for an error of an answer, or of an ended operation (without a status)."""
    message = f"{what}: Azure: {words} ({code})"
    if code in DENIED or status in (401, 403):
        return Denied(f"{message}; {REMEDY}" if status == 401 else message, code=code)
    if NO_ROOM.search(code) or (code == "OperationNotAllowed" and "quota" in words.lower()):
        return NoRoom(message, code=code)
    if status == 429 or code in BUSY:
        return Throttled(message, code=code, after=min(after, 60.0))
    if status >= 500:
        return NoAnswer(message)
    return (NoSuchThing if status == 404 or code.endswith("NotFound") else CloudRefused)(message, code=code)
