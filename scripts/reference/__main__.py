"""Write the pages of `docs/reference/`: `python -m scripts.reference`; with `--check` only compare them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scripts.reference.book import FOLDER, book


def main(arguments: Sequence[str]) -> int:
    """Write or compare every page; 1 when something has no text, or a page is out of date."""
    problems = []
    for name, page in book().items():
        file, text = FOLDER / name, page.text()
        if "--check" not in arguments:
            file.write_text(text, encoding="utf-8")
        elif not file.is_file() or file.read_text(encoding="utf-8") != text:
            problems.append(f"docs/reference/{name}: out of date: make reference")
        problems += [f"docs/reference/{name}: {what}" for what in page.missing]
    sys.stderr.write("".join(f"{line}\n" for line in problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
