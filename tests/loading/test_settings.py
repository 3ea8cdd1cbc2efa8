"""Settings of a project: who wins, where each value came from, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.errors import DocumentError
from seatrial.loading.settings import load


def toml(folder: Path, text: str) -> Path:
    (folder / "seatrial.toml").write_text(text)
    return folder


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    folder = toml(tmp_path, "# mine\nparallel = 2\nmax_memory_gb = 4\nkeep = 'failed'\n")
    environ = {"SEATRIAL_PARALLEL": "3", "SEATRIAL_KEEP": "always", "SEATRIAL_RUN_ID": "x"}
    settings = load(folder, environ).with_flags({"parallel": 4})
    assert {one.name: one.value for one in settings if one.origin != "default"} == {
        "parallel": 4,
        "max_memory_gb": 4.0,
        "keep": "always",
    }
    assert settings.origin("parallel") == "flag --parallel"
    assert settings.origin("keep") == "environment SEATRIAL_KEEP"
    assert settings.origin("max_memory_gb").endswith("seatrial.toml:3")
    assert settings.origin("plugins") == "default"


def test_the_nearest_file_upward_is_the_project_s(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert load(inner, {}).folder == inner
    toml(tmp_path, "parallel = 2\n")
    assert load(inner, {}).folder == tmp_path
    toml(tmp_path / "a", "parallel = 3\n")
    assert load(inner, {}).value("parallel") == 3


def test_every_kind_of_setting_is_read(tmp_path: Path) -> None:
    text = """
scenarios = ["e2e"]
plugins = ["p.py"]
secrets = ["KEY"]
exclusive = {name = "lab", wait = "5m"}
[deadlines]
deploy = "2m"
[names]
flow = "run-e2e-{flow}-{id}"
[labels]
"example.org/e2e-run-id" = "{id}"
[providers.aws]
region = "eu"
[vars]
x = 1
"""
    settings = load(toml(tmp_path, text), {"SEATRIAL_SECRETS": "A, B"})
    assert settings.value("deadlines").given() == {"deploy": 120.0}
    assert settings.value("labels") == {"example.org/e2e-run-id": "{id}"}
    assert settings.value("providers") == {"aws": {"region": "eu"}}
    assert settings.value("secrets") == ("A", "B")


@pytest.mark.parametrize(
    "text, where, word",
    [
        ("paralel = 2\n", "1:1", "'parallel'"),
        ("x = 1\ny = \n", "2:5", "invalid TOML"),
        ("\nparallel = 'two'\n", "2:12", "whole number"),
        ("parallel = 0\n", "1:12", "too small"),
        ("keep = 'nver'\n", "1:8", "'never'"),
        ("plugins = 'a.py'\n", "1:11", "not a list"),
        ("[deadlines]\ndeploi = 1\n", "2:1", "'deploy'"),
        ("[deadlines]\ndeploy = 'soon'\n", "2:10", "duration"),
        ("deadlines.deploy = 'soon'\n", "1:20", "duration"),
        ("deadlines = {stop = 1, deploy = 'soon'}\n", "1:33", "duration"),
        ("[names]\nflow = 3\n", "2:8", "not text"),
        ("[nmes]\nflow = 'x'\n", "1:1", "'names'"),
        ("[providers]\naws = 3\n", "2:7", "mapping"),
        ("system = 'x'\n", "1:10", "mapping"),
    ],
)
def test_a_wrong_setting_is_told_with_its_place(tmp_path: Path, text: str, where: str, word: str) -> None:
    with pytest.raises(DocumentError) as caught:
        load(toml(tmp_path, text), {})
    told = str(caught.value)
    assert f"seatrial.toml:{where}: " in told
    assert word in told


def test_wrong_environment_and_wrong_file_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(DocumentError) as caught:
        load(toml(tmp_path, "parallel = 'x'\n"), {"SEATRIAL_KEEP": "x", "SEATRIAL_PARALLEL": "many"})
    assert len(caught.value.problems) == 3
    assert "environment SEATRIAL_KEEP: keep: " in str(caught.value), "the environment has no lines"


def test_a_wrong_flag_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="flag --max-concurrent-nodes"):
        load(tmp_path, {}).with_flags({"max_concurrent_nodes": 0})


def test_invalid_utf_8_in_the_settings_is_told(tmp_path: Path) -> None:
    (tmp_path / "seatrial.toml").write_bytes(b"parallel = 1\n# \xff\n")
    with pytest.raises(DocumentError, match=r"seatrial.toml:2:\d+: .*UTF-8"):
        load(tmp_path, {})
