"""The pages under docs/ stay true: what they show of a file is that file, and their Python runs."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

import seatrial
from seatrial.registry import Registry

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((CHECKOUT / "examples" / "plugins").glob("*.py"))
PLUGINS = CHECKOUT / "docs" / "guides" / "plugins.md"
PLACE = re.compile(r"(<!-- example: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def examples() -> dict[str, list[Path]]:
    """The example files by the first kind that each registers."""
    found: dict[str, list[Path]] = {}
    for file in EXAMPLES:
        found.setdefault(Registry().load(file)[0].kind, []).append(file)
    return found


def written(page: str) -> str:
    """The page with the examples as they are; `python -m tests.docs.test_plugins_and_python` writes it."""
    files = examples()

    def shown(place: re.Match[str]) -> str:
        names = [(file.relative_to(CHECKOUT), file.read_text()) for file in files.get(place[2], [])]
        texts = [f"[{name}](../../{name})\n\n```python\n{text}```\n" for name, text in names]
        return place[1] + "\n".join(texts) + place[3]

    return PLACE.sub(shown, page)


def test_the_page_on_plugins_shows_every_example_as_it_is() -> None:
    page = PLUGINS.read_text()
    assert set(examples()) <= {place[2] for place in PLACE.finditer(page)}, "an example has no place on the page"
    assert page == written(page), "write it anew: python -m tests.docs.test_plugins_and_python"


def test_there_is_an_example_of_each_kind() -> None:
    assert set(examples()) == {"step", "check", "provider", "system", "reporter"}


@pytest.mark.parametrize("page", ["plugins.md", "python.md", "test-against-github.md"])
def test_every_piece_of_python_on_a_page_is_python(page: str) -> None:
    blocks = BLOCK.findall((CHECKOUT / "docs" / "guides" / page).read_text())
    assert blocks
    for block in blocks:
        compile(block, page, "exec")


def test_the_python_on_the_page_runs_and_says_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "failover.yaml").write_text(
        "test_suites:\n  failover:\n    provider: local\n    parameters: {cluster_size: 3}\n    workflow:\n"
        "      - {step: custom_command, custom_command: [test, '${{ parameters.cluster_size }}', '=', '5']}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    block, *_ = BLOCK.findall((CHECKOUT / "docs" / "guides" / "python.md").read_text())
    exec(compile(block, "python.md", "exec"), {"__name__": "__main__"})
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "local-workflow-failover 5"
    assert said[-1].split() == ["local-workflow-failover", "passed"]


def test_the_python_with_a_deployed_system_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "failover.yaml").write_text(
        "test_suites:\n  failover:\n    provider: local\n    workflow:\n      - {step: deploy}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    _, block, _ = BLOCK.findall((CHECKOUT / "docs" / "guides" / "python.md").read_text())
    names: dict[str, Any] = {"seatrial": seatrial}
    exec(compile(block, "python.md", "exec"), names)
    asyncio.run(names["test_a_lost_node"]())


if __name__ == "__main__":
    PLUGINS.write_text(written(PLUGINS.read_text()))
