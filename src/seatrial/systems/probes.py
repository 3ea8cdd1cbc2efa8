"""Measures one node by HTTP, a TCP connection or a command on it; keeps "not ok" and "could not measure" apart."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace

from seatrial.errors import CannotTell, LinkDown, LinkLost, LinkRefused, SeatrialError
from seatrial.expressions.text import uses
from seatrial.links.output import beginning, end
from seatrial.links.tcp import reach
from seatrial.model import json_text
from seatrial.model.frozen import frozen
from seatrial.model.reading import Health, Reading, absent, concluded, measured
from seatrial.model.resource import Node
from seatrial.spi import Context
from seatrial.spi.concurrency import map_concurrently
from seatrial.spi.context import is_true
from seatrial.spi.link import NOT_EXECUTABLE, NOT_FOUND
from seatrial.systems.settings import HttpParts, Probe, Roots, fill

SHOWN = 200
"""Characters of an answer in a reason."""


class NoAnswer(Exception):
    """The service did not answer: refused, reset, or too slow. This is a measurement."""


@frozen(kw_only=False)
class Answer:
    """An HTTP answer; `json` is None if the body is not JSON."""

    status: int
    body: str
    json: object = None
    is_json: bool = False
    url: str = ""


async def send(method: str, url: str, *, headers: Mapping[str, str], body: str, timeout: float) -> Answer:
    """The answer with any status, on a new connection: a kept one would not show the present.

    NoAnswer when none comes within `timeout` seconds.
    """
    from seatrial.links.http import request

    try:
        got = await request(method, url, headers=dict(headers), timeout=timeout, content=body.encode() or None)
    except (LinkDown, LinkLost, TimeoutError) as error:
        raise NoAnswer(str(error)) from None
    try:
        return Answer(got.status, got.text, got.json(), True)
    except ValueError:
        return Answer(got.status, got.text)


async def ask(ctx: Context, request: HttpParts, url: str, roots: Roots, timeout: float) -> Answer:
    """The answer to a request with its templates filled in; see `send`."""
    url, headers, body = fill(ctx, (url, dict(request.headers), request.body), roots)
    return replace(await send(request.method, url, headers=headers, body=body, timeout=timeout), url=url)


async def service_of(ctx: Context, health: Probe, proof: Probe | None, node: Node, roots: Roots) -> Reading[Health]:
    """The service of a node by its probe, and by the proof where there is one."""
    probes = [health] if proof is None else [health, proof]
    says, *proved = await map_concurrently(lambda probe: look(ctx, probe, node, roots), probes)
    if says.ok and proved and not proved[0].ok:
        return concluded(proved[0].value, f"it reports itself healthy, but: {proved[0].why}", proved)
    return says


async def look(ctx: Context, probe: Probe, node: Node, roots: Roots) -> Reading[Health]:
    return replace(await _look(ctx, probe, node, roots), by=f"the probe of {node.name}")


async def _look(ctx: Context, probe: Probe, node: Node, roots: Roots) -> Reading[Health]:
    try:
        if probe.http:
            return await _look_http(ctx, probe, roots)
        if probe.tcp:
            return await _look_tcp(probe, node, roots, ctx)
        return await _look_command(ctx, probe, node, roots)
    except (LinkDown, LinkLost, LinkRefused) as error:
        return absent(Health.UNKNOWN, f"the probe runs on the node, and its link failed: {error}")
    except (SeatrialError, OSError) as error:
        return absent(Health.UNKNOWN, str(error) or type(error).__name__)


def accepted(status: int, wanted: tuple[int, ...] | int) -> bool:
    return status in wanted if isinstance(wanted, tuple | list) else status == wanted


async def _look_http(ctx: Context, probe: Probe, roots: Roots) -> Reading[Health]:
    try:
        answer = await ask(ctx, probe, probe.http, roots, probe.timeout)
    except NoAnswer as error:
        return measured(Health.NOT_OK, str(error))
    if not accepted(answer.status, probe.status):
        return measured(
            Health.NOT_OK, f"{answer.url} answered {answer.status}: {beginning(answer.body.strip(), SHOWN)}"
        )
    if not probe.that:
        return measured(Health.OK)
    if "json" in probe.that and not answer.is_json:
        return measured(Health.NOT_OK, f"{answer.url} did not answer JSON: {beginning(answer.body.strip(), SHOWN)!r}")
    return await _judged(ctx, probe.that, answer.body, json=answer.json, body=answer.body, status=answer.status)


async def _look_tcp(probe: Probe, node: Node, roots: Roots, ctx: Context) -> Reading[Health]:
    try:
        await reach(node.address, port_of(node, fill(ctx, probe.tcp, roots)), timeout=probe.timeout)
    except LinkDown as error:
        return measured(Health.NOT_OK, str(error))
    return measured(Health.OK)


def port_of(node: Node, port: str | int) -> int:
    """A port of the node, given by its number or name."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    if port not in node.ports:
        raise CannotTell(f"the node {node.name} has no port {port!r}; it has {', '.join(node.ports) or 'none'}")
    return node.ports[port]


async def _look_command(ctx: Context, probe: Probe, node: Node, roots: Roots) -> Reading[Health]:
    argv = fill(ctx, probe.command, roots)
    shown = f"`{argv if isinstance(argv, str) else shlex.join(argv)}`"
    try:
        done = await ctx.link(node).run(argv, timeout=probe.timeout)
    except TimeoutError:
        return measured(Health.NOT_OK, f"{shown} did not end within {probe.timeout:g} s")
    said = end(done.stderr.strip() or done.stdout.strip(), SHOWN)
    if done.exit_code in (NOT_EXECUTABLE, NOT_FOUND):
        return absent(Health.UNKNOWN, f"cannot run {shown} on {node.name}: {said}")
    if done.signal:
        return absent(Health.UNKNOWN, f"{shown} measured nothing on {node.name}: {done.signal} ended it: {said}")
    if not probe.that:
        why = "" if done.ok else f"{shown} {done.ended}: {said}"
        return measured(Health.OK if done.ok else Health.NOT_OK, why)
    if done.dropped:
        return absent(Health.UNKNOWN, f"{shown} printed too much: {done.dropped} bytes of its output were not kept")
    found: object = None
    try:
        found = json_text.loads(done.stdout)
    except ValueError as error:
        if uses(probe.that, "json"):  # even `json != …` would be true
            return absent(Health.UNKNOWN, f"{shown} did not print JSON ({error}), and `that` uses it: {said}")
    names = {"json": found, "body": done.stdout.rstrip("\n"), "status": done.exit_code, "exit_code": done.exit_code}
    return await _judged(ctx, probe.that, done.stdout, **names)


async def _judged(ctx: Context, that: str, shown: str, **names: object) -> Reading[Health]:
    if await is_true(ctx, that, **names):
        return measured(Health.OK)
    return measured(Health.NOT_OK, f"false: {that} (the answer: {beginning(shown.strip(), SHOWN)})")
