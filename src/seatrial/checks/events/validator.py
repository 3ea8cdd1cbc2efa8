"""The program that validates payloads: apart from Seatrial, because a schema's pattern may take for ever over them.

It reads `{"schema": …, "root": …, "dialect": …, "payloads": […]}` from its standard input, and writes a list with the
errors of each payload. No reference is fetched.
"""

from __future__ import annotations

import json
import sys
from typing import Any

ROOT = "seatrial:root"
"""The name of the document."""

MOST = 5
"""Maximum number of errors of a payload."""


def main() -> None:
    """Validate all payloads."""
    from jsonschema import validators  # type: ignore[import-untyped]
    from openapi_schema_validator import OAS30Validator, OAS31Validator
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    job = json.load(sys.stdin)
    schema = job["schema"]
    registry: Any = Registry().with_resource(ROOT, DRAFT202012.create_resource(job["root"]))
    kinds = {"openapi 3.0": _discriminating(OAS30Validator), "openapi 3.1": _discriminating(OAS31Validator)}
    kind: Any = kinds.get(job["dialect"]) or validators.validator_for(schema, default=validators.Draft202012Validator)
    if job["dialect"] not in kinds:
        kind.check_schema(schema)
    validator = kind(schema, registry=registry, format_checker=kind.FORMAT_CHECKER)
    json.dump([_errors(validator, payload) for payload in job["payloads"]], sys.stdout)


def _discriminating(kind: Any) -> Any:
    """The validator, with the schema chosen by the discriminator: of OpenAPI 3.1 the library takes any that fits."""
    from jsonschema import ValidationError, validators

    def choosing(otherwise: Any) -> Any:
        def chosen(validator: Any, branches: Any, instance: Any, schema: Any) -> Any:
            name = (schema.get("discriminator") or {}).get("propertyName")
            if not name or not validator.is_type(instance, "object"):
                yield from otherwise(validator, branches, instance, schema)
                return
            value, mapping = instance.get(name), schema["discriminator"].get("mapping") or {}
            refs = [branch.get("$ref", "") for branch in branches]
            wanted = mapping.get(value, value) if isinstance(value, str) else None
            ref = next((ref for ref in refs if ref == wanted or ref.rpartition("/")[2] == wanted), None)
            if ref is None:
                known = sorted(mapping) or [ref.rpartition("/")[2] for ref in refs]
                yield ValidationError(f"the discriminator {name} is {value!r}, expected one of {known}")
                return
            yield from validator.descend(instance, {"$ref": ref})

        return chosen

    return validators.extend(kind, {name: choosing(kind.VALIDATORS[name]) for name in ("oneOf", "anyOf")})


def _errors(validator: Any, payload: Any) -> list[str]:
    found = sorted(validator.iter_errors(payload), key=lambda error: list(map(str, error.absolute_path)))
    return [
        f"{'.'.join(map(str, error.absolute_path)) or 'the payload'}: {error.message[:300]}" for error in found[:MOST]
    ]


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # noqa: BLE001 - Seatrial says it
        sys.exit(f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}")
