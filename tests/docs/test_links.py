"""Links between the files of the repository lead somewhere, and the map names every room."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PLACES = ("*.md", "docs/**/*.md", "examples/**/*.md", "packages/**/*.md", "changelog.d/*.md", "benchmarks/**/*.md")
FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2\s*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def pages() -> list[Path]:
    """Every Markdown file that is ours."""
    found = {file for pattern in PLACES for file in CHECKOUT.glob(pattern)}
    return sorted(file for file in found if not {"node_modules", ".seatrial", "dist"} & set(file.parts))


def prose(page: Path) -> str:
    """A page without its code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of its headings, as GitHub and the site make them."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", title).lower()).replace(" ", "-") for title in titles}


def dead(page: Path) -> Iterator[str]:
    """The links of a page that lead nowhere."""
    for target in LINK.findall(CODE.sub("", prose(page))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            yield target


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_no_link_of_a_page_is_dead(page: Path) -> None:
    assert list(dead(page)) == []


def test_the_map_names_every_room() -> None:
    text = (CHECKOUT / "docs" / "contributing" / "map.md").read_text(encoding="utf-8")
    rooms = {
        entry.stem
        for entry in (CHECKOUT / "src" / "seatrial").iterdir()
        if not entry.name.startswith("_") and (entry.suffix == ".py" or (entry / "__init__.py").is_file())
    }
    assert {room for room in rooms if f"**`{room}`**" not in text} == set()
