"""The simple commands of a shell text, as far as they are visible without a shell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from seatrial.model.values import Argv

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r]+|\\\n|(?<![^\s;&|()])\#[^\n]*)
    |(?P<redirect>\d*(?:<<-?|<>|>>|>\||[<>])&?)
    |(?P<operator>\n|&&|\|\||\|&?|;+|&|[()`]|\$\()
    |(?P<part>'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\;&|()<>`$]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=.*", re.DOTALL)
_SHELL = re.compile(r"(?:ba|da|z|k|a)?sh")
_TEXT_FOLLOWS = re.compile(r"-[a-z]*c[a-z]*")
_PIPEFAIL = re.compile(r"\bset\b[^\n;&|]*\bpipefail\b")

KEYWORDS = frozenset({"!", "{", "}", "if", "then", "else", "elif", "fi", "while", "until", "do", "done", "esac"})
"""Words before a command in a shell text."""

WRAPPERS = frozenset(
    {"builtin", "command", "env", "exec", "ionice", "nice", "nohup", "setsid", "stdbuf", "sudo", "time", "timeout",
     "xargs"}
)  # fmt: skip
"""Programs for another program in their arguments."""

RUNNERS: Mapping[str, str] = {
    **dict.fromkeys(("uv", "poetry", "pdm", "pipenv", "hatch", "rye", "pixi", "conda", "doppler", "op"), "run"),
    **dict.fromkeys(("bundle", "npm", "pnpm", "yarn", "mise", "direnv"), "exec"),
}
"""Programs for another program, after this word."""

_VARIABLE = re.compile(r"\$\{?[#!]?([A-Za-z_]\w*)")

OF_THE_SHELL = frozenset({"PWD", "OLDPWD", "SHLVL", "_", "IFS", "PPID", "RANDOM", "SECONDS", "LINENO", "OPTARG"})
"""Variables that a shell sets itself."""


@dataclass(frozen=True, slots=True)
class Command:
    """The words of one simple command, without redirections."""

    words: tuple[str, ...]
    piped: bool = False
    """Whether its output goes into a pipe, so its exit code is lost without `pipefail`."""

    @property
    def programs(self) -> Iterator[tuple[str, Sequence[str]]]:
        """The started programs, each with its arguments: `env A=1 timeout 5 pytest` starts three."""
        words = list(self.words)
        while words and (words[0] in KEYWORDS or _ASSIGNMENT.fullmatch(words[0])):
            words.pop(0)
        while words:
            program = words.pop(0)
            yield program, words
            name = PurePath(program).name
            if RUNNERS.get(name, " ") in words:
                del words[: words.index(RUNNERS[name]) + 1]
            elif name not in WRAPPERS:
                return
            while words and (words[0][:1] in "-0123456789" or _ASSIGNMENT.fullmatch(words[0])):
                words.pop(0)


def commands_of(run: Argv) -> Iterator[Command]:
    """The commands of a check: of its text, or of its arguments; also of a text for `sh -c`."""
    for command in _commands(run) if isinstance(run, str) else (Command(tuple(run)),):
        yield command
        for program, words in command.programs:
            at = next((at for at, word in enumerate(words) if _TEXT_FOLLOWS.fullmatch(word)), len(words))
            if _SHELL.fullmatch(PurePath(program).name) and at + 1 < len(words):
                yield from commands_of(words[at + 1])


def variables_of(run: Argv) -> set[str]:
    """The environment variables that a text names."""
    texts = [run] if isinstance(run, str) else [words for command in commands_of(run) for words in command.words]
    if not isinstance(run, str) and not any(_SHELL.fullmatch(PurePath(word).name) for word in run):
        return set()
    return {name for text in texts for name in _VARIABLE.findall(text)} - OF_THE_SHELL


def needs_bash(text: str) -> bool:
    """Whether the text sets `pipefail`, an option of bash unknown to many a /bin/sh."""
    return _PIPEFAIL.search(text) is not None


def loses_failures(run: Argv) -> str:
    """A program in front of a pipe: without `pipefail`, its failure is lost. Empty: there is none."""
    if not isinstance(run, str) or needs_bash(run):
        return ""
    piped = (command for command in _commands(run) if command.piped)
    return next((program for command in piped for program, _ in command.programs), "")


def _commands(text: str) -> Iterator[Command]:
    words: list[str] = []
    word: str | None = None
    target = False
    for found in _TOKEN.finditer(f"{text}\n"):
        token, kind = found[0], found.lastgroup
        if kind == "part":
            word = (word or "") + _unquoted(token)
            continue
        if word is not None:
            if not target:
                words.append(word)
            word, target = None, False
        if kind == "redirect":
            target = True
        elif kind == "operator":
            if words:
                yield Command(tuple(words), piped=token in ("|", "|&"))
            words, target = [], False


def _unquoted(token: str) -> str:
    if token[:1] == "'" or (token[:1] == '"' and len(token) > 1):
        return token[1:-1]
    return token[1:] if token[:1] == "\\" else token
