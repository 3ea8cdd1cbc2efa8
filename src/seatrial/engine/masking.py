"""Secrets in text: every spelling of a known secret, and passwords in URLs, become `***`.

A character may be written in several ways (JSON, URLs, HTML, shells, SQL), so a secret is searched for as a sequence of
alternatives. A plain search for its longest word comes first: most texts cost one look.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from seatrial.engine.secret_codes import Coded, coded, codes_in
from seatrial.engine.secret_words import MASK, Reading, Word
from seatrial.engine.spellings import SHORTEST, forms_of

__all__ = ["MASK", "SHORTEST", "Masks", "hide_in_urls"]

CUT = 180
"""Minimum length of a text to search for an incomplete secret at its ends; names and ids are shorter."""

MANY = 20
"""Marks from which on a look for a word in the whole text is worth its price."""

_MARK = re.compile(r"…(?: ?\([^()\n]*\))?\n?|\n?\[\.\.\. \d+ bytes left out \.\.\.\]\n?|(?<!\.)\.{3,4}(?!\.)")
"""The words in place of text that was cut; more points are a dump's or a progress bar."""

_USERINFO = re.compile(r"(?i)([a-z][a-z0-9+.-]*:(?:\\*/){2})([^\s/?#\"'<>\\]*)@(?=[^\s@])")
_QUERY = re.compile(
    r"(?i)((?:[?&#;]|\\+u0026|%26|%3f)(?:amp;)?[\w.\[\]-]*?"
    r"(?:passw(?:or)?d\w*|passphrase|pwd|secret|token|credentials?|signature|(?<=[?&#;])(?:sig|key|auth|jwt|pass)"
    r"|(?:api|access|private|account|shared|auth|secret)[_-]?key)\]?(?:=|%3d))"
    r"(?:[^&#;\s\"'<>\\%:,.)]|[:,.)](?=[^&#;\s\"'<>\\])|%(?!26)[0-9a-f]{2})+"
)


class Masks:
    """The secrets of a run; `hide` is the way of every text out of the process."""

    def __init__(self) -> None:
        self._words: dict[str, Word] = {}
        self._codes: list[tuple[int, Coded]] = []
        self._whole: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._words)

    def add(self, secret: str) -> bool:
        """Hide this text from now on, in all its spellings; False if it is too short for that."""
        if len(secret) < SHORTEST:
            return False
        if secret not in self._whole:
            self._whole.add(secret)
            self._codes += coded(secret)
            known = {**self._words, **{text: Word(text, hex) for text, hex in forms_of(secret)}}
            # The longest first: a secret may be a part of another.
            self._words = dict(sorted(known.items(), key=lambda item: len(item[0]), reverse=True))
        return True

    def hide(self, text: str) -> str:
        """The text with every secret masked, even across line ends or with colours inside; passwords of URLs too."""
        text = hide_in_urls(text)
        if not self._words:
            return text
        for code in self._coded_in(text):
            text = code.hide(text)
        reading = Reading(text)
        for word in self._words.values():
            if len(word.needle) <= len(reading.text):
                text = word.hide(text, reading)
        return self._without_parts(text)

    def hide_all(self, value: object) -> object:
        """A JSON value with every secret masked, in keys and numbers too."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            return {self.hide(str(key)): self.hide_all(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.hide_all(item) for item in value]
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return MASK if self.hide(str(value)) == MASK else value
        return self.hide(str(value))

    def decided(self, text: str) -> int:
        """How much of a text can be masked before the rest of it comes: its whole lines, without those at their end
        that may be the beginning of a secret."""
        lines = text[: text.rfind("\n") + 1]
        words: list[Word | Coded] = [*self._words.values(), *self._coded_in(lines)]
        return min((word.begins_at(lines) for word in words), default=len(text))

    def occurs_in(self, data: bytes) -> bool:
        """Whether a secret may be in these bytes: a quick look before the search."""
        joined = data.translate(None, b" \t\r\n")
        plain = joined.lower().replace(b"0x", b"").translate(None, b":,-%=;&#\\x")
        for word in self._words.values():
            if not word.needle or word.needle.encode() in (plain if word.hex else joined):
                return True
        text = data.decode("utf-8", "surrogateescape")
        return any(code.occurs_in(text) for code in self._coded_in(text))

    def _coded_in(self, text: str) -> list[Coded]:
        """The secrets in the codes that this text may have."""
        numbers = codes_in(text) if self._codes else ()
        return [code for number, code in self._codes if number in numbers] if numbers else []

    def _without_parts(self, text: str) -> str:
        """The text without incomplete secrets at its ends and beside marks of a cut."""
        marks = list(_MARK.finditer(text)) if "…" in text or "..." in text else []
        if not marks and len(text) < CUT:
            return text
        words: list[Word | Coded] = [
            word for word in self._words.values() if len(marks) < MANY or word.may_be_cut_in(text)
        ]
        words += self._coded_in(text)
        pieces, at = [], 0
        for mark in [*marks, None]:
            piece = text[at : mark.start() if mark else len(text)]
            # The longest part wins: the end of one secret may be in another.
            if at or len(text) >= CUT:
                piece = min((word.hide_end(piece) for word in words), key=len, default=piece)
            if mark or len(text) >= CUT:
                piece = min((word.hide_beginning(piece) for word in words), key=len, default=piece)
            pieces += [piece, mark.group() if mark else ""]
            at = mark.end() if mark else at
        return "".join(pieces)


def hide_in_urls(text: str) -> str:
    """The text without the user and password of each URL, and without values named like a secret in a query."""
    if "@" in text:
        text = _USERINFO.sub(_without_userinfo, text)
    return _QUERY.sub(rf"\g<1>{MASK}", text) if "=" in text or "%3" in text else text


def _without_userinfo(found: re.Match[str]) -> str:
    scheme, user = found.groups()
    # The user alone of an SSH address is how to reach a machine, as in `ssh://root@127.0.0.1:2222`.
    alone = re.match(r"(?i)(?:git\+)?s(?:sh|ftp):", scheme) and not re.search(r"(?i):|%3a", user)
    return found.group() if alone else f"{scheme}{MASK}@"
