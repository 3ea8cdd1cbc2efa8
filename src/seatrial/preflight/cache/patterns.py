"""Patterns of files: like those of .gitignore, from the source folder, with braces, and with brackets also literal."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathspec import PathSpec
    from pathspec.pattern import Pattern

MOST = 256
"""Alternatives of one pattern."""

TOOLS = frozenset(
    {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".tox", ".nox", ".venv", "venv",
     "node_modules", ".cache", ".import_linter_cache", ".idea", ".vscode"}
)  # fmt: skip
"""Caches of tools; they count only for a check that names them literally."""

_STAR = "[^/]*"
_REGEX = re.compile(r"\[\^/\]\*|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]\+?|\(\?:[^()]*\)\??|.")
"""The parts of pathspec's regular expressions."""

_WILD = re.compile(r"(?<!\\)[*?\[{]")


def alternatives(pattern: str) -> list[str]:
    """The patterns without braces for one with them: `*.{ts,js}`; one with brackets also as a literal name:
    `app/[id]/page.tsx`. At most MOST + 1."""
    found = list(itertools.islice(_without_braces(pattern), MOST + 1))
    if len(found) > 1:
        found.append(pattern)  # a file can have braces in its name
    literal = (re.sub(r"(?<!\\)[\[\]]", r"\\\g<0>", one) for one in found if "[" in one)
    return list(dict.fromkeys([*found, *literal]))


def matcher(patterns: Iterable[str]) -> PathSpec[Pattern]:
    """A matcher for these patterns; a folder's name covers its whole content."""
    from pathspec import PathSpec
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    def compiled(line: str) -> Pattern:
        regex, include = GitIgnoreSpecPattern.pattern_to_regex(line)
        return GitIgnoreSpecPattern(re.compile(linear(regex)) if regex else None, include)

    every = (one for pattern in patterns for one in alternatives(pattern))
    return PathSpec.from_lines(compiled, ["/" + one.removeprefix("./").lstrip("/") for one in every])


def linear(regex: str) -> str:
    """The regular expression of a pattern, with no way back into a `*` from the next one in the same name: with six of
    them, one file name could take minutes. As in git, `[!a]` is never a slash."""
    done = ""
    parts = [f"{one[:-1]}/]" if one[:2] == "[^" and one[2:3] != "/" else one for one in _REGEX.findall(regex)]
    for at, part in enumerate(parts):
        if part != _STAR:
            done += part
            continue
        after = list(
            itertools.takewhile(lambda one: one != "/" and one[:1] not in "($" and one != _STAR, parts[at + 1 :])
        )
        if parts[at + 1 + len(after) :][:1] == [_STAR]:
            done += f"(?>[^/]*?{''.join(after)})"
            parts[at + 1 : at + 1 + len(after)] = [""] * len(after)
        else:
            done += part
    return done


def matching(pattern: str) -> Callable[[str], bool]:
    """Whether a path of the source is like the pattern."""
    if outright(pattern)[1] and pattern.endswith("/**") and not _WILD.search(pattern[:-3]):
        inside = f"{outright(pattern)[0]}/"
        return lambda path: path.startswith(inside)
    spec = matcher([pattern])
    found = any_of(spec)
    return spec.match_file if found is None else lambda path: found.match(path) is not None


def any_of(spec: PathSpec[Any]) -> re.Pattern[str] | None:
    """One expression for every pattern of a matcher, whether it includes or excludes; None if they cannot be joined."""
    texts = []
    for pattern in spec.patterns:
        if pattern.include is None:  # a comment
            continue
        text: str = pattern.regex.pattern
        named = "(?P<ps_d>"  # a name may occur once in an expression
        if len(pattern.regex.groupindex) != text.count(named):
            return None
        texts.append(f"(?:{text.replace(named, '(?:')})")
    return re.compile("|".join(texts) or r"(?!)")


def parts_of(pattern: str) -> list[str]:
    """Its parts between slashes."""
    return [part for part in pattern.split("/") if part not in ("", ".")]


def outright(pattern: str) -> tuple[str, bool]:
    """The literal start of a pattern, and whether the rest has wildcards."""
    parts = parts_of(pattern)
    plain = list(itertools.takewhile(lambda part: not _WILD.search(part), parts))
    return re.sub(r"\\(.)", r"\1", "/".join(plain)), len(plain) < len(parts)


def files_like(folder: Path, pattern: str) -> list[Path]:
    """The files like a pattern of artifacts, whether git ignores them or not."""
    found: set[Path] = set()
    for one in alternatives(pattern):
        # `dist/**` also matches folders; only files are wanted.
        glob = re.sub(r"\\([\[\]])", r"[\1]", f"{one}/*" if one.endswith("**") else one)
        found |= {path for path in folder.glob(glob) if path.is_file()}
    return sorted(found)


def _without_braces(pattern: str) -> Iterator[str]:
    opened = -1
    depth, cuts = 0, list[int]()
    for at, letter in enumerate(pattern):
        if letter == "{":
            opened, depth = (at if depth == 0 else opened), depth + 1
        elif letter == "," and depth == 1:
            cuts.append(at)
        elif letter == "}" and depth:
            depth -= 1
            if depth == 0 and cuts:
                ends = [opened, *cuts, at]
                for start, end in itertools.pairwise(ends):
                    yield from _without_braces(pattern[:opened] + pattern[start + 1 : end] + pattern[at + 1 :])
                return
    yield pattern
