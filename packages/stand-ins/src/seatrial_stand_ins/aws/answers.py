"""EC2's answers in XML: instances found and changed in them, and refusals."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from xml.etree import ElementTree
from xml.sax.saxutils import escape

SPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
"""The code of each state."""


class Answer:
    """One answer of moto."""

    def __init__(self, text: bytes) -> None:
        ElementTree.register_namespace("", SPACE)
        self._root = ElementTree.fromstring(text)

    def instances(self) -> list[str]:
        """The identifiers of its instances."""
        return [self._text(item, "instanceId") for item in self._items()]

    def hide(self, hidden: Callable[[str], bool]) -> None:
        """Leave out instances."""
        for parent in self._root.iter():
            for item in list(parent):
                if hidden(self._text(item, "instanceId")):
                    parent.remove(item)

    def show(self, id: str, state: str, address: str, reason: str) -> None:
        """Give an instance this state, address and reason."""
        for item in self._items():
            if self._text(item, "instanceId") != id:
                continue
            for name in ("instanceState", "currentState"):
                if (shown := self._child(item, name)) is not None:
                    self._put(shown, "name", state)
                    self._put(shown, "code", str(CODES[state]))
            if self._child(item, "instanceState") is None:
                continue
            for name in ("privateIpAddress", "ipAddress"):
                self._put(item, name, address)
            for element in item.iter():
                if element.tag.endswith("}privateIpAddress"):
                    element.text = address
            if reason:
                self._put(item, "reason", reason)
                why = self._child(item, "stateReason")
                if why is not None:
                    self._put(why, "code", reason.partition(":")[0])
                    self._put(why, "message", reason)

    def text(self) -> bytes:
        text: bytes = ElementTree.tostring(self._root, encoding="utf-8", xml_declaration=True)
        return text

    def _items(self) -> Iterator[ElementTree.Element]:
        for element in self._root.iter():
            states = (self._child(element, name) for name in ("instanceState", "currentState"))
            if self._child(element, "instanceId") is not None and any(state is not None for state in states):
                yield element

    def _child(self, item: ElementTree.Element, name: str) -> ElementTree.Element | None:
        return next((child for child in item if child.tag.rpartition("}")[2] == name), None)

    def _text(self, item: ElementTree.Element, name: str) -> str:
        child = self._child(item, name)
        return (child.text or "") if child is not None else ""

    def _put(self, item: ElementTree.Element, name: str, text: str) -> None:
        child = self._child(item, name)
        if child is None:
            space = item.tag.rpartition("}")[0]
            child = ElementTree.SubElement(item, f"{space}}}{name}" if space else name)
        child.text = text


def refusal(code: str, message: str) -> str:
    """An error as EC2 says it."""
    error = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    body = f"<Response><Errors>{error}</Errors><RequestID>{secrets.token_hex(16)}</RequestID></Response>"
    return f'<?xml version="1.0" encoding="UTF-8"?>{body}'
