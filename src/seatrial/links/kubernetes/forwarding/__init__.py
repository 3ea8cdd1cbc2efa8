"""Port-forwards through the API server that follow their target: `targets` says which pods belong to it, `forward`
carries the connections."""

from __future__ import annotations

from seatrial.links.kubernetes.forwarding.forward import Forward
from seatrial.links.kubernetes.forwarding.targets import NoTarget, Target, target

__all__ = ["Forward", "NoTarget", "Target", "target"]
