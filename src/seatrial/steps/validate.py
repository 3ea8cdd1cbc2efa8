"""`validate`: observe checks and decide by their verdicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from seatrial.errors import CannotTell, StepFailed
from seatrial.model.result import ACCIDENTS, Category, CheckResult, Verdict
from seatrial.model.scenario import CheckPlan, Outputs, Retry
from seatrial.model.values import Range
from seatrial.registry import step
from seatrial.spi import Context
from seatrial.spi.context import CHECKS_AT_ONCE


@step("validate")
@dataclass(frozen=True, kw_only=True)
class Validate:
    """Observe checks at the same time; passes if all checks not in `allow_failures` pass."""

    decides: ClassVar[bool] = False
    """Its checks do."""

    checks: tuple[CheckPlan, ...]
    """The checks: names, or objects with `check`."""
    allow_failures: tuple[str, ...] = ()
    """Checks that may fail without deciding; those missing in `checks` are observed too."""
    retry: Retry | None = None
    """How often each check looks until it passes; without it: once."""
    max_concurrent: Annotated[int, Range(1)] = CHECKS_AT_ONCE
    """Maximum number of checks to look at the same time."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if not self.checks:
            yield "checks", "at least one check is needed: nothing observed is not a pass"

    async def run(self, ctx: Context) -> Outputs:
        """StepFailed when a deciding check failed, CannotTell when one is unknown and none failed.

        Outputs: `passed`, `failed`, `unknown` (numbers of deciding checks), `seen` (by check, the last value).
        """
        results = await ctx.observe([self._plan(plan) for plan in self.checks], self.retry, most=self.max_concurrent)
        deciding = [one for one in results if not one.allowed_failure]
        by_verdict = {verdict: [one for one in deciding if one.verdict is verdict] for verdict in Verdict}
        failed, unknown = by_verdict[Verdict.FAILED], by_verdict[Verdict.UNKNOWN]
        if failed:
            category = failed[0].observation.category or Category.PRODUCT
            unclear = _summary([*unknown, *(one for one in failed if one.observation.category in ACCIDENTS)])
            raise StepFailed(_summary(failed), category=category, evidence=_evidence(results), unclear=unclear)
        if unknown:
            error = CannotTell(_summary(unknown), evidence=_evidence(results))
            error.category = unknown[0].observation.category or error.category
            raise error
        counts: dict[str, object] = {verdict.value: len(found) for verdict, found in by_verdict.items()}
        return {**counts, "seen": {one.check: one.observation.seen for one in results}}

    def _plan(self, plan: CheckPlan) -> CheckPlan:
        allowed = any(map(plan.is_called, self.allow_failures))
        return dataclasses.replace(plan, allow_failure=True) if allowed and not plan.allow_failure else plan


def _summary(results: Sequence[CheckResult]) -> str:
    return "; ".join(_line(result) for result in results)


def _line(result: CheckResult) -> str:
    """`cluster_status: expected 'running', seen 'degraded' (n12 is stopped)`."""
    observation = result.observation
    if result.verdict is Verdict.UNKNOWN:
        return f"{result.check}: could not be measured: {observation.why or repr(observation.seen)}"
    told, most = [], 100 if observation.why else 200
    if observation.expected is not None:
        told.append(f"expected {_short(observation.expected, most)}")
    if observation.seen is not None:
        told.append(f"seen {_short(observation.seen, most)}")
    why = f" ({observation.why})" if observation.why and told else observation.why
    return f"{result.check}: {', '.join(told)}{why}" if told or why else f"{result.check}: {result.verdict}"


def _short(value: object, most: int) -> str:
    text = repr(value)
    return text if len(text) <= most else text[:most] + "…"


def _evidence(results: Sequence[CheckResult]) -> str:
    lines = []
    for one in results:
        looks = f"{one.attempts} look{'' if one.attempts == 1 else 's'} in {one.duration:.2f} s"
        may = ", may fail" if one.allowed_failure else ""
        lines.append(f"{one.verdict}: {_line(one) if one.verdict is not Verdict.PASSED else one.check} [{looks}{may}]")
    return "\n".join(lines)
