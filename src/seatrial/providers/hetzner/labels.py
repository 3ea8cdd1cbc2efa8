"""Labels of Hetzner: letters, digits and `-_.`, never one of these at an end, 63 characters at most."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.providers.clouds.tags import Tagging

FIRST, LAST = "z.", ".z"
"""Around a value that begins or ends with another character; no other value has a dot."""


class Labels(Tagging):
    """The labels of the shape, and back."""

    def write(self, labels: Mapping[str, str]) -> dict[str, str]:
        return {key: _wrapped(value) for key, value in super().write(labels).items()}

    def read(self, tags: Mapping[str, str], name: str) -> str:
        return super().read({key: value.removeprefix(FIRST).removesuffix(LAST) for key, value in tags.items()}, name)


def _wrapped(value: str) -> str:
    return value if value[:1].isalnum() and value[-1:].isalnum() else f"{FIRST}{value}{LAST}"


LABELS = Labels(plain="a-zA-Z0-9-", longest=59)


def selector(tags: Mapping[str, str]) -> str:
    """Labels as a label selector; an empty value: only the key."""
    return ",".join(f"{key}=={value}" if value else key for key, value in tags.items())
