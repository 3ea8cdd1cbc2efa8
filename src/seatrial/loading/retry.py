"""`retry`: a number of attempts, or a mapping."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from seatrial.model.frozen import frozen
from seatrial.model.scenario import Retry
from seatrial.model.values import Duration, Range


@frozen
class RetryKeys:
    """The retries of a step or check."""

    max_attempts: Annotated[int, Range(1)] | None = None
    """Maximum number of attempts."""
    delay: Duration | None = None
    """The pause before the next attempt."""
    delay_seconds: Duration | None = None
    """The same as `delay`."""
    backoff: Literal["fixed", "exponential"] = "fixed"
    """Whether the pauses stay the same or double."""
    jitter: bool | Annotated[float, Range(0, 1)] = 0.0
    """The random share of each pause, from 0 to 1; true: 0.5."""
    timeout: Duration | None = None
    """The timeout of all attempts together."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """At most one delay, and an end."""
        if self.delay is not None and self.delay_seconds is not None:
            yield "delay", "`delay` and `delay_seconds` mean the same: keep one of them"
        if self.max_attempts is None and self.timeout is None:
            yield "", "a retry needs `max_attempts` or `timeout`, or it would never end"

    def planned(self) -> Retry:
        """For the plan."""
        delay = self.delay if self.delay is not None else self.delay_seconds
        jitter = 0.5 if self.jitter is True else float(self.jitter)
        return Retry(
            max_attempts=self.max_attempts, delay=delay, backoff=self.backoff, jitter=jitter, timeout=self.timeout
        )
