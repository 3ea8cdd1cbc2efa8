"""The cut of GitHub's description: what is served stays whole, the rest goes."""

from __future__ import annotations

from typing import Any

from scripts.github_openapi import cut

WHOLE: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"version": "7.0.0"},
    "paths": {
        "/kept": {
            "get": {
                "description": "a text",
                "parameters": [{"name": "page"}],
                "responses": {
                    "200": {
                        "description": "a text",
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/one"}, "examples": {}}
                        },
                    }
                },
            },
            "delete": {"responses": {}},
        },
        "/dropped": {"get": {"responses": {}}},
    },
    "components": {
        "schemas": {
            "one": {
                "type": "object",
                "required": ["description"],
                "properties": {
                    "description": {"type": "string", "description": "a text", "example": "x"},
                    "state": {"type": "string", "nullable": True, "enum": ["open"]},
                    "other": {"nullable": True, "oneOf": [{"$ref": "#/components/schemas/two"}]},
                },
            },
            "two": {"type": "object"},
            "three": {"type": "object"},
            "basic-error": {"type": "object"},
        }
    },
}


def test_only_what_is_served_and_what_it_refers_to_stays_without_texts_and_examples() -> None:
    made = cut(WHOLE, [("GET", "/kept")])
    assert set(made["paths"]) == {"/kept"}
    assert set(made["paths"]["/kept"]) == {"get"}
    assert set(made["components"]["schemas"]) == {"one", "two", "basic-error"}
    answer = made["paths"]["/kept"]["get"]["responses"]["200"]
    assert answer == {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/one"}}}}
    assert made["info"]["version"] == "7.0.0"


def test_a_property_may_be_called_as_what_is_dropped_and_null_is_among_what_may_be_null() -> None:
    properties = cut(WHOLE, [("GET", "/kept")])["components"]["schemas"]["one"]["properties"]
    assert properties["description"] == {"type": "string"}
    assert properties["state"]["enum"] == ["open", None]
    assert properties["other"]["oneOf"][-1] == {"nullable": True, "enum": [None]}
