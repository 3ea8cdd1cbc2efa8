"""The provider of a suite whose deployer has its own: the word stays the deployer's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.loading.conftest import Planner

from seatrial.errors import DocumentError, UsageError

STEPS = "steps: [{step: t_nothing}]\n"
TELLS = "system: {kind: command, init: [echo, init, $provider], deploy: echo up, destroy: echo down}\n"
TELLS_NOT = "system: {kind: command, deploy: echo up, destroy: echo down}\n"


def test_a_provider_that_only_the_deployer_knows_is_its_word(plan_of: Planner) -> None:
    told = TELLS.replace("echo up", "'echo up ${{ parameters.region }}'")
    plan = plan_of(f"provider: cloudia\nparameters: {{region: '${{{{ suite.provider }}}}-1'}}\n{told}{STEPS}")
    (suite,) = plan.suites
    assert (suite.test_id, suite.named_provider) == ("cloudia-workflow-suite", "cloudia")
    assert suite.provider == "deployer"  # Seatrial's own: without powers, resources and settings
    assert suite.parameters == {"region": "cloudia-1"}
    assert plan.warnings == ()


def test_a_provider_of_seatrial_stays_its_own_beside_a_deployer(plan_of: Planner) -> None:
    (suite,) = plan_of(f"provider: t_strong\n{TELLS}{STEPS}").suites
    assert (suite.provider, suite.foreign, suite.named_provider) == ("t_strong", "", "t_strong")


CLOUDS = {"aws": "region", "digitalocean": "region", "gcp": "zone", "hetzner": "location"}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_cloud_beside_a_deployer_waits_for_its_table(plan_of: Planner, cloud: str) -> None:
    document = f"provider: {cloud}\n{TELLS}{STEPS}"
    (suite,) = plan_of(document).suites
    assert (suite.provider, suite.foreign) == ("deployer", cloud)
    settings = f"[providers.{cloud}]\n{CLOUDS[cloud]} = 'x'\nimage = 'x'\nsize = 'x'\n"
    (suite,) = plan_of({"suite.yaml": document, "seatrial.toml": settings}).suites
    assert (suite.provider, suite.foreign) == (cloud, "")


def test_a_power_of_a_cloud_without_a_table_is_refused_with_what_to_write(plan_of: Planner) -> None:
    with pytest.raises(DocumentError, match=r"'aws' is only your deployer's word here: .*\[providers.aws\]"):
        plan_of(f"provider: aws\n{TELLS}steps: [{{step: crash_node, node: n11}}]\n")


def test_a_deployer_that_is_not_told_of_its_provider_is_a_warning(plan_of: Planner) -> None:
    (warning,) = plan_of(f"provider: cloudia\n{TELLS_NOT}{STEPS}").warnings
    assert "suite.yaml:1:1: no command of the system has the provider 'cloudia'" in warning
    assert "${{ suite.provider }}" in warning


@pytest.mark.parametrize("system", ["", "system: {kind: processes, service: {command: x}}\n"])
def test_without_a_deployer_an_unknown_provider_is_refused(plan_of: Planner, system: str) -> None:
    with pytest.raises(
        DocumentError, match=r"unknown provider 'cloudia'(.|\n)*a provider of your deployer needs its `system`"
    ):
        plan_of(f"provider: cloudia\n{system}{STEPS}")


@pytest.mark.parametrize("word", ["a b", "../cloudia", "-x"])
def test_a_word_that_cannot_be_a_name_is_refused(plan_of: Planner, word: str) -> None:
    with pytest.raises(DocumentError, match="unknown provider"):
        plan_of(f"provider: '{word}'\n{TELLS}{STEPS}")


def test_providers_of_deployers_are_selected_and_replaced_by_their_words(plan_of: Planner) -> None:
    suites = (
        "test_suites:\n  a: {provider: cloudia, workflow: [{step: t_nothing}]}\n  b: {workflow: [{step: t_nothing}]}\n"
    )
    text = TELLS + suites
    assert [suite.test_id for suite in plan_of(text, providers=["cloudia"]).suites] == ["cloudia-workflow-a"]
    moved = plan_of(text, on="oracle").suites
    assert [(suite.test_id, suite.named_provider) for suite in moved] == [
        ("oracle-workflow-a", "oracle"),
        ("oracle-workflow-b", "oracle"),
    ]
    with pytest.raises(UsageError, match="'oracle'"):
        plan_of(STEPS, on="oracle")


def test_what_came_from_unknown_keys_never_becomes_a_flag(plan_of: Planner) -> None:
    files: dict[str, Any] = {
        "a.json": {"provider": "cloudia", "test_suites": [{"sut": "s.json", "workflow": "w.json"}],
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
        "sut/unused.json": {"provider": "cloudia", "db_version": ["1"], "parameters": {"cluster_size": 2}},
    }  # fmt: skip
    found = [tmp_path / name for name in files]
    plan = plan_of(files, paths=list(files), found=found)
    assert [suite.name for suite in plan.suites] == ["s_w"]
    (warning,) = plan.warnings
    assert "sut/unused.json" in warning
    with pytest.raises(DocumentError, match="has no suite"):
        plan_of(files, paths=list(files))
