"""A chart, a kustomization or manifests in a folder."""

from __future__ import annotations

from pathlib import Path

from seatrial.links.kubernetes.deploying import manifests
from seatrial.spi import Recognised

FOLDERS = ("", "k8s", "kubernetes", "manifests", "deploy", "chart", "charts", "config/default")
CONTEXT = "# context: NAME # the context of your kubeconfig; needed unless it has only one\n"


def recognised(folder: Path, way: str) -> Recognised | None:
    """The first of a chart, a kustomization and manifests in the folder itself or in one of the usual names below."""
    places = [(name, folder / name) for name in FOLDERS if (folder / name).is_dir()]
    charts = [(f"{name}/{one.name}" if name else one.name, one) for name, place in places for one in _below(place)]
    for name, place in [*places, *charts]:
        if (place / "Chart.yaml").is_file():
            return _found(name, "Chart.yaml", f"charts: [{{chart: {_path(way, name)}}}]\n")
    for name, place in places:
        if found := next((one for one in manifests.KUSTOMIZATIONS if (place / one).is_file()), ""):
            return _found(name, found, f"kustomize: {_path(way, name)}\n")
    for name, place in places:
        if found := next((one.name for one in sorted(place.glob("*.y*ml")) if _is_manifest(one)), ""):
            if name:
                return _found(name, found, f"manifests: [{_path(way, name)}]\n")
            return _found(name, found, f"manifests: [{_path(way, found)}]\n")
    return None


def _found(name: str, file: str, settings: str) -> Recognised:
    return Recognised(files=(f"{name}/{file}" if name else file,), settings=settings + CONTEXT, suite="")


def _below(place: Path) -> list[Path]:
    return [one for one in sorted(place.iterdir()) if one.is_dir()] if place.name in ("chart", "charts") else []


def _path(way: str, name: str) -> str:
    return f"{way}/{name}" if name else way


def _is_manifest(file: Path) -> bool:
    """Whether all its documents are objects of Kubernetes."""
    try:
        text = file.read_text(encoding="utf-8")
        return "apiVersion:" in text and "kind:" in text and bool(manifests.parse(text, file.name))
    except (OSError, ValueError, UnicodeDecodeError):
        return False
