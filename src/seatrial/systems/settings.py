"""Settings of several systems: probes, and the records of `data_integrity`; and the values for the `${{ }}` in them
besides the usual ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, TypeVar

from seatrial import expressions
from seatrial.errors import CannotTell, LimitReached, UsageError
from seatrial.expressions.evaluate import OURS
from seatrial.model.frozen import frozen
from seatrial.model.resource import Node
from seatrial.model.values import Argv, Expression, Timeout
from seatrial.spi import Context

T = TypeVar("T")

Roots = Mapping[str, Mapping[str, object]]
"""Values under their first names: `node`, `cluster`, `record`, `outputs`."""

TWO, FIVE = Timeout(2.0), Timeout(5.0)
HOUR, MINUTES_20 = 3600.0, 1200.0
DEADLINES = {"deploy": HOUR, "destroy": MINUTES_20}
"""Seconds for a program that makes machines or containers itself: a provider's deadlines are for its own nodes."""
NONE = Expression("")


@frozen
class HttpParts:
    """The parts of an HTTP request besides its URL, and the expected status."""

    method: str = "GET"
    """The HTTP method."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """HTTP headers to send."""
    body: str = ""
    """The body of the HTTP request."""
    status: tuple[int, ...] | int = 200
    """The expected HTTP status, or several."""


def require_scheme(url: str) -> None:
    """ValueError for a URL that no request can be sent to, as far as it is written out."""
    if url and not url.startswith(("http://", "https://", "$")):
        raise ValueError(f"{url!r} is not a URL: write http:// or https:// before it")


@frozen
class Probe(HttpParts):
    """One measurement of a node by exactly one of `http`, `tcp` or `command`."""

    http: str = ""
    """A URL."""
    tcp: str | int = ""
    """The name or number of a port; it must accept connections."""
    command: Argv = ()
    """A command on the node; it must end with 0."""
    that: Expression = NONE
    """CEL over `json`, `body` and `status`; it must be true too. For a command, `body` is what it printed, without the
    last line end, and `exit_code` is another name for `status`."""
    timeout: Timeout = TWO
    """How long one answer may take."""

    def __post_init__(self) -> None:
        if sum(1 for one in (self.http, self.tcp, self.command) if one) != 1:
            raise ValueError("name exactly one of http (a URL), tcp (a port) and command")
        require_scheme(self.http)


@frozen
class Request(HttpParts):
    """An HTTP request on a record."""

    url: str
    """The URL."""
    status: tuple[int, ...] | int = (200, 201, 204)
    """The status of an acknowledged write, or of a read."""

    def __post_init__(self) -> None:
        require_scheme(self.url)


@frozen
class WriteSettings:
    """How to write one record: an HTTP request, or a command on the node; exit code 0 acknowledges it."""

    http: Request | None = None
    """A request; its status acknowledges the record."""
    command: Argv = ()
    """A command on the node; exit code 0 acknowledges the record."""

    def __post_init__(self) -> None:
        if (self.http is None) == (not self.command):
            raise ValueError("name exactly one of http and command")


@frozen
class ReadSettings(WriteSettings):
    """How to read one record back from a node."""

    http: Request | None = None
    """A request for the record."""
    command: Argv = ()
    """A command on the node; it prints the record."""
    contains: str = "${{ record.value }}"
    """The record exists if the answer (or the output) contains this."""
    missing: tuple[int, ...] = (404, 410)
    """HTTP statuses for a missing record; any other unexpected one means: cannot be read."""


@frozen
class DataSettings:
    """How `data_integrity` writes its numbered records and reads them back."""

    write: WriteSettings
    """How to write one record."""
    read: ReadSettings
    """How to read one record back."""
    count: int = 5
    """Number of records before each outage."""
    timeout: Timeout = FIVE
    """For one record."""


def node_root(node: Node) -> dict[str, object]:
    """The names under `${{ node.… }}`."""
    return {"name": node.name, "address": node.address, "ports": dict(node.ports), "folder": node.folder}


def secrets_of(ctx: Context) -> Mapping[str, str]:
    """The secrets of the run, by name."""
    secrets = ctx.names().get("secrets")
    return secrets if isinstance(secrets, Mapping) else {}


def run_variables(ctx: Context) -> dict[str, str]:
    """The environment variables set by the run itself."""
    return {name: value for name, value in ctx.environment().items() if name.startswith(OURS)}


def fill(ctx: Context, value: T, roots: Roots) -> T:
    """Fill in a string, or all strings of a list or mapping; other values become text."""
    return _filled(ctx, value, roots)  # type: ignore[no-any-return]


def _filled(ctx: Context, value: Any, roots: Roots) -> Any:
    if isinstance(value, str):
        return _text(ctx, value, roots) if "$" in value else value
    if isinstance(value, Mapping):
        return {_filled(ctx, key, roots): _filled(ctx, inner, roots) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_filled(ctx, inner, roots) for inner in value)
    return value


def _text(ctx: Context, template: str, roots: Roots) -> str:
    try:
        bound: object = ctx.bind(template, **roots)
    except LimitReached:
        raise
    except CannotTell as error:
        if any(path[0] in roots for path in expressions.names_in(template)):
            raise UsageError(f"the system's settings use {template!r}: {error}") from error
        raise
    return str(bound) if isinstance(bound, str | bool | int | float) else expressions.as_text(bound)
