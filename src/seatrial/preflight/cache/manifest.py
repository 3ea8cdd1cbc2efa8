"""The dependencies of a check's result, part by part; their hash is the key of the result."""

from __future__ import annotations

import json
from collections.abc import Mapping

from seatrial.preflight.cache.hashes import digest

FORMAT = 2
"""The version of the cache format; a new number invalidates all stored results."""

Manifest = Mapping[str, Mapping[str, str]]
"""Parts (`files`, `variables`, …), each with names and digests; plain JSON."""

SAID: Mapping[str, str] = {
    "files": "{name}",
    "variables": "the variable {name}",
    "surroundings": "the environment variable {name}",
    "secrets": "the secret {name}",
    "tools": "the output of `{name}`",
    "programs": "{name}",
    "needs": "the result of {name}",
    "disk": "the artifact of {name} in the sources",
    "command": "{name}",
    "place": "{name}",
}
"""The words for a part."""

LISTED = 3
"""Most changes listed of one part."""


def key_of(manifest: Manifest) -> str:
    """The key of a result in the store."""
    return digest(json.dumps([FORMAT, manifest], sort_keys=True, separators=(",", ":")).encode())


def changes(before: Manifest, now: Manifest) -> list[str]:
    """The differences, in words; empty: none."""
    told: list[str] = []
    for part, said in SAID.items():
        old, new = before.get(part, {}), now.get(part, {})
        if old == new:
            continue
        lines = [
            said.format(name=name) + (" is gone" if name not in new else " is new" if name not in old else " changed")
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        ]
        told += lines[:LISTED]
        if len(lines) > LISTED:
            told.append(f"{len(lines) - LISTED} more of its {part}")
    return told
