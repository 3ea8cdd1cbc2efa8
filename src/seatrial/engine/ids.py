"""Ids of runs and trials: sortable by time and safe as DNS labels; all random choices of a run follow from its id."""

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


def _decode(text: str) -> int:
    number = 0
    for digit in text:
        number = number * 32 + _DIGITS.index(digit)
    return number


def new_run_id(after: str = "") -> str:
    """Create a run id: `r`, 45 bits of milliseconds since 1970, 70 random bits. It sorts behind the id `after`, even if
    the clock was set back since."""
    now, earlier = time.time_ns() // 1_000_000, after[1 : 1 + _TIME_DIGITS]
    if len(earlier) == _TIME_DIGITS and set(earlier) <= set(_DIGITS):
        now = max(now, _decode(earlier) + 1)
    return "r" + _encode(now, _TIME_DIGITS) + _encode(secrets.randbits(70), _CHANCE_DIGITS)


def trial_id(run_id: str, test_id: str) -> str:
    """Create the id of a trial: `t`, the run's time, 70 bits derived from the run's id and the suite."""
    digest = hashlib.blake2b(f"{run_id}/{test_id}".encode(), digest_size=9).digest()
    return "t" + run_id[1 : 1 + _TIME_DIGITS] + _encode(int.from_bytes(digest, "big") >> 2, _CHANCE_DIGITS)


def fitted(pattern: str, *, flow: str, id: str) -> str:
    """Fill a name pattern such as `run-e2e-{flow}-{id}`: the flow is cut to 63 characters in all, the id stays whole.

    UsageError for other placeholders, or without room for the id.
    """
    try:
        room = 63 - len(pattern.format(flow="", id=id))
    except (LookupError, ValueError) as error:
        raise UsageError(f"invalid name pattern {pattern!r}; allowed placeholders: {{flow}} and {{id}}") from error
    flows = pattern.count("{flow}")
    if room < flows:
        raise UsageError(f"the name pattern {pattern!r} is too long: the name with its id must fit into 63 characters")
    room //= max(flows, 1)
    plain = "".join(c if c.isalnum() and c.isascii() else "-" for c in flow.lower())
    return pattern.format(flow=plain[:room].strip("-") or "x", id=id)
