"""Whether a port is open or closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from seatrial.errors import LinkDown
from seatrial.model.result import Observation, failed, passed
from seatrial.model.values import Timeout
from seatrial.registry import check
from seatrial.spi import Context
from seatrial.spi.check import is_ours

_ALLOWED = "allowed: HOST:PORT, like 127.0.0.1:5432 or [::1]:5432"


@check("tcp")
@dataclass(frozen=True, kw_only=True)
class Tcp:
    """A port accepts connections: `tcp:127.0.0.1:5432`; with `closed: true`, it must not."""

    address: str = ""
    """`HOST:PORT`."""
    host: str = "127.0.0.1"
    """With `port`, instead of `address`."""
    port: int = 0
    """1 to 65535."""
    closed: bool = False
    """The port must be closed."""
    timeout: Timeout = Timeout(5.0)
    """Time limit for the connection."""

    text_pattern: ClassVar[str] = ":.+"

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        if not rest.startswith(":"):
            raise ValueError(f"missing address in {rest!r}; allowed: tcp:HOST:PORT, like tcp:127.0.0.1:5432")
        return {"address": rest[1:]}

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if self.address and self.port:
            yield "port", "`address` already has a port: use `address` or `port`"
        try:
            self.where()
        except ValueError as error:
            yield "address" if self.address else "port", str(error)

    def where(self) -> tuple[str, int]:
        """Host and port; ValueError if invalid."""
        host, number = self.host, str(self.port)
        if self.address:
            host, _, number = self.address.rpartition(":")
            if not host or (":" in host and not (host.startswith("[") and host.endswith("]"))):
                raise ValueError(f"invalid address {self.address!r}; {_ALLOWED}")
        if not (number.isascii() and number.isdigit() and 0 < int(number) < 65536):
            raise ValueError(f"invalid port {number!r}, must be 1 to 65535; {_ALLOWED}")
        return host.strip("[]"), int(number)

    def asks_others(self, ctx: Context) -> bool:
        return not is_ours(ctx, self.where()[0])

    async def observe(self, ctx: Context) -> Observation:
        host, port = self.where()
        return await observe_port(host, port, closed=self.closed, timeout=self.timeout)


async def observe_port(host: str, port: int, *, closed: bool, timeout: float) -> Observation:
    """Connect once; CannotTell if the connection could not be tried."""
    from seatrial.links.tcp import reach

    expected = "closed" if closed else "open"
    try:
        await reach(host, port, timeout=timeout)
    except LinkDown as error:
        return (passed if closed else failed)("closed", expected, str(error))
    return (failed if closed else passed)("open", expected, f"{host}:{port} takes connections")
