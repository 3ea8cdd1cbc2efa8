"""The provider of a suite whose deployer has its own: the word stays the deployer's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.loading.conftest import Planner

from seatrial.errors import DocumentError, UsageError

STEPS = "steps: [{step: t_nothing}]\n"
TELLS = "system: {kind: command, init: [dep, init, $provider], deploy: dep up, destroy: dep down}\n"
TELLS_NOT = "system: {kind: command, deploy: dep up, destroy: dep down}\n"


def test_a_provider_that_only_the_deployer_knows_is_its_word(plan_of: Planner) -> None:
    told = TELLS.replace("dep up", "'dep up ${{ parameters.region }}'")
    plan = plan_of(f"provider: aws\nparameters: {{region: '${{{{ suite.provider }}}}-1'}}\n{told}{STEPS}")
    (suite,) = plan.suites
    assert (suite.test_id, suite.named_provider) == ("aws-workflow-suite", "aws")
    assert suite.provider == "deployer"  # Seatrial's own: without powers, resources and settings
    assert suite.parameters == {"region": "aws-1"}
    assert plan.warnings == ()


def test_a_provider_of_seatrial_stays_its_own_beside_a_deployer(plan_of: Planner) -> None:
    (suite,) = plan_of(f"provider: t_strong\n{TELLS}{STEPS}").suites
    assert (suite.provider, suite.foreign, suite.named_provider) == ("t_strong", "", "t_strong")


def test_a_deployer_that_is_not_told_of_its_provider_is_a_warning(plan_of: Planner) -> None:
    (warning,) = plan_of(f"provider: aws\n{TELLS_NOT}{STEPS}").warnings
    assert "suite.yaml:1:1: no command of the system has the provider 'aws'" in warning
    assert "${{ suite.provider }}" in warning


@pytest.mark.parametrize("system", ["", "system: {kind: processes, service: {command: x}}\n"])
def test_without_a_deployer_an_unknown_provider_is_refused(plan_of: Planner, system: str) -> None:
    with pytest.raises(
        DocumentError, match=r"unknown provider 'aws'(.|\n)*a provider of your deployer needs its `system`"
    ):
        plan_of(f"provider: aws\n{system}{STEPS}")


@pytest.mark.parametrize("word", ["a b", "../aws", "-x"])
def test_a_word_that_cannot_be_a_name_is_refused(plan_of: Planner, word: str) -> None:
    with pytest.raises(DocumentError, match="unknown provider"):
        plan_of(f"provider: '{word}'\n{TELLS}{STEPS}")


def test_providers_of_deployers_are_selected_and_replaced_by_their_words(plan_of: Planner) -> None:
    suites = "test_suites:\n  a: {provider: aws, workflow: [{step: t_nothing}]}\n  b: {workflow: [{step: t_nothing}]}\n"
    text = TELLS + suites
    assert [suite.test_id for suite in plan_of(text, providers=["aws"]).suites] == ["aws-workflow-a"]
    moved = plan_of(text, on="gcp").suites
    assert [(suite.test_id, suite.named_provider) for suite in moved] == [
        ("gcp-workflow-a", "gcp"),
        ("gcp-workflow-b", "gcp"),
    ]
    with pytest.raises(UsageError, match="'gcp'"):
        plan_of(STEPS, on="gcp")


def test_what_came_from_unknown_keys_never_becomes_a_flag(plan_of: Planner) -> None:
    files: dict[str, Any] = {
        "a.json": {"provider": "aws", "test_suites": [{"sut": "s.json", "workflow": "w.json"}],
                   "system": {"kind": "command", "deploy": ["dep", "$provider"], "destroy": "x"}},
        "s.json": {"db_version": ["1", "2"], "portable": True, "requirements": {"network_access": True, "min_cpus": 1},
                   "parameters": {"cluster_size": 1}},
        "w.json": {"steps": [{"step": "t_nothing"}]},
    }  # fmt: skip
    (suite,) = plan_of(files).suites
    assert suite.unflagged == {"portable", "network_access"}
    assert set(suite.parameters) == {"db_version", "portable", "network_access", "cluster_size"}
    (chosen,) = plan_of(files, overrides={"parameters.portable": "yes"}).suites
    assert chosen.unflagged == {"network_access"}  # somebody asked for it by name


def test_a_sut_that_no_document_of_a_folder_uses_is_a_warning(plan_of: Planner, tmp_path: Path) -> None:
    files: dict[str, Any] = {
        "a.json": {"test_suites": [{"sut": "s.json", "workflow": "w.json"}]},
        "s.json": {}, "w.json": {"steps": [{"step": "t_nothing"}]},
        "sut/unused.json": {"provider": "aws", "db_version": ["1"], "parameters": {"cluster_size": 2}},
    }  # fmt: skip
    found = [tmp_path / name for name in files]
    plan = plan_of(files, paths=list(files), found=found)
    assert [suite.name for suite in plan.suites] == ["s_w"]
    (warning,) = plan.warnings
    assert "sut/unused.json" in warning
    with pytest.raises(DocumentError, match="has no suite"):
        plan_of(files, paths=list(files))
