"""Labels as a vendor writes them: some clouds allow a few characters only, and short values."""

from __future__ import annotations

import re
from collections.abc import Mapping

from seatrial.model.frozen import frozen

RUN, TRIAL, NODE = "seatrial.run", "seatrial.trial", "seatrial.node"


@frozen
class Tagging:
    """How labels become the vendor's tags, and back. Without `plain`: as they are."""

    plain: str = ""
    """The allowed characters, as those of a class of a regular expression: `a-z0-9-`; others become `_` and two digits
    of each byte. Without `_`, and with `-`: `seatrial.run` becomes `seatrial-run`."""
    longest: int = 255
    """Characters of a value; the rest of a longer one is in further tags: `seatrial-project-2`, …"""

    def key(self, name: str) -> str:
        """A label's name."""
        if not self.plain:
            return name
        head = "seatrial."
        return f"seatrial-{self._out(name.removeprefix(head))}" if name.startswith(head) else self._out(name)

    def write(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Labels as tags; those without a value are left out."""
        tags: dict[str, str] = {}
        for name, value in labels.items():
            text, key = (self._out(value) if self.plain else value), self.key(name)
            pieces = [text[at : at + self.longest] for at in range(0, len(text), self.longest)]
            tags |= {key if number == 1 else f"{key}-{number}": piece for number, piece in enumerate(pieces, 1)}
        return tags

    def read(self, tags: Mapping[str, str], name: str) -> str:
        """The value of a label; empty: none."""
        key, number = self.key(name), 1
        text = tags.get(key, "")
        while text and (more := tags.get(f"{key}-{(number := number + 1)}")):
            text += more
        return self._in(text) if self.plain else text

    def _out(self, text: str) -> str:
        def escaped(match: re.Match[str]) -> str:
            return "".join(f"_{byte:02x}" for byte in match[0].encode())

        return re.sub(f"[^{self.plain}]", escaped, text)

    def _in(self, text: str) -> str:
        raw = re.sub(rb"_([0-9a-f]{2})", lambda match: bytes.fromhex(match[1].decode()), text.encode())
        return raw.decode(errors="replace")


def carries(own: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether a thing's tags have all wanted ones (an empty value: this key)."""
    return all(key in own and (not value or own[key] == value) for key, value in wanted.items())
