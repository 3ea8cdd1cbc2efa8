"""Operations: a change answers with one at once, and the client asks for it, or waits, until it is `DONE`."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from seatrial_stand_ins.gcp.cloud import Cloud, Thing, now, number
from seatrial_stand_ins.gcp.refusals import Ended, Refused
from seatrial_stand_ins.machines import MachineFailed

Work = Callable[[], Awaitable[None]]

WAIT = 120.0
"""Seconds after which `wait` answers with an operation that goes on."""


class Operations:
    """All operations of a server, run in its event loop."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._asked: dict[str, Thing] = {}

    def known(self, request: str) -> Thing | None:
        """The operation of an earlier call with this `requestId`."""
        return self._asked.get(request) if request else None

    def begin(self, method: str, target: Thing, request: str, user: str, work: Work) -> Thing:
        """Start it."""
        cloud = self._cloud
        scope = target.path.rpartition("/")[0].rpartition("/")[0]
        name = f"operation-{time.time_ns() // 10**6}-{secrets.token_hex(6)}"
        parts = scope.split("/")
        place = {parts[2].rstrip("s"): cloud.link(scope)} if len(parts) == 4 else {}
        operation = Thing(
            f"{scope}/operations/{name}",
            {
                "kind": "compute#operation", "id": number(), "name": name, "operationType": method.partition(".")[2],
                "targetId": target.id, "targetLink": cloud.link(target.path), "status": "RUNNING", "progress": 0,
                "insertTime": now(), "startTime": now(), "user": user, **place,
                "selfLink": cloud.link(f"{scope}/operations/{name}"),
                **({"clientOperationId": request} if request else {}),
            },
        )  # fmt: skip
        cloud.things[operation.path] = operation
        if request:
            self._asked[request] = operation
        self._tasks[name] = asyncio.get_running_loop().create_task(self._done(method, operation.document, work))
        return operation

    async def wait(self, operation: Thing) -> None:
        """Return when it is done, or after two minutes."""
        if task := self._tasks.get(operation.name):
            await asyncio.wait([task], timeout=WAIT)

    async def cancel(self) -> None:
        """Cancel running operations."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _done(self, method: str, document: dict[str, Any], work: Work) -> None:
        plants = self._cloud.plants
        failed: Ended | None = None
        try:
            if plants.slow:
                await asyncio.sleep(plants.slow)
            if method in plants.operation_fails:
                raise Ended(*plants.operation_fails[method])
            await work()
        except Ended as error:
            failed = error
        except Refused as error:
            failed = Ended(error.reason, error.text, error.code)
        except MachineFailed as error:
            failed = Ended("INTERNAL_ERROR", str(error), 503, "SERVICE UNAVAILABLE")
        except Exception as error:  # noqa: BLE001  the client has to be told
            failed = Ended("INTERNAL_ERROR", f"{type(error).__name__}: {error}", 503, "SERVICE UNAVAILABLE")
        if method in plants.never_ends:
            await asyncio.Event().wait()
        if failed is not None:
            document["error"] = {"errors": [{"code": failed.code, "message": failed.text}]}
            document |= {"httpErrorStatusCode": failed.http, "httpErrorMessage": failed.words}
        document |= {"status": "DONE", "progress": 100, "endTime": now()}
