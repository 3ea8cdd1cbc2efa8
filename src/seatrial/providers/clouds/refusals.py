"""Errors of a vendor's SDK as the refusals of `vendor`: each vendor tells by patterns what its codes mean."""

from __future__ import annotations

import re

from seatrial.model.frozen import frozen
from seatrial.providers.clouds.vendor import CloudRefused, Denied, NoAnswer, NoRoom, NoSuchThing, Throttled

LONGEST_WAIT = 60.0
"""Seconds: a `Retry-After` beyond them is not waited for."""


@frozen
class Refusals:
    """Regular expressions over `CODE WORDS` of an error; an empty one matches nothing. The status decides the rest."""

    silent: str = ""
    """The call may have had its effect."""
    busy: str = ""
    """The cloud did nothing and wants the call again later."""
    full: str = ""
    """No capacity, or a quota is reached."""
    denied: str = ""
    """The account, or a right of it, is missing."""
    missing: str = ""
    """The requested object does not exist."""

    def of(self, message: str, code: str, status: int = 0, *, words: str = "", after: float = 0.0) -> Exception:
        """The refusal; `status` is 0 where there is none, as in an ended operation."""
        text = f"{code} {words}".strip()

        def means(pattern: str) -> bool:
            return bool(pattern) and re.search(pattern, text) is not None

        if means(self.silent):
            return NoAnswer(message)
        if status == 429 or means(self.busy):
            return Throttled(message, code=code, after=min(after, LONGEST_WAIT))
        if means(self.full):
            return NoRoom(message, code=code)
        if status in (401, 403) or means(self.denied):
            return Denied(message, code=code)
        if status >= 500:
            return NoAnswer(message)
        return (NoSuchThing if status == 404 or means(self.missing) else CloudRefused)(message, code=code)


def seconds_of(header: object) -> float:
    """The seconds of a `Retry-After`; 0: it has none."""
    text = str(header or "")
    return float(text) if text.replace(".", "", 1).isdecimal() else 0.0
