"""What people see who type a scenario in an editor: the real yaml-language-server, with our schema."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from tests.editors.language_server import CARET, LanguageServer, running
from tests.editors.mutations import GOOD, MUTATIONS, Mutation, refused

from seatrial.app.schemas import schema_text
from seatrial.loading.schema import schema
from seatrial.registry import Registry

pytestmark = [pytest.mark.backend("npm"), pytest.mark.xdist_group("editors")]

MODELINE = "# yaml-language-server: $schema=seatrial.schema.json\n"
REGISTRY = Registry()
STEPS = "test_suites:\n  first:\n    workflow:\n"
CHECKS = f"{STEPS}      - step: validate\n        checks:\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the schema."""
    folder = tmp_path_factory.mktemp("editor")
    (folder / "seatrial.schema.json").write_text(schema_text())
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[LanguageServer]:
    with running() as process:
        yield process


class Editor:
    """One person's editor."""

    def __init__(self, server: LanguageServer, project: Path) -> None:
        self._server, self._project = server, project

    def offers(self, text: str) -> dict[str, str]:
        return self._server.complete(self._project, MODELINE + text)

    def marks(self, text: str) -> list[str]:
        """The messages, each with its line, counted from 1 after the modeline."""
        return self._server.diagnose(self._project, MODELINE + text)


@pytest.fixture
def editor(server: LanguageServer, project: Path) -> Editor:
    return Editor(server, project)


PLACES = {
    "a step": (f"{STEPS}      - step: {CARET}\n", ["crash_node", "deploy", "validate"], ["http", "crash-node"]),
    "the first key of a step": (f"{STEPS}      - {CARET}\n", ["step"], ["checks", "target_node"]),
    "a key of a step": (f"{STEPS}      - step: crash_node\n        {CARET}\n", ["target_node", "method"], ["checks"]),
    "a check": (
        f"{CHECKS}          - {CARET}\n",
        ["cluster_status", "all_nodes_running", "check"],
        ["allow", "tags", "profile", "http", "sql"],
    ),
    "a check as a mapping": (f"{CHECKS}          - check: {CARET}\n", ["http", "sql", "tcp"], ["deploy"]),
    "a key of a check": (f"{CHECKS}          - check: http\n            {CARET}\n", ["url", "that"], ["query"]),
    "a system": (f"system:\n  kind: {CARET}\n", ["command", "processes"], ["http"]),
    "a key of a system": (f"system:\n  kind: command\n  {CARET}\n", ["deploy", "destroy", "inventory"], ["teardown"]),
    "a provider": (f"provider: {CARET}\n", ["containers", "local", "ssh"], ["command"]),
    "a provider of a suite": (f"test_suites:\n  first:\n    provider: {CARET}\n", ["containers", "local"], ["command"]),
}
"""Where people type, what must be offered, with a description, and what must not."""


@pytest.mark.parametrize("place", PLACES)
def test_what_fits_is_offered_and_described(place: str, editor: Editor) -> None:
    text, wanted, foreign = PLACES[place]
    offered = editor.offers(text)
    assert not set(wanted) - set(offered), offered
    assert not set(foreign) & set(offered), offered
    assert all(offered[name] for name in wanted)


def test_text_forms_of_checks_are_offered(editor: Editor) -> None:
    offered = editor.offers(f"{CHECKS}          - {CARET}\n")
    assert {"node_status:n12", "tcp:127.0.0.1:5432", "cluster_status==degraded"} <= set(offered)


WRONG = {
    "a step": (f"{STEPS}      - step: crash_nod\n", '4: Value is not accepted. Valid values: "collect", "crash_node"'),
    "a key of a step": (f"{STEPS}      - {{step: deploy, tiemout: 5}}\n", "4: Property tiemout is not allowed."),
    "a check": (f"{CHECKS}          - cluster_statsu\n", '6: Value is not accepted. Valid values: "admin_'),
    "a text form": (f"{CHECKS}          - node_status:n11:stoped\n", "6: Value is not accepted."),
    "a key of a check": (f"{CHECKS}          - {{check: http, uri: x}}\n", '6: Missing property "url".'),
    "a system": ("steps: [{step: deploy}]\nsystem: {kind: comand}\n", "2: Value is not accepted. Valid values: "),
    "a key of a system": (
        "steps: [{step: deploy}]\nsystem: {kind: command, deplyo: x}\n",
        "2: Property deplyo is not allowed.",
    ),
    "a provider": ("provider: dokcer\nsteps: [{step: deploy}]\n", '1: Value is not accepted. Valid values: "aws'),
    "a duration": ("steps: [{step: wait, for: 10 sec}]\n", "1: Write a number of seconds, or like 500ms"),
}  # fmt: skip


@pytest.mark.parametrize("place", WRONG)
def test_what_is_wrong_is_marked_where_it_is(place: str, editor: Editor) -> None:
    text, message = WRONG[place]
    assert any(said.startswith(message) for said in editor.marks(text)), editor.marks(text)


def test_the_providers_of_a_deployer_have_names_of_their_own(editor: Editor) -> None:
    steps = "steps: [{step: deploy}]"
    assert editor.marks(f"provider: aws\nsystem: {{kind: command}}\n{steps}\n") == []
    assert editor.marks(f"system: {{kind: command}}\ntest_suites: {{a: {{provider: aws, {steps}}}}}\n") == []
    assert editor.marks(f"system: {{kind: processes}}\ntest_suites: {{a: {{provider: cloudia, {steps}}}}}\n") != []


def test_a_good_document_is_not_marked(editor: Editor, tmp_path: Path) -> None:
    assert editor.marks(GOOD) == []
    assert not refused(REGISTRY, GOOD, tmp_path)


@functools.cache
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema(REGISTRY))


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.what for mutation in MUTATIONS])
def test_an_editor_marks_what_the_table_says(mutation: Mutation, editor: Editor, tmp_path: Path) -> None:
    assert refused(REGISTRY, mutation.text, tmp_path) is mutation.refused
    assert bool(editor.marks(mutation.text)) is mutation.marked
    assert validator().is_valid(yaml.safe_load(mutation.text)) is not mutation.marked


def test_most_mistakes_are_marked_while_they_are_typed() -> None:
    wrong = [mutation for mutation in MUTATIONS if mutation.refused]
    assert len(MUTATIONS) == 30
    assert len(wrong) == 29
    assert sum(mutation.marked for mutation in wrong) >= 24
