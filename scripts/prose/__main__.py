"""The command line of the prose check."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.prose.allowances import FILE, load, lowered
from scripts.prose.report import Page, Summary, read

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Check the whole checkout, or list every phrase of some files; exit code 1 for a problem."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.prose",
        description="Check the prose of documents, docstrings and messages against STYLE.md.",
    )
    parser.add_argument(
        "path", nargs="*", type=Path, help="files or folders: list every phrase in them, without allowances"
    )
    parser.add_argument("--lower", action="store_true", help="lower the allowances to the figures reached")
    options = parser.parse_args(arguments)
    summary = Summary(read(root), load(root))
    if options.path:
        return _list(summary.pages, [path.resolve().relative_to(root) for path in options.path])
    for line in summary.figures():
        print(line)
    if options.lower:
        words = summary.together.relative_per_100, summary.guides.you_per_100
        (root / FILE).write_text(lowered(summary.limits, summary.parts(), *words))
        return 0
    allowed = sum(part.findings for part in summary.limits.parts.values())
    print(f"phrases   {sum(len(page.findings) for page in summary.pages)} to rewrite, {allowed} allowed by {FILE}")
    problems = list(summary.problems())
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _list(pages: Sequence[Page], paths: list[Path]) -> int:
    chosen = [page for page in pages if any(page.file.is_relative_to(path) for path in paths)]
    for page in chosen:
        for finding in page.findings:
            print(finding)
        if page.words.words:
            relative, you = page.words.relative_per_100, page.words.you_per_100
            print(f"{page.file}: {relative:.1f} relative words per 100, {you:.1f} you/your")
    return 1 if any(page.findings for page in chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
