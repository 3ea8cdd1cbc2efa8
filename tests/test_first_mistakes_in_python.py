"""First mistakes of a newcomer in Python and pytest: each message says what is wrong, where, and what to do instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import seatrial
from seatrial.app.cluster import Cluster, ClusterNode
from seatrial.errors import DocumentError, UsageError

DOCUMENT = """\
provider: local
parameters: {cluster_size: 2}
test_suites:
  shop:
    workflow:
      - {step: init}
      - {step: deploy}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "shop.yaml").write_text(DOCUMENT)
    (tmp_path / "no-deploy.yaml").write_text(DOCUMENT.replace("      - {step: deploy}\n", ""))
    (tmp_path / "typo.yaml").write_text(DOCUMENT.replace("step: deploy", "step: deplyo"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def entered(document: str, **options: Any) -> None:
    with seatrial.deployed(document, **options):
        raise AssertionError("it was deployed")


MISTAKES: dict[str, tuple[Callable[[], object], list[str]]] = {
    "a misspelt parameter": (
        lambda: entered("shop.yaml", parameters={"cluster_sise": 3}),
        ["no suite has the parameter 'cluster_sise'", "did you mean 'cluster_size'?"],
    ),
    "a parameter as an option": (
        lambda: entered("shop.yaml", cluster_size=3),
        ["deployed() has no option 'cluster_size'", "parameters={'cluster_size': …}"],
    ),
    "a misspelt option": (
        lambda: entered("shop.yaml", keeep="always"), ["has no option 'keeep'", "did you mean 'keep'?"],
    ),
    "a misspelt document": (
        lambda: entered("shopp.yaml"), ["no file shopp.yaml", "did you mean 'shop.yaml'?"],
    ),
    "a misspelt suite": (
        lambda: entered("shop.yaml", suite="shpo"), ["no suite 'shpo'", "did you mean 'shop'?"],
    ),
    "a document without a deploy": (
        lambda: entered("no-deploy.yaml"), ["deploy"],
    ),
    "a mistake in the document": (
        lambda: entered("typo.yaml"), ["typo.yaml:7:16: unknown step 'deplyo'", "did you mean 'deploy'?"],
    ),
    "a misspelt last step": (
        lambda: entered("shop.yaml", until="deployy"), ["has no step 'deployy'", "did you mean 'deploy'?"],
    ),
    "no `with`": (
        lambda: seatrial.deployed("shop.yaml")["n11"], ["nothing is deployed yet: write `with seatrial.deployed(…)"],
    ),
    "a fixture with a misspelt scope": (
        lambda: seatrial.fixture("shop.yaml", scope="modul"),  # type: ignore[arg-type]
        ["unknown scope 'modul'", "did you mean 'module'?"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.usefixtures("folder")
def test_a_newcomer_gets_on_by_the_message_alone(mistake: str) -> None:
    act, said = MISTAKES[mistake]
    with pytest.raises((UsageError, DocumentError)) as caught:
        act()
    for words in said:
        assert words in str(caught.value)


def test_a_fixture_within_a_test_is_for_the_module() -> None:
    with pytest.raises(UsageError) as caught:
        seatrial.fixture("shop.yaml")
    assert f"{Path(__file__).name}:test_a_fixture_within_a_test_is_for_the_module" in str(caught.value)
    assert "write `cluster = seatrial.fixture(…)` above" in str(caught.value)


def test_a_method_that_is_elsewhere_or_misspelt_is_named() -> None:
    node = ClusterNode.__new__(ClusterNode)
    with pytest.raises(AttributeError, match="a node has no 'stopp'; did you mean 'stop'"):
        node.stopp()
    with pytest.raises(AttributeError, match=r"a node has no 'outputs', its cluster has it: cluster\.outputs"):
        _ = node.outputs
    assert hasattr(Cluster, "outputs")
