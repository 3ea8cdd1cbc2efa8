"""The answer to a request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_NOTHING = object()


@dataclass(slots=True, kw_only=True)
class Answer:
    """An HTTP answer."""

    status: int = 200
    json: Any = _NOTHING
    content: bytes = b""
    stream: Iterator[bytes] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """Close the connection after this body, although more was announced."""

    @property
    def is_json(self) -> bool:
        """Whether the description of the API covers it."""
        return self.json is not _NOTHING

    def body(self) -> bytes:
        """The bytes of it."""
        return json.dumps(self.json).encode() if self.is_json else self.content
