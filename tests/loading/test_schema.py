"""The JSON Schema takes what the compiler takes, and refuses what an editor should mark."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from tests.loading.test_compilation import COMPOSED, GOOD

from seatrial.loading.schema import schema, schema_of, schema_of_settings
from seatrial.preflight.document import Pipeline
from seatrial.registry import Registry


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
    assert "workload" not in json.dumps(made)


def bare(made: Any, path: str = "") -> Iterator[str]:
    """The properties without a description, in the whole schema."""
    if isinstance(made, dict):
        properties = made.get("properties")
        for name, one in properties.items() if isinstance(properties, dict) else ():
            if isinstance(one, dict) and "description" not in one:
                yield f"{path}{name}"
        for key, value in made.items():
            yield from () if key == "if" else bare(value, f"{path}{key}.")
    elif isinstance(made, list):
        for value in made:
            yield from bare(value, path)


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
    assert list(bare({"$defs": {"x": {"properties": {"a": {"type": "string"}, "b": {"description": "."}}}}})) == [
        "$defs.x.a"
    ]


def test_the_settings_schema_takes_what_the_reader_takes(tmp_path: Any) -> None:
    validator = jsonschema.Draft202012Validator(schema_of_settings(Registry()))
    good = {"parallel": 2, "deadlines": {"deploy": "5m"}, "providers": {"containers": {"ssh": "no", "cpus": 0.5}}}
    validator.validate(good)
    wrongs: list[dict[str, Any]] = [
        {"parallel": 0}, {"providers": {"contaners": {}}}, {"providers": {"containers": {"imgae": "x"}}}
    ]  # fmt: skip
    for wrong in wrongs:
        assert not validator.is_valid(wrong), wrong
