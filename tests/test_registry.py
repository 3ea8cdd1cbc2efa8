"""From a kind and a name to a class, for built-ins and for plugins."""

import asyncio
import sys

import pytest

from seatrial import registry as module
from seatrial.errors import UsageError
from seatrial.model.result import Verdict, passed
from seatrial.registry import Registry, check, provider, reporter, step, system

STEP = """
from dataclasses import dataclass
from seatrial.registry import step

@step("{name}")
@dataclass(frozen=True)
class Mine:
    '''Do it.

    More of it.'''
    async def run(self, ctx): ...
"""


def plugin(tmp_path, text, name="mine.py"):
    file = tmp_path / name
    file.write_text(text)
    return file


def observed(cls):
    return asyncio.run(cls().observe({"deploy_dir": "/d"}))


def test_a_plugins_names_are_known_with_their_file_and_first_line(tmp_path):
    registry = Registry()
    file = plugin(tmp_path, STEP.format(name="power_wash"))
    assert not registry.knows("step", "power_wash")
    (mark,) = registry.load(file)
    assert (mark.kind, mark.name, mark.description) == ("step", "power_wash", "Do it.")
    assert registry.knows("step", "power_wash")
    assert "power_wash" in registry.names("step")
    assert registry.get("step", "power_wash").__name__ == "Mine"
    assert registry.plugin_of("step", "power_wash") == str(file)
    assert registry.mark("step", "power_wash") == mark
    assert not Registry().knows("step", "power_wash"), "nothing is global"


def test_the_same_file_may_be_loaded_twice_and_another_may_not_take_its_name(tmp_path):
    registry = Registry()
    text = STEP.format(name="power_wash")
    registry.load(plugin(tmp_path, text))
    registry.load(plugin(tmp_path, text))
    with pytest.raises(UsageError, match=r"other\.py: .*'power_wash' is already registered by .*mine\.py"):
        registry.load(plugin(tmp_path, text, "other.py"))


@pytest.mark.parametrize("name", module.RESERVED["step"])
def test_reserved_names_cannot_be_taken(tmp_path, name):
    registry = Registry()
    with pytest.raises(UsageError, match="is reserved by Seatrial"):
        registry.load(plugin(tmp_path, STEP.format(name=name)))
    assert not registry.knows("step", name)


def test_a_built_in_name_cannot_be_taken(tmp_path):
    with pytest.raises(UsageError, match="is reserved by Seatrial"):
        Registry().load(plugin(tmp_path, STEP.format(name=Registry().names("step")[0])))


def test_a_file_that_is_refused_has_registered_nothing(tmp_path):
    registry = Registry()
    text = STEP.format(name="power_wash") + STEP.format(name="inject").replace("Mine", "Other")
    with pytest.raises(UsageError):
        registry.load(plugin(tmp_path, text))
    assert not registry.knows("step", "power_wash")


def test_two_classes_of_one_name_in_one_file_are_refused(tmp_path):
    text = STEP.format(name="wash") + STEP.format(name="wash").replace("Mine", "Other")
    with pytest.raises(UsageError, match="registers the step 'wash' twice"):
        Registry().load(plugin(tmp_path, text))


@pytest.mark.parametrize(
    "text", ["1/0", "import nothing_like_this", "def", "import sys; sys.exit(0)", "raise Exception"]
)
def test_a_plugin_that_cannot_be_imported_is_a_usage_error_and_leaves_no_module(tmp_path, text):
    before = set(sys.modules)
    with pytest.raises(UsageError, match=r"mine\.py: could not import the plugin"):
        Registry().load(plugin(tmp_path, text))
    assert not [name for name in set(sys.modules) - before if "plugin" in name]


@pytest.mark.parametrize("name", ["none.py", "", "notes.txt"])
def test_what_is_no_plugin_file_is_a_usage_error(tmp_path, name):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UsageError, match="plugin file not found"):
        Registry().load(tmp_path / name)


def test_what_a_plugin_only_imports_or_inherits_is_not_its_own(tmp_path):
    plugin(tmp_path, STEP.format(name="theirs"), "theirs_for_registry_test.py")
    sys.path.insert(0, str(tmp_path))
    try:
        registry = Registry()
        text = "from theirs_for_registry_test import Mine\nclass Heir(Mine): pass\n"
        assert registry.load(plugin(tmp_path, text)) == []
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("theirs_for_registry_test", None)


def test_an_unknown_name_is_a_usage_error_with_the_nearest():
    registry = Registry()
    known = registry.names("provider")
    with pytest.raises(UsageError, match="unknown provider 'locale'") as told:
        registry.get("provider", "locale")
    assert all(name in str(told.value) for name in known)


@pytest.mark.parametrize("kind", module.KINDS)
def test_every_built_in_name_can_be_got_and_is_marked(kind):
    registry = Registry()
    for name in registry.names(kind):
        assert registry.mark(kind, name).name == name
        assert registry.plugin_of(kind, name) == ""


def test_a_class_can_carry_several_names():
    @step("one")
    @step("two")
    class Both:
        pass

    registry = Registry()
    registry.add(Both)
    assert registry.get("step", "one") is registry.get("step", "two") is Both


@pytest.mark.parametrize("mark", [provider, system, reporter, step, check])
def test_every_decorator_returns_the_class_itself(mark):
    class Plain:
        """A line."""

    assert mark("plain_for_test")(Plain) is Plain
    (told,) = Registry().add(Plain)
    assert (told.name, told.description) == ("plain_for_test", "A line.")


def test_what_is_not_decorated_cannot_be_added():
    with pytest.raises(UsageError, match="decorate it"):
        Registry().add(int)
    with pytest.raises(UsageError, match="decorate it"):
        Registry().add(lambda: None)


def test_a_check_class_keeps_its_description_and_allowance():
    @check("mine", description="It looks.", allow_failure=True)
    class Mine:
        """Another line."""

    (mark,) = Registry().add(Mine)
    assert (mark.description, mark.allow_failure) == ("It looks.", True)


def test_a_plain_function_is_a_check_and_can_still_be_called():
    @check("data is there", description="The data is there.", allow_failure=True)
    def there(context):
        return context["deploy_dir"] == "/d"

    assert there({"deploy_dir": "/d"}) is True
    registry = Registry()
    (mark,) = registry.add(there)
    assert (mark.description, mark.allow_failure) == ("The data is there.", True)
    assert observed(registry.get("check", "data is there")).verdict is Verdict.PASSED


async def _later(context):
    return False


@pytest.mark.parametrize(
    "function, verdict",
    [
        (lambda context: True, Verdict.PASSED),
        (lambda context: False, Verdict.FAILED),
        (_later, Verdict.FAILED),
        (lambda context: passed(1), Verdict.PASSED),
        (lambda context: None, Verdict.UNKNOWN),
        (lambda context: 1, Verdict.UNKNOWN),
        (lambda context: "yes", Verdict.UNKNOWN),
    ],
)
def test_only_a_truth_value_or_an_observation_is_an_answer(function, verdict):
    registry = Registry()
    registry.add(check("answers")(function))
    assert observed(registry.get("check", "answers")).verdict is verdict
