"""The embedded sample as settings of the system `processes`: the default system under test."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_NODE = "http://${{ node.address }}:${{ node.ports.client }}"
_ARGUMENTS = (
    *("-m", "seatrial.sample.service"),
    *("--name", "${{ node.name }}"),
    *("--listen", "${{ node.address }}:${{ node.ports.client }}"),
    *("--admin", "${{ node.address }}:${{ node.ports.admin }}"),
    *("--peers", "${{ cluster.peers }}"),
    *("--data", "${{ node.folder }}/data"),
)
_THERE = "${{ node.folder }}/python"
_HERE = Path(__file__).parents[2] / "sample"
_MODULES = ("__init__", "http", "replication", "service", "store")

SAMPLE: Mapping[str, object] = {
    "kind": "processes",
    "ports": {"client": 0, "admin": 0},
    "peer": "${{ node.name }}=" + _NODE,
    "service": {
        "command": [sys.executable, *_ARGUMENTS],
        # If this Seatrial was found by the path alone, its sample must be found in the same way.
        "env": {name: os.environ[name] for name in ("PYTHONPATH",) if os.environ.get(name)},
        # It needs nothing but Python's own library: any node with Python can run it.
        "elsewhere": {
            # An emulated machine is slow, and requests of its peers are most of its work.
            "command": ["python3", *_ARGUMENTS, "--pace", "3"],
            "env": {"PYTHONPATH": _THERE, "PYTHONDONTWRITEBYTECODE": "1"},
            "needs": ["python3", "-c", "import asyncio, fcntl, json, zlib"],
            "files": {str(_HERE / f"{name}.py"): f"{_THERE}/seatrial/sample/{name}.py" for name in _MODULES},
        },
        # A suite need not have the parameter: without it the sample behaves.
        "parameter_flags": {"misbehave": "--misbehave"},
        "stop_timeout": 3,
    },
    "health": {"http": _NODE + "/health", "timeout": 4},
    # A read with a majority behind it; the record may be missing.
    "proof": {"http": _NODE + "/records/seatrial-proof", "status": [200, 404], "timeout": 4},
    "rule": "majority",
    "leader": {"http": _NODE + "/leader", "name": "json.leader"},
    "admin": "http://${{ node.address }}:${{ node.ports.admin }}/",
    "data": {
        "write": {
            "http": {
                "method": "PUT",
                "url": _NODE + "/records/${{ record.key }}",
                "body": "${{ record.value }}",
                "status": [201],
            }
        },
        "read": {"http": {"url": _NODE + "/records/${{ record.key }}", "status": [200]}},
    },
}
"""Like a document's mapping under `system:`; `kind` names the system's class."""
