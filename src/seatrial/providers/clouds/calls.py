"""Calls of a vendor's SDK: blocking ones in threads, repeated where that is safe, and waited for when cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from seatrial.errors import CannotTell, ExtraMissing, SeatrialError
from seatrial.providers.clouds.vendor import Machine, NoAnswer, NoSuchThing, Throttled
from seatrial.spi.concurrency import finish_despite_cancel

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds for a vendor that is throttling, broken or silent to recover."""

LONGEST_PAUSE = 10.0

ANSWER = 45.0
"""Seconds for the answer to one call, set in the vendor's SDK."""

FEW = 4
"""Machines that are asked for one by one."""

SEEN = 10.0
"""Seconds for a machine to appear whose creation was not answered."""


class Calls:
    """Calls of one SDK. `told` turns one of its exceptions into one of the refusals of `vendor` (anything else is
    raised as it is); `seconds`: by then the SDK itself has ended any call."""

    def __init__(
        self, told: Callable[[Exception, str], Exception], *, seconds: float = ANSWER * 2, most: int = 8
    ) -> None:
        self._told, self._seconds = told, seconds
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="cloud")

    async def ask(self, what: str, call: Callable[..., T], /, *arguments: Any, **named: Any) -> T:
        """A query, or a change that the vendor does once however often it is sent: repeated until answered."""
        return await again(lambda: self._sent(what, call, *arguments, **named), lost=True)

    async def find(self, what: str, call: Callable[..., T], /, *arguments: Any, **named: Any) -> T | None:
        """As `ask`; None: it does not exist."""
        with suppress(NoSuchThing):
            return await self.ask(what, call, *arguments, **named)
        return None

    async def do(self, what: str, call: Callable[..., T], /, *arguments: Any, **named: Any) -> T:
        """A change: repeated only when the vendor says that it did nothing."""
        return await again(lambda: self._sent(what, call, *arguments, **named), lost=False)

    async def _sent(self, what: str, call: Callable[..., T], /, *arguments: Any, **named: Any) -> T:
        """One call. If cancelled, it still waits for the answer: nothing may appear after the sweep."""

        async def sent() -> T:
            loop = asyncio.get_running_loop()
            try:
                return await loop.run_in_executor(self._threads, partial(call, *arguments, **named))
            except SeatrialError:
                raise
            except Exception as error:  # noqa: BLE001  an SDK's: told in the vendor's words, never with its request
                raise self._told(error, what) from None

        return await finish_despite_cancel(sent(), self._seconds)


@contextmanager
def imports(sdk: str, extra: str) -> Iterator[None]:
    """Around the imports of a vendor's SDK; ExtraMissing without it."""
    try:
        yield
    except ImportError as error:
        raise ExtraMissing(f"{sdk} is not installed: pip install 'seatrial[{extra}]'") from error


async def again(call: Callable[[], Awaitable[T]], *, lost: bool) -> T:
    """Repeat a throttled call after the vendor's own pause; with `lost`, also one without an answer. For SDKs that do
    not block, too."""
    clock = asyncio.get_running_loop().time
    end, pause = clock() + PATIENCE, 0.2
    while True:
        try:
            return await call()
        except Throttled as error:
            wait = error.after or pause
            if clock() + wait > end:
                raise
        except NoAnswer:
            wait = pause
            if not lost or clock() + wait > end:
                raise
        await asyncio.sleep(wait)
        pause = min(pause * 1.7, LONGEST_PAUSE)


async def existing(look: Callable[[str], Awaitable[T | None]], ids: Iterable[str]) -> list[T]:
    """Those that exist, each looked for by itself."""
    return [thing for thing in await asyncio.gather(*map(look, ids)) if thing is not None]


async def by_ids(
    ids: Sequence[str],
    look: Callable[[str], Awaitable[Machine | None]],
    all: Callable[[], Awaitable[Sequence[Machine]]],
) -> list[Machine]:
    """The machines with these identifiers: many of them from the list of all; those that it lacks, since lists lag, are
    looked for one by one."""
    listed = {machine.id: machine for machine in await all()} if len(ids) > FEW else {}
    rest = await existing(look, (id for id in ids if id not in listed))
    return [*(listed[id] for id in ids if id in listed), *rest]


async def seen(look: Callable[[], Awaitable[T | None]], error: NoAnswer) -> T:
    """What a creation without an answer made; `error` when it does not appear."""
    try:
        async with asyncio.timeout(SEEN):
            return await until(look, SEEN * 2, lambda: "")
    except TimeoutError:
        raise error from None


async def until(look: Callable[[], Awaitable[T | None]], deadline: float, late: Callable[[], str]) -> T:
    """The first answer that is not None; CannotTell with the text of `late` after `deadline` seconds."""
    pause = 0.1
    try:
        async with asyncio.timeout(deadline):
            while (answer := await look()) is None:
                await asyncio.sleep(pause)
                pause = min(pause * 1.2, 2.0)  # so that it notices an end late by a fifth of the wait at most
    except TimeoutError:
        raise CannotTell(late()) from None
    return answer
