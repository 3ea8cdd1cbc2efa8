"""Kubernetes' API: any kind of object, read, applied, deleted and watched.

The client `kubernetes-asyncio` reads the kubeconfig, authenticates and holds the connections. Everything above is plain
objects (`dict`) of the kinds that the API server itself names.
"""

from __future__ import annotations

from seatrial.links.kubernetes.access import Access, HoldsCluster, connect, shared
from seatrial.links.kubernetes.answers import (
    ApiAway,
    ApiRefused,
    Conflict,
    Expired,
    Listing,
    MissingRight,
    NoSuchKind,
    NoSuchObject,
    Object,
)
from seatrial.links.kubernetes.cluster import Cluster
from seatrial.links.kubernetes.kinds import Kind
from seatrial.links.kubernetes.watch import Watch

__all__ = [
    "Access", "ApiAway", "ApiRefused", "Cluster", "Conflict", "Expired", "HoldsCluster", "Kind", "Listing",
    "MissingRight", "NoSuchKind", "NoSuchObject", "Object", "Watch", "connect", "shared",
]  # fmt: skip
