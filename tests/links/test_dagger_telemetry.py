"""The receiver of a Dagger engine's reports ends whole: no task, and no connection, outlives it; and a result counts as
cached only when a report says so."""

from __future__ import annotations

import asyncio

import pytest

from seatrial.links.dagger.telemetry import CACHED, CALL, EXEC, QUERY, Span, Telemetry, Trace


async def _at(telemetry: Telemetry) -> tuple[str, int]:
    address = (await telemetry.open())["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"].split("/")[2]
    host, _, port = address.rpartition(":")
    return host, int(port)


def test_its_end_leaves_no_task_and_no_open_connection() -> None:
    async def main() -> None:
        telemetry = Telemetry()
        host, port = await _at(telemetry)
        idle = [await asyncio.open_connection(host, port) for _ in range(3)]
        for _, writer in idle[:2]:
            writer.write(b"POST /v1/logs HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf of it")
        answered, writer = idle[2]
        writer.write(b"POST /v1/other HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        assert (await answered.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        connections = [*idle, await asyncio.open_connection(host, port)]
        await telemetry.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        for reader, _ in connections:
            try:
                async with asyncio.timeout(10):
                    assert await reader.read() == b""
            except ConnectionError:
                pass
        for _, writer in connections:
            writer.close()

    asyncio.run(main())


def test_a_report_that_cannot_be_read_ends_its_connection_and_no_other() -> None:
    async def main() -> None:
        problems: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, about: problems.append(about))
        telemetry = Telemetry()
        host, port = await _at(telemetry)
        for head in (
            b"POST /v1/logs HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
            b"POST /v1/logs HTTP/1.1\r\nContent-Length: many\r\n\r\n",
            b"x" * 100_000,
        ):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(head)
            try:
                async with asyncio.timeout(10):
                    assert await reader.read() == b""
            except ConnectionError:
                pass
            writer.close()
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST /v1/other HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await telemetry.close()
        writer.close()
        assert problems == []

    asyncio.run(main())


def reported(*spans: tuple[str, bool, bool], inside: bool = False) -> Trace:
    """A trace of one request with these reports: a name, whether it is cached, whether it ended. `inside`: a program in
    it asked the engine for something."""
    trace = Trace(requests=1)
    for at, (name, cached, done) in enumerate(spans):
        attributes = {CACHED: True} if cached else {}
        trace.spans[b"%d" % at] = Span(name, trace.span if name == QUERY else b"request", done, attributes)
    if inside:
        trace.spans[b"inside"] = Span(QUERY, b"work", True, {})
    return trace


ENDED = (QUERY, False, True)


@pytest.mark.parametrize(
    ("trace", "cached"),
    [
        (reported((EXEC, True, True), (CALL, False, True), ENDED), True),
        (reported((CALL, False, True), (EXEC, False, False)), False),
        # A busy engine leaves the report of the work out, or sends it after the end of the request.
        (reported((CALL, False, True), ENDED), None),
        (reported((EXEC, True, True), (EXEC, False, True), ENDED), False),
        (reported((EXEC, True, True), (QUERY, False, False)), None),
        (reported(ENDED), True),
        (reported(), None),
    ],
)
def test_a_command_is_from_the_cache_only_if_a_report_says_so(trace: Trace, cached: bool | None) -> None:
    assert asyncio.run(Telemetry().cached(trace, 0.05)) is cached


@pytest.mark.parametrize(
    ("trace", "idle"),
    [
        (reported((EXEC, True, True), ENDED), True),
        (reported(ENDED), True),
        (reported((EXEC, False, True), ENDED), False),
        (reported((EXEC, True, True), ENDED, inside=True), False),
        (reported((EXEC, True, True)), False),
    ],
)
def test_a_function_did_not_run_if_nothing_ran_for_it_and_it_asked_for_nothing(trace: Trace, idle: bool) -> None:
    assert asyncio.run(Telemetry().idle(trace, 0.05)) is idle


def test_a_late_report_of_a_functions_own_request_counts() -> None:
    async def main() -> None:
        trace = reported((EXEC, True, True), ENDED)
        judged = asyncio.create_task(Telemetry().idle(trace, 0.05))
        await asyncio.sleep(0)
        trace.spans[b"inside"] = Span(QUERY, b"work", False, {})
        trace.came.set()
        assert not await judged

    asyncio.run(main())
