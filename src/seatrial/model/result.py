"""Verdicts, observations and the results of steps, suites and runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import StrEnum

from seatrial.model.frozen import frozen

__all__ = [
    "Category", "CheckResult", "Observation", "Outcome", "Status", "Verdict", "failed", "passed", "unknown", "worst",
]  # fmt: skip


class Verdict(StrEnum):
    """Passed; failed: the product did wrong; unknown: Seatrial could not measure. Unknown is never green."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Status(StrEnum):
    """The progress of a step."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Category(StrEnum):
    """The place to look first after a failure."""

    PRODUCT = "product"
    TEST = "test"
    INFRASTRUCTURE = "infrastructure"
    TIMEOUT = "timeout"
    UNSUPPORTED = "unsupported"
    CLEAN_UP = "clean-up"


ACCIDENTS = (Category.TIMEOUT, Category.INFRASTRUCTURE, Category.UNSUPPORTED, Category.CLEAN_UP)
"""Categories of failures that are not the product's own."""


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Failed outweighs unknown, unknown outweighs passed; without any verdict: unknown, because nothing ran."""
    seen = set(verdicts)
    for verdict in (Verdict.FAILED, Verdict.UNKNOWN):
        if verdict in seen:
            return verdict
    return Verdict.PASSED if seen else Verdict.UNKNOWN


@frozen
class Observation:
    """One look of a check: the observed and the expected value, and the reason for the verdict."""

    verdict: Verdict
    seen: object = None
    expected: object = None
    why: str = ""
    category: str = ""
    """Empty: product for failed, infrastructure for unknown."""


def passed(seen: object = None, expected: object = None, why: str = "") -> Observation:
    """A look with the expected result."""
    return Observation(verdict=Verdict.PASSED, seen=seen, expected=expected, why=why)


def failed(seen: object = None, expected: object = None, why: str = "", category: str = "") -> Observation:
    """A look with another result than expected."""
    return Observation(verdict=Verdict.FAILED, seen=seen, expected=expected, why=why, category=str(category))


def unknown(why: str, expected: object = None, seen: object = None, category: str = "") -> Observation:
    """A look without a measurement; the reason is mandatory."""
    return Observation(verdict=Verdict.UNKNOWN, seen=seen, expected=expected, why=why, category=str(category))


@frozen
class CheckResult:
    """A check after all its looks."""

    check: str
    observation: Observation
    attempts: int
    duration: float
    """Seconds from the first look to the last."""
    allowed_failure: bool = False

    @property
    def verdict(self) -> Verdict:
        """The verdict of the last look."""
        return self.observation.verdict


@frozen
class Outcome:
    """The result of a step."""

    verdict: Verdict
    error: str = ""
    category: str = ""
    evidence: str = ""
    unclear: str = ""
    """The part of a failed step that could not be measured."""
    outputs: Mapping[str, object] = field(default_factory=dict)
