"""What an engine reports of its work: which commands ran, which came from its cache, and their output as it comes.

Dagger's command line sends OpenTelemetry (OTLP over HTTP) to an address in its environment; this is a receiver on
loopback. Each check has a trace of its own, so two checks are never mixed up.
"""

from __future__ import annotations

import asyncio
import gzip
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

CACHED = "dagger.io/dag.cached"
STREAM = "stdio.stream"
"""The attribute of output: 1 is standard output, 2 standard error."""

VERBOSE = "dagger.io/logs.verbose"
"""The attribute of values that a request returned: not its output."""

CALL = "Container.withExec"
EXEC = f"dagop.ctr {CALL}"
QUERY = "POST /query"
"""The names of the call for a command, of the work on it, and of a request."""

SETTLES = 0.3
"""Seconds for reports of a function's own requests after those of the request for it."""

LARGEST = 64 * 1024 * 1024
"""Bytes of one report; a larger one is dropped."""


@dataclass(slots=True)
class Trace:
    """The reports about one check."""

    id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    span: bytes = field(default_factory=lambda: secrets.token_bytes(8))
    output: Callable[[bytes], None] | None = None
    """Takes the output of its commands while they run."""
    spans: dict[bytes, Span] = field(default_factory=dict)
    """Its spans by id."""
    requests: int = 0
    """How many requests belong to it."""
    came: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by every report."""

    def named(self, name: str) -> list[Span]:
        """Its spans with this name."""
        return [span for span in self.spans.values() if span.name == name]

    @property
    def answered(self) -> bool:
        """Whether all its requests ended, by the engine's reports."""
        return sum(span.done and span.parent == self.span for span in self.named(QUERY)) >= self.requests

    @property
    def worked(self) -> bool:
        """Whether a command ran for it, or a program inside asked the engine for something."""
        return any(span.parent != self.span for span in self.named(QUERY)) or not all(
            span.attributes.get(CACHED) for span in self.named(EXEC)
        )

    async def next_report(self) -> None:
        """Wait for a report after those so far."""
        self.came.clear()
        await self.came.wait()


@dataclass(frozen=True, slots=True)
class Span:
    """One piece of work of the engine."""

    name: str
    parent: bytes
    done: bool
    attributes: Mapping[str, Any]


_CURRENT: ContextVar[Trace | None] = ContextVar("seatrial_dagger_trace", default=None)


def requested() -> None:
    """Count a request for the trace of this task."""
    if (trace := _CURRENT.get()) is not None:
        trace.requests += 1


class Telemetry:
    """A receiver for one session."""

    def __init__(self) -> None:
        self._traces: dict[bytes, Trace] = {}
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def open(self) -> Mapping[str, str]:
        """Listen; returns the environment variables for the sender."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        at = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{at}/traces",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{at}/logs",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_TRACES_LIVE": "1",
        }

    async def close(self) -> None:
        """Stop listening, and end every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    @contextmanager
    def tracing(self, output: Callable[[bytes], None] | None = None, *, lasting: bool = False) -> Iterator[Trace]:
        """All requests of this task inside the block are one trace; `lasting`: its reports count after the block."""
        from opentelemetry import context, trace

        own = Trace(output=output)
        self._traces[own.id] = own
        place = trace.SpanContext(
            int.from_bytes(own.id), int.from_bytes(own.span), is_remote=False, trace_flags=trace.TraceFlags(1)
        )
        token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(place)))
        current = _CURRENT.set(own)
        try:
            yield own
        finally:
            _CURRENT.reset(current)
            context.detach(token)
            if not lasting:
                del self._traces[own.id]

    async def cached(self, trace: Trace, patience: float) -> bool | None:
        """Whether the command of a trace came from the engine's cache; None if no report says so within `patience`: the
        engine leaves some reports out, so a missing one proves nothing."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while True:
                    works = [bool(span.attributes.get(CACHED)) for span in trace.named(EXEC)]
                    if not all(works):
                        return False
                    # Without a call, the session knew the result already.
                    if trace.answered and (works or not trace.named(CALL)):
                        return True
                    await trace.next_report()
        return None

    async def idle(self, trace: Trace, patience: float) -> bool:
        """Whether a function of a trace did not run: nothing was run for it, and it asked the engine for nothing."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while not (worked := trace.worked) and not trace.answered:
                    await trace.next_report()
            if worked:
                return False
            # Reports of a function's own requests come by a way of their own.
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLES):
                    while not trace.worked:
                        await trace.next_report()
            return not trace.worked
        return False

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:  # it connected before the end, and is seen only now
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._served(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, until its end or a request that cannot be read."""
        try:
            with suppress(Exception):
                while True:
                    await self._answered(reader, writer)
        finally:
            writer.transport.abort()
            with suppress(Exception):
                await writer.wait_closed()

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
        size = int(fields.get("content-length", "0"))
        if size > LARGEST:
            raise ValueError(f"a report of {size} bytes")
        body = await reader.readexactly(size)
        if fields.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self._take(head[0].split(" ")[1], body)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    def _take(self, path: str, body: bytes) -> None:
        if path.endswith("/traces"):
            self._take_spans(body)
        elif path.endswith("/logs"):
            self._take_output(body)

    def _take_spans(self, body: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    if (known := self._traces.get(span.trace_id)) is None:
                        continue
                    known.spans[span.span_id] = Span(
                        span.name, span.parent_span_id, bool(span.end_time_unix_nano), _attributes(span.attributes)
                    )
                    known.came.set()

    def _take_output(self, body: bytes) -> None:
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

        for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    known = self._traces.get(record.trace_id)
                    text = record.body.string_value
                    attributes = _attributes(record.attributes)
                    if known is not None and known.output and STREAM in attributes and VERBOSE not in attributes:
                        known.output(text.encode())


def _attributes(pairs: Any) -> dict[str, Any]:
    """The plain values."""
    return {pair.key: getattr(pair.value, kind) for pair in pairs if (kind := pair.value.WhichOneof("value"))}
