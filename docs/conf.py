"""How Sphinx makes the site: `make docs`. Every warning is an error, and so is a link that leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.util import logging

project = "Seatrial"
author = "The Seatrial developers"
extensions = ["myst_parser"]
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]
html_theme = "furo"
html_title = "Seatrial"
html_show_copyright = False
html_copy_source = False
nitpicky = True
suppress_warnings = ["epub.unknown_project_files"]

DOCS = Path(__file__).resolve().parent
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s#:]+)(?:#[^)\s]*)?\)")

logger = logging.getLogger(__name__)


def outside_links(_app: Any, docname: str, source: list[str]) -> None:
    """The site holds the pages alone: a link to another file of the repository becomes its path, if it is there."""
    folder = (DOCS / docname).parent

    def shown(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        if target.is_relative_to(DOCS) and target.suffix == ".md":
            return link[0]
        if not target.exists():
            logger.warning("the link %r leads nowhere", link[2], location=docname)
        path = str(target.relative_to(DOCS.parent))
        return f"`{path}`" if link[1].strip("`").rstrip("/") == path else f"{link[1]} (`{path}`)"

    parts, last = [], 0
    text = source[0]
    for fence in FENCE.finditer(text):
        parts += [LINK.sub(shown, text[last : fence.start()]), fence[0]]
        last = fence.end()
    source[0] = "".join([*parts, LINK.sub(shown, text[last:])])


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", outside_links)
