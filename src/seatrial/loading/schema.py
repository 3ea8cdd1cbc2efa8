"""The JSON Schema of documents, made from the classes: editors offer exactly the keys accepted by the compiler."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from seatrial.links.paths import SETTINGS
from seatrial.loading import check_texts
from seatrial.loading.fields import Field, described
from seatrial.loading.merge.compose import ENTRY, TOP
from seatrial.loading.merge.levels import KEYS
from seatrial.loading.requirements import KNOWN, LISTS, SIZES, described_requirement
from seatrial.loading.settings import ProjectSettings
from seatrial.loading.shapes import DURATION, Schema
from seatrial.loading.suite_keys import CheckKeys, RetryKeys, StepKeys
from seatrial.registry import RESERVED, Registry
from seatrial.spi import ProviderTraits, traits

DRAFT = "https://json-schema.org/draft/2020-12/schema"

_TEXT: Schema = {"type": "string"}
_TOP: Mapping[str, Schema] = {
    "$schema": {"type": "string", "description": "The JSON Schema of this document, for editors."},
    "version": {"description": "The version of the format; Seatrial ignores it."},
}
_STEPS = "The steps of the suite, in order."


def schema(registry: Registry, system: str = "processes") -> Schema:
    """The JSON Schema (2020-12) of scenario documents in every form, with all classes of the registry; `system` is the
    kind for documents without any."""
    return _Maker(registry).make(system)


def schema_of(registry: Registry, key: str, factory: type[Any]) -> Schema:
    """The JSON Schema (2020-12) of documents with one key for a mapping described by a dataclass."""
    maker = _Maker(registry)
    thing = {**maker.refer(factory), "description": f"The {key}."}
    return {
        "$schema": DRAFT,
        "title": f"Seatrial {key}",
        **_object({**_TOP, key: thing}, required=[key]),
        **maker.rest(),
    }


def schema_of_settings(registry: Registry) -> Schema:
    """The JSON Schema (2020-12) of `seatrial.toml`, with the settings of all providers of the registry."""
    maker = _Maker(registry)
    made = {key: maker.field(field) for key, field in described(ProjectSettings).items()}
    providers = {}
    for name in registry.names("provider"):
        factory = traits(registry.get("provider", name), ProviderTraits).Settings
        maker.defs[f"provider-{name}"] = maker.of(described(factory))
        title = registry.mark("provider", name).description
        providers[name] = {"$ref": f"#/$defs/provider-{name}", "description": title}
    made["providers"] = {**_object(providers), "description": made["providers"]["description"]}
    made["system"] = {**maker.system()["anyOf"][-1], "description": made["system"]["description"]}
    return {"$schema": DRAFT, "title": SETTINGS, **_object(made), **maker.rest()}


class _Maker:
    """Collects the definitions."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.defs: dict[str, Schema] = {}

    def rest(self) -> Schema:
        """The definitions, including referenced ones."""
        if "#/$defs/retry" in str(self.defs):
            ends = [{"required": [key]} for key in ("max_attempts", "timeout")]
            keys = {**self.of(described(RetryKeys)), "title": "retry", "anyOf": ends}
            self.defs["retry"] = {"anyOf": [{"type": "integer", "minimum": 1}, keys, {"type": "null"}]}
        self.defs["duration"] = DURATION
        return {"$defs": self.defs}

    def make(self, system: str) -> Schema:
        self.defs["step"] = self._kinds("step", described(StepKeys))
        self.defs["check"] = {"anyOf": [*self._check_texts(), self._kinds("check", described(CheckKeys))]}
        self.defs["system"] = self.system()
        self.defs["workflow"] = {"type": "array", "items": {"$ref": "#/$defs/step"}, "minItems": 1}
        levels = self._levels()
        steps = {key: {"$ref": "#/$defs/workflow", "description": _STEPS} for key in ("workflow", "steps")}
        written = [{"required": [key]} for key in steps]
        self.defs["suite"] = {**_object({**levels, **steps}), "oneOf": written}
        files = {
            "sut": {"type": "string", "description": "The file of the system under test, relative to this document."},
            "workflow": {"type": "string", "description": "The file of the steps, relative to this document."},
        }
        self.defs["entry"] = _object({**levels, **files}, required=ENTRY)
        top: dict[str, Schema] = {
            **levels,
            **_TOP,
            **steps,
            "include": {
                "anyOf": [_TEXT, {"type": "array", "items": _TEXT}],
                "description": "More documents with suites, relative to this one.",
            },
            "test_suites": {
                "type": ["object", "array"],
                "additionalProperties": {"$ref": "#/$defs/suite"},
                "minProperties": 1,
                "items": {"$ref": "#/$defs/entry"},
                "minItems": 1,
                "description": "The suites: by name, or a list of `sut` and `workflow` files.",
            },
        }
        wanted = [{"required": [key]} for key in TOP if key not in ("$schema", "version")]
        known = self._providers(system)
        return {"$schema": DRAFT, "title": "Seatrial scenario", **_object(top), "anyOf": wanted, **known, **self.rest()}

    def _providers(self, system: str) -> Schema:
        """The provider is a known one, unless a deployer makes the nodes: then any name is fine."""
        kinds = self.registry.names("system")
        theirs = [kind for kind in kinds if not self.registry.get("system", kind).places_nodes]
        if system in theirs:
            return {}
        kind: Schema = {"properties": {"kind": {"enum": theirs}}, "required": ["kind"]}
        made = {"properties": {"system": {"anyOf": [{"enum": theirs}, kind]}}, "required": ["system"]}
        known = self._one_of("provider", self.registry.names("provider"))
        self.defs["provider"] = {**known, "description": "The provider of its nodes."}
        ours = {"provider": {"$ref": "#/$defs/provider"}}
        below = {"if": made, "else": {"properties": ours}}
        return {
            "if": made,
            "else": {"properties": {**ours, "test_suites": {"additionalProperties": below, "items": below}}},
        }

    def _check_texts(self) -> tuple[Schema, Schema]:
        """A check as text: its name alone, or with an argument as its class reads it."""
        classes = {name: self.registry.get("check", name) for name in self.registry.names("check")}
        described = {name: self.registry.mark("check", name).description for name in classes}
        alone = [name for name, factory in classes.items() if check_texts.stands_alone(factory)]
        longer = [name + written for name, factory in classes.items() if (written := check_texts.pattern(factory))]
        examples = [text for name in classes for text in check_texts.examples(name, described[name])]
        return self._one_of("check", alone), {
            "type": "string", "pattern": f"^\\s*(?:{'|'.join(longer)})\\s*$", "examples": examples
        }  # fmt: skip

    def _one_of(self, kind: str, names: list[str]) -> Schema:
        """One of these names, each with the description of its class."""
        return {"enum": names, "enumDescriptions": [self.registry.mark(kind, name).description for name in names]}

    def _kinds(self, kind: str, common: Mapping[str, Field]) -> Schema:
        """One definition per class, selected by its name, so an editor reports problems of one class and not of all."""
        names = [name for name in self.registry.names(kind) if name not in RESERVED.get(kind, ())]
        shared = self._shared(f"every-{kind}", common)
        for name in names:
            self.defs[f"{kind}-{name}"] = self._named(kind, name, kind, shared)
        return {**self._choice(kind, names, kind), "required": [kind]}

    def _named(self, kind: str, name: str, key: str, shared: Mapping[str, Schema] | None = None) -> Schema:
        """The definition of one class, selected by its name under `key`; without `shared` keys, none is required."""
        factory, title = self.registry.get(kind, name), self.registry.mark(kind, name).description
        own = {**(shared or {}), key: {"const": name, "description": title}}
        if shared is None:
            return {**self.of(described(factory.Settings), own, partial=True), "description": title}
        return {**self.of(described(factory), own, required=[key]), "description": title}

    def system(self) -> Schema:
        """Settings may be spread over several levels, so no level requires any."""
        names = self.registry.names("system")
        for name in names:
            self.defs[f"system-{name}"] = self._named("system", name, "kind")
        return {"anyOf": [self._one_of("system", names), self._choice("system", names, "kind")]}

    def _choice(self, kind: str, names: list[str], key: str) -> Schema:
        """A mapping of one of these kinds, selected by `key`."""
        named = {**self._one_of(kind, names), "description": f"The kind of {kind}."}
        made: Schema = {"title": kind, "type": "object", "properties": {key: named}}
        # Without the type every kind fits where nothing is written yet, and an editor would offer the keys of all.
        choices = [
            {
                "if": {"type": "object", "properties": {key: {"const": name}}, "required": [key]},
                "then": {"$ref": f"#/$defs/{kind}-{name}"},
            }
            for name in names
        ]
        return {**made, "allOf": choices} if choices else made

    def of(
        self,
        fields: Mapping[str, Field],
        more: Mapping[str, Schema] | None = None,
        *,
        required: Iterable[str] = (),
        partial: bool = False,
    ) -> Schema:
        """A mapping with these keys; `partial`: none is required."""
        own = {key: self.field(field) for key, field in fields.items()}
        needed = [] if partial else [key for key, field in fields.items() if field.required]
        return _object({**(more or {}), **own}, required=[*required, *needed])

    def field(self, field: Field) -> Schema:
        """One key."""
        made = dict(field.shape.schema(self.refer))
        if field.doc:
            made["description"] = field.doc
        if isinstance(field.default, str | int | float | bool) and field.default != "":
            made["default"] = field.default
        return made

    def refer(self, factory: type[Any]) -> Schema:
        """A reference to the definition of a class, created on first use."""
        name = f"{factory.__module__.rpartition('.')[2]}.{factory.__qualname__}"
        if name not in self.defs:
            self.defs[name] = {}  # ends the recursion for a class containing itself
            made = self.of(described(factory))
            self.defs[name] = {**made, "description": (factory.__doc__ or "").strip().split("\n")[0]}
        return {"$ref": f"#/$defs/{name}"}

    def _shared(self, name: str, fields: Mapping[str, Field]) -> dict[str, Schema]:
        """Keys of several mappings, each described once."""
        self.defs |= {f"{name}.{key}": self.field(field) for key, field in fields.items()}
        return {key: {"$ref": f"#/$defs/{name}.{key}"} for key in fields}

    def _levels(self) -> dict[str, Schema]:
        refs, made = self._shared("every-level", KEYS), self.defs
        made["every-level.provider"] |= {"examples": self.registry.names("provider")}
        made["every-level.requirements"] |= {"properties": {name: _requirement(name) for name in KNOWN}}
        told = made["every-level.system"]["description"]
        made["every-level.system"] = {"$ref": "#/$defs/system", "description": told}
        return refs


def _requirement(name: str) -> Schema:
    kind: Schema = {"type": "boolean"}
    if name in SIZES:
        kind = {"type": "number", "minimum": 0}
    elif name in LISTS:
        kind = {"type": "array", "items": _TEXT}
    return {**kind, "description": described_requirement(name)}


def _object(properties: Mapping[str, Schema], *, required: Iterable[str] = ()) -> Schema:
    made: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    needed = list(required)
    return {**made, "required": needed} if needed else made
