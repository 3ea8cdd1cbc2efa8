"""Containers that another program made: a compose tool, a playbook, a script."""

from __future__ import annotations

from dataclasses import replace

from seatrial.errors import ToolMissing
from seatrial.links.connection import engine_of
from seatrial.links.containers.engines import detail_of
from seatrial.model.resource import ENGINES, Node


def adopted(node: Node) -> Node:
    """The node with what the powers need, if its way in is an engine's exec; else unchanged."""
    connection = node.connection
    if connection is None or connection.kind not in ENGINES:
        return node
    try:
        engine = engine_of(connection)
    except ToolMissing:
        return node
    return replace(node, adopted=True, detail={**node.detail, **detail_of(engine), "container": connection.target})
