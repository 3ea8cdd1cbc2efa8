"""What a `.dockerignore` keeps from a build: that decides nothing of the image, so it is no part of its digest."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import PathSpec
    from pathspec.pattern import Pattern

NAME = ".dockerignore"
OTHER = ".containerignore"
"""What Podman reads instead and Docker does not: where there is one, everything counts."""

_WILD = frozenset("*?[")


class Ignoring:
    """The patterns of one context; without a file of them nothing is left out."""

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
        # Unlike in a .gitignore every pattern begins at the top, and of a folder that is left out parts can come back.
        self._spec = PathSpec.from_lines("gitignore", list(map(_anchored, patterns)))
        self._brought_back = [_clean(one[1:]) for one in patterns if one.startswith("!")]

    def leaves_out(self, path: str) -> bool:
        """Whether the last pattern that a path, or a folder that it is in, is like leaves it out."""
        return self._spec is not None and bool(self._spec.check_file(path).include)

    def whole(self, folder: str) -> bool:
        """Whether nothing in a folder can come back."""
        if not self.leaves_out(folder):
            return False
        return not any(one.startswith(f"{folder}/") or _WILD & set(one) for one in self._brought_back)


def _anchored(pattern: str) -> str:
    return f"!/{_clean(pattern[1:])}" if pattern.startswith("!") else f"/{_clean(pattern)}"


def _clean(pattern: str) -> str:
    return str(PurePosixPath(pattern.strip().lstrip("/")))
