"""One page: its lines of Markdown, and its missing texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTE = "<!-- Made from the code by `make reference`: do not edit. -->"


class Page:
    """Collects lines, and names everything without a text."""

    def __init__(self, title: str, *paragraphs: str) -> None:
        self.missing: list[str] = []
        self._lines = [NOTE, "", f"# {title}", ""]
        self.say(*paragraphs)

    def say(self, *paragraphs: str) -> None:
        """Add paragraphs."""
        for paragraph in paragraphs:
            self._lines += [paragraph, ""]

    def heading(self, text: str, level: int = 2) -> None:
        """Begin a section."""
        self.say(f"{'#' * level} {text}")

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Add a table, if it has rows."""
        lines = ["| " + " | ".join(map(cell, row)) + " |" for row in rows]
        if lines:
            self._lines += ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |", *lines, ""]

    def code(self, language: str, text: str) -> None:
        """Add a block of code."""
        self.say(f"```{language}\n{text.rstrip()}\n```")

    def need(self, text: str, what: str) -> str:
        """The text, as a sentence; without one the page is not complete."""
        if not text.strip():
            self.missing.append(what)
        return text.strip()

    def text(self) -> str:
        """The page."""
        return "\n".join(self._lines).rstrip() + "\n"


def cell(text: str) -> str:
    """Text in a table: on one line, with its bars escaped."""
    return " ".join(text.split()).replace("|", "\\|")


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = text.strip()
    if not text:
        return ""
    first = text[0].upper() + text[1:] if text[1:2].islower() or text[1:2] == " " else text
    return first if first[-1] in ".:!?" else f"{first}."
