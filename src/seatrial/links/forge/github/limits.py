"""GitHub's rate limits: how long an answer asks us to wait, and how fast we may go on."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from seatrial.links.http import Answer

SECONDARY = 60.0
"""Seconds to wait at a secondary limit without a time in the answer, as GitHub's documentation asks."""

SPARE = 50
"""Requests left to others with the same token."""


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
