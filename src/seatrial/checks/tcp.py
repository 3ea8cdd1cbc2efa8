"""Whether a port is open, or closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.errors import LinkDown
from seatrial.model.result import Observation, failed, passed
from seatrial.model.values import Duration
from seatrial.registry import check
from seatrial.spi import Context

_ALLOWED = "allowed: HOST:PORT, like 127.0.0.1:5432 or [::1]:5432"


@check("tcp")
@dataclass(frozen=True, kw_only=True)
class Tcp:
    """A port takes connections: `tcp:127.0.0.1:5432`; with `closed: true`, it must not."""

    address: str = ""
    """`HOST:PORT`."""
    host: str = "127.0.0.1"
    """With `port`, instead of `address`."""
    port: int = 0
    """1 to 65535."""
    closed: bool = False
    """Nobody must answer there."""
    timeout: Duration = Duration(5.0)
    """How long the connection may take."""

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        """Read `:<host>:<port>`."""
        if not rest.startswith(":"):
            raise ValueError(f"{rest!r} names no address; allowed: tcp:HOST:PORT, like tcp:127.0.0.1:5432")
        return {"address": rest[1:]}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        """Either an address, or a port; a mistake in one is found before anything runs."""
        if self.address and self.port:
            yield "port", "`address` has a port already: keep one of the two"
        try:
            self.where()
        except ValueError as error:
            yield "address" if self.address else "port", str(error)

    def where(self) -> tuple[str, int]:
        """Host and port; ValueError when there are none."""
        host, number = self.host, str(self.port)
        if self.address:
            host, _, number = self.address.rpartition(":")
            if not host or (":" in host and not (host.startswith("[") and host.endswith("]"))):
                raise ValueError(f"{self.address!r} is no address; {_ALLOWED}")
        if not (number.isascii() and number.isdigit() and 0 < int(number) < 65536):
            raise ValueError(f"{number!r} is no port: 1 to 65535; {_ALLOWED}")
        return host.strip("[]"), int(number)

    async def observe(self, ctx: Context) -> Observation:
        """Connect once."""
        host, port = self.where()
        return await observe_port(host, port, closed=self.closed, timeout=self.timeout)


async def observe_port(host: str, port: int, *, closed: bool, timeout: float) -> Observation:
    """Connect once; CannotTell when we could not even ask."""
    from seatrial.links.tcp import reach

    expected = "closed" if closed else "open"
    try:
        await reach(host, port, timeout=timeout)
    except LinkDown as error:
        return (passed if closed else failed)("closed", expected, str(error))
    return (failed if closed else passed)("open", expected, f"{host}:{port} takes connections")
