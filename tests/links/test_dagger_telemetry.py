"""The receiver of a Dagger engine's reports ends whole: no task, and no connection, outlives it."""

from __future__ import annotations

import asyncio

from seatrial.links.dagger.telemetry import Telemetry


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
