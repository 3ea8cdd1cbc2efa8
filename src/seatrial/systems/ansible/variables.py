"""Extra variables for Ansible: data of the run is never a template there, and secrets are in a private file only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TEMPLATE = ("{{", "{%", "{#")


@contextmanager
def private_file(file: Path, values: Mapping[str, Any], data: tuple[str, ...]) -> Iterator[Path]:
    """Write the variables to a file that only this user can read; it is removed at the end of the block. `data` names
    those whose texts are not Ansible's templates."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            if not values:
                stream.write("{}\n")  # Ansible refuses an empty file
            for name, value in values.items():
                stream.write(f"{json.dumps(name)}: {_yaml(value, name in data)}\n")
        yield file
    finally:
        file.unlink(missing_ok=True)


def _yaml(value: object, data: bool) -> str:
    """A value in YAML's flow style, which is JSON with tags."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(key))}: {_yaml(inner, data)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_yaml(inner, data) for inner in value) + "]"
    if isinstance(value, bool | int | float) or value is None:
        return json.dumps(value)
    text = str(value)
    unsafe = "!unsafe " if data and any(mark in text for mark in _TEMPLATE) else ""
    return unsafe + json.dumps(text)
