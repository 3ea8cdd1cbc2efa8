"""Whether nodes refuse an SSH key, for example a replaced one, or accept it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from seatrial.checks.per_node import OnEachNode, on_each
from seatrial.errors import CannotTell, LinkDown, LinkLost
from seatrial.model.resource import Node
from seatrial.model.result import Observation, failed, passed, unknown
from seatrial.model.values import Timeout
from seatrial.registry import check
from seatrial.spi import Context

_TEXT = re.compile(r"(?:\[(?P<on>[^\]]+)\])?:(?P<key>.+?)\s*==\s*(?P<login>refused|accepted)")


@check("ssh_key")
@dataclass(frozen=True, kw_only=True)
class SshKey(OnEachNode):
    """A login with a key is refused or accepted: `ssh_key:keys/old==refused`, `ssh_key[n11]:keys/new==accepted`."""

    key: str
    """The file of the private key, relative to the document."""
    login: Literal["refused", "accepted"]
    """`refused` or `accepted`; without an answer from the node the result is unknown."""
    user: str = ""
    """The user to log in as; by default the user of the node's own link."""
    timeout: Timeout = Timeout(20.0)
    """Time limit for the login."""

    text_pattern: ClassVar[str] = _TEXT.pattern

    @classmethod
    def from_text(cls, rest: str) -> Mapping[str, Any]:
        """Read `:<key>==refused` or `==accepted`, with the nodes in brackets before it."""
        match = _TEXT.fullmatch(rest)
        if match is None:
            allowed = "ssh_key:keys/old==refused, ssh_key:keys/new==accepted"
            raise ValueError(f"incomplete text {rest!r}; allowed: {allowed}")
        return {key: value for key, value in match.groupdict().items() if value is not None}

    async def observe(self, ctx: Context) -> Observation:
        async def look(node: Node) -> Observation:
            try:
                seen = "accepted" if await self._let_in(ctx, node) else "refused"
            except (LinkDown, LinkLost) as error:
                if self.login == "accepted":
                    raise
                why = f"no answer, so the login was neither refused nor accepted: {error}"
                return unknown(why, self.login, "no answer")
            if seen == self.login:
                return passed(seen, self.login)
            return failed(seen, self.login, f"a login with the key {self.key} is {seen}, expected {self.login}")

        return await on_each(ctx, self.on, look, self.login)

    async def _let_in(self, ctx: Context, node: Node) -> bool:
        from seatrial.links.ssh import SSHLink

        if not node.ssh.get("host"):
            raise CannotTell(f"{node.name} has no SSH, so the key cannot be tried")
        door = {**node.ssh, "key": str(ctx.document_folder / self.key), "agent": False, "become": False}
        if self.user:
            door["user"] = self.user
        own = ctx.link(node)
        if isinstance(own, SSHLink) and own.known_host:  # another machine must not answer instead
            door["known_host"] = own.known_host
        link = SSHLink(Node(name=node.name, ssh=door), login_timeout=self.timeout)
        try:
            return await link.lets_in()
        finally:
            await link.close()
