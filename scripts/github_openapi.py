"""Cut GitHub's API description down to the operations of the GitHub stand-in: python3 -m scripts.github_openapi

Takes the npm package @octokit/openapi (by `npm pack`, or `--package FOLDER` of an unpacked one), keeps the served
operations with everything their answers refer to, and drops texts and examples. The package's licence is kept beside
it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "src" / "seatrial" / "testing" / "github"
PACKAGE = "@octokit/openapi"
CHANGES = "x-github-breaking-changes"
DROPPED = (
    "discriminator",
    "description",
    "summary",
    "example",
    "examples",
    "externalDocs",
    "headers",
    "title",
    "deprecated",
    "tags",
)


def unpacked(folder: Path) -> Path:
    """The newest package, in a folder."""
    done = subprocess.run(
        ["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, capture_output=True, text=True, timeout=300
    )
    with tarfile.open(folder / done.stdout.strip()) as packed:
        packed.extractall(folder, filter="data")
    return folder / "package"


def slim(node: Any, *, names: bool = False) -> Any:
    """Without texts and examples; `names`: the keys are names of properties, perhaps called the same."""
    if isinstance(node, list):
        return [slim(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept: dict[str, Any] = {}
    for key, value in node.items():
        if not names and (key in DROPPED or (key.startswith("x-") and key != CHANGES)):
            continue
        if key == CHANGES and not names:
            kept[key] = [{"version": change["version"], "patch": slim(change["patch"])} for change in value]
        else:
            kept[key] = slim(value, names=key in ("properties", "responses", "schemas", "paths") and not names)
    # Many enumerations and choices lack the null meant by their `nullable`.
    if not names and kept.get("nullable") and None not in kept.get("enum", [None]):
        kept["enum"] = [*kept["enum"], None]
    for choice in ("oneOf", "anyOf"):
        if not names and kept.get("nullable") and choice in kept:
            kept[choice] = [*kept[choice], {"nullable": True, "enum": [None]}]
    return kept


def references(node: Any) -> set[str]:
    """Every `#/components/…` in it."""
    if isinstance(node, list):
        return set().union(*map(references, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
    return own.union(*map(references, node.values())) if node else own


def cut(whole: dict[str, Any], operations: list[tuple[str, str]]) -> dict[str, Any]:
    """The description with these operations only."""
    paths: dict[str, Any] = {}
    for method, template in operations:
        operation = whole["paths"][template][method.lower()]
        kept = {key: operation[key] for key in ("responses", CHANGES) if key in operation}
        paths.setdefault(template, {})[method.lower()] = slim(kept)
    for changes in [
        one for path in paths.values() for operation in path.values() for one in operation.get(CHANGES, [])
    ]:
        if isinstance(changes["patch"], list):
            changes["patch"] = [one for one in changes["patch"] if one["path"].startswith("/responses/")]
            changes["patch"] = [one for one in changes["patch"] if not one["path"].endswith("/description")]
    components: dict[str, dict[str, Any]] = {"schemas": {}}
    wanted = references(paths) | {"#/components/schemas/basic-error"}
    while wanted:
        reference = wanted.pop()
        _, _, kind, name = reference.split("/")
        if name in components.setdefault(kind, {}):
            continue
        components[kind][name] = slim(whole["components"][kind][name])
        wanted |= references(components[kind][name])
    about = {"title": "GitHub's REST API, cut down", "version": whole["info"]["version"], "license": {"name": "MIT"}}
    return {"openapi": whole["openapi"], "info": about, "paths": paths, "components": components}


def main() -> None:
    """Write the cut and the licence."""
    from seatrial_stand_ins.github.endpoints import ENDPOINTS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--package", type=Path, help="a folder with the unpacked package")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        package: Path = options.package or unpacked(Path(scratch))
        whole = json.loads((package / "generated" / "api.github.com.json").read_text("utf-8"))
        made = cut(whole, [(one.method, one.template) for one in ENDPOINTS])
        text = json.dumps(made, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        (HOME / "openapi.json").write_text(text + "\n", "utf-8")
        (HOME / "openapi.LICENSE").write_text((package / "LICENSE").read_text("utf-8"), "utf-8")
    print(
        f"{len(made['paths'])} paths of {PACKAGE} {whole['info']['version']}: {len(text) // 1024} KiB", file=sys.stderr
    )


if __name__ == "__main__":
    main()
