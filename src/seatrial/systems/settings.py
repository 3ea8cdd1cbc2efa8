"""Settings of several systems: the look at a node, and the records of `data_integrity`. Strings may hold templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seatrial.model.values import Argv, Duration, Expression

TWO, FIVE = Duration(2.0), Duration(5.0)
NONE = Expression("")


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One look at a node by exactly one of `http`, `tcp` or `command`."""

    http: str = ""
    """A URL."""
    method: str = "GET"
    """The HTTP method."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """HTTP headers to send."""
    body: str = ""
    """The body of the HTTP request."""
    status: tuple[int, ...] | int = 200
    """The HTTP status, or several, that count as well."""
    tcp: str | int = ""
    """The name or number of a port that has to take connections."""
    command: Argv = ()
    """A command on the node that has to end with 0."""
    that: Expression = NONE
    """CEL over `json`, `body` and `status` (`exit_code` for a command) that has to hold as well."""
    timeout: Duration = TWO
    """How long one answer may take."""

    def __post_init__(self) -> None:
        if sum(1 for one in (self.http, self.tcp, self.command) if one) != 1:
            raise ValueError("name exactly one of http (a URL), tcp (a port) and command")


@dataclass(frozen=True, kw_only=True)
class Request:
    """An HTTP request on a record."""

    url: str
    """The URL."""
    method: str = "GET"
    """The HTTP method."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """HTTP headers to send."""
    body: str = ""
    """The body of the request."""
    status: tuple[int, ...] | int = (200, 201, 204)
    """What acknowledges a write, or answers a read."""


@dataclass(frozen=True, kw_only=True)
class WriteSettings:
    """How one record is written: an HTTP request, or a command on the node that ends with 0 when it is acknowledged."""

    http: Request | None = None
    """A request; its status acknowledges the record."""
    command: Argv = ()
    """A command on the node; exit code 0 acknowledges the record."""

    def __post_init__(self) -> None:
        if (self.http is None) == (not self.command):
            raise ValueError("name exactly one of http and command")


@dataclass(frozen=True, kw_only=True)
class ReadSettings:
    """How one record is read back from a node."""

    http: Request | None = None
    """A request for the record."""
    command: Argv = ()
    """A command on the node that prints the record."""
    contains: str = "${{ record.value }}"
    """The record is there when the answer (or the output) contains this."""
    missing: tuple[int, ...] = (404, 410)
    """HTTP statuses that say that the record is not there; any other unexpected one says that it cannot be read."""

    def __post_init__(self) -> None:
        if (self.http is None) == (not self.command):
            raise ValueError("name exactly one of http and command")


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """How `data_integrity` writes its numbered records and reads them back."""

    write: WriteSettings
    """How to write one record."""
    read: ReadSettings
    """How to read one record back."""
    count: int = 5
    """Records that are written before each outage."""
    timeout: Duration = FIVE
    """For one record."""
