"""The descriptions of fields, read from the source."""

from __future__ import annotations

import dataclasses

from seatrial.loading.docstrings import attribute_docs


@dataclasses.dataclass
class Base:
    shared: int = 0
    """From the base."""
    replaced: int = 0
    """Of the base."""
    bare: int = 0


@dataclasses.dataclass
class Derived(Base):
    replaced: int = 1
    """Over two
    lines.

    And a paragraph."""
    plain = 3
    """Without a type."""

    class Inner:
        deep: str = ""
        """Nested."""


def test_the_docstrings_of_a_class_and_its_bases_are_found_by_attribute():
    assert attribute_docs(Derived) == {
        "shared": "From the base.",
        "replaced": "Over two lines.\n\nAnd a paragraph.",
        "plain": "Without a type.",
    }
    assert attribute_docs(Derived.Inner) == {"deep": "Nested."}


def test_a_class_in_a_function_is_found_too():
    class Local:
        value: int = 0
        """Of a function."""

    assert attribute_docs(Local) == {"value": "Of a function."}


def test_a_class_without_source_has_no_descriptions():
    made = type("Made", (), {"__module__": "nowhere"})
    assert attribute_docs(made) == {}
