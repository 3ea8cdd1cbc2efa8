"""Whether payloads are valid against a JSON Schema, or against a schema of an OpenAPI document."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.checks.events import validator
from seatrial.checks.events.matching import ABSENT, at_path
from seatrial.errors import CannotTell, ExtraMissing, nearest
from seatrial.spi import Context

SECONDS = 30.0
"""The time to validate all payloads."""


@dataclass(frozen=True, kw_only=True)
class Payload:
    """The schema of each event's payload."""

    schema: str
    """A file, JSON or YAML, relative to the document: a JSON Schema, or an OpenAPI document of version 3.0 or 3.1."""
    component: str = ""
    """The name of the schema in an OpenAPI document's `components`."""
    field: str = ""
    """The path of the payload in an event; by default the event itself."""
    types: tuple[str, ...] = ()
    """The types of the events with this payload; by default all."""

    def check_fields(self) -> Iterable[tuple[str, str]]:
        if not self.schema:
            yield "schema", "the name of the file is empty"

    async def wrong(
        self, ctx: Context, events: Sequence[Mapping[str, Any]], type_field: str, places: Sequence[int]
    ) -> list[str]:
        """What is wrong with the payloads of these events; CannotTell if the schema cannot tell."""
        if importlib.util.find_spec("openapi_schema_validator") is None:
            raise ExtraMissing("`payloads` needs a validator: pip install 'seatrial[events]'")
        dialect, schema, root = self._read(ctx.document_folder / self.schema)
        chosen = [place for place in places if not self.types or at_path(events[place], type_field) in self.types]
        payloads = [at_path(events[place], self.field) if self.field else events[place] for place in chosen]
        missing = [place for place, one in zip(chosen, payloads, strict=True) if one is ABSENT]
        if missing:
            return [f"event {missing[0] + 1} has no payload at {self.field!r}"]
        if not payloads:
            return []
        job = {"schema": schema, "root": root, "dialect": dialect, "payloads": payloads}
        errors = await _validated(job, self.schema)
        return [f"event {place + 1}: {said}" for place, told in zip(chosen, errors, strict=True) for said in told]

    def _read(self, path: Path) -> tuple[str, Any, Any]:
        """The dialect, the schema, and the document its references are in."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CannotTell(f"the schema {self.schema} could not be read: {error}") from error
        try:
            document = json.loads(text) if path.suffix == ".json" else _yaml(text)
        except ValueError as error:
            raise CannotTell(f"the schema {self.schema} is neither JSON nor YAML: {error}") from error
        if not isinstance(document, dict):
            raise CannotTell(f"the schema {self.schema} is not a mapping")
        if "openapi" not in document:
            if self.component:
                raise CannotTell(f"{self.schema} is not an OpenAPI document, so it has no component {self.component!r}")
            return "json schema", document, document
        version = str(document["openapi"])
        if not version.startswith(("3.0.", "3.1.")):
            raise CannotTell(f"{self.schema} is of OpenAPI {version}; allowed: 3.0, 3.1")
        known = (document.get("components") or {}).get("schemas") or {}
        if self.component not in known:
            raise CannotTell(f"{self.schema} has no component {self.component!r}: {nearest(self.component, known)}")
        return f"openapi {version[:3]}", {"$ref": f"{validator.ROOT}#/components/schemas/{self.component}"}, document


def _yaml(text: str) -> Any:
    import yaml

    try:
        return json.loads(json.dumps(yaml.safe_load(text), default=str))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


async def _validated(job: Mapping[str, Any], name: str) -> list[list[str]]:
    """The errors of each payload, from a process that can be killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", validator.__file__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate(json.dumps(job).encode())
    except TimeoutError as error:
        raise CannotTell(f"the schema {name} did not validate the payloads within {SECONDS:g} s") from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        said = err.decode(errors="replace").strip().rpartition("\n")[2]
        raise CannotTell(f"the schema {name} could not be used: {said[:300]}")
    found: list[list[str]] = json.loads(out)
    return found
