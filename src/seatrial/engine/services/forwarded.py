"""Which cluster the port-forward of a service leads to: the same one for all runs that share it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell


def located(
    name: str, forward: Mapping[str, Any], folder: Path, environment: Mapping[str, str]
) -> tuple[dict[str, Any], str]:
    """The forward with the paths of its kubeconfig and with its context, and a text by which its cluster is known.
    CannotTell when nobody chose a cluster."""
    from seatrial.links.kubernetes.deploying import access

    try:
        kubeconfig = access.located(str(forward["kubeconfig"]), folder)
        place = access.chosen(kubeconfig, str(forward["context"]), environment)
        known = access.known_by(place)
    except CannotTell as error:
        raise CannotTell(f"the service {name}: {error}") from None
    return {**forward, "kubeconfig": place.kubeconfig, "context": place.context}, known
