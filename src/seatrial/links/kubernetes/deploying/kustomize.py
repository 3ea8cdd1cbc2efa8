"""A kustomization, built by `kubectl kustomize`, and one of the document's own over files and another one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.errors import CannotTell, StepFailed, ToolMissing
from seatrial.links import process
from seatrial.links.kubernetes.deploying import manifests
from seatrial.links.kubernetes.deploying.manifests import Object
from seatrial.links.kubernetes.deploying.owner import Owner
from seatrial.links.output import end
from seatrial.links.process.spawned import supervised

BUILD = 120.0
"""Seconds; a kustomization may fetch remote bases."""

HEAD = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
PLACES = ("resources", "components", "configurations", "crds", "generators", "transformers", "validators")
"""Its keys with lists of paths."""
WITH_PATH = ("patches", "replacements")
GENERATORS = ("configMapGenerator", "secretGenerator")
OVERLAY = "overlay"


async def overlaid(owner: Owner, bases: Sequence[Path], keys: Mapping[str, Any], folder: Path) -> list[Object]:
    """The objects of these files and kustomizations with the keys of an overlay over them; its paths begin at `folder`.
    What it has, such as secrets, is in a file that this user alone may read."""
    place = owner.state / OVERLAY
    place.mkdir(mode=0o700, exist_ok=True)
    own = [_below(place, base) for base in bases]
    keys = _placed(keys, place, folder)
    text = json.dumps({**HEAD, **keys, "resources": [*own, *keys.get("resources", ())]})
    file = place / "kustomization.yaml"
    file.touch(mode=0o600)
    file.write_text(text)
    return await build(owner, place, "--load-restrictor=LoadRestrictionsNone")


def _placed(keys: Mapping[str, Any], place: Path, folder: Path) -> dict[str, Any]:
    """The same with its paths as `kubectl` finds them from `place`."""

    def path(given: Any) -> Any:
        is_path = isinstance(given, str) and "://" not in given and "\n" not in given
        return _below(place, folder / given) if is_path else given

    def file(given: Any) -> Any:
        name, equals, rest = given.rpartition("=") if isinstance(given, str) else ("", "", given)
        return f"{name}{equals}{path(rest)}" if isinstance(rest, str) else rest

    made = dict(keys)
    for key in PLACES:
        if isinstance(made.get(key), Sequence) and not isinstance(made[key], str):
            made[key] = [path(given) for given in made[key]]
    for key in WITH_PATH:
        if isinstance(made.get(key), Sequence):
            made[key] = [
                {**one, "path": path(one["path"])} if isinstance(one, Mapping) and "path" in one else one
                for one in made[key]
            ]
    for key in GENERATORS:
        if isinstance(made.get(key), Sequence):
            made[key] = [
                {
                    name: [file(one) for one in value] if name in ("files", "envs") else value
                    for name, value in one.items()
                }
                if isinstance(one, Mapping)
                else one
                for one in made[key]
            ]
    return made


def _below(place: Path, path: Path) -> str:
    """Relative: `kubectl` takes no folder by its whole path."""
    return os.path.relpath(path.resolve(), place.resolve())


async def build(owner: Owner, folder: Path, *options: str) -> list[Object]:
    """Its objects; ToolMissing without `kubectl`, StepFailed with its error."""
    program = shutil.which("kubectl")
    if program is None:
        raise ToolMissing(
            "a kustomization needs `kubectl`, which is not on PATH: install it (https://kubernetes.io/docs/tasks/tools)"
        )
    try:
        done = await process.run(
            [program, "kustomize", str(folder), *options], cwd=folder.parent, env=owner.environment(), timeout=BUILD,
            under=await supervised(owner),
        )  # fmt: skip
    except TimeoutError:
        raise CannotTell(f"`kubectl kustomize` did not end within {BUILD:g} s") from None
    if not done.ok:
        said = end(done.stderr.strip(), 800)
        text = f"`kubectl kustomize {folder.name}` {done.ended}: {said}"
        raise CannotTell(f"{text}: {done.accident}") if done.accident else StepFailed(text)
    try:
        return manifests.parse(done.stdout, f"the kustomization {folder.name}")
    except ValueError as error:
        raise StepFailed(str(error)) from None
