"""Cut Google's description of Compute Engine down to the methods of the stand-in: python3 -m scripts.gcp_discovery

Takes `compute.v1.json` from the PyPI package google-api-python-client (by `pip download`, or `--document FILE`), keeps
the served methods with every schema that they refer to, and drops texts. The package's licence is kept beside it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent.parent / "packages" / "stand-ins" / "src" / "seatrial_stand_ins" / "gcp"
PACKAGE = "google-api-python-client"
DOCUMENT = "googleapiclient/discovery_cache/documents/compute.v1.json"
DROPPED = ("description", "enumDescriptions", "enumDeprecated", "annotations", "deprecated", "scopes", "flatPath")
HEAD = ("kind", "id", "name", "version", "revision", "basePath", "servicePath", "parameters")

OPERATIONS = ("get", "list", "wait")
METHODS = {
    "addresses": ("aggregatedList", "delete", "get", "insert", "list"),
    "disks": ("aggregatedList", "delete", "get", "insert", "list", "setLabels"),
    "firewalls": ("delete", "get", "insert", "list"),
    "globalOperations": OPERATIONS,
    "images": ("get", "getFromFamily", "list"),
    "instances": (
        "aggregatedList", "delete", "get", "getGuestAttributes", "getSerialPortOutput", "insert", "list", "reset",
        "setLabels", "setMetadata", "start", "stop",
    ),
    "machineTypes": ("get", "list"),
    "networks": ("delete", "get", "insert", "list"),
    "projects": ("get",),
    "regionOperations": OPERATIONS,
    "regions": ("get", "list"),
    "zoneOperations": OPERATIONS,
    "zones": ("get", "list"),
}  # fmt: skip


def published(folder: Path) -> tuple[Any, str]:
    """The document of the newest package, and its licence."""
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
    subprocess.run(argv, check=True, timeout=300)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        licence = next(name for name in wheel.namelist() if name.endswith("LICENSE"))
        return json.loads(wheel.read(DOCUMENT)), wheel.read(licence).decode()


def slim(node: Any, *, names: bool = False) -> Any:
    """Without texts; `names`: the keys are names of properties, perhaps called the same."""
    if isinstance(node, list):
        return [slim(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: slim(value, names=not names and key in ("properties", "parameters", "schemas"))
        for key, value in node.items()
        if names or key not in DROPPED
    }


def references(node: Any) -> set[str]:
    """The names of all schemas in it."""
    if isinstance(node, list):
        return set().union(*map(references, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return own.union(*map(references, node.values())) if node else own


def cut(whole: dict[str, Any]) -> dict[str, Any]:
    """The served part."""
    resources = {
        name: {"methods": {method: slim(whole["resources"][name]["methods"][method]) for method in methods}}
        for name, methods in METHODS.items()
    }
    schemas: dict[str, Any] = {}
    missing = references(resources)
    while missing:
        for name in missing:
            schemas[name] = slim(whole["schemas"][name])
        missing = references(schemas) - set(schemas)
    head = {key: slim(whole[key], names=key == "parameters") for key in HEAD}
    return {**head, "resources": resources, "schemas": dict(sorted(schemas.items()))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--document", type=Path, help="a downloaded compute.v1.json")
    given = parser.parse_args()
    if given.document:
        whole = json.loads(given.document.read_text())
    else:
        with tempfile.TemporaryDirectory() as folder:
            whole, licence = published(Path(folder))
        (HOME / "compute.v1.LICENSE").write_text(licence)
    text = json.dumps(cut(whole), separators=(",", ":"), sort_keys=True)
    (HOME / "compute.v1.json").write_text(text + "\n")
    print(f"revision {whole['revision']}: {len(text) // 1024} KiB")


if __name__ == "__main__":
    main()
