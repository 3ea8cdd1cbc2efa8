"""What the files of a deployment say about the machines that it makes."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CONTAINERS = re.compile(r"""ansible_connection["']?\s*[:=]\s*["']?(?:[\w.]+\.)?(docker|podman)\b""")


def container_verbs(texts: Iterable[str]) -> list[str]:
    """The keys that stop and start one node, where an inventory (or what writes it) says that nodes are containers: the
    address of one is the container's name."""
    engine = next((found[1] for text in texts if (found := _CONTAINERS.search(text))), "")
    return [f'{verb}_node: [{engine}, {verb}, "${{{{ node.address }}}}"]' for verb in ("stop", "start") if engine]
