"""The JSON Schema of documents, made from the classes: what an editor offers is what the compiler takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from seatrial.loading.fields import Field, described
from seatrial.loading.merge.compose import ENTRY, TOP
from seatrial.loading.merge.levels import KEYS
from seatrial.loading.requirements import KNOWN, LISTS, SIZES
from seatrial.loading.resolve.workflow import CHECK_KEYS, STEP_KEYS
from seatrial.loading.retry import BACKOFF
from seatrial.loading.settings import DEADLINES
from seatrial.loading.shapes import Schema
from seatrial.registry import RESERVED, Registry

DRAFT = "https://json-schema.org/draft/2020-12/schema"

_TEXT: Schema = {"type": "string"}
_SPAN: Schema = {"type": ["number", "string"], "description": "seconds, or like 500ms, 10s, 5m, 1h"}
_FORMULA: Schema = {"type": ["string", "boolean"], "description": "a CEL expression"}
_RETRY: Schema = {
    "description": "a number of attempts, or how they are made",
    "anyOf": [
        {"type": "integer", "minimum": 1},
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "max_attempts": {"type": "integer", "minimum": 1},
                "delay_seconds": _SPAN,
                "delay": _SPAN,
                "backoff": {"enum": list(BACKOFF)},
                "jitter": {"type": ["number", "boolean"], "minimum": 0, "maximum": 1},
                "timeout": _SPAN,
            },
        },
        {"type": "null"},
    ],
}
_COMMON: Mapping[str, Schema] = {
    "id": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_-]*$", "description": "name for steps.ID.outputs"},
    "name": {"type": "string", "description": "the check's name in results"},
    "description": _TEXT,
    "if": _FORMULA,
    "timeout": _SPAN,
    "retry": {"$ref": "#/$defs/retry"},
    "allow_failure": {"type": "boolean", "description": "a failure does not decide"},
    "expect": {"enum": ["failure", "success"], "description": "failure: a step that must fail"},
    "outputs": {"type": "object", "additionalProperties": _TEXT, "description": "more outputs, each an expression"},
    "needs": {"type": "array", "items": _TEXT, "description": "ids of steps of the same `parallel` that come first"},
}


def schema(registry: Registry) -> Schema:
    """The JSON Schema (2020-12) of scenario documents in every form, with all that the registry knows."""
    return _Maker(registry).make()


def schema_of(registry: Registry, key: str, factory: type[Any]) -> Schema:
    """The JSON Schema (2020-12) of documents that hold one thing under a key, described by a dataclass."""
    maker = _Maker(registry)
    top: dict[str, Schema] = {"$schema": _TEXT, "version": {}, key: maker.refer(factory)}
    made = _object(top, required=[key])
    return {"$schema": DRAFT, "title": f"Seatrial {key}", **made, "$defs": maker.defs}


class _Maker:
    """Collects the definitions."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.defs: dict[str, Schema] = {"retry": _RETRY}

    def make(self) -> Schema:
        self.defs["step"] = self._kinds("step", STEP_KEYS)
        self.defs["check"] = {
            "anyOf": [
                {"type": "string", "pattern": "^[a-z0-9_]+", "description": self._names("check")},
                self._kinds("check", CHECK_KEYS),
            ]
        }
        self.defs["system"] = self._system()
        self.defs["workflow"] = {"type": "array", "items": {"$ref": "#/$defs/step"}, "minItems": 1}
        self.defs["notification"] = _notification()
        levels = self._levels()
        self.defs["suite"] = _object(
            {**levels, "workflow": {"$ref": "#/$defs/workflow"}, "steps": {"$ref": "#/$defs/workflow"}}
        )
        self.defs["entry"] = _object({**levels, **dict.fromkeys(ENTRY, _TEXT)}, required=ENTRY)
        top: dict[str, Schema] = {
            **levels,
            "$schema": _TEXT,
            "version": {},
            "include": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]},
            "workflow": {"$ref": "#/$defs/workflow"},
            "steps": {"$ref": "#/$defs/workflow"},
            "test_suites": {
                "anyOf": [
                    {"type": "object", "additionalProperties": {"$ref": "#/$defs/suite"}, "minProperties": 1},
                    {"type": "array", "items": {"$ref": "#/$defs/entry"}, "minItems": 1},
                ]
            },
        }
        wanted = [{"required": [key]} for key in TOP if key not in ("$schema", "version")]
        return {"$schema": DRAFT, "title": "Seatrial scenario", **_object(top), "anyOf": wanted, "$defs": self.defs}

    def _names(self, kind: str) -> str:
        return "one of " + ", ".join(self.registry.names(kind))

    def _kinds(self, kind: str, common: Iterable[str]) -> Schema:
        """One definition per class, chosen by its name, so that an editor complains of one class and not of all."""
        names = [name for name in self.registry.names(kind) if name not in RESERVED.get(kind, ())]
        choices = []
        for name in names:
            factory = self.registry.get(kind, name)
            reference = f"{kind}-{name}"
            shared = {key: _COMMON[key] for key in common if key != kind}
            made = self._of(factory, described(factory), {**shared, kind: {"const": name}}, required=[kind])
            self.defs[reference] = {**made, "description": self.registry.mark(kind, name).description}
            when = {"properties": {kind: {"const": name}}, "required": [kind]}
            choices.append({"if": when, "then": {"$ref": f"#/$defs/{reference}"}})
        head: Schema = {"type": "object", "required": [kind], "properties": {kind: {"enum": names}}}
        return {**head, "allOf": choices} if choices else head

    def _system(self) -> Schema:
        names = self.registry.names("system")
        choices = []
        for name in names:
            factory = self.registry.get("system", name)
            self.defs[f"system-{name}"] = {
                **self._of(factory, described(factory.Settings), {"kind": {"const": name}}, required=[], partial=True),
                "description": self.registry.mark("system", name).description,
            }
            when = {"properties": {"kind": {"const": name}}, "required": ["kind"]}
            choices.append({"if": when, "then": {"$ref": f"#/$defs/system-{name}"}})
        head: Schema = {"type": "object", "properties": {"kind": {"enum": names}}}
        return {"anyOf": [{"enum": names}, {**head, "allOf": choices} if choices else head]}

    def _of(
        self,
        factory: type[Any],
        fields: Mapping[str, Field],
        more: Mapping[str, Schema],
        *,
        required: Iterable[str],
        partial: bool = False,
    ) -> Schema:
        """`partial`: settings may be shared out over several levels, so none is required at one of them."""
        own = {key: self._field(field) for key, field in fields.items()}
        needed = [] if partial else [key for key, field in fields.items() if field.required]
        return _object({**more, **own}, required=[*required, *needed])

    def _field(self, field: Field) -> Schema:
        made = dict(field.shape.schema(self.refer))
        if field.doc:
            made["description"] = field.doc
        if isinstance(field.default, str | int | float | bool) and field.default != "":
            made["default"] = field.default
        return made

    def refer(self, factory: type[Any]) -> Schema:
        """A reference to the definition of a class, which is made when it is not there."""
        name = f"{factory.__module__.rpartition('.')[2]}.{factory.__qualname__}"
        if name not in self.defs:
            self.defs[name] = {}  # so that a class that holds itself ends here
            made = self._of(factory, described(factory), {}, required=[])
            self.defs[name] = {**made, "description": (factory.__doc__ or "").strip().split("\n")[0]}
        return {"$ref": f"#/$defs/{name}"}

    def _levels(self) -> dict[str, Schema]:
        made: dict[str, Schema] = {key: shape.schema(self.refer) for key, shape in KEYS.items()}
        made["provider"] = {"type": "string", "description": self._names("provider")}
        made["system"] = {"$ref": "#/$defs/system"}
        made["deadlines"] = _object(dict.fromkeys(DEADLINES, _SPAN))
        made["max_concurrent_nodes"] = {"type": "integer", "minimum": 1}
        made["exclusive"] = {"anyOf": [_TEXT, _object({"name": _TEXT, "wait": _SPAN}, required=["name"])]}
        one = {"$ref": "#/$defs/notification"}
        made["notifications"] = {"anyOf": [one, {"type": "array", "items": one}]}
        made["requirements"] = {"type": "object", "properties": _requirements()}
        return made


def _requirements() -> dict[str, Schema]:
    made: dict[str, Schema] = {}
    for name in KNOWN:
        if name in SIZES:
            made[name] = {"type": "number", "minimum": 0}
        elif name in LISTS:
            made[name] = {"type": "array", "items": _TEXT}
        else:
            made[name] = {"type": "boolean"}
    return made


def _notification() -> Schema:
    return _object(
        {
            "command": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]},
            "webhook": {"type": "string", "pattern": "^https?://"},
            "on": {"anyOf": [{"enum": ["failure", "slow"]}, {"type": "array", "items": {"enum": ["failure", "slow"]}}]},
            "slow_seconds": {"type": "number", "exclusiveMinimum": 0},
        }
    )


def _object(properties: Mapping[str, Schema], *, required: Iterable[str] = ()) -> Schema:
    made: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    needed = list(required)
    return {**made, "required": needed} if needed else made
