"""`retry`: a number of attempts, or a mapping."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from seatrial.errors import nearest
from seatrial.loading.read.positions import Place
from seatrial.loading.shapes import Schema
from seatrial.loading.site import Site, shown
from seatrial.model.scenario import Retry
from seatrial.model.values import duration

KEYS = ("max_attempts", "delay_seconds", "delay", "backoff", "jitter", "timeout")
BACKOFF = ("fixed", "exponential")


def read_retry(value: Any, place: Place, site: Site) -> Retry | None:
    """A `Retry` from what a document says; None when it says null, or when it is wrong."""
    if value is None or isinstance(value, Retry):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        value, attempts_at = {"max_attempts": value}, place
    elif isinstance(value, Mapping):
        attempts_at = (*place, "max_attempts")
    else:
        allowed = f"allowed: a number of attempts, or a mapping with {', '.join(KEYS)}"
        site.problem(place, f"{shown(value)} is not a retry", allowed)
        return None
    for key in value:
        if key not in KEYS:
            site.problem((*place, key), f"unknown key {key!r} of retry", nearest(str(key), KEYS), key=True)
    if "delay" in value and "delay_seconds" in value:
        site.problem((*place, "delay"), "`delay` and `delay_seconds` say the same", "keep one of them", key=True)
    attempts = value.get("max_attempts")
    if attempts is not None and (not isinstance(attempts, int) or isinstance(attempts, bool) or attempts < 1):
        site.problem(attempts_at, f"{shown(attempts)} is no number of attempts", "allowed: a whole number from 1")
        attempts = None
    backoff = value.get("backoff", "fixed")
    if backoff not in BACKOFF:
        site.problem((*place, "backoff"), f"{shown(backoff)} is no backoff", nearest(str(backoff), BACKOFF))
    delay_key = "delay" if "delay" in value else "delay_seconds"
    delay, timeout = _seconds(value, delay_key, place, site), _seconds(value, "timeout", place, site)
    if attempts is None and timeout is None and value.get("max_attempts") is None and "timeout" not in value:
        site.problem(place, "a retry needs `max_attempts` or `timeout`", "else it would never end")
    return Retry(
        max_attempts=attempts, delay=delay, backoff=str(backoff), jitter=_jitter(value, place, site), timeout=timeout
    )


def _seconds(value: Mapping[str, Any], key: str, place: Place, site: Site) -> float | None:
    if value.get(key) is None:
        return None
    try:
        return duration(value[key])
    except ValueError as error:
        site.problem((*place, key), str(error))
        return None


def _jitter(value: Mapping[str, Any], place: Place, site: Site) -> float:
    jitter = value.get("jitter", 0)
    if isinstance(jitter, bool):
        return 0.5 if jitter else 0.0
    if not isinstance(jitter, int | float) or not 0 <= jitter <= 1:
        site.problem((*place, "jitter"), f"{shown(jitter)} is no jitter", "allowed: a share of the delay from 0 to 1")
        return 0.0
    return float(jitter)


class Again:
    """How often something is tried again: a number of attempts, or a mapping."""

    allowed = "a number of attempts, or {max_attempts, delay_seconds, backoff, jitter, timeout}"

    def read(self, value: Any, place: Place, site: Site) -> Any:
        return read_retry(value, place, site)

    def schema(self, refs: Callable[[type[Any]], Schema]) -> Schema:
        return {"$ref": "#/$defs/retry"}
