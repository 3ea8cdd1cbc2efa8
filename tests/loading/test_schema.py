"""The JSON Schema takes what the compiler takes, and refuses what an editor should mark."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from tests.loading.test_compilation import COMPOSED, GOOD

from seatrial.checks.kubernetes.view import InCluster
from seatrial.errors import DocumentError
from seatrial.loading import check_texts
from seatrial.loading.compilation import compile_documents
from seatrial.loading.schema import schema, schema_of, schema_of_settings
from seatrial.loading.settings import load
from seatrial.preflight.document import Pipeline
from seatrial.registry import Registry
from seatrial.systems.processes.sample import SAMPLE


@pytest.fixture(scope="module")
def validator(registry: Registry) -> jsonschema.Draft202012Validator:
    made = schema(registry)
    jsonschema.Draft202012Validator.check_schema(made)
    assert json.loads(json.dumps(made)) == made
    return jsonschema.Draft202012Validator(made)


def test_good_documents_of_both_forms_are_valid(validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(GOOD)
    validator.validate(COMPOSED["all.json"])
    validator.validate({"steps": [{"step": "t_everything", "count": "${{ vars.x }}", "for": "10s", "status": 200}]})
    validator.validate({"include": ["a.yaml"]})


WRONG: list[tuple[tuple[Any, ...], Any]] = [
    (("test_suites", "one", "workflow", 0, "step"), "t_nothin"),
    (("test_suites", "one", "workflow", 0, "nope"), 1),
    (("test_suites", "one", "workflow", 0, "retry"), "often"),
    (("test_suites", "one", "workflow", 1, "checks", 1, "status"), "many"),
    (("test_suites", "one", "workflow", 1, "checks", 1, "check"), "t_htp"),
    (("test_suites", "one", "workflow", 2, "steps", 0, "method"), "x"),
    (("test_suites", "one", "workflow", 3, "inner", "size"), []),
    (("test_suites", "one", "flow"), []),
    (("providr",), "x"),
    (("power",), "x"),
    (("test_suites",), {}),
]


@pytest.mark.parametrize("path, value", WRONG, ids=[".".join(map(str, path)) for path, _ in WRONG])
def test_wrong_documents_are_not_valid(
    validator: jsonschema.Draft202012Validator, path: tuple[Any, ...], value: Any
) -> None:
    document = copy.deepcopy(GOOD)
    holder: Any = document
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = value
    assert not validator.is_valid(document)


def test_classes_and_keys_are_described(registry: Registry) -> None:
    made = schema(registry)
    assert made["$defs"]["step-t_crash"]["description"] == "Crash a node."
    assert made["$defs"]["step-t_crash"]["required"] == ["step", "target_node"]
    inner = next(name for name in made["$defs"] if name.endswith(".Inner"))
    assert made["$defs"][inner]["properties"]["word"]["description"] == "a word"
    assert "step-workload" not in made["$defs"]


def bare(made: Any, path: str = "", definitions: Any = None) -> Iterator[str]:
    """The properties without a description, their own or of the definition they refer to, in the whole schema;
    conditions only narrow properties that are described elsewhere."""
    if isinstance(made, dict):
        definitions = definitions or made.get("$defs", {})
        properties = made.get("properties")
        for name, one in properties.items() if isinstance(properties, dict) else ():
            referred = definitions.get(one.get("$ref", "").removeprefix("#/$defs/"), {})
            if "description" not in {**referred, **one}:
                yield f"{path}{name}"
        for key, value in made.items():
            yield from () if key in ("if", "else") else bare(value, f"{path}{key}.", definitions)
    elif isinstance(made, list):
        for value in made:
            yield from bare(value, path, definitions)


@pytest.mark.parametrize("of", ["scenarios", "settings", "pipelines"])
def test_no_property_is_without_a_description(of: str) -> None:
    registry = Registry()
    made = {
        "scenarios": lambda: schema(registry),
        "settings": lambda: schema_of_settings(registry),
        "pipelines": lambda: schema_of(registry, "pipeline", Pipeline),
    }[of]()
    assert list(bare(made)) == []


def test_a_property_without_a_description_is_found() -> None:
    properties = {"a": {"type": "string"}, "b": {"description": "."}, "c": {"$ref": "#/$defs/y"}, "d": {"$ref": "#"}}
    made = {"$defs": {"x": {"properties": properties}, "y": {"description": "."}}}
    assert list(bare(made)) == ["$defs.x.a", "$defs.x.d"]


REGISTRY = Registry()
CHECKS = REGISTRY.names("check")
TEXTS = [text for name in CHECKS for text in check_texts.examples(name, REGISTRY.mark("check", name).description)]
IN_A_CLUSTER = [name for name in CHECKS if issubclass(REGISTRY.get("check", name), InCluster)]
SERVERS = '[checks.prometheus]\nurl = "http://127.0.0.1:9090"\n' + "".join(
    f'[checks.{name}]\ncontext = "harbour"\n' for name in IN_A_CLUSTER
)
WRONG_TEXTS = [
    "cluster_statsu",
    "cluster_status=running",
    "node_status:n11:stoped",
    "tcp",
    "health_status.ssh",
    "ssh_key:k",
]


@pytest.mark.parametrize("text", [*CHECKS, *TEXTS, *WRONG_TEXTS])
def test_a_check_as_text_is_valid_where_the_compiler_takes_it(text: str, tmp_path: Path) -> None:
    document = {"parameters": {"cluster_size": 3}, "steps": [{"step": "validate", "checks": [text]}]}
    (tmp_path / "x.json").write_text(json.dumps(document))
    (tmp_path / "seatrial.toml").write_text(SERVERS)
    try:
        compile_documents([tmp_path / "x.json"], REGISTRY, load(tmp_path, {}), sample=SAMPLE)
        taken = True
    except DocumentError:
        taken = False
    assert jsonschema.Draft202012Validator(whole()).is_valid(document) is taken
    assert taken or text not in TEXTS, "the description of a check has no wrong text"


@functools.cache
def whole() -> dict[str, Any]:
    return schema(REGISTRY)


def test_the_settings_schema_takes_what_the_reader_takes(tmp_path: Any) -> None:
    validator = jsonschema.Draft202012Validator(schema_of_settings(Registry()))
    good = {"parallel": 2, "deadlines": {"deploy": "5m"}, "providers": {"containers": {"ssh": "no", "cpus": 0.5}}}
    validator.validate(good)
    wrongs: list[dict[str, Any]] = [
        {"parallel": 0}, {"providers": {"contaners": {}}}, {"providers": {"containers": {"imgae": "x"}}}
    ]  # fmt: skip
    for wrong in wrongs:
        assert not validator.is_valid(wrong), wrong
