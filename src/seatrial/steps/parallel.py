"""`parallel`: child steps at the same time, each after its `needs` have passed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

from seatrial.errors import StepStopped, nearest
from seatrial.model.graph import cycle
from seatrial.model.result import ACCIDENTS, Outcome, Verdict, worst
from seatrial.model.scenario import Outputs, StepPlan
from seatrial.registry import step
from seatrial.spi import Context


@step("parallel")
@dataclass(frozen=True, kw_only=True)
class Parallel:
    """Run child steps at the same time; those with `needs: [id]` start after these have passed."""

    steps: tuple[StepPlan, ...]
    """The child steps; each may take `needs: [id]`."""
    fail_fast: bool = False
    """Cancel the others when the first does not pass."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if not self.steps:
            yield "steps", "at least one step is needed"
        for problem in broken(self.steps):
            yield "steps", problem

    async def run(self, ctx: Context) -> Outputs:
        """StepStopped with the worst verdict of the children. Outputs: `passed` (how many)."""
        outcomes = await Together(ctx, self.steps, self.fail_fast).run()

        def reason(bad: Sequence[tuple[StepPlan, Outcome]]) -> str:
            errors = "; ".join(f"{name(child)}: {outcome.error}" for child, outcome in bad)
            return f"{len(bad)} of {len(self.steps)} did not pass: {errors}"

        return judged(self.steps, outcomes, reason)


class Together:
    """One run of the children, identified by their index because ids are optional."""

    def __init__(self, ctx: Context, steps: tuple[StepPlan, ...], fail_fast: bool) -> None:
        self._ctx = ctx
        self._steps = steps
        self._fail_fast = fail_fast
        self._places = {child.id: at for at, child in enumerate(steps) if child.id}
        self._ended = [asyncio.Event() for _ in steps]
        self._begun: set[int] = set()
        self._outcomes: dict[int, Outcome] = {}
        """Results of the finished children; a skipped or cancelled one has none."""
        self._stopped_by = ""
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> Mapping[int, Outcome]:
        """The results of the finished children, in the order of the document."""
        async with asyncio.TaskGroup() as group:
            self._tasks = [group.create_task(self._child(at)) for at in range(len(self._steps))]
        return dict(sorted(self._outcomes.items()))

    async def _child(self, at: int) -> None:
        child = self._steps[at]
        try:
            for need in child.needs:
                await self._ended[self._places[need]].wait()
            reason = self._stopped_by or self._why_not(child)
            if reason:
                self._ctx.skip([child], reason)
                return
            async with self._turn(child):
                if reason := self._stopped_by:  # while it waited for its turn
                    self._ctx.skip([child], reason)
                    return
                self._begun.add(at)
                outcome = await self._ctx.attempt(child)
                self._outcomes[at] = outcome
            if outcome.verdict is not Verdict.PASSED and self._fail_fast and not self._stopped_by:
                self._stop(at)
        finally:
            self._ended[at].set()

    def _turn(self, child: StepPlan) -> AbstractAsyncContextManager[None]:
        """A lock to wait for besides the needs, held until the child has ended."""
        return nullcontext()

    def _why_not(self, child: StepPlan) -> str:
        for need in child.needs:
            outcome = self._outcomes.get(self._places[need])
            if outcome is None:
                return f"needs {need}, which did not run"
            if outcome.verdict is not Verdict.PASSED:
                how = "failed" if outcome.verdict is Verdict.FAILED else "could not be judged"
                return f"needs {need}, which {how}"
        return ""

    def _stop(self, by: int) -> None:
        """Cancel running children; the waiting ones wake up when their needs end, and are skipped."""
        self._stopped_by = f"fail_fast: {name(self._steps[by])} did not pass"
        for at in self._begun - self._outcomes.keys():
            self._tasks[at].cancel()


def judged(
    steps: Sequence[StepPlan],
    outcomes: Mapping[int, Outcome],
    reason: Callable[[Sequence[tuple[StepPlan, Outcome]]], str],
) -> Outputs:
    """How many passed, if all did; else StepStopped with the worst verdict and the `reason` of those that did not."""
    bad = [(steps[at], outcome) for at, outcome in outcomes.items() if outcome.verdict is not Verdict.PASSED]
    if not bad:
        return {"passed": len(outcomes)}
    verdict = worst(outcome.verdict for _, outcome in bad)
    raise StepStopped(
        reason(bad),
        failed=verdict is Verdict.FAILED,
        category=next(outcome.category for _, outcome in bad if outcome.verdict is verdict),
        evidence="\n".join(outcome.evidence for _, outcome in bad if outcome.evidence),
        unclear="; ".join(
            f"{name(child)}: {outcome.unclear or outcome.error}"
            for child, outcome in bad
            if outcome.unclear or outcome.verdict is not verdict or outcome.category in ACCIDENTS
        ),
    )


def broken(children: Sequence[StepPlan]) -> Iterable[str]:
    """Errors in the needs: unknown ids, duplicate ids, cycles."""
    ids = [child.id for child in children if child.id]
    for twice in sorted({one for one in ids if ids.count(one) > 1}):
        yield f"duplicate step id {twice!r}"
    known = True
    for child in children:
        for need in child.needs:
            if need not in ids:
                known = False
                yield f"{name(child)} needs {need!r}, but no step beside it has this id; {nearest(need, ids)}"
    if known:
        circle = cycle({child.id: child.needs for child in children if child.id})
        if circle:
            yield f"the steps need each other in a cycle: {' -> '.join(circle)}"


def name(child: StepPlan) -> str:
    """The name of a step in messages."""
    return f"{child.kind} {child.id!r}" if child.id else child.kind
