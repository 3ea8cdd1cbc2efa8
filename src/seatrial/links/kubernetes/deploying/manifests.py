"""Objects from files of YAML or JSON, as `kubectl` reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from seatrial.errors import CannotTell

Object = dict[str, Any]

ENDINGS = (".yaml", ".yml", ".json")
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as in Go: no dates, and no numbers with colons."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in ("timestamp", "int", "float")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_INT = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def _int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = node.value.replace("_", "")
    digits = text.lstrip("+-")
    octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    number = int(digits, 8) if octal else int(digits, 0)
    return -number if text.startswith("-") else number


_Loader.add_constructor("tag:yaml.org,2002:int", _int)
_Loader.add_constructor("tag:yaml.org,2002:float", lambda _, node: float(node.value))


def files(path: Path) -> list[Path]:
    """A file itself, or those in a folder that `kubectl apply -f` would read, by name; ValueError for none."""
    if not path.exists():
        raise ValueError("does not exist")
    if not path.is_dir():
        return [path]
    if any((path / name).exists() for name in KUSTOMIZATIONS):
        raise ValueError("has a kustomization: name it in `kustomize`")
    found = sorted(one for one in path.iterdir() if one.suffix in ENDINGS and one.is_file())
    if not found:
        raise ValueError(f"has no file that ends in {', '.join(ENDINGS)}")
    return found


def read(path: Path, shown: str) -> list[Object]:
    """The objects of a file; ValueError with the line of the first mistake."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{shown}: {getattr(error, 'strerror', None) or error}") from None
    return parse(text, shown)


def parse(text: str, shown: str) -> list[Object]:
    """The objects of a text; ValueError with the line of the first mistake, and never with its content."""
    try:
        nodes = list(yaml.compose_all(text, _Loader))
        values = [(node.start_mark.line + 1, _value(node)) for node in nodes]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueError(f"{shown}:{line}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ValueError(f"{shown}: {error}") from None
    return [thing for line, value in values if value is not None for thing in _objects(value, f"{shown}:{line}")]


def _value(node: yaml.Node) -> object:
    loader = _Loader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _objects(value: object, where: str) -> Iterator[Object]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: an object of Kubernetes is a mapping")
    if str(value.get("kind", "")).endswith("List") and isinstance(value.get("items"), list):
        for item in value["items"]:
            yield from _objects(item, where)
        return
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    for key, given in (("apiVersion", value.get("apiVersion")), ("kind", value.get("kind")), ("metadata.name", name)):
        if not isinstance(given, str) or not given:
            raise ValueError(f"{where}: `{key}` is missing, or no text")
    yield value


def called(thing: Mapping[str, Any]) -> str:
    """An object in words: `Deployment web`, or `Deployment shop/web`."""
    metadata = thing.get("metadata") or {}
    name, namespace = str(metadata.get("name") or ""), str(metadata.get("namespace") or "")
    return f"{thing.get('kind')} {namespace}/{name}" if namespace else f"{thing.get('kind')} {name}"


def all_of(paths: Mapping[str, Path]) -> list[Object]:
    """The objects of these files and folders; CannotTell with the first mistake."""
    try:
        return [
            thing
            for name, path in paths.items()
            for file in files(path)
            for thing in read(file, name if file == path else f"{name.rstrip('/')}/{file.name}")
        ]
    except ValueError as error:
        raise CannotTell(f"the manifests cannot be read: {error}") from None


def doubled(objects: Sequence[Object]) -> str:
    """The first object given twice, in words; empty: none is."""
    names: set[tuple[str, str]] = set()
    for thing in objects:
        name = (str(thing["apiVersion"]), called(thing))
        if name in names:
            return called(thing)
        names.add(name)
    return ""
