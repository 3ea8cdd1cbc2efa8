"""Files excluded from a build by `.dockerignore`: they do not affect the image, nor its digest."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import PathSpec
    from pathspec.pattern import Pattern

NAME = ".dockerignore"
OTHER = ".containerignore"
"""Read by Podman but not by Docker: with such a file, everything counts."""

_WILD = frozenset("*?[")


class Ignoring:
    """The patterns of one context; without a file, nothing is excluded."""

    def __init__(self, context: Path) -> None:
        self._spec: PathSpec[Pattern] | None = None
        self._brought_back: list[str] = []
        try:
            lines = (context / NAME).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return
        if (context / OTHER).exists():
            return
        from pathspec import PathSpec

        patterns = [one.strip() for one in lines if one.strip() and not one.startswith("#")]
        # Unlike in a .gitignore, every pattern starts at the top, and parts of an excluded folder can be included
        # again.
        self._spec = PathSpec.from_lines("gitignore", list(map(_anchored, patterns)))
        self._brought_back = [_clean(one[1:]) for one in patterns if one.startswith("!")]

    def leaves_out(self, path: str) -> bool:
        """Whether the last match for a path, or one of its parents, excludes it."""
        return self._spec is not None and bool(self._spec.check_file(path).include)

    def whole(self, folder: str) -> bool:
        """Whether no file of an excluded folder can be included again."""
        if not self.leaves_out(folder):
            return False
        return not any(one.startswith(f"{folder}/") or _WILD & set(one) for one in self._brought_back)


def _anchored(pattern: str) -> str:
    return f"!/{_clean(pattern[1:])}" if pattern.startswith("!") else f"/{_clean(pattern)}"


def _clean(pattern: str) -> str:
    return str(PurePosixPath(pattern.strip().lstrip("/")))
