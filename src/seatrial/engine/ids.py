"""Ids of runs and trials: sortable by time, safe as DNS labels, and all chance of a run follows from its id."""

from __future__ import annotations

import hashlib
import secrets
import time

from seatrial.errors import UsageError

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in lower case: no i, l, o, u."""

_TIME_DIGITS = 9
_CHANCE_DIGITS = 14


def _encode(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, rest = divmod(number, 32)
        text = _DIGITS[rest] + text
    return text


def new_run_id() -> str:
    """Make a run id: `r`, 45 bits of milliseconds since 1970, 70 bits of chance."""
    return "r" + _encode(time.time_ns() // 1_000_000, _TIME_DIGITS) + _encode(secrets.randbits(70), _CHANCE_DIGITS)


def trial_id(run_id: str, test_id: str) -> str:
    """Make the id of a trial: `t`, the run's time, 70 bits that follow from the run's id and the suite."""
    digest = hashlib.blake2b(f"{run_id}/{test_id}".encode(), digest_size=9).digest()
    return "t" + run_id[1 : 1 + _TIME_DIGITS] + _encode(int.from_bytes(digest, "big") >> 2, _CHANCE_DIGITS)


def fitted(pattern: str, *, flow: str, id: str) -> str:
    """Fill a name pattern such as `run-e2e-{flow}-{id}`; the flow is cut, the id stays whole, 63 characters.

    UsageError when the pattern names something else, or leaves no room.
    """
    try:
        room = 63 - len(pattern.format(flow="", id=id))
    except (LookupError, ValueError) as error:
        raise UsageError(f"the name pattern {pattern!r} cannot be filled in; allowed: {{flow}} and {{id}}") from error
    flows = pattern.count("{flow}")
    if room < flows:
        raise UsageError(f"the name pattern {pattern!r} is too long: with an id it has to stay within 63 characters")
    room //= max(flows, 1)
    plain = "".join(c if c.isalnum() and c.isascii() else "-" for c in flow.lower())
    return pattern.format(flow=plain[:room].strip("-") or "x", id=id)
