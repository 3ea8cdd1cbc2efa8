"""The pages of your files: scenario documents, `seatrial.toml`, pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.reference.fields import default_of, keys_of, value_of
from scripts.reference.page import Page, sentence

from seatrial.loading.merge.compose import ENTRY
from seatrial.loading.schema import schema
from seatrial.loading.settings import FROM_ENVIRONMENT, KEYS, PREFIX
from seatrial.loading.suite_keys import CheckKeys, RetryKeys, StepKeys, SuiteKeys
from seatrial.preflight.document import Pipeline
from seatrial.registry import Registry

Schema = Mapping[str, Any]


def documents(registry: Registry) -> Page:
    """The keys of a scenario document."""
    made = schema(registry)
    shared = made["$defs"]
    page = Page(
        "Scenario documents",
        "YAML (1.2: `no` is a word) or JSON. `seatrial schema` prints the JSON Schema for your editor, and "
        "`seatrial check` names every mistake with its line and column.",
        "A document has one of two forms: `test_suites` as a mapping of suites, or as a list of entries that each "
        "combine a system under test with a workflow. Write a key of a suite at the top, and it holds for all suites "
        "below it. Inner values win, mappings are merged, and nothing set outside is lost.",
        "A duration is a number of seconds, or a text like `500ms`, `10s`, `5m`, `1h`.",
    )
    page.heading("The document")
    suite = shared["suite"]["properties"]
    _properties(page, {key: value for key, value in made["properties"].items() if key not in suite}, "the document")
    page.heading("A suite")
    keys_of(page, SuiteKeys, "suite")
    page.say("A suite of the mapping form also has `workflow` (or `steps`): its [steps](steps.md), in order.")
    page.heading("An entry")
    page.say("An entry of the composed form takes the keys of a suite, and these:")
    _properties(page, {key: value for key, value in shared["entry"]["properties"].items() if key in ENTRY}, "an entry")
    page.heading("`requirements`")
    page.say("If a requirement does not hold, the suite is skipped, with the reason.")
    _properties(page, shared["every-level.requirements"]["properties"], "requirements")
    page.heading("Steps")
    page.say("Every step takes these keys, besides [its own](steps.md).")
    keys_of(page, StepKeys, "step")
    page.heading("Checks")
    page.say("Every check written as a mapping takes these keys, besides [its own](checks.md).")
    keys_of(page, CheckKeys, "check")
    page.heading("`retry`")
    page.say("A number of attempts, or a mapping:")
    keys_of(page, RetryKeys, "retry")
    return page


def settings() -> Page:
    """The keys of `seatrial.toml`."""
    page = Page(
        "Settings: seatrial.toml",
        "Your project is the nearest folder upward with a `seatrial.toml`, else the current folder. An option of the "
        "command wins over the environment, the environment over the file. `seatrial check -v` shows every setting and "
        "its origin. For a document below another `seatrial.toml`, change to that folder first: Seatrial warns.",
    )
    page.table(
        ("Setting", "Value", "Default", "Environment", "Meaning"),
        (
            (
                f"`{name}`",
                value_of(key),
                default_of(key),
                f"`{PREFIX}{name.upper()}`" if name in FROM_ENVIRONMENT else "",
                sentence(page.need(key.doc, f"the setting {name!r} has no text")),
            )
            for name, key in KEYS.items()
        ),
    )
    page.say(
        "`[system]` takes the keys of a [system](systems.md), `[providers.NAME]` those of a [provider](providers.md)."
    )
    page.code(
        "toml",
        'scenarios = ["scenarios"]\nparallel = 2\nkeep = "failed"\nplugins = ["plugins/power.py"]\n\n'
        '[deadlines]\ndeploy = "20m"\n\n[labels]\n"example.org/e2e-run-id" = "{id}"\n\n'
        '[providers.containers]\nimage = "localhost/seatrial-node"\n',
    )
    return page


def pipelines() -> Page:
    """The keys of a pipeline."""
    page = Page(
        "Pipelines",
        "The document of `seatrial preflight` has one key, `pipeline`. `seatrial schema pipeline` prints its JSON "
        "Schema. The guide is [Preflight](../guides/preflight.md).",
    )
    page.heading("`pipeline`")
    keys_of(page, Pipeline, "pipeline")
    return page


def _properties(page: Page, properties: Mapping[str, Schema], what: str) -> None:
    page.table(
        ("Key", "Value", "Meaning"),
        (
            (
                f"`{key}`",
                _value(value),
                sentence(page.need(value.get("description", ""), f"{what}: {key!r} has no description")),
            )
            for key, value in properties.items()
        ),
    )


def _value(made: Schema) -> str:
    """The allowed values of a property, in words."""
    if "enum" in made:
        return ", ".join(f"`{word}`" for word in made["enum"])
    if "const" in made:
        return f"`{made['const']}`"
    if "$ref" in made:
        return str(made["$ref"]).rpartition("/")[2].partition(".")[0]
    if "anyOf" in made:
        return " or ".join(dict.fromkeys(word for one in made["anyOf"] if (word := _value(one)) != "null"))
    kinds = made.get("type", "any value")
    words = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}
    words |= {"array": "a list", "object": "a mapping"}
    listed = [kinds] if isinstance(kinds, str) else [kind for kind in kinds if kind != "null"]
    return " or ".join(words.get(kind, kind) for kind in listed)
