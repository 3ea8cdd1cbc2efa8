"""What can be refused before anything is spent: missing files, unreadable manifests, an ambiguous kubeconfig."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from seatrial.errors import CannotTell
from seatrial.links.kubernetes.deploying import access, manifests
from seatrial.model.chart import Chart

Problem = tuple[tuple[str, ...], str, str]
"""A path below what users wrote, a message and a hint."""


class Written(Protocol):
    """What users write of things for a cluster: a system's settings, or a service."""

    @property
    def manifests(self) -> Sequence[str]: ...
    @property
    def kustomize(self) -> str: ...
    @property
    def charts(self) -> Sequence[Chart]: ...
    @property
    def kubeconfig(self) -> str: ...
    @property
    def context(self) -> str: ...


def problems(written: Written, folder: Path, environment: Mapping[str, str]) -> Iterable[Problem]:
    """Of the files, and of the way to the cluster."""
    where = f"paths begin at {folder}"
    for number, name in enumerate(written.manifests):
        if plain(name):
            yield from _manifest(("manifests", str(number)), name, folder / name, where)
    if written.kustomize and plain(written.kustomize):
        path = folder / written.kustomize
        if not any((path / name).is_file() for name in manifests.KUSTOMIZATIONS):
            yield ("kustomize",), f"{written.kustomize!r} has no {manifests.KUSTOMIZATIONS[0]}", where
    for number, chart in enumerate(written.charts):
        place = ("charts", str(number))
        local = chart.chart.startswith((".", "/")) or chart.chart.endswith(".tgz")
        if plain(chart.chart) and local and not (folder / chart.chart).exists():
            yield (*place, "chart"), f"the chart {chart.chart!r} does not exist", where
        if (folder / chart.chart).is_dir() and not (folder / chart.chart / "Chart.yaml").is_file():
            yield (*place, "chart"), f"{chart.chart!r} is not a chart: it has no Chart.yaml", where
        for index, name in enumerate(chart.values):
            if plain(name) and not (folder / name).is_file():
                yield (*place, "values", str(index)), f"the file {name!r} does not exist", where
    yield from of_context(written.kubeconfig, written.context, folder, environment)


def _manifest(place: tuple[str, ...], name: str, path: Path, where: str) -> Iterable[Problem]:
    try:
        for file in manifests.files(path):
            manifests.read(file, name if file == path else f"{name.rstrip('/')}/{file.name}")
    except ValueError as error:
        text = str(error)
        yield place, text if text.startswith(name.rstrip("/")) else f"{name!r} {text}", where


def of_context(kubeconfig: str, context: str, folder: Path, environment: Mapping[str, str]) -> Iterable[Problem]:
    """Only of a kubeconfig that exists: a document may be checked where nobody reaches the cluster."""
    given = access.located(kubeconfig, folder) or environment.get("KUBECONFIG", "") or access.DEFAULT
    if not plain(given) or not plain(context):
        return
    try:
        names = access.contexts(given)
    except CannotTell as error:
        yield ("kubeconfig",), str(error), ""
        return
    if names is not None and (why := access.unclear(names, context)):
        yield ("context",), f"the kubeconfig {given} {why}", "Seatrial never uses whichever context is current"


def plain(text: str) -> bool:
    """Whether a text has no expression."""
    return "${{" not in text
