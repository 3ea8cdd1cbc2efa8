"""All built-in steps: their names, forms, and that they meet the registry."""

import dataclasses
import inspect

import pytest

from seatrial.loading.docstrings import attribute_docs
from seatrial.registry import Registry
from seatrial.spi import Step

NAMES = [
    "collect",
    "crash_node",
    "custom_command",
    "deploy",
    "destroy",
    "dispatch_workflow",
    "git_clone",
    "git_commit",
    "git_delete",
    "git_pull_request",
    "git_repository",
    "group",
    "heal",
    "init",
    "inject",
    "mark",
    "parallel",
    "repeat",
    "restart_node",
    "set",
    "start_cluster",
    "start_node",
    "stop_cluster",
    "stop_node",
    "validate",
    "wait",
]


def test_the_steps_of_the_specification_are_there_and_no_helper_module_is_taken_for_one() -> None:
    assert Registry().names("step") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_a_frozen_dataclass_whose_keys_are_explained(name: str) -> None:
    cls = keys = Registry().get("step", name)
    assert cls.__dataclass_params__.frozen
    assert inspect.iscoroutinefunction(cls.run)
    assert issubclass(cls, Step)
    assert cls.__doc__
    assert not cls.__doc__.startswith(cls.__name__ + "(")
    for one in dataclasses.fields(keys):
        assert one.kw_only, one.name
        assert attribute_docs(keys).get(one.name), one.name
