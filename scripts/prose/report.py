"""Read everything, compare it with the limits, and print the result."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.prose import markdown, phrases, python
from scripts.prose.allowances import Allowance, Limits, part_of
from scripts.prose.passages import Passage, documents, exceptions, sources
from scripts.prose.phrases import Finding
from scripts.prose.word_counts import WordCount, count


@dataclass(frozen=True, slots=True)
class Page:
    """One file, judged."""

    file: Path
    words: WordCount
    findings: Sequence[Finding]
    unused: frozenset[str] = frozenset()
    """Exceptions of the file without an occurrence."""


def read(root: Path) -> list[Page]:
    """Judge every document and every source of a checkout."""
    files = [*documents(root), *sources(root)]
    return [judge(file.relative_to(root), file.read_text()) for file in files]


def judge(file: Path, text: str) -> Page:
    """Judge one file."""
    passages = list((markdown if file.suffix == ".md" else python).read(file, text))
    found = [finding for passage in passages for finding in phrases.find(passage)]
    used = {name for passage in passages for name in passage.allowed if _occurs(name, passage)}
    return Page(file, count(passage.text for passage in passages), found, exceptions(text.split("\n")) - used)


def _occurs(name: str, passage: Passage) -> bool:
    return any(rule.name == name and next(rule.find(passage.text), None) for rule in phrases.RULES)


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of a checkout."""

    pages: Sequence[Page]
    limits: Limits

    @property
    def docs(self) -> WordCount:
        """Words of the documents."""
        return _sum(page for page in self.pages if page.file.suffix == ".md")

    @property
    def source(self) -> WordCount:
        """Words of docstrings and messages."""
        return _sum(page for page in self.pages if page.file.suffix != ".md")

    @property
    def guides(self) -> WordCount:
        """Words of the pages addressed to the reader."""
        return _sum(page for page in self.pages if any(page.file.match(pattern) for pattern in self.limits.guides))

    @property
    def together(self) -> WordCount:
        """All words."""
        return _sum(self.pages)

    def parts(self) -> dict[str, Allowance]:
        """The counts of each part."""
        pages: dict[str, list[Page]] = defaultdict(list)
        for page in self.pages:
            pages[part_of(page.file)].append(page)
        return {
            part: Allowance(_sum(those).relative_per_100, sum(len(page.findings) for page in those))
            for part, those in sorted(pages.items())
        }

    def figures(self) -> Iterator[str]:
        """The counts, in words."""
        for name, words in (("docs", self.docs), ("source", self.source), ("together", self.together)):
            limit = f", limit {self.limits.relative:.1f}" if name == "together" else ""
            yield f"{name:9} {words.relative_per_100:.2f} relative words per 100{limit} ({words.words} words)"
        guides, least = self.guides, f"at least {self.limits.you:.1f}"
        yield f"guides    {guides.you_per_100:.2f} you/your per 100, {least} ({guides.words} words)"

    def problems(self) -> Iterator[str]:
        """Everything over its limit."""
        if self.together.relative_per_100 > self.limits.relative:
            yield f"together: more than {self.limits.relative:.1f} relative words (that, which, what, whose) per 100"
        if self.guides.words and self.guides.you_per_100 < self.limits.you:
            yield f"guides: fewer than {self.limits.you:.1f} 'you' or 'your' per 100 words: address the reader"
        for page in self.pages:
            for name in sorted(page.unused):
                yield f"{page.file}: 'prose: allow {name}' has nothing to allow: remove it"
        for part, has in self.parts().items():
            may = self.limits.parts.get(part, Allowance())
            if has.relative > may.relative:
                yield f"{part}: {has.relative:.2f} relative words per 100, more than the allowance of {may.relative}"
            if has.findings > may.findings:
                yield f"{part}: {has.findings} phrases to rewrite, more than the allowance of {may.findings}:"
                yield from (
                    f"  {finding}" for page in self.pages if part_of(page.file) == part for finding in page.findings
                )


def _sum(pages: Iterator[Page] | Sequence[Page]) -> WordCount:
    return sum((page.words for page in pages), WordCount())
