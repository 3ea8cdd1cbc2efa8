"""Makes `public/` from `pages/`: every page in one frame, without dead links."""

import html
import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGES, PUBLIC = HERE / "pages", HERE / "public"
LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")


def main() -> int:
    """Build all pages; 1 if one has a mistake, each with its file and line."""
    frame = (HERE / "frame.html").read_text()
    known = {page.stem for page in PAGES.glob("*.txt")}
    wrong: list[str] = []
    made: dict[str, str] = {}
    for page in sorted(PAGES.glob("*.txt")):
        title, *lines = page.read_text().splitlines()
        for number, line in enumerate(lines, start=2):
            wrong += [
                f"site/pages/{page.name}:{number}: error: there is no page {target!r} to link to"
                for _, target in LINK.findall(line)
                if ":" not in target and target not in known
            ]
        body = "\n".join(f"<p>{shown(line)}</p>" for line in lines if line.strip())
        made[page.stem] = frame.replace("{title}", html.escape(title)).replace("{body}", body)
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 1
    shutil.rmtree(PUBLIC, ignore_errors=True)
    PUBLIC.mkdir()
    for name, text in made.items():
        (PUBLIC / f"{name}.html").write_text(text)
    print(f"{len(made)} pages in {PUBLIC.relative_to(HERE.parent)}")
    return 0


def shown(line: str) -> str:
    """A line with its links."""

    def link(found: re.Match[str]) -> str:
        target = found[2] if ":" in found[2] else f"{found[2]}.html"
        return f'<a href="{target}">{found[1]}</a>'

    return LINK.sub(link, html.escape(line, quote=False))


if __name__ == "__main__":
    sys.exit(main())
