"""Downloads of logs and archives: another origin, by signed addresses valid for a minute.

Like github.com's storage, it refuses requests with a token: a client must leave it out when it follows a redirect. An
Enterprise server's own storage accepts it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from seatrial_stand_ins.github.answer import Answer
from seatrial_stand_ins.github.records import Artifact
from seatrial_stand_ins.github.spoiling import made_up

PATH = "/_storage/"
HOLDS_FOR = 60.0


@dataclass(slots=True)
class Storage:
    """The current downloads."""

    origin: str
    """`http://127.0.0.1:Q`"""
    refuses_tokens: bool = True
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _kept: dict[str, bytes | Artifact] = field(default_factory=dict)

    def put(self, name: str, content: bytes | Artifact) -> str:
        """Keep it; its address."""
        self._kept[name] = content
        until = f"{time.time() + HOLDS_FOR:.3f}"
        return f"{self.origin}{PATH}{name}?se={until}&sig={self._signature(name, until)}"

    def put_artifact(self, artifact: Artifact) -> str:
        """The same for an artifact; its content may be generated while sent."""
        return self.put(f"artifact-{artifact.artifact_id}.zip", artifact)

    def _signature(self, name: str, until: str) -> str:
        return hmac.new(self._key, f"{name} {until}".encode(), hashlib.sha256).hexdigest()

    def answer(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """The answer to a request for an address."""
        name = path.removeprefix(PATH)
        until, signature = query.get("se", ""), query.get("sig", "")
        if self.refuses_tokens and "authorization" in headers:
            return _xml(401, "InvalidAuthenticationInfo")
        # Reject every address without this server's own signature.
        if not hmac.compare_digest(signature, self._signature(name, until)) or float(until) < time.time():
            return _xml(403, "AuthenticationFailed")
        content = self._kept[name]
        kind = {"content-type": "text/plain; charset=utf-8" if name.endswith(".txt") else "application/zip"}
        if isinstance(content, bytes):
            return Answer(content=content, headers=kind)
        named = {**kind, "content-disposition": f'attachment; filename="{content.name}.zip"'}
        if content.served is not None:
            length = {"content-length": str(content.served)} if content.tells_length else {}
            return Answer(stream=made_up(content.served), headers={**named, **length})
        if content.cut_at is not None:
            length = {"content-length": str(len(content.content))}
            return Answer(stream=iter([content.content[: content.cut_at]]), headers={**named, **length}, cut=True)
        return Answer(content=content.content, headers=named)


def _xml(status: int, code: str) -> Answer:
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code></Error>'
    return Answer(status=status, content=text.encode(), headers={"content-type": "application/xml"})
