"""The exception tree: its docstring is true, and every error has its exit code."""

import inspect
import re

import pytest

from seatrial import errors
from seatrial.errors import DocumentError, NotSupported, Overrun, Problem, SeatrialError, StepFailed, nearest
from seatrial.model.result import Category

TREE = re.compile(r"^ *(?P<indent>[│├└─ ]*)(?P<name>[A-Z]\w+) +(?P<code>\d)? ")
CLASSES = {name: cls for name, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, SeatrialError)}


def drawn():
    """Name to (parent, exit code) as the docstring draws them."""
    told: dict[str, tuple[str, str | None]] = {}
    above: list[str] = []
    for line in errors.__doc__.splitlines():
        if match := TREE.match(line):
            depth = len(match["indent"]) // 4
            above = [*above[:depth], match["name"]]
            told[match["name"]] = (above[depth - 1] if depth else "Exception", match["code"])
    return told


def test_the_docstring_draws_every_class_under_its_parent_with_its_exit_code():
    told = drawn()
    assert set(told) == set(CLASSES)
    for name, (parent, code) in told.items():
        assert CLASSES[name].__bases__[0].__name__ == parent
        assert code is None or int(code) == CLASSES[name].exit_code, name


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_every_category_is_one_that_reports_know(cls):
    assert cls.category in set(Category)


def test_a_missing_power_is_a_not_implemented_error_too():
    assert issubclass(NotSupported, NotImplementedError)
    assert NotSupported("x").exit_code == 2


def test_a_failed_step_may_name_its_category_without_changing_the_class():
    assert StepFailed("x", category="test").category == "test"
    assert StepFailed("x").category == "product"
    assert Overrun("x", evidence="a log").evidence == "a log"


def test_problems_are_told_once_and_in_the_order_of_the_files():
    one = Problem("b.yaml", 2, 1, "second")
    two = Problem("a.yaml", 10, 5, "first", "a hint")
    error = DocumentError([one, two, one])
    assert error.problems == (two, one)
    assert str(error) == "a.yaml:10:5: first\n    a hint\nb.yaml:2:1: second"


def test_the_nearest_name_is_said_only_when_it_is_near():
    assert nearest("delpoy", ["deploy", "destroy"]) == "did you mean 'deploy'? allowed: deploy, destroy"
    assert nearest("xyzzy", ["deploy"], what="steps") == "steps: deploy"
    assert nearest("x", []) == "allowed: none"
