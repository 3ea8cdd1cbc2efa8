"""What can be refused before anything is spent, such as missing files and an ambiguous kubeconfig."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from seatrial.links.kubernetes.deploying import problems as deploying
from seatrial.links.kubernetes.deploying.problems import Problem, plain
from seatrial.links.kubernetes.selectors import Selector
from seatrial.systems.kubernetes.settings import KubernetesSettings


def problems(settings: KubernetesSettings, folder: Path, environment: Mapping[str, str]) -> Iterable[Problem]:
    """Each as a path below `system:`, a message and a hint."""
    yield from deploying.problems(settings, folder, environment)
    if settings.namespace and not settings.nodes:
        yield (
            ("namespace",),
            f"other pods may be in the namespace {settings.namespace!r}, and nothing says which are nodes",
            "write `nodes:` with a label selector, such as `nodes: app=shop`",
        )
    try:
        Selector("" if not plain(settings.nodes) else settings.nodes)
    except ValueError as error:
        yield ("nodes",), str(error), ""
    yield from _of_forwards(settings)


def _of_forwards(settings: KubernetesSettings) -> Iterable[Problem]:
    from seatrial.links.kubernetes.forwarding import target

    for name, forward in settings.forwards.items():
        try:
            if plain(forward.to):
                target(forward.to)
        except ValueError as error:
            yield ("forwards", name, "to"), str(error), ""
