"""A compose file in a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence

from seatrial.spi import Recognised


def recognised(files: Sequence[str], way: str) -> Recognised | None:
    """The files of a folder that compose itself takes; None: there are none."""
    if not files:
        return None
    paths = [f"{way}/{name}" for name in files]
    lines = [
        f"files: {json.dumps(paths)}",
        "# health: {SERVICE: {tcp: 5432}} # how a service without a healthcheck is asked: `http`, `tcp` or `command`",
    ]
    return Recognised(files=tuple(files), settings="\n".join(lines) + "\n", suite="provider: containers\n")
