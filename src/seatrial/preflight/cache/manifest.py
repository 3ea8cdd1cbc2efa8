"""What the result of a check depends on, part by part; its hash is the key of the result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from seatrial.preflight.cache.hashes import digest

FORMAT = 1
"""The format of pipelines and of what is kept of them: another number, and nothing that was kept before counts."""

Manifest = Mapping[str, Mapping[str, str]]
"""Parts (`files`, `variables`, …), each a name to what stands for its value; JSON as it is."""

SAID: Mapping[str, str] = {
    "files": "{name}",
    "variables": "the variable {name}",
    "surroundings": "the variable {name} around it",
    "secrets": "the secret {name}",
    "tools": "what `{name}` says",
    "programs": "the program {name}",
    "needs": "what {name} made",
    "command": "{name}",
    "place": "{name}",
}
"""How a part is told."""

LISTED = 3
"""Changes of one part that are told one by one."""


def key_of(manifest: Manifest) -> str:
    """The key under which a result is kept."""
    return digest(json.dumps([FORMAT, manifest], sort_keys=True, separators=(",", ":")).encode())


def changes(before: Manifest, now: Manifest) -> list[str]:
    """What is different, in words; empty: nothing."""
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


def as_manifest(held: Any) -> Manifest | None:
    """A manifest that was kept; None when it is none."""
    if not isinstance(held, dict) or not all(isinstance(part, dict) for part in held.values()):
        return None
    return {str(name): {str(key): str(value) for key, value in part.items()} for name, part in held.items()}
