"""The last step of a suite that Python drives: it stays open while Python's calls run as its child steps."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import ClassVar, TypeVar

from seatrial.engine.node_access import access_commands
from seatrial.errors import CannotTell, NotSupported, ProductFailed, SeatrialError, StepFailed, UsageError
from seatrial.model.frozen import frozen
from seatrial.model.resource import Node
from seatrial.model.result import Category, Outcome, Verdict
from seatrial.model.scenario import Location, Outputs, StepOf, StepPlan, Suite
from seatrial.spi import Context, Finished, Link

T = TypeVar("T")

KIND = "python"
"""The step's type in results."""

GONE = "the cluster is gone: it can be used only inside its `with` block, or in tests of its fixture"

HERE = str(Path(__file__).parents[1])


@frozen(kw_only=False)
class PythonStep:
    """Wait for the end of the caller's block."""

    decides: ClassVar[bool] = False
    session: Session

    async def run(self, ctx: Context) -> None:
        """The verdict of the block."""
        await self.session.serve(ctx)


@frozen
class OnLink:
    """One command or one copy over the link of a node: any end of it passes, and the caller judges."""

    decides: ClassVar[bool] = False
    node: Node
    act: Callable[[Link, Context], Awaitable[Outputs]]
    raised: list[Exception] = field(default_factory=list)

    async def run(self, ctx: Context) -> Outputs:
        try:
            return await self.act(ctx.link(self.node), ctx)
        except Exception as error:
            self.raised.append(error)
            raise


class Session:
    """The calls of one block, and its end."""

    def __init__(self, suite: Suite, step_of: StepOf) -> None:
        self.suite = suite
        self._step_of = step_of
        self.begun: asyncio.Future[Context] = asyncio.get_running_loop().create_future()
        self._over: asyncio.Future[SeatrialError | None] = asyncio.get_running_loop().create_future()
        self._group: asyncio.TaskGroup | None = None
        self._number = 0
        self.forgotten: dict[int, str] = {}
        """Calls without `await` so far, by number, in words."""
        self.nodes: Sequence[Node] = ()

    @property
    def ctx(self) -> Context:
        """The context of the open step; UsageError before and after it."""
        if self._group is None:
            raise UsageError(GONE)
        return self.begun.result()

    async def serve(self, ctx: Context) -> None:
        """Run calls until `end`; raises its error."""
        self.nodes = await ctx.nodes()
        if ways := await access_commands(ctx):
            ctx.emit("access", nodes=ways)
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                self.begun.set_result(ctx)
                error = await self._over
            finally:
                self._group = None
        if error is not None:
            raise error

    def end(self, error: SeatrialError | None) -> None:
        """The block has ended: with this verdict, None for a pass."""
        if not self._over.done():
            self._over.set_result(error)

    # Calls

    def called(self) -> tuple[Location, int]:
        """The place of the call in the caller's file, and its number."""
        self._number += 1
        return place_of_call(self._number), self._number

    async def step(self, keys: Mapping[str, object], call: Location) -> Outputs:
        """Run a step with the keys of a document. DocumentError when it is invalid, NotSupported for a missing power,
        ProductFailed (an AssertionError), CannotTell."""
        ctx = self.ctx
        plan = self._step_of(self.suite, keys, call)
        outcome = await self._run(plan)
        self.nodes = await ctx.nodes()
        return outcome_or_error(outcome)

    async def over_link(
        self, node: Node, what: str, call: Location, act: Callable[[Link, Context], Awaitable[Outputs]]
    ) -> None:
        """Use the link of a node; raises what the link raised."""
        step = OnLink(node=node, act=act)
        plan = StepPlan(kind=what.split(" ", 1)[0], factory=OnLink, fields={}, step=step, source=call, description=what)
        outcome = await self._run(plan)
        if step.raised:
            raise step.raised[0]
        outcome_or_error(outcome)

    async def _run(self, plan: StepPlan) -> Outcome:
        ctx, group = self.ctx, self._group
        assert group is not None
        task = group.create_task(ctx.attempt(plan))
        try:
            return await task
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if me is not None and me.cancelling():
                raise
            raise CannotTell("the run ended while this call was at work: its report says why") from None


def place_of_call(number: int) -> Location:
    """The line outside of Seatrial that called, as the place of a step with this number."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    file = Path(frame.f_code.co_filename)
    shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return Location(file=str(shown), path=("line", frame.f_lineno, "steps", number - 1))


def outcome_or_error(outcome: Outcome) -> Outputs:
    """The outputs of a step that passed; else its verdict as an exception."""
    if outcome.verdict is Verdict.PASSED:
        return outcome.outputs
    if outcome.verdict is Verdict.FAILED:
        raise ProductFailed(
            outcome.error, category=outcome.category, evidence=outcome.evidence, unclear=outcome.unclear
        )
    if outcome.category == Category.UNSUPPORTED:
        raise NotSupported(outcome.error, evidence=outcome.evidence)
    error = CannotTell(outcome.error, evidence=outcome.evidence)
    error.category = outcome.category or error.category
    raise error


def verdict_of(error: BaseException | None) -> SeatrialError | None:
    """The verdict of a block by the exception that ended it: an assertion is a failure of the product, a skipped test
    is none, anything else tells nothing about the product."""
    if error is None or type(error).__name__ == "Skipped":
        return None
    if isinstance(error, StepFailed | CannotTell | NotSupported):
        return error
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, AssertionError) or type(error).__name__ == "Failed":
        return StepFailed(str(error) or "an assertion failed", category=Category.PRODUCT)
    unclear = CannotTell(f"the Python that uses the cluster raised {text}")
    unclear.category = Category.TEST
    return unclear


def result_of(finished: Finished) -> Outputs:
    """A finished command as the outputs of its step."""
    return {"exit_code": finished.exit_code, "stdout": finished.stdout, "stderr": finished.stderr}
