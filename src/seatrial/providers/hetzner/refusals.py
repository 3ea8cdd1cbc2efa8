"""Errors of the SDK, as the refusals of the shape."""

from __future__ import annotations

import time

from seatrial.providers.clouds.refusals import LONGEST_WAIT, Refusals
from seatrial.providers.clouds.vendor import CloudRefused, NoAnswer

REFUSALS = Refusals(
    silent="^(server_error|service_error|unavailable|maintenance|timeout|bad_gateway|unknown_error)$",
    busy="^(rate_limit_exceeded|locked|conflict)$",
    full="^(resource_limit_exceeded|resource_unavailable|placement_error)$",
    denied="^(unauthorized|forbidden|token_readonly)$",
    missing="^not_found$",
)


class Resets:
    """When the limit of requests is full again: the SDK keeps the header to itself."""

    def __init__(self) -> None:
        self._at = 0.0

    def keep(self, response: object, *_: object, **__: object) -> None:
        """A hook of the SDK's session."""
        headers = getattr(response, "headers", {})
        text = headers.get("RateLimit-Reset", "")
        if getattr(response, "status_code", 0) == 429 and text.isdigit():
            self._at = float(text)

    def after(self) -> float:
        """Seconds until then; 0: unknown. Never more than a minute: the limit is refilled all the time."""
        return min(max(self._at - time.time(), 0.0), LONGEST_WAIT)

    def told(self, error: Exception, what: str) -> Exception:
        """An exception of the SDK, without its request."""
        from hcloud import APIException, HCloudException
        from requests import RequestException

        if isinstance(error, RequestException):
            return NoAnswer(f"{what}: no answer of Hetzner Cloud: {type(error).__name__}")
        if not isinstance(error, HCloudException):
            return error
        if not isinstance(error, APIException):
            return CloudRefused(f"{what}: Hetzner Cloud: {error}")
        code, message = str(error.code), f"{what}: Hetzner Cloud: {error.message} ({error.code})"
        after = self.after() if code == "rate_limit_exceeded" else 0.0
        return REFUSALS.of(message, code, int(code) if code.isdecimal() else 0, after=after)
