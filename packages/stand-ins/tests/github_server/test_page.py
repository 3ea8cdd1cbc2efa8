"""The page on the server is true: its example runs, and it names every plant."""

from __future__ import annotations

import re
from pathlib import Path

import seatrial_stand_ins.github as public
from seatrial_stand_ins.github import plants

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "guides" / "test-against-github.md").read_text("utf-8")


def test_the_example_on_the_page_runs() -> None:
    block, *_ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(block, "test-against-github.md", "exec"), {"__name__": "__main__"})


def test_every_plant_is_on_the_page_in_the_docstring_and_in_the_package() -> None:
    kinds = {one.__name__ for union in (plants.OnRuns, plants.OnArtifacts, plants.OnAnswers) for one in union.__args__}
    names = kinds | {"Quota", "LateRuns", "LateRefs", "ForeignRuns", "ServerErrors", "RateLimited", "SecondaryLimit"}
    assert {one.__name__ for one in plants.Plant.__args__} <= names, "a plant is missing in this test"
    for name in sorted(names):
        assert f"`{name}`" in PAGE
        assert f"`{name}`" in (plants.__doc__ or "")
        assert name in public.__all__
