"""Fields at run time: what was filled in is held against the types once more."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from seatrial.errors import StepFailed, UsageError
from seatrial.expressions import bind, deferred, fill_deferred
from seatrial.loading.fields import bind_fields, described
from seatrial.registry import Registry


def bound(registry: Registry, fields: Mapping[str, Any], **values: object) -> Any:
    return bind_fields(registry.get("step", "t_everything"), fields, lambda value: bind(value, {"vars": values}))


def test_what_is_filled_in_is_converted_to_the_type_of_its_field(registry: Registry) -> None:
    fields = {
        "for_": "${{ vars.span }}",
        "count": "${{ vars.count }}",
        "yes": "${{ vars.yes }}",
        "argv": ("echo", "${{ vars.count }}"),
        "numbers": ["${{ vars.count }}", 2],
        "word": "${{ vars.number }}",
        "inner": {"size": "${{ vars.count }}"},
        "names": "${{ vars.list }}",
        "until": "vars.x == '${{ not a template }}'",
        "choice": "b",
    }
    made = bound(registry, fields, span="2s", count="3", yes="true", number=7, list=["a", "b"])
    assert (made.for_, made.count, made.yes, made.argv) == (2.0, 3, True, ("echo", "3"))
    assert (made.numbers, made.word, made.inner.size, made.names) == ([3, 2], "7", 3, ("a", "b"))
    assert made.until == "vars.x == '${{ not a template }}'"


def test_expressions_of_mappings_within_are_not_filled_in(registry: Registry) -> None:
    path = "${{ vars.path }}"
    then = {"url": f"/{path}", "that": "${{ json.size() == 1 }}", "files": {"f": {"path": path}}}
    fields = {"url": "http://x/", "then": [then]}
    made = bind_fields(registry.get("check", "http"), fields, lambda value: bind(value, {"vars": {"path": "a"}}))
    (one,) = made.then
    assert (one.url, one.that, one.files["f"].path) == ("/a", "json.size() == 1", "a")


@pytest.mark.parametrize(
    "fields, value, word",
    [
        ({"count": "${{ vars.x }}"}, "many", "count: 'many' is not a whole number"),
        ({"choice": "${{ vars.x }}"}, "c", "choice: 'c' is not allowed"),
        ({"for_": "${{ vars.x }}"}, "soon", "for: invalid duration 'soon'"),
        ({"inner": {"size": "${{ vars.x }}"}}, -1, "inner.size: must not be below 0"),
        ({"count": "${{ vars.x }}", "share": 0.5}, 1, "share: takes no `count`"),
        ({"names": ["${{ vars.x }}"]}, {"a": 1}, "names.0: a mapping is not text"),
    ],
)
def test_what_cannot_be_held_is_an_error_that_names_the_key(
    registry: Registry, fields: dict[str, Any], value: object, word: str
) -> None:
    with pytest.raises(UsageError) as caught:
        bound(registry, fields, x=value)
    assert word in str(caught.value)
    assert not isinstance(caught.value, StepFailed)


def test_the_keys_of_a_class_are_its_fields_with_their_documentation(registry: Registry) -> None:
    keys = described(registry.get("step", "t_everything"))
    assert list(keys)[:2] == ["for", "count"]
    assert "any" in keys
    assert not keys["for"].required
    inner = next(
        iter(sys.modules[registry.get("step", "t_everything").__module__].__dict__[name] for name in ["Inner"])
    )
    assert described(inner)["word"].doc == "a word"
    assert described(inner)["size"].required


def test_a_type_that_documents_cannot_hold_is_refused_by_name() -> None:
    @dataclass(frozen=True)
    class Odd:
        thing: complex = field(default=1j)

    with pytest.raises(UsageError, match=r"Odd\.thing: .*complex"):
        described(Odd)
    with pytest.raises(UsageError, match="must be a dataclass"):
        described(int)


@pytest.mark.parametrize("told", ["${{ env.X }}", "${{ 1 + 1 }}", "$deployment_dir"])
def test_a_value_that_reads_like_a_template_is_held_against_the_type_as_any_other(
    registry: Registry, told: str
) -> None:
    for name, value in {"count": told, "for_": told, "yes": told, "choice": told, "inner": {"size": told}}.items():
        written: Any = {"size": "${{ vars.v }}"} if name == "inner" else "${{ vars.v }}"
        with pytest.raises(UsageError, match=r"is not|invalid duration"):
            bound(registry, {name: written}, v=value["size"] if isinstance(value, dict) else value)
    assert bound(registry, {"word": "${{ vars.v }}"}, v=told).word == told


def test_a_text_with_names_that_come_later_stays_deferred_when_the_rest_is_bound(registry: Registry) -> None:
    later = deferred("${{ services.database.ports.sql }}", "services")
    made = bound(registry, {"argv": ("echo", later), "word": later})
    assert made.word == later
    names = {"services": {"database": {"ports": {"sql": 5432}}}}
    assert [fill_deferred(text, names) for text in (made.word, made.argv[1])] == ["5432", "5432"]
